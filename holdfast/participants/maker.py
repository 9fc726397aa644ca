"""A maker: keeps its slots of a ladder of quotes around the reference price.

A market's ladder has `LADDER_SLOTS` slots a side, at distances that grow from half a spread to most of a percent; its
makers share them. A quote stays while it is within a share of its distance from where it should be, so inner quotes
follow the price and outer ones hardly cost a command. Invariants: a slot has at most one order, and an open order that
is in no slot (a previous run's, a lost reply's) is canceled.

A slot learns what became of its order from replies, and from a list of open orders asked for every second or so.
"""

import math
import random

from holdfast.participants.conduct import Backoff, Budget, ClientIds, Wallet
from holdfast.participants.market import Market
from holdfast.participants.prices import ReferencePrices
from holdfast.participants.session import MarketView, Reply, TraderSession

LADDER_SLOTS = 36
_DISTANCE_MIN = 0.9e-4
_DISTANCE_MAX = 75e-4
_TOLERANCE = 0.45  # Of the distance.
_TOLERANCE_TICKS_MIN = 0.75
_TICKS_PER_SLOT = 1.1  # At least, so that a coarse grid still has many levels.
_REQUOTE_INTERVAL_NS = 1_200_000_000
_LITTER_AT_ONCE = 5
_POLL_INTERVAL_NS = 1_000_000_000
_ANSWER_OVERDUE_NS = 10 * 10**9
_INNER_VALUE = 900.0  # Of an order, in the quote currency's worth.
_VALUE_GROWTH = 0.35  # Per slot outwards.
_SKEW_PER_VALUE = 1e-4 / 8_000  # A surplus of so much moves the quotes by a basis point.
_SKEW_MAX = 15e-4


class Slot:
    """A place in the ladder and the order that fills it, if any."""

    __slots__ = (
        "changed",
        "client_id",
        "distance",
        "is_buy",
        "is_pending",
        "is_unclear",
        "next_client_id",
        "price_ticks",
        "rank",
        "sent_ns",
    )

    def __init__(self, is_buy: bool, rank: int) -> None:
        self.is_buy = is_buy
        self.rank = rank
        self.distance: float = _DISTANCE_MIN * (_DISTANCE_MAX / _DISTANCE_MIN) ** (rank / (LADDER_SLOTS - 1))
        self.client_id = ""  # Empty: no order.
        self.next_client_id = ""  # Of the order that is to take its place, while that is pending.
        self.price_ticks = 0
        self.is_pending = False  # Something was sent for it; nothing more is until that is settled.
        self.is_unclear = (
            False  # Pending, and the reply left open what became of it; the list of open orders will tell.
        )
        self.sent_ns = 0
        self.changed = 0  # The maker's count of events when the slot last changed; older lists say nothing about it.

    @property
    def holds_price(self) -> bool:
        return self.client_id != "" or self.next_client_id != ""

    def settle(self, client_id: str, changed: int) -> None:
        """The slot's order is now `client_id`, or none."""
        self.client_id, self.next_client_id = client_id, ""
        self.is_pending = self.is_unclear = False
        self.changed = changed

    def offset_ticks(self, fair_ticks: float) -> float:
        """The distance on the price grid; on a coarse one the slots still differ by a tick or two."""
        return max(self.distance * fair_ticks, _TICKS_PER_SLOT * self.rank)

    def target_ticks(self, fair_ticks: float) -> int:
        offset = self.offset_ticks(fair_ticks)
        return max(1, math.floor(fair_ticks - offset)) if self.is_buy else math.ceil(fair_ticks + offset)

    def is_beyond(self, fair_ticks: float) -> bool:
        """Whether the order stands on the wrong side of the reference: a gift."""
        return self.price_ticks >= fair_ticks if self.is_buy else self.price_ticks <= fair_ticks


class Maker:
    """One account's quotes in one market. `ranks` are the slots of the ladder that are its own, on both sides."""

    def __init__(
        self,
        name: str,
        market: Market,
        ranks: range,
        session: TraderSession,
        wallet: Wallet,
        budget: Budget,
        rng: random.Random,
    ) -> None:
        self._market = market
        self._session = session
        self._wallet = wallet
        self._budget = budget
        self._rng = rng
        self._slots = [Slot(is_buy, rank) for rank in ranks for is_buy in (True, False)]
        self._client_ids = ClientIds(name)
        self._backoff = Backoff(rng)
        self._now_ns = 0
        self._base_value = 1.0  # What one of the base asset is worth.
        self._changes = 0  # Requests sent and replies read.
        self._litter: list[str] = []  # Ids of open orders that are in no slot.
        self._is_synced = False  # Whether the open orders were listed once: before, nothing is placed.
        self._is_polling = False
        self._polled_ns = 0

    def step(self, now_ns: int, prices: ReferencePrices, view: MarketView) -> None:
        """Send what is due."""
        self._now_ns = now_ns
        self._wallet.step(now_ns)
        if not self._backoff.is_ready(now_ns):
            return
        self._poll()
        self._cancel_litter()
        if not self._is_synced or self._litter:
            return
        fair_ticks = self._market.in_ticks(self._fair(prices))
        bid, ask = view.best(self._market.symbol)
        bid_ticks = self._market.in_ticks(bid) + 0.5 if bid is not None else 0.0
        ask_ticks = self._market.in_ticks(ask) - 0.5 if ask is not None else math.inf
        for slot in self._due(fair_ticks):
            target_ticks = self._free_ticks(slot, slot.target_ticks(fair_ticks))
            would_take = target_ticks > ask_ticks if slot.is_buy else target_ticks < bid_ticks
            is_gift = slot.client_id != "" and slot.is_beyond(fair_ticks)
            if would_take and not is_gift:
                continue  # Somebody's old quote is in the way; it will be gone in a moment.
            if not self._backoff.is_ready(now_ns) or not self._budget.spend():
                return
            if would_take:
                self._take_away(slot)
            else:
                self._quote(slot, target_ticks)
            if self._backoff.is_probing:
                return

    def _fair(self, prices: ReferencePrices) -> float:
        """The reference, moved against what it has too much of."""
        self._base_value = prices.price(self._market.base, "")
        surplus_value = self._wallet.surplus(self._market.base) * self._base_value
        skew = max(-_SKEW_MAX, min(surplus_value * _SKEW_PER_VALUE, _SKEW_MAX))
        return prices.price(self._market.base, self._market.quote) * (1 - skew)

    def _due(self, fair_ticks: float) -> list[Slot]:
        """The slots to act on: gifts first, then from the inside out."""
        due: list[tuple[int, Slot]] = []
        for slot in self._slots:
            if slot.is_pending:
                continue
            if not slot.client_id:
                if self._now_ns >= slot.sent_ns + _REQUOTE_INTERVAL_NS // 2:
                    due.append((slot.rank, slot))
            elif slot.is_beyond(fair_ticks):
                due.append((-1, slot))
            elif self._now_ns >= slot.sent_ns + _REQUOTE_INTERVAL_NS:
                tolerance = max(_TOLERANCE * slot.offset_ticks(fair_ticks), _TOLERANCE_TICKS_MIN)
                if abs(slot.price_ticks - slot.target_ticks(fair_ticks)) > tolerance:
                    due.append((slot.rank, slot))
        due.sort(key=lambda pair: pair[0])
        return [slot for _, slot in due]

    def _free_ticks(self, slot: Slot, ticks: int) -> int:
        """The price, or the next one outwards where no other quote of this maker stands: each slot is a level."""
        taken = {s.price_ticks for s in self._slots if s is not slot and s.is_buy == slot.is_buy and s.holds_price}
        while ticks in taken:
            ticks += -1 if slot.is_buy else 1
        return max(ticks, 1)

    def _quote(self, slot: Slot, target_ticks: int) -> None:
        """Place the slot's order, or replace it."""
        client_id = self._client_ids.next(self._now_ns)
        parameters = self._order(slot, target_ticks, client_id)
        change = self._send(slot, client_id, target_ticks)
        if slot.client_id:
            parameters |= {"cancelOrigClientOrderId": slot.client_id, "cancelReplaceMode": "STOP_ON_FAILURE"}
            self._session.cancel_replace(parameters, lambda reply: self._on_reply(slot, change, reply))
        else:
            self._session.place(parameters, lambda reply: self._on_reply(slot, change, reply))

    def _take_away(self, slot: Slot) -> None:
        parameters = {"symbol": self._market.symbol, "origClientOrderId": slot.client_id}
        change = self._send(slot, "", 0)
        self._session.cancel(parameters, lambda reply: self._on_reply(slot, change, reply))

    def _send(self, slot: Slot, next_client_id: str, price_ticks: int) -> int:
        self._changes += 1
        slot.next_client_id, slot.price_ticks = next_client_id, price_ticks
        slot.is_pending, slot.sent_ns, slot.changed = True, self._now_ns, self._changes
        return self._changes

    def _on_reply(self, slot: Slot, change: int, reply: Reply) -> None:
        self._backoff.note(reply, self._now_ns)
        if slot.changed != change:
            return  # Overdue, and settled by a list since.
        self._changes += 1
        if reply.is_ok:
            slot.settle(slot.next_client_id, self._changes)
        elif slot.client_id == "" and 400 <= reply.status < 500:
            slot.settle("", self._changes)  # A new order, refused.
        else:
            slot.is_unclear, slot.changed = True, self._changes

    def _order(self, slot: Slot, price_ticks: int, client_id: str) -> dict[str, str]:
        value = _INNER_VALUE * (1 + _VALUE_GROWTH * slot.rank) * self._rng.lognormvariate(0, 0.6)
        lots = self._market.lots(value / self._base_value, self._market.price(price_ticks))
        return {
            "symbol": self._market.symbol,
            "side": "BUY" if slot.is_buy else "SELL",
            "type": "LIMIT_MAKER",
            "quantity": self._market.quantity_text(lots),
            "price": self._market.price_text(price_ticks),
            "newClientOrderId": client_id,
            "newOrderRespType": "ACK",
        }

    def _poll(self) -> None:
        """Ask for the open orders; an answer that never came is not waited for for ever."""
        wait_ns = _ANSWER_OVERDUE_NS if self._is_polling else _POLL_INTERVAL_NS
        if self._polled_ns and self._now_ns < self._polled_ns + wait_ns:
            return
        self._is_polling, self._polled_ns = True, self._now_ns
        asked = self._changes
        self._session.open_orders({"symbol": self._market.symbol}, lambda reply: self._on_open_orders(asked, reply))

    def _on_open_orders(self, asked: int, reply: Reply) -> None:
        self._is_polling = False
        if not reply.is_ok:
            self._backoff.note(reply, self._now_ns)
            return
        self._is_synced = True
        found = {order["clientOrderId"]: order for order in reply.body}
        known: set[str] = set()
        for slot in self._slots:
            is_overdue = slot.is_unclear or self._now_ns >= slot.sent_ns + _ANSWER_OVERDUE_NS
            if slot.changed <= asked and (is_overdue or not slot.is_pending):
                self._settle_from(slot, found)
            known |= {slot.client_id, slot.next_client_id}
        self._litter = [str(order["orderId"]) for client_id, order in found.items() if client_id not in known]

    def _settle_from(self, slot: Slot, found: dict[str, dict[str, str]]) -> None:
        client_id = slot.next_client_id if slot.next_client_id in found else slot.client_id
        order = found.get(client_id)
        if order is not None:
            slot.price_ticks = round(self._market.in_ticks(float(order["price"])))
        self._changes += 1
        slot.settle(client_id if order is not None else "", self._changes)

    def _cancel_litter(self) -> None:
        """Some at a time, beside the budget: it comes in one heap, after a restart. What stays is in the next list."""
        for order_id in self._litter[:_LITTER_AT_ONCE]:
            parameters = {"symbol": self._market.symbol, "orderId": order_id}
            self._session.cancel(parameters, lambda reply: self._backoff.note(reply, self._now_ns))
        del self._litter[:_LITTER_AT_ONCE]
