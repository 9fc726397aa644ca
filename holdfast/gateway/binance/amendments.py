"""Amendments: an order is made smaller and keeps its place in the queue; and what was amended of an order so far.

values → AMEND_ORDER → outcome → reply

Only the form is judged here: that the quantity is smaller, and passes the filters, is the engine's to say. Where the
client names no new id for the order, it gets one, as on Binance. An amendment is no new order and adds none to the
account's unfilled ones.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from holdfast.codes import CommandKind, KeyPermission, OrderEventKind
from holdfast.commands import encode
from holdfast.gateway.binance import errors, formats
from holdfast.gateway.binance.cancels import target_of
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.order_lists.formats import list_of_amended
from holdfast.gateway.binance.orders import (
    Outcome,
    RequestNumbers,
    find_instrument,
    new_client_id,
)
from holdfast.gateway.binance.parameters import Parameter, client_id, decimal, integer, long, signed, symbol
from holdfast.gateway.binance.pending import Pending
from holdfast.gateway.binance.queries import ROWS_DEFAULT, ROWS_MAX, History
from holdfast.instruments import Instrument, Reference

WEIGHT = 4

AMEND = signed(
    Parameter("symbol", symbol, is_required=True),
    Parameter("orderId", long),
    Parameter("origClientOrderId", client_id),
    Parameter("newClientOrderId", client_id),
    Parameter("newQty", decimal, is_required=True),
)
AMENDMENTS = signed(
    Parameter("symbol", symbol, is_required=True),
    Parameter("orderId", long, is_required=True),
    Parameter("fromExecutionId", long),
    Parameter("limit", integer(1, ROWS_MAX)),
)


class AmendVenue(Protocol):
    """What amending needs of a replica."""

    @property
    def reference(self) -> Reference: ...
    @property
    def history(self) -> History: ...
    @property
    def accepting(self) -> bool: ...
    @property
    def refusal(self) -> str: ...


class Amendments:
    """Amending orders, and asking about it."""

    def __init__(self, venue: AmendVenue, pending: Pending, request_numbers: RequestNumbers) -> None:
        self._venue = venue
        self._pending = pending
        self._request_numbers = request_numbers

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        return {
            "order.amend.keepPriority": Endpoint(AMEND, self.amend, WEIGHT, KeyPermission.TRADE),
            "order.amendments": Endpoint(AMENDMENTS, self.amendments, WEIGHT, KeyPermission.READ),
        }

    def amend(self, call: Call) -> None:
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        order_id, named = target_of(values, "orderId", "origClientOrderId", errors.ORDER_AMEND_REJECTED)
        qty_lots = instrument.qty_lots(values["newQty"])
        if not qty_lots:
            raise ApiError(errors.ORDER_AMEND_REJECTED, "Filter failure: LOT_SIZE")
        if not self._venue.accepting:
            raise ApiError(errors.UNAVAILABLE, self._venue.refusal)
        new_id = values.get("newClientOrderId") or new_client_id()
        command = self._request_numbers.command(
            call,
            CommandKind.AMEND_ORDER,
            instrument_id=instrument.instrument_id,
            qty_lots=qty_lots,
            order_id=order_id,
            client_id=new_id.encode(),
            target_client_id=named,
        )

        def reply(outcome: Outcome) -> bytes:
            return msgspec.json.encode(_amended(instrument, outcome, new_id, call.time_unit_ns))

        self._pending.submit(call, encode(command), new_id, command.deadline_ts_ns, reply)

    def amendments(self, call: Call) -> bytes:
        """Of one order, the oldest first; none for an order that is unknown or was never amended."""
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        found = self._venue.history.amendments(
            call.account_id,
            instrument.instrument_id,
            values["orderId"],
            max(1, values.get("fromExecutionId", 1)),
            values.get("limit", ROWS_DEFAULT),
        )
        return msgspec.json.encode([formats.amendment_shown(instrument, each, call.time_unit_ns) for each in found])


def _amended(instrument: Instrument, outcome: Outcome, new_id: str, unit_ns: int) -> formats.Shown:
    for event in outcome.orders:
        if event.kind == OrderEventKind.ORDER_AMENDED:
            shown = formats.order_amended(instrument, event, new_id, unit_ns)
            for changed in outcome.lists:
                shown["listStatus"] = list_of_amended(instrument, changed)
            return shown
        if event.kind == OrderEventKind.CANCEL_REJECTED:
            raise errors.amend_rejection(event.reason)
    # A poison command: the engine skipped it and halted the instrument.
    raise ApiError(errors.ORDER_AMEND_REJECTED, errors.MARKET_CLOSED)
