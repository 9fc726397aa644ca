"""The naive exchange's trailing stops: each one is told every price, and remembers the best that it heard."""

from holdfast.codes import ExpiryReason, Side, TradingMode
from holdfast.config import BIPS
from tests.model.naive_admission import Admission
from tests.model.naive_state import Order


class Trailing(Admission):
    taker_prices: list[int]  # Of the trades of the last taker, until the trailing stops have heard of them.

    def follow_trades(self, instrument_id: int) -> None:
        """After a taker: those who trail hear its first price and its last one; then those start whom it has met."""
        if not self.taker_prices:
            return
        first, last = self.taker_prices[0], self.taker_prices[-1]
        self.taker_prices = []
        here = self.trailing(instrument_id)
        for order in here:
            if order.trailing_ts_ns:
                self.hear(order, first)
                self.hear(order, last)
        starting = [one for one in here if not one.trailing_ts_ns]
        met_at_once = [one for one in starting if self.is_start(one, first)]
        met_at_once.sort(key=lambda one: self.place_among_starts(one, first <= last))
        met_later = [one for one in starting if one not in met_at_once and self.is_start(one, last)]
        met_later.sort(key=lambda one: abs(one.stop_price_ticks - first))
        for order in met_at_once:
            self.start(order, first, last)
        for order in met_later:
            self.start(order, order.stop_price_ticks, last)

    def trailing(self, instrument_id: int) -> list[Order]:
        """Those that are placed, whether they follow the price already or not."""
        here = [one for one in self.open if one.instrument_id == instrument_id and one.is_waiting]
        return [one for one in here if one.trailing_delta_bips and not one.is_pending]

    def is_start(self, order: Order, price: int) -> bool:
        if order.starts_on_rise:
            return price >= order.stop_price_ticks
        return price <= order.stop_price_ticks

    def place_among_starts(self, order: Order, goes_up: bool) -> tuple[bool, int]:
        """Those that waited for the other direction come first; the nearest to where they waited for."""
        nearest = order.stop_price_ticks if order.starts_on_rise else -order.stop_price_ticks
        return order.starts_on_rise == goes_up, nearest

    def start(self, order: Order, start: int, last: int) -> None:
        if not self.have_room(self.pages_of_trail(order)):
            with self.acting(order.account_id, order.instrument_id):
                self.end_other(order)
                self.open.remove(order)
                self.expire(order, ExpiryReason.PAGES_FULL)
                self.leg_changed(order)
            return
        self.begin_to_trail(order, start)
        self.hear(order, last)

    def trail_at_once(self, order: Order) -> None:
        """A new order follows the price from the last one on, if it has no stop price and there is a last price."""
        if self.trails_at_once(order):
            self.begin_to_trail(order, self.instruments[order.instrument_id].last_price)

    def begin_to_trail(self, order: Order, price: int) -> None:
        self.trails += 1
        order.trail_number = self.trails
        order.trailing_ts_ns = self.command.ts_ns
        order.best_price = price

    def hear(self, order: Order, price: int) -> None:
        """A fall by so much from the highest price calls a sell, a rise from the lowest one a buy."""
        if order.side == Side.BUY:
            order.best_price = min(order.best_price, price)
            is_back = price * BIPS >= order.best_price * (BIPS + order.trailing_delta_bips)
        else:
            order.best_price = max(order.best_price, price)
            is_back = price * BIPS <= order.best_price * (BIPS - order.trailing_delta_bips)
        if is_back and self.instruments[order.instrument_id].mode == TradingMode.TRADING:
            order.is_called = True

    def next_called(self, instrument_id: int) -> Order | None:
        called = [one for one in self.trailing(instrument_id) if one.is_called]
        called.sort(key=lambda one: (one.side != Side.BUY, one.trailing_delta_bips, one.trail_number))
        return called[0] if called else None

    def expire(self, order: Order, reason: int) -> None:
        raise NotImplementedError
