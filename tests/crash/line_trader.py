"""A client of the line that trades while the venue is killed, and one session of it that outlives every kill.

line ──commands──▶ venue ──reports──▶ LINE SESSION ──▶ line_oracle
                                           └──records, as of every trader──▶ oracle

Other traders stop at a kill with something undecided. This one waits: its client connects to the venue that comes
back, goes on where it stopped, and every command that it sent is decided by what the line tells.
"""

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from holdfast.client import (
    LineClient,
    OrderEventKind,
    OrderStatus,
    OrderType,
    Outcome,
    PegPriceType,
    Report,
    Request,
    Side,
    TimeInForce,
)
from holdfast.client.orders import amend_order, cancel_order, new_order, replace_order
from holdfast.instruments import Instrument
from tests.crash.draws import order_terms
from tests.crash.records import SYMBOL, Record, Row, Sent
from tests.crash.traders import UNAVAILABLE, Trader

SECONDS_MAX = 120.0  # For an outcome, a restart of the venue included.
BURST = 12
_PEGS = {"PRIMARY_PEG": PegPriceType.PRIMARY, "MARKET_PEG": PegPriceType.MARKET}


class LineSession:
    """The session of one account on the line: everything that was sent and told since the beginning."""

    def __init__(self, socket: Path, key: dict[str, str], session: int) -> None:
        self.line = LineClient(socket, key["apiKey"], key["secretKey"], session=session, seconds_max=SECONDS_MAX)
        self.requests: list[Request] = []  # Of this round.
        self.reports: list[Report] = []  # Of this round.

    def submit(self, record: bytes) -> Request:
        request = self.line.submit(record)
        self.requests.append(request)
        return request

    def catch_up(self) -> None:
        """Be told everything that happened until now: what a command does is told after all that was before it."""
        self.line.connect()
        self.line.wait(self.submit(cancel_order(self.line.instrument(SYMBOL), target_client_id="nothing")))
        self.reports += self.line.read()


class LineTrader(Trader):
    """Trades over a session, one command at a time or a burst of them."""

    def __init__(self, record: Record, session: LineSession, seed: int, stop: threading.Event) -> None:
        super().__init__(record, 0, seed, stop)
        self._session = session

    def connect(self) -> None:
        self._session.line.connect()

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        market = self._session.line.instrument(SYMBOL)
        return self._outcome(what, self._session.submit(_command(market, what, parameters)))

    def _place_many(self, client_id: str) -> None:
        """Several orders on their way at once; there are no lists on the line."""
        market, burst = self._session.line.instrument(SYMBOL), []
        for number in range(BURST):
            terms = order_terms(self._random)
            sent = self.record.orders[f"{client_id}-{number}"] = Sent(f"{client_id}-{number}", terms)
            command = _command(market, "place", {**terms, "newClientOrderId": sent.client_id})
            burst.append((sent, self._session.submit(command)))
        for sent, request in burst:
            self._take(sent, *self._outcome("place", request))

    def _outcome(self, what: str, request: Request) -> tuple[int, Row]:
        """What became of it, in the words of REST."""
        market = self._session.line.instrument(SYMBOL)
        self._session.line.wait(request)
        self._session.reports += self._session.line.read()
        if request.outcome is not Outcome.DONE:
            return 503, {"code": UNAVAILABLE, "msg": f"{request.outcome} {request.refusal}"}
        if what == "replace":
            return _replaced(market, request)
        wanted = {
            "place": OrderEventKind.ORDER_ACCEPTED,
            "cancel": OrderEventKind.ORDER_CANCELED,
            "amend": OrderEventKind.ORDER_AMENDED,
        }[what]
        return _told(market, request, wanted)


def _command(market: Instrument, what: str, parameters: dict[str, str]) -> bytes:
    """The record that says what REST's parameters say."""
    if what == "cancel":
        return cancel_order(market, target_client_id=parameters["origClientOrderId"])
    if what == "amend":
        target, new = parameters["origClientOrderId"], parameters["newClientOrderId"]
        return amend_order(market, parameters["newQty"], target_client_id=target, client_id=new)
    own: dict[str, Any] = {
        "price": parameters.get("price"),
        "order_type": OrderType[parameters["type"]],
        "time_in_force": TimeInForce[parameters.get("timeInForce", "NONE")],
        "stop_price": parameters.get("stopPrice"),
        "trailing_delta_bips": int(parameters.get("trailingDelta", 0)),
        "iceberg_quantity": parameters.get("icebergQty"),
        "peg": _PEGS.get(parameters.get("pegPriceType", ""), PegPriceType.NONE),
        "client_id": parameters["newClientOrderId"],
    }
    side, quantity = Side[parameters["side"]], parameters["quantity"]
    if what == "place":
        return new_order(market, side, quantity, **own)
    return replace_order(market, side, quantity, target_client_id=parameters["cancelOrigClientOrderId"], **own)


def _told(market: Instrument, request: Request, wanted: OrderEventKind) -> tuple[int, Row]:
    """The order that the wanted report is about, as the command left it."""
    about = next((report.order_id for report in request.reports if report.kind == wanted), None)
    if about is None:
        return 400, {"code": -2010, "msg": request.reject_reason.name}
    own = [report for report in request.reports if report.order_id == about]
    return 200, {
        "orderId": about,
        "origClientOrderId": own[-1].client_id.decode(),
        "status": OrderStatus(own[-1].status).name,
        "executedQty": market.format_qty(own[-1].executed_lots),
        "fills": [*_fills(market, own)],
    }


def _fills(market: Instrument, reports: Iterable[Report]) -> Iterable[Row]:
    for report in reports:
        if report.kind == OrderEventKind.TRADE:
            qty, price = market.format_qty(report.last_lots), market.format_price(report.last_price_ticks)
            yield {"tradeId": report.trade_id, "qty": qty, "price": price}


def _replaced(market: Instrument, request: Request) -> tuple[int, Row]:
    canceled, cancel = _told(market, request, OrderEventKind.ORDER_CANCELED)
    placed, order = _told(market, request, OrderEventKind.ORDER_ACCEPTED)
    results = {200: "SUCCESS", 400: "FAILURE"}
    data = {
        "cancelResult": results[canceled],
        "cancelResponse": cancel,
        "newOrderResult": results[placed],
        "newOrderResponse": order,
    }
    return (200, data) if placed == canceled == 200 else (400, {"code": -2021, "data": data})
