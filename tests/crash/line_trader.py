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
from holdfast.client.orders import amend_order, cancel_order, new_order, replace_order, set_countdown
from holdfast.instruments import Instrument
from holdfast.line import ServerKind
from tests.crash.draws import order_terms
from tests.crash.records import NS_PER_MS, SYMBOL, Record, Row, Sent, Watch
from tests.crash.traders import UNAVAILABLE, Trader

SECONDS_MAX = 120.0  # For an outcome, a restart of the venue included.
BURST = 12
_PEGS = {"PRIMARY_PEG": PegPriceType.PRIMARY, "MARKET_PEG": PegPriceType.MARKET}


class LineSession:
    """The session of one account on the line: everything that was sent and told since the beginning."""

    def __init__(self, socket: Path, venue_port: int, key: dict[str, str], session: int) -> None:
        self.venue_port = venue_port
        self.line = LineClient(socket, key["apiKey"], key["secretKey"], session=session, seconds_max=SECONDS_MAX)
        self.watching = LineClient(  # Another session of the account, which has a connection at times.
            socket,
            key["apiKey"],
            key["secretKey"],
            session=session + 1,
            cancel_on_disconnect=True,
            seconds_max=SECONDS_MAX,
        )
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
        super().__init__(record, session.venue_port, seed, stop)
        self._session = session

    def connect(self) -> None:
        self._session.line.connect()

    def call(self, what: str, **parameters: Any) -> tuple[int, Any]:
        market = self._session.line.instrument(parameters.get("symbol", SYMBOL))
        return self._outcome(what, self._session.submit(_command(market, what, parameters)))

    def begin_watch(self, watch: Watch) -> None:
        """It holds once a command of the session is answered; the line watches all markets."""
        watch.symbol, line = "", self._session.watching
        line.connect()
        nothing = cancel_order(line.instrument(SYMBOL), target_client_id="nothing")
        watch.is_told = line.wait(line.submit(nothing)).outcome is Outcome.DONE
        line.read()  # What it is told is told to the session as well.

    def cut_watch(self, watch: Watch) -> None:  # noqa: ARG002 - it has one at a time
        self._session.watching.close()

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
        if what == "countdown":
            return _set_to(request)
        wanted = {
            "place": OrderEventKind.ORDER_ACCEPTED,
            "cancel": OrderEventKind.ORDER_CANCELED,
            "amend": OrderEventKind.ORDER_AMENDED,
        }[what]
        return _told(market, request, wanted)


def _command(market: Instrument, what: str, parameters: dict[str, Any]) -> bytes:
    """The record that says what REST's parameters say."""
    if what == "cancel":
        return cancel_order(market, target_client_id=parameters["origClientOrderId"])
    if what == "countdown":
        return set_countdown(parameters["countdownTime"], market if "symbol" in parameters else None)
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


def _set_to(request: Request) -> tuple[int, Row]:
    """What a timer was set to."""
    (report,) = request.reports
    assert report.kind == ServerKind.COUNTDOWN_SET, request.reject_reason
    shown: Row = {"countdownTime": str(report.qty_lots)}
    if report.qty_lots:
        shown["triggerTime"] = report.ts_ns // NS_PER_MS + report.qty_lots
    return 200, shown


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
