"""Clients that trade while the venue is killed, and keep what they sent and what they were told.

Their records are the oracle: nothing in here asks the venue what it thinks happened.
"""

import contextlib
import random
import threading
from decimal import Decimal
from typing import Any, ClassVar

from tests.crash.draws import LIST_KINDS, Leg, countdown_terms, list_terms, order_terms
from tests.crash.records import SCOPES, SYMBOL, Amendment, Record, Sent, SentCountdown, SentList, Watch, Withdrawal
from tests.crash.ws_session import WebSocketSession
from tests.support.operator import Operator
from tests.support.rest import Rest, UnansweredError

UNDECIDED = -1007
UNAVAILABLE = -1008  # What a gateway says while the venue is away: nothing of the request was or will be done.
WATCH_MS = 30_000  # What the venue sets the timer of a watched connection to.
_LOT = Decimal("0.00001")


class Trader(threading.Thread):
    """Sends orders and what changes them, one at a time, until the connection breaks, nothing is taken any more, or it
    is told to stop."""

    watches_max = 1  # At once.

    def __init__(self, record: Record, port: int, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.record = record
        self.acknowledged = 0
        self.failure: BaseException | None = None
        self._port = port
        self._random = random.Random(seed)
        self._stop_event = stop
        self._prefix = f"{seed:x}"
        self._opened = contextlib.ExitStack()
        self._watches: list[Watch] = []  # Of one scope.
        self._has_cut = False  # A watch; the venue may not have seen that yet.

    def run(self) -> None:
        try:
            self.connect()
            number = 0
            while not self._stop_event.is_set():
                number += 1
                self._one(f"{self._prefix}-{number}")
        except UnansweredError:
            pass  # The venue was killed; what was in the air stays undecided in the record.
        except BaseException as failure:  # Told by the harness, which owns this thread.
            self.failure = failure
        finally:
            for watch in [*self._watches]:
                self._end_watch(watch)
            self._opened.close()

    def connect(self) -> None:
        raise NotImplementedError

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        """`what`: place, cancel, replace, amend, countdown, a kind of list or cancel_list; (status, result or
        error)."""
        raise NotImplementedError

    def begin_watch(self, watch: Watch) -> None:
        """Open one more connection, which lets orders be canceled when it ends. UnansweredError."""
        raise NotImplementedError

    def cut_watch(self, watch: Watch) -> None:
        """End that connection, however."""
        raise NotImplementedError

    def _one(self, client_id: str) -> None:
        if self._watches and self._random.random() < 0.2:
            self._drop(self._random.choice(self._watches))
        choice = self._random.random()
        open_ids = [sent.client_id for sent in list(self.record.orders.values())[-40:] if self._may_be_open(sent)]
        if choice < 0.005 and not self._watches:
            self._begin_watches()
        elif choice < 0.03:
            self._set_countdown()
        elif choice < 0.2 and open_ids:
            self._cancel(self._random.choice(open_ids))
        elif choice < 0.3 and open_ids:
            self._replace(self._random.choice(open_ids), client_id)
        elif choice < 0.4 and open_ids:
            self._amend(self._random.choice(open_ids), client_id)
        elif choice < 0.55:
            self._place_many(client_id)
        else:
            self._place(client_id)

    @staticmethod
    def _may_be_open(sent: Sent) -> bool:
        return sent.reply is not None and sent.reply["status"] != "FILLED" and sent.canceled is None

    def _place(self, client_id: str) -> None:
        terms = order_terms(self._random)
        sent = self.record.orders[client_id] = Sent(client_id, terms)
        self._take(sent, *self.call("place", **terms, newClientOrderId=client_id))

    def _place_many(self, client_id: str) -> None:
        """Several orders at once: a list."""
        terms = list_terms(self._random)
        named = {f"{leg.prefix}ClientOrderId": f"{client_id}-{leg.prefix}" for leg in terms.legs}
        legs = [_leg(leg, name, client_id) for leg, name in zip(terms.legs, named.values(), strict=True)]
        if terms.kind not in ("oto", "opo"):  # The last two of all others are a pair.
            legs[-2].pair = legs[-1].pair = []
        for leg in legs[1:]:
            leg.is_selling_bought = terms.kind in ("opo", "opoco")
        sent = SentList(client_id, terms.kind, legs)
        self.record.lists.append(sent)
        self.record.orders |= {leg.client_id: leg for leg in legs}
        status, reply = self.call(terms.kind, **terms.parameters(), **named, listClientOrderId=client_id)
        if status == 200:
            sent.reply = reply
            reports = {report["clientOrderId"]: report for report in reply["orderReports"]}
            assert reports.keys() == {leg.client_id for leg in legs}, f"a list was acknowledged in part: {reply}"
            for leg in legs:
                self._take(leg, status, reports[leg.client_id])
            return
        for leg in legs:
            self._take(leg, status, reply)
        sent.refused = all(leg.refused for leg in legs)

    def _cancel(self, target: str) -> None:
        list_client_id = self.record.orders[target].list_client_id
        if list_client_id and self._random.random() < 0.5:
            status, reply = self.call("cancel_list", symbol=SYMBOL, listClientOrderId=list_client_id)
        else:
            status, reply = self.call("cancel", symbol=SYMBOL, origClientOrderId=target)
        if status == 200:
            self._canceled(reply)

    def _replace(self, target: str, client_id: str) -> None:
        terms = order_terms(self._random)
        sent = self.record.orders[client_id] = Sent(client_id, terms)
        status, reply = self.call(
            "replace",
            **terms,
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrigClientOrderId=target,
            newClientOrderId=client_id,
        )
        data = reply if status == 200 else reply.get("data") or {}
        if data.get("cancelResult") == "SUCCESS":
            self._canceled(data["cancelResponse"])
        if data.get("newOrderResult") == "SUCCESS":
            self._take(sent, 200, data["newOrderResponse"])
        else:
            self._take(sent, status, reply)

    def _amend(self, target: str, client_id: str) -> None:
        """Make it smaller, under the id that it has or under another one."""
        sent = self.record.orders[target]
        if not Decimal(sent.terms["quantity"]):
            return  # It sells what is not bought yet.
        smaller = (Decimal(sent.terms["quantity"]) * self._random.randint(3, 9) / 10).quantize(_LOT)
        sent.amending = Amendment(self._random.choice([target, client_id]), str(smaller))
        status, reply = self.call(
            "amend",
            symbol=SYMBOL,
            origClientOrderId=target,
            newClientOrderId=sent.amending.client_id,
            newQty=sent.amending.quantity,
        )
        if status == 200:
            self._amended(sent, sent.amending)
        elif reply["code"] == UNDECIDED:
            raise UnansweredError(reply["msg"])  # What it is called now is not known; there is no going on.
        else:
            assert status < 500 or reply["code"] == UNAVAILABLE, reply
        sent.amending = None

    def _amended(self, sent: Sent, amendment: Amendment) -> None:
        del self.record.orders[sent.client_id]
        self.record.orders[amendment.client_id] = sent
        sent.amend(amendment)
        self.acknowledged += 1

    def _take(self, sent: Sent, status: int, reply: Any) -> None:
        if status == 200:
            sent.reply = reply
            self.acknowledged += 1
        elif reply["code"] != UNDECIDED:
            assert status < 500 or reply["code"] == UNAVAILABLE, reply
            sent.refused = True

    def _canceled(self, reply: Any) -> None:
        """The reply to the cancel of an order, or of a list with each order of it that was still open."""
        for report in reply.get("orderReports", [reply]):
            assert report["status"] == "CANCELED", report
            self.record.orders[report["origClientOrderId"]].canceled = report
            self.acknowledged += 1

    # Timers.

    def _set_countdown(self) -> None:
        """By hand, but not the timer of watches that it has: that would be set anew by the venue, sooner or later."""
        watched = self._watches[0].symbol if self._watches else None
        symbol, countdown_ms = countdown_terms(self._random, watched)
        sent = SentCountdown(symbol, countdown_ms)
        self.record.countdowns.append(sent)
        self._take_countdown(sent, *self.call("countdown", countdownTime=countdown_ms, **scope_of(symbol)))

    def _take_countdown(self, sent: SentCountdown, status: int, reply: Any) -> None:
        if status == 200:
            sent.reply = reply
            self.acknowledged += 1
        elif reply["code"] == UNDECIDED:
            raise UnansweredError(reply["msg"])
        else:
            assert reply["code"] == UNAVAILABLE, reply
            sent.refused = True

    def _begin_watches(self) -> None:
        symbol = self._random.choice(SCOPES)
        for _ in range(self._random.randint(1, self.watches_max)):
            watch = Watch(symbol, self._port)
            self.record.watches.append(watch)
            self.begin_watch(watch)
            self._watches.append(watch)

    def _drop(self, watch: Watch) -> None:
        """It is wanted no longer."""
        self._end_watch(watch)

    def _end_watch(self, watch: Watch) -> None:
        """What is known to be open now must go."""
        watch.covered = [sent for sent in self.record.orders.values() if self._may_be_open(sent)]
        self._watches.remove(watch)
        self._has_cut = True
        self.cut_watch(watch)


def scope_of(symbol: str) -> dict[str, str]:
    """The parameters that say whose timer is meant."""
    return {"symbol": symbol} if symbol else {}


def _leg(leg: Leg, client_id: str, list_client_id: str) -> Sent:
    price = leg.terms.get("price", "0")
    return Sent(client_id, {"side": leg.side, "quantity": leg.quantity, "price": price}, list_client_id=list_client_id)


class _WatchingTrader(Trader):
    """Watches through WebSocket API sessions, which are the only way beside the line's."""

    watches_max = 2

    def __init__(self, record: Record, port: int, seed: int, stop: threading.Event) -> None:
        super().__init__(record, port, seed, stop)
        self._sessions: dict[Watch, WebSocketSession] = {}

    def begin_watch(self, watch: Watch) -> None:
        session = self._opened.enter_context(WebSocketSession(self._port, self.record.key))
        self._sessions[watch] = session
        status = self._switch(watch, WATCH_MS, is_enabled=True)
        watch.is_told = status == 200

    def cut_watch(self, watch: Watch) -> None:
        session = self._sessions.pop(watch)
        if self._random.random() < 0.5:
            session.abort()
        else:
            session.close()

    def _drop(self, watch: Watch) -> None:
        """End it, or switch it off before, so that its end does nothing; another one's timer goes on then."""
        if not self._has_cut and watch.is_told and self._random.random() < 0.5:
            others = [each for each in self._watches if each is not watch and each.is_told]
            watch.is_told = False
            watch.is_off = self._switch(watch, WATCH_MS if others else 0, is_enabled=False) == 200
            watch.is_told = not watch.is_off
        self._end_watch(watch)

    def _switch(self, watch: Watch, countdown_ms: int, *, is_enabled: bool) -> int:
        """Switch it on or off, which sets the timer to so much; the status."""
        sent = SentCountdown(watch.symbol, countdown_ms)
        self.record.countdowns.append(sent)
        scope = scope_of(watch.symbol)
        status, reply = self._sessions[watch].ask("session.cancelOnDisconnect", enabled=is_enabled, **scope)
        self._take_countdown(sent, status, reply)
        return status


class RestTrader(_WatchingTrader):
    _paths: ClassVar = {
        "place": ("POST", "/api/v3/order"),
        "cancel": ("DELETE", "/api/v3/order"),
        "replace": ("POST", "/api/v3/order/cancelReplace"),
        "amend": ("PUT", "/api/v3/order/amend/keepPriority"),
        "cancel_list": ("DELETE", "/api/v3/orderList"),
        "countdown": ("POST", "/api/holdfast/v1/countdownCancelAll"),
    } | {kind: ("POST", f"/api/v3/orderList/{kind}") for kind in LIST_KINDS}

    def connect(self) -> None:
        self._rest = self._opened.enter_context(Rest(self._port, self.record.key))

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        return self._rest.signed(*self._paths[what], **parameters)


class WebSocketTrader(_WatchingTrader):
    _methods: ClassVar = {
        "place": "order.place",
        "cancel": "order.cancel",
        "replace": "order.cancelReplace",
        "amend": "order.amend.keepPriority",
        "cancel_list": "orderList.cancel",
        "countdown": "countdownCancelAll",
    } | {kind: f"orderList.place.{kind}" for kind in LIST_KINDS}

    def connect(self) -> None:
        self._session = self._opened.enter_context(WebSocketSession(self._port, self.record.key))

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        return self._session.ask(self._methods[what], **parameters, recvWindow=60_000)


class Banker(threading.Thread):
    """Deposits, and withdrawals through all their steps, with references of its own."""

    def __init__(self, record: Record, operator: Operator, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.record = record
        self.acknowledged = 0
        self.failure: BaseException | None = None
        self._operator = operator
        self._random = random.Random(seed)
        self._stop_event = stop
        self._prefix = f"{seed:x}"

    def run(self) -> None:
        try:
            number = 0
            while not self._stop_event.is_set():
                number += 1
                self._deposit(f"{self._prefix}-d{number}")
                self._withdraw(f"{self._prefix}-w{number}")
        except UnansweredError:
            pass
        except BaseException as failure:
            self.failure = failure
        finally:
            self._operator.close()

    def _deposit(self, reference: str) -> None:
        self.record.deposits[reference] = False
        status, reply = self._operator.call(
            "POST", f"/accounts/{self.record.account}/deposits", {"asset": "USDT", "amount": "1.5"}, reference
        )
        assert status == 201, reply
        self.record.deposits[reference] = True
        self.acknowledged += 1

    def _withdraw(self, reference: str) -> None:
        withdrawal = self.record.withdrawals[reference] = Withdrawal(reference)
        status, reply = self._operator.call(
            "POST", f"/accounts/{self.record.account}/withdrawals", {"asset": "USDT", "amount": "0.5"}, reference
        )
        self._told(withdrawal, status, reply)
        for step in self._random.choice([["approve", "send"], ["refuse"], ["approve"], []]):
            status, reply = self._operator.call(
                "POST", f"/withdrawals/{withdrawal.withdrawal_id}/{step}", key=f"{reference}-{step}"
            )
            self._told(withdrawal, status, reply)

    def _told(self, withdrawal: Withdrawal, status: int, reply: Any) -> None:
        assert status in (200, 201), reply
        withdrawal.withdrawal_id, withdrawal.status = reply["withdrawalId"], reply["status"]
        self.acknowledged += 1
