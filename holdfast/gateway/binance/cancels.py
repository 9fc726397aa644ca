"""Cancels: one order, all of a symbol, and one that another order replaces.

values → CANCEL_ORDER, CANCEL_ALL or REPLACE_ORDER → outcome → reply

Cancels draw on a budget of their own and are tried even while new orders are refused.
"""

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from holdfast.codes import (
    CancelRestriction,
    CommandFlag,
    CommandKind,
    KeyPermission,
    OrderEventKind,
    RejectReason,
)
from holdfast.commands import Command, encode
from holdfast.events import OrderEvent
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.endpoints import Budget, Call, Endpoint
from holdfast.gateway.binance.errors import ApiError, Error
from holdfast.gateway.binance.formats import Shown
from holdfast.gateway.binance.order_lists.formats import canceled
from holdfast.gateway.binance.orders import (
    NEW_ORDER,
    NewOrder,
    OrderVenue,
    Outcome,
    RequestNumbers,
    find_instrument,
    new_client_id,
    new_order,
    order_rejection,
    placed,
)
from holdfast.gateway.binance.parameters import Parameter, Values, choice, client_id, long, signed, symbol
from holdfast.gateway.binance.pending import Pending
from holdfast.gateway.binance.rate_limits import RateLimits
from holdfast.instruments import Instrument


class ReplaceMode(IntEnum):
    STOP_ON_FAILURE = 1
    ALLOW_FAILURE = 2


class ExceededMode(IntEnum):
    """What a replacement does when the account has too many unfilled orders."""

    DO_NOTHING = 1
    CANCEL_ONLY = 2


_restrictions = choice(
    {
        "ONLY_NEW": CancelRestriction.ONLY_NEW,
        "ONLY_PARTIALLY_FILLED": CancelRestriction.ONLY_PARTIALLY_FILLED,
    },
    errors.INVALID_CANCEL_RESTRICTIONS,
)

CANCEL = signed(
    Parameter("symbol", symbol, is_required=True),
    Parameter("orderId", long),
    Parameter("origClientOrderId", client_id),
    Parameter("newClientOrderId", client_id),
    Parameter("cancelRestrictions", _restrictions),
)
CANCEL_ALL = signed(Parameter("symbol", symbol, is_required=True))
REPLACE = signed(
    *NEW_ORDER,
    Parameter("cancelReplaceMode", choice({member.name: member for member in ReplaceMode}), is_required=True),
    Parameter("cancelOrderId", long),
    Parameter("cancelOrigClientOrderId", client_id),
    Parameter("cancelNewClientOrderId", client_id),
    Parameter("cancelRestrictions", _restrictions),
    Parameter("orderRateLimitExceededMode", choice({member.name: member for member in ExceededMode})),
)

# Refusals of a replacement that are about the request, not about either of its orders.
_WHOLE = (
    RejectReason.DEADLINE_PASSED,
    RejectReason.KEY_INVALID,
    RejectReason.KEY_LACKS_PERMISSION,
    RejectReason.ACCOUNT_UNKNOWN,
    RejectReason.INSTRUMENT_UNKNOWN,
    RejectReason.MALFORMED,
)


class Cancels:
    """Cancels and replacements."""

    def __init__(
        self, venue: OrderVenue, pending: Pending, rate_limits: RateLimits, request_numbers: RequestNumbers
    ) -> None:
        self._venue = venue
        self._pending = pending
        self._rate_limits = rate_limits
        self._request_numbers = request_numbers

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        trade = KeyPermission.TRADE
        return {
            "order.cancel": Endpoint(CANCEL, self.cancel, 1, trade, Budget.CANCEL),
            "openOrders.cancelAll": Endpoint(CANCEL_ALL, self.cancel_all, 1, trade, Budget.CANCEL),
            "order.cancelReplace": Endpoint(REPLACE, self.replace, 1, trade, Budget.ORDER),
        }

    def cancel(self, call: Call) -> None:
        values = call.values
        instrument = find_instrument(self._venue.reference, values)
        target = target_of(values, "orderId", "origClientOrderId")
        cancel_id = values.get("newClientOrderId") or new_client_id()
        command = self._cancel_command(call, instrument, target, cancel_id)

        def reply(outcome: Outcome) -> bytes:
            return msgspec.json.encode(_canceled(instrument, outcome, cancel_id, call.time_unit_ns))

        self._pending.submit(call, encode(command), cancel_id, command.deadline_ts_ns, reply)

    def cancel_all(self, call: Call) -> None:
        instrument = find_instrument(self._venue.reference, call.values)
        cancel_id = new_client_id()
        command = self._request_numbers.command(
            call, CommandKind.CANCEL_ALL, instrument_id=instrument.instrument_id, client_id=cancel_id.encode()
        )

        def reply(outcome: Outcome) -> bytes:
            for event in outcome.orders:
                if event.kind == OrderEventKind.CANCEL_REJECTED:
                    raise errors.cancel_rejection(event.reason)
            shown = [*canceled(instrument, outcome.orders, outcome.lists, cancel_id, call.time_unit_ns)]
            if not shown:
                raise ApiError(errors.CANCEL_REJECTED, errors.UNKNOWN_ORDER)
            return msgspec.json.encode(shown)

        self._pending.submit(call, encode(command), cancel_id, command.deadline_ts_ns, reply)

    def replace(self, call: Call) -> None:
        values = call.values
        order = new_order(self._venue.reference, values)
        target = target_of(values, "cancelOrderId", "cancelOrigClientOrderId")
        cancel_id = values.get("cancelNewClientOrderId") or new_client_id()
        if not self._venue.accepting:
            raise ApiError(errors.UNAVAILABLE, self._venue.refusal)
        try:
            self._rate_limits.charge_order(call.account_id, call.received_ts_ns)
        except ApiError as too_many:
            if values.get("orderRateLimitExceededMode") != ExceededMode.CANCEL_ONLY:
                raise
            self._cancel_only(call, order, target, cancel_id, too_many)
            return
        allows_failure = values["cancelReplaceMode"] == ReplaceMode.ALLOW_FAILURE
        order_id, client_id = target
        command = self._request_numbers.command(
            call,
            CommandKind.REPLACE_ORDER,
            cancel_restriction=values.get("cancelRestrictions", CancelRestriction.NONE),
            order_id=order_id,
            target_client_id=client_id,
            **order.terms(CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS if allows_failure else 0),
        )

        def reply(outcome: Outcome) -> bytes:
            return msgspec.json.encode(_replaced(order, outcome, cancel_id, allows_failure, call.time_unit_ns))

        self._pending.submit(call, encode(command), order.client_id, command.deadline_ts_ns, reply, cancel_id)

    def _cancel_only(
        self, call: Call, order: NewOrder, target: tuple[int, bytes], cancel_id: str, too_many: ApiError
    ) -> None:
        """Cancel without placing, since the account has too many unfilled orders and asked for just that."""
        command = self._cancel_command(call, order.instrument, target, cancel_id)

        def reply(outcome: Outcome) -> bytes:
            shown = _cancel_part(order.instrument, outcome, cancel_id, call.time_unit_ns)
            raise _replace_failure(shown, too_many.as_dict(), "FAILURE", status=too_many.status)

        self._pending.submit(call, encode(command), cancel_id, command.deadline_ts_ns, reply)

    def _cancel_command(self, call: Call, instrument: Instrument, target: tuple[int, bytes], cancel_id: str) -> Command:
        order_id, client_id = target
        return self._request_numbers.command(
            call,
            CommandKind.CANCEL_ORDER,
            cancel_restriction=call.values.get("cancelRestrictions", CancelRestriction.NONE),
            instrument_id=instrument.instrument_id,
            order_id=order_id,
            client_id=cancel_id.encode(),
            target_client_id=client_id,
        )


def target_of(
    values: Values,
    order_id: str,
    client_id: str,
    refusal: Error = errors.CANCEL_REJECTED,
    unknown: str = errors.UNKNOWN_ORDER,
) -> tuple[int, bytes]:
    """The order or list that is meant, by its id, its client id, or both."""
    if order_id not in values and client_id not in values:
        raise ApiError(errors.EITHER_PARAMETER, order_id, client_id)
    if values.get(order_id) == 0:
        raise ApiError(refusal, unknown)  # 0 means "none" in a command.
    return values.get(order_id, 0), values.get(client_id, "").encode()


def _canceled(instrument: Instrument, outcome: Outcome, cancel_id: str, unit_ns: int) -> Shown:
    for shown in canceled(instrument, outcome.orders, outcome.lists, cancel_id, unit_ns):
        return shown
    for event in outcome.orders:
        if event.kind == OrderEventKind.CANCEL_REJECTED:
            raise errors.cancel_rejection(event.reason)
    # A poison command: the engine skipped it and halted the instrument.
    raise ApiError(errors.CANCEL_REJECTED, errors.MARKET_CLOSED)


def _cancel_part(instrument: Instrument, outcome: Outcome, cancel_id: str, unit_ns: int) -> Shown | ApiError:
    try:
        return _canceled(instrument, outcome, cancel_id, unit_ns)
    except ApiError as error:
        return error.with_traceback(None)  # It leads to who keeps it, and would hold the batch's events.


def _replaced(order: NewOrder, outcome: Outcome, cancel_id: str, allows_failure: bool, unit_ns: int) -> Shown:
    """The reply when both worked; raises the table of Binance's document for everything else."""
    rejected = _rejected(outcome.orders)
    if rejected is not None and rejected.reason in _WHOLE and not _has_canceled(outcome.orders):
        raise order_rejection(rejected, order)
    canceled = _cancel_part(order.instrument, outcome, cancel_id, unit_ns)
    if rejected is not None and rejected.reason == RejectReason.REPLACE_CANCEL_FAILED:
        raise _replace_failure(canceled, None, "NOT_ATTEMPTED")
    try:
        new = placed(order, outcome, unit_ns)
    except ApiError as error:
        if isinstance(canceled, ApiError) and not allows_failure and error.data is None:
            raise _replace_failure(canceled, None, "NOT_ATTEMPTED") from error
        raise _replace_failure(canceled, error.as_dict(), "FAILURE") from error
    if isinstance(canceled, ApiError):
        raise _replace_failure(canceled, new, "SUCCESS")
    return {
        "cancelResult": "SUCCESS",
        "newOrderResult": "SUCCESS",
        "cancelResponse": canceled,
        "newOrderResponse": new,
    }


def _replace_failure(canceled: Shown | ApiError, new: Shown | None, new_result: str, status: int = 0) -> ApiError:
    """-2021 when one of the two worked, -2022 when neither did; `status` overrides the usual 409 or 400."""
    cancel_failed = isinstance(canceled, ApiError)
    data = {
        "cancelResult": "FAILURE" if cancel_failed else "SUCCESS",
        "newOrderResult": new_result,
        "cancelResponse": canceled.as_dict() if isinstance(canceled, ApiError) else canceled,
        "newOrderResponse": new,
    }
    error = errors.REPLACE_FAILED if cancel_failed and new_result != "SUCCESS" else errors.REPLACE_PARTIALLY_FAILED
    return ApiError(error._replace(status=status) if status else error, data=data)


def _rejected(events: list[OrderEvent]) -> OrderEvent | None:
    return next((event for event in events if event.kind == OrderEventKind.ORDER_REJECTED), None)


def _has_canceled(events: list[OrderEvent]) -> bool:
    return any(event.kind == OrderEventKind.ORDER_CANCELED for event in events)
