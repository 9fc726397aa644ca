"""Those who trade at once: everyday takers, trend followers, and an arbitrageur between three markets.

None of them leaves an order open: they send MARKET orders and LIMIT orders that are immediate or canceled.
"""

import math
import random
from typing import NamedTuple

from holdfast.participants.conduct import Backoff, ClientIds, Wallet
from holdfast.participants.market import Market
from holdfast.participants.prices import ReferencePrices
from holdfast.participants.session import MarketView, Reply, TraderSession

# Takers: the pause between two orders of a taker in a market, so that hardly a second is without a trade.
_PAUSE_S_LEAST = 0.15
_PAUSE_S_MEAN = 0.35  # On top of the least, while the market is normal.
_PAUSE_S_MOST = 0.8
_VALUE_LEAST = 40.0
_VALUE_TAIL = 1.3  # Pareto's exponent: most orders are small, a few are a hundred times larger.
_VALUE_MOST = 15_000.0
_IMPATIENCE = 3e-4  # How far beyond the best price a limit order may take.

_TREND_STEP_S = 2.0
_TREND_FAST_S = 20.0
_TREND_SLOW_S = 120.0
_TREND_SIGNAL = 2e-4
_TREND_VALUE = 1_500.0
_TREND_VALUE_MOST = 15_000.0
_ARBITRAGE_STEP_S = 1.5
_ARBITRAGE_EDGE = 8e-4
_ARBITRAGE_VALUE = 800.0


class Trader:
    """What all of them share: an account's session and wallet, a pause when refused, orders that do not rest."""

    def __init__(self, name: str, session: TraderSession, wallet: Wallet, rng: random.Random) -> None:
        self._session = session
        self._wallet = wallet
        self._rng = rng
        self._backoff = Backoff(rng)
        self._client_ids = ClientIds(name)
        self._now_ns = 0
        self._next_ns = 0

    def _is_due(self, now_ns: int) -> bool:
        self._now_ns = now_ns
        self._wallet.step(now_ns)
        return now_ns >= self._next_ns and self._backoff.is_ready(now_ns)

    def _pause(self, seconds: float) -> None:
        self._next_ns = self._now_ns + round(seconds * 1e9)

    def _send(self, market: Market, is_buy: bool, terms: dict[str, str]) -> None:
        parameters = {
            "symbol": market.symbol,
            "side": "BUY" if is_buy else "SELL",
            "newClientOrderId": self._client_ids.next(self._now_ns),
            "newOrderRespType": "ACK",
            **terms,
        }
        self._session.place(parameters, self._on_reply)

    def _on_reply(self, reply: Reply) -> None:
        self._backoff.note(reply, self._now_ns)

    def _can_pay(self, market: Market, is_buy: bool, quantity: float, price: float) -> bool:
        if is_buy:
            return self._wallet.free(market.quote) > 1.01 * quantity * price
        return self._wallet.free(market.base) > 1.01 * quantity


class Taker(Trader):
    """Buys and sells in one market: in runs, with a nose for what it is worth, and back towards what it was given."""

    def __init__(self, name: str, market: Market, session: TraderSession, wallet: Wallet, rng: random.Random) -> None:
        super().__init__(name, session, wallet, rng)
        self._market = market
        self._mood = 0.0  # Above 0: it has been buying.

    def step(self, now_ns: int, prices: ReferencePrices, view: MarketView) -> None:
        if not self._is_due(now_ns):
            return
        pause_s = _PAUSE_S_LEAST + self._rng.expovariate(1 / _PAUSE_S_MEAN) / prices.volatility
        self._pause(min(pause_s, _PAUSE_S_MOST))
        bid, ask = view.best(self._market.symbol)
        if bid is None or ask is None:
            return
        market = self._market
        is_buy = self._rng.random() < self._inclination(prices.price(market.base, market.quote), (bid + ask) / 2)
        self._mood = 0.8 * self._mood + (0.2 if is_buy else -0.2)
        price = ask if is_buy else bid
        value = min(_VALUE_LEAST * self._rng.paretovariate(_VALUE_TAIL), _VALUE_MOST)
        quantity = value / prices.price(market.base, "")
        if not self._can_pay(market, is_buy, quantity, price):
            return
        self._send(market, is_buy, self._terms(is_buy, quantity, price))

    def _inclination(self, reference: float, middle: float) -> float:
        """The chance that it buys."""
        worth = math.tanh((reference / middle - 1) / 4e-4)
        stock = math.tanh(20 * self._wallet.surplus_share(self._market.base))
        return max(0.04, min(0.5 + 0.35 * worth + 0.25 * self._mood - 0.3 * stock, 0.96))

    def _terms(self, is_buy: bool, quantity: float, price: float) -> dict[str, str]:
        market, style = self._market, self._rng.random()
        lots = market.lots(quantity, price)
        if style < 0.6:
            return {"type": "MARKET", "quantity": market.quantity_text(lots)}
        if style < 0.75:
            return {"type": "MARKET", "quoteOrderQty": market.quote_text(quantity * price)}
        limit = price * (1 + _IMPATIENCE) if is_buy else price * (1 - _IMPATIENCE)
        ticks = math.ceil(market.in_ticks(limit)) if is_buy else math.floor(market.in_ticks(limit))
        text = market.price_text(max(ticks, 1))
        return {"type": "LIMIT", "timeInForce": "IOC", "quantity": market.quantity_text(lots), "price": text}


class TrendFollower(Trader):
    """Buys what has been rising and sells what has been falling, up to a largest position, and lets go in between."""

    def __init__(self, name: str, market: Market, session: TraderSession, wallet: Wallet, rng: random.Random) -> None:
        super().__init__(name, session, wallet, rng)
        self._market = market
        self._fast = 0.0
        self._slow = 0.0
        self._position = 0.0  # Base quantity that it went long (or, negative, short) of its stock.

    def step(self, now_ns: int, prices: ReferencePrices, view: MarketView) -> None:
        if not self._is_due(now_ns):
            return
        self._pause(_TREND_STEP_S * self._rng.uniform(0.8, 1.2))
        price = view.last_price(self._market.symbol)
        if price is None:
            return
        if self._slow == 0.0:
            self._fast = self._slow = price
        self._fast += (price - self._fast) * _TREND_STEP_S / _TREND_FAST_S
        self._slow += (price - self._slow) * _TREND_STEP_S / _TREND_SLOW_S
        signal = (self._fast / self._slow - 1) / _TREND_SIGNAL
        base_value = prices.price(self._market.base, "")
        wanted = 0.0 if abs(signal) < 1 else math.copysign(_TREND_VALUE_MOST, signal) / base_value
        gap = wanted - self._position
        most = _TREND_VALUE * self._rng.uniform(0.4, 1.6) / base_value
        quantity, is_buy = min(abs(gap), most), gap > 0
        if quantity < 0.2 * most or not self._can_pay(self._market, is_buy, quantity, price):
            return
        lots = self._market.lots(quantity, price)
        self._position += quantity if is_buy else -quantity
        self._send(self._market, is_buy, {"type": "MARKET", "quantity": self._market.quantity_text(lots)})


class Triangle(NamedTuple):
    """`cross` trades what `over` trades, priced in what `under` trades: ETH/BTC, ETH/USDT, BTC/USDT."""

    cross: Market
    over: Market
    under: Market


class Arbitrageur(Trader):
    """Holds the cross market to the other two: sells it and buys the way round when it is dear, and the reverse."""

    def __init__(
        self, name: str, triangle: Triangle, session: TraderSession, wallet: Wallet, rng: random.Random
    ) -> None:
        super().__init__(name, session, wallet, rng)
        self._triangle = triangle

    def step(self, now_ns: int, prices: ReferencePrices, view: MarketView) -> None:
        if not self._is_due(now_ns):
            return
        self._pause(_ARBITRAGE_STEP_S * self._rng.uniform(0.8, 1.2))
        cross, over, under = (view.best(market.symbol) for market in self._triangle)
        if cross[0] is None or over[0] is None or under[0] is None:
            return
        if cross[1] is None or over[1] is None or under[1] is None:
            return
        quantity = _ARBITRAGE_VALUE / prices.price(self._triangle.cross.base, "")
        if cross[0] > over[1] / under[0] * (1 + _ARBITRAGE_EDGE):
            self._trade(False, quantity, (cross[0], over[1], under[0]))
        elif cross[1] < over[0] / under[1] * (1 - _ARBITRAGE_EDGE):
            self._trade(True, quantity, (cross[1], over[0], under[1]))

    def _trade(self, buys_cross: bool, quantity: float, best: tuple[float, float, float]) -> None:
        """Three orders: the cross, the same quantity the other way, and the bridge between the two."""
        cross, over, under = self._triangle
        legs = (
            (cross, buys_cross, quantity, best[0]),
            (over, not buys_cross, quantity, best[1]),
            (under, buys_cross, quantity * best[0], best[2]),
        )
        if not all(self._can_pay(*leg) for leg in legs):
            return
        for market, is_buy, amount, price in legs:
            terms = {
                "type": "LIMIT",
                "timeInForce": "IOC",
                "quantity": market.quantity_text(market.lots(amount, price)),
                "price": market.price_text(round(market.in_ticks(price))),
            }
            self._send(market, is_buy, terms)
