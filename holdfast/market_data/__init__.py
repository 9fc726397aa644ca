"""Market data: books, depth images, trades, candles and tickers, from events."""

from holdfast.market_data.market_data import MarketData

__all__ = ["MarketData"]
