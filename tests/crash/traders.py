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
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

import websockets.sync.client
from websockets.exceptions import WebSocketException

from tests.support.operator import Operator
from tests.support.rest import Rest, UnansweredError

SYMBOL = "BTCUSDT"
UNDECIDED = -1007
UNAVAILABLE = -1008  # What a gateway says while the venue is away: nothing of the request was or will be done.
PRICES = [Decimal(40_000) + Decimal(step) / 100 for step in range(-20, 21)]


@dataclass
class Sent:
    """One order that was sent, or is open from an earlier round. `reply` is None while nobody knows."""

    client_id: str
    terms: dict[str, str] = field(default_factory=dict)
    reply: dict[str, Any] | None = None
    refused: bool = False
    canceled: dict[str, Any] | None = None  # The reply to its cancel.


@dataclass
class Withdrawal:
    """One withdrawal that was requested, with the last step that was acknowledged."""

    reference: str
    withdrawal_id: int = 0
    status: str = ""


@dataclass
class Record:
    """What one account sent in this round, in order, and its orders that were open at the beginning."""

    account: str
    key: dict[str, str]
    orders: dict[str, Sent] = field(default_factory=dict)
    deposits: dict[str, bool] = field(default_factory=dict)  # Reference → acknowledged.
    withdrawals: dict[str, Withdrawal] = field(default_factory=dict)


class Trader(threading.Thread):
    """Sends orders, cancels and replacements, one at a time, until the connection breaks or it is told to stop."""

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
        """`what`: place, cancel or replace; (status, result or error)."""
        raise NotImplementedError

    def _one(self, client_id: str) -> None:
        choice = self._random.random()
        open_ids = [sent.client_id for sent in list(self.record.orders.values())[-40:] if self._may_be_open(sent)]
        if choice < 0.25 and open_ids:
            self._cancel(self._random.choice(open_ids))
        elif choice < 0.4 and open_ids:
            self._replace(self._random.choice(open_ids), client_id)
        else:
            self._place(client_id)

    @staticmethod
    def _may_be_open(sent: Sent) -> bool:
        return sent.reply is not None and sent.reply["status"] != "FILLED" and sent.canceled is None

    def _terms(self) -> dict[str, str]:
        """A limit order; of five one waits for a price, which those of others then reach, one shows a part, and of ten
        one takes its price from the book."""
        size = self._random.randint(1, 50)
        terms = {
            "symbol": SYMBOL,
            "side": self._random.choice(["BUY", "SELL"]),
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": f"{size / 10_000:.4f}",
            "price": str(self._random.choice(PRICES)),
            "newOrderRespType": "FULL",
        }
        if self._random.random() < 0.2:
            terms["type"] = self._random.choice(["STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"])
            terms["stopPrice"] = str(self._random.choice(PRICES))
            if not terms["type"].endswith("LIMIT"):
                del terms["price"], terms["timeInForce"]
        if "price" in terms and self._random.random() < 0.2:
            terms["icebergQty"] = f"{max(1, size // 4) / 10_000:.4f}"
        if "price" in terms and self._random.random() < 0.1:
            terms["pegPriceType"] = self._random.choice(["PRIMARY_PEG", "MARKET_PEG"])
            del terms["price"]
        return terms

    def _place(self, client_id: str) -> None:
        terms = self._terms()
        sent = self.record.orders[client_id] = Sent(client_id, terms)
        status, reply = self.call("place", **terms, newClientOrderId=client_id)
        self._take(sent, status, reply)
        if status >= 500 and reply["code"] == UNAVAILABLE:
            raise UnansweredError(reply["msg"])  # There is nothing more to send to.

    def _cancel(self, target: str) -> None:
        status, reply = self.call("cancel", symbol=SYMBOL, origClientOrderId=target)
        if status == 200:
            self._canceled(target, reply)

    def _replace(self, target: str, client_id: str) -> None:
        terms = self._terms()
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
            self._canceled(target, data["cancelResponse"])
        if data.get("newOrderResult") == "SUCCESS":
            self._take(sent, 200, data["newOrderResponse"])
        else:
            self._take(sent, status, reply)

    def _take(self, sent: Sent, status: int, reply: Any) -> None:
        if status == 200:
            sent.reply = reply
            self.acknowledged += 1
        elif reply["code"] != UNDECIDED:
            assert status < 500 or reply["code"] == UNAVAILABLE, reply
            sent.refused = True

    def _canceled(self, target: str, reply: Any) -> None:
        assert reply["status"] == "CANCELED", reply
        self.record.orders[target].canceled = reply
        self.acknowledged += 1


class RestTrader(Trader):
    _paths: ClassVar = {
        "place": ("POST", "/api/v3/order"),
        "cancel": ("DELETE", "/api/v3/order"),
        "replace": ("POST", "/api/v3/order/cancelReplace"),
    }

    def connect(self) -> None:
        self._rest = self._opened.enter_context(Rest(self._port, self.record.key))

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        return self._rest.signed(*self._paths[what], **parameters)


class WebSocketTrader(Trader):
    _methods: ClassVar = {"place": "order.place", "cancel": "order.cancel", "replace": "order.cancelReplace"}

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
