"""Freqtrade strategies that buy at once, sell as soon as they hold or when the stop says so, and then keep still."""

from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy
from pandas import DataFrame


class OneRound(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    startup_candle_count = 0
    process_only_new_candles = False
    minimal_roi = {"0": 100}  # noqa: RUF012
    stoploss = -0.99
    order_types = {  # noqa: RUF012
        "entry": "limit",
        "exit": "limit",
        "stoploss": "market",
        "stoploss_on_exchange": False,
    }

    def populate_indicators(self, dataframe: DataFrame, metadata: dict) -> DataFrame:  # noqa: ARG002
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:  # noqa: ARG002
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict) -> DataFrame:  # noqa: ARG002
        dataframe["exit_long"] = 0
        return dataframe

    def confirm_trade_entry(self, pair: str, *_: object, **__: object) -> bool:
        return Trade.get_trades_proxy(pair=pair, is_open=False) == []

    def custom_exit(self, pair: str, trade: Trade, *_: object, **__: object) -> str | None:  # noqa: ARG002
        return None if trade.has_open_orders else "held long enough"


class StopOnExchange(OneRound):
    """Leaves selling to its stop, which waits on the exchange."""

    stoploss = -0.003
    order_types = {  # noqa: RUF012
        "entry": "limit",
        "exit": "limit",
        "stoploss": "limit",
        "stoploss_on_exchange": True,
        "stoploss_on_exchange_limit_ratio": 0.9,
    }

    def custom_exit(self, *_: object, **__: object) -> None:
        return None
