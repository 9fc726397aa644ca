"""Placing and canceling order lists.

values → form → ORDER_LIST_LEG … PLACE_ORDER_LIST, or CANCEL_ORDER_LIST → outcome → reply

A list is one atomic group of records, and is placed whole or not at all. It counts as as many unfilled orders as it
has. That a leg's own cancel or amendment concerns its list too is told where those are answered (`cancels`,
`amendments`).
"""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from holdfast.codes import CommandKind, KeyPermission, ListOrderStatus, OrderEventKind, RejectReason
from holdfast.commands import Command, encode, encode_order_list
from holdfast.events import OrderEvent, OrderListEvent
from holdfast.gateway.binance import errors, formats
from holdfast.gateway.binance.cancels import target_of
from holdfast.gateway.binance.endpoints import Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.order_lists import forms
from holdfast.gateway.binance.order_lists.formats import list_canceled, list_placed
from holdfast.gateway.binance.order_lists.forms import NewOrderList
from holdfast.gateway.binance.orders import (
    OrderVenue,
    Outcome,
    RequestNumbers,
    find_instrument,
    new_client_id,
    order_rejection,
)
from holdfast.gateway.binance.parameters import Parameter, Parameters, Values, client_id, long, signed, symbol
from holdfast.gateway.binance.pending import Pending
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.instruments import Reference

CANCEL = signed(
    Parameter("symbol", symbol, is_required=True),
    Parameter("orderListId", long),
    Parameter("listClientOrderId", client_id),
    Parameter("newClientOrderId", client_id),
)

Read = Callable[[Reference, Values], NewOrderList]


class OrderLists:
    """New order lists, and cancels of whole ones."""

    def __init__(
        self, venue: OrderVenue, pending: Pending, rate_limits: RateLimits, request_numbers: RequestNumbers
    ) -> None:
        self._venue = venue
        self._pending = pending
        self._rate_limits = rate_limits
        self._request_numbers = request_numbers

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        return {
            "orderList.place": self._placing(forms.OLD_OCO, forms.old_oco),
            "orderList.place.oco": self._placing_of(forms.OCO),
            "orderList.place.oto": self._placing_of(forms.OTO),
            "orderList.place.otoco": self._placing_of(forms.OTOCO),
            "orderList.place.opo": self._placing_of(forms.OPO),
            "orderList.place.opoco": self._placing_of(forms.OPOCO),
            "orderList.cancel": Endpoint(CANCEL, self.cancel, 1, KeyPermission.TRADE, Budget.CANCEL),
        }

    def _placing_of(self, form: forms.Form) -> Endpoint:
        return self._placing(form.parameters, partial(forms.new_order_list, form=form))

    def _placing(self, parameters: Parameters, read: Read) -> Endpoint:
        return Endpoint(parameters, lambda call: self._place(call, read), 1, KeyPermission.TRADE, Budget.ORDER)

    def _place(self, call: Call, read: Read) -> None:
        wanted = read(self._venue.reference, call.values)
        if not self._venue.accepting:
            raise ApiError(errors.UNAVAILABLE, self._venue.refusal)
        self._rate_limits.charge_order(call.account_id, call.received_ts_ns, len(wanted.legs))
        command = self._request_numbers.command(
            call,
            CommandKind.PLACE_ORDER_LIST,
            instrument_id=wanted.instrument.instrument_id,
            qty_lots=wanted.kind,
            client_id=wanted.client_id.encode(),
        )
        records = encode_order_list(command, [Command(**leg.terms()) for leg in wanted.legs])

        def reply(outcome: Outcome) -> bytes:
            return msgspec.json.encode(_placed(wanted, outcome, call.time_unit_ns))

        self._pending.submit(call, records, wanted.client_id, command.deadline_ts_ns, reply)

    def cancel(self, call: Call) -> None:
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        named_by = ("orderListId", "listClientOrderId")
        order_list_id, named = target_of(values, *named_by, unknown=errors.UNKNOWN_ORDER_LIST)
        cancel_id = values.get("newClientOrderId") or new_client_id()
        command = self._request_numbers.command(
            call,
            CommandKind.CANCEL_ORDER_LIST,
            instrument_id=instrument.instrument_id,
            order_id=order_list_id,
            client_id=cancel_id.encode(),
            target_client_id=named,
        )

        def reply(outcome: Outcome) -> bytes:
            for event in outcome.lists:
                if event.list_order_status == ListOrderStatus.REJECT:
                    raise errors.cancel_rejection(event.reason)
                shown = list_canceled(instrument, event, outcome.orders, cancel_id, call.time_unit_ns)
                return msgspec.json.encode(shown)
            # A poison command: the engine skipped it and halted the instrument.
            raise ApiError(errors.CANCEL_REJECTED, errors.MARKET_CLOSED)

        self._pending.submit(call, encode(command), cancel_id, command.deadline_ts_ns, reply)


def _placed(wanted: NewOrderList, outcome: Outcome, unit_ns: int) -> formats.Shown:
    """The reply to a new list; raises ApiError when the engine refused it."""
    if not outcome.lists:  # A poison command: the engine skipped it and halted the instrument.
        raise ApiError(errors.NEW_ORDER_REJECTED, errors.MARKET_CLOSED)
    event = outcome.lists[0]
    if event.list_order_status == ListOrderStatus.REJECT:
        raise _rejection(wanted, event, outcome.orders)
    return list_placed(wanted.instrument, event, outcome.orders, wanted.legs[0].response, unit_ns)


def _rejection(wanted: NewOrderList, event: OrderListEvent, orders: list[OrderEvent]) -> ApiError:
    """Why the engine refused a list: for what the list is, or for one of its orders."""
    if event.reason == RejectReason.DUPLICATE_LIST_CLIENT_ID:
        first = {"orderListId": event.order_list_id or -1, "listClientOrderId": event.client_id.decode()}
        return errors.rejection(event.reason, data=first)
    legs = {leg.client_id.encode(): leg for leg in wanted.legs}
    for each in orders:
        if each.kind == OrderEventKind.ORDER_REJECTED and each.reason == event.reason and each.client_id in legs:
            return order_rejection(each, legs[each.client_id])
    return errors.rejection(event.reason)
