"""Clients that trade while the venue is killed, and keep what they sent and what they were told.

Their records are the oracle: nothing in here asks the venue what it thinks happened.
"""

import contextlib
import hashlib
import hmac
import json
import random
import threading
import time
from decimal import Decimal
from typing import Any, ClassVar

import websockets.sync.client
from websockets.exceptions import WebSocketException

from tests.crash.draws import Leg, list_terms, order_terms
from tests.crash.records import SYMBOL, Amendment, Record, Sent, SentList, Withdrawal
from tests.support.operator import Operator
from tests.support.rest import Rest, UnansweredError

UNDECIDED = -1007
UNAVAILABLE = -1008  # What a gateway says while the venue is away: nothing of the request was or will be done.
_LOT = Decimal("0.00001")


class Trader(threading.Thread):
    """Sends orders and what changes them, one at a time, until the connection breaks, nothing is taken any more, or it
    is told to stop."""

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
            self._opened.close()

    def connect(self) -> None:
        raise NotImplementedError

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        """`what`: place, cancel, replace, amend, oco, oto, otoco or cancel_list; (status, result or error)."""
        raise NotImplementedError

    def _one(self, client_id: str) -> None:
        choice = self._random.random()
        open_ids = [sent.client_id for sent in list(self.record.orders.values())[-40:] if self._may_be_open(sent)]
        if choice < 0.2 and open_ids:
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
        if terms.kind != "oto":  # The last two of an OCO and an OTOCO are a pair.
            legs[-2].pair = legs[-1].pair = []
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


def _leg(leg: Leg, client_id: str, list_client_id: str) -> Sent:
    price = leg.terms.get("price", "0")
    return Sent(client_id, {"side": leg.side, "quantity": leg.quantity, "price": price}, list_client_id=list_client_id)


class RestTrader(Trader):
    _paths: ClassVar = {
        "place": ("POST", "/api/v3/order"),
        "cancel": ("DELETE", "/api/v3/order"),
        "replace": ("POST", "/api/v3/order/cancelReplace"),
        "amend": ("PUT", "/api/v3/order/amend/keepPriority"),
        "oco": ("POST", "/api/v3/orderList/oco"),
        "oto": ("POST", "/api/v3/orderList/oto"),
        "otoco": ("POST", "/api/v3/orderList/otoco"),
        "cancel_list": ("DELETE", "/api/v3/orderList"),
    }

    def connect(self) -> None:
        self._rest = self._opened.enter_context(Rest(self._port, self.record.key))

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        return self._rest.signed(*self._paths[what], **parameters)


class WebSocketTrader(Trader):
    _methods: ClassVar = {
        "place": "order.place",
        "cancel": "order.cancel",
        "replace": "order.cancelReplace",
        "amend": "order.amend.keepPriority",
        "oco": "orderList.place.oco",
        "oto": "orderList.place.oto",
        "otoco": "orderList.place.otoco",
        "cancel_list": "orderList.cancel",
    }

    def connect(self) -> None:
        try:
            connection = websockets.sync.client.connect(f"ws://127.0.0.1:{self._port}/ws-api/v3")
            self._socket = self._opened.enter_context(connection)
        except (OSError, WebSocketException) as failure:
            raise UnansweredError(str(failure)) from failure
        self._id = 0
        self._logon()

    def _logon(self) -> None:
        parameters = {"apiKey": self.record.key["apiKey"], "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        secret = self.record.key["secretKey"].encode()
        signature = hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()
        status, reply = self._ask("session.logon", {**parameters, "signature": signature})
        assert status == 200, reply

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        return self._ask(
            self._methods[what], {**parameters, "timestamp": int(time.time() * 1000), "recvWindow": 60_000}
        )

    def _ask(self, method: str, parameters: dict[str, Any]) -> tuple[int, Any]:
        self._id += 1
        try:
            self._socket.send(json.dumps({"id": self._id, "method": method, "params": parameters}))
            reply = json.loads(self._socket.recv(timeout=30))
        except (OSError, EOFError, WebSocketException) as failure:
            raise UnansweredError(str(failure)) from failure
        assert reply["id"] == self._id, reply
        return reply["status"], reply.get("result", reply.get("error"))


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
