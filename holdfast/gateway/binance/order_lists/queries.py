"""Queries of order lists, read from the replica that answered its commands.

values → engine state and history → result

What is open comes from the engine, what is done from the history; see `gateway.binance.queries`.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from holdfast.codes import KeyPermission
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import Shown
from holdfast.gateway.binance.order_lists.formats import list_shown
from holdfast.gateway.binance.parameters import Parameter, client_id, end_ts_ns, integer, long, signed, timestamp_ns
from holdfast.gateway.binance.queries import ROWS_DEFAULT, ROWS_MAX, first_id, interval
from holdfast.instruments import Reference
from holdfast.views import OrderList

LIST = signed(Parameter("orderListId", long), Parameter("origClientOrderId", client_id))
OPEN_LISTS = signed()
ALL_LISTS = signed(
    Parameter("fromId", long),
    Parameter("startTime", timestamp_ns),
    Parameter("endTime", end_ts_ns),
    Parameter("limit", integer(1, ROWS_MAX)),
)


class ListHistory(Protocol):
    """What is kept of lists that are done; `holdfast.accounts.History`."""

    def order_lists(
        self, account_id: int, from_id: int = 0, start_ts_ns: int = 0, end_ts_ns: int = 0, limit: int = 500
    ) -> list[OrderList]: ...


class ListVenue(Protocol):
    """What queries of lists need of a replica."""

    @property
    def reference(self) -> Reference: ...
    @property
    def history(self) -> ListHistory: ...
    def order_lists(self, account_id: int) -> list[OrderList]: ...
    def order_list(self, account_id: int, order_list_id: int = 0, client_id: str = "") -> OrderList | None: ...
    def is_pending(self, account_id: int, client_id: str) -> bool: ...


class ListQueries:
    """What an account may ask about its lists."""

    def __init__(self, venue: ListVenue) -> None:
        self._venue = venue

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By WebSocket API method."""
        read = KeyPermission.READ
        return {
            "orderList.status": Endpoint(LIST, self.order_list, 4, read),
            "openOrderLists.status": Endpoint(OPEN_LISTS, self.open_order_lists, 6, read),
            "allOrderLists": Endpoint(ALL_LISTS, self.all_order_lists, 20, read),
        }

    def order_list(self, call: Call) -> bytes:
        """One by its client id, or else by its id."""
        order_list_id, named = call.values.get("orderListId", 0), call.values.get("origClientOrderId", "")
        if "orderListId" not in call.values and not named:
            raise ApiError(errors.RECOMMENDED_PARAMETER, "orderListId")
        found = self._venue.order_list(call.account_id, 0 if named else order_list_id, named)
        if found is None:
            if named and self._venue.is_pending(call.account_id, named):
                raise ApiError(errors.PENDING, data={"clientOrderId": named})
            raise ApiError(errors.NO_SUCH_ORDER_LIST)
        (shown,) = self._shown([found], call.time_unit_ns)
        return msgspec.json.encode(shown)

    def open_order_lists(self, call: Call) -> bytes:
        return msgspec.json.encode(self._shown(self._venue.order_lists(call.account_id), call.time_unit_ns))

    def all_order_lists(self, call: Call) -> bytes:
        """Open ones and those that are done: from an id on, or by the time of the newest change from a time on, the
        first of them; else the newest, the newest first, as Binance shows them."""
        values = call.values
        if "fromId" in values and not values.keys().isdisjoint({"startTime", "endTime"}):
            raise ApiError(errors.BAD_COMBINATION)
        start_ns, end_ns = interval(values)
        window = (first_id(values, "fromId"), start_ns, end_ns, values.get("limit", ROWS_DEFAULT))
        done = self._venue.history.order_lists(call.account_id, *window)
        chosen = chosen_lists([*done, *self._venue.order_lists(call.account_id)], *window)
        return msgspec.json.encode(self._shown(chosen, call.time_unit_ns))

    def _shown(self, order_lists: Iterable[OrderList], unit_ns: int) -> list[Shown]:
        instruments = self._venue.reference.instruments
        return [list_shown(instruments[each.instrument_id], each, unit_ns) for each in order_lists]


def chosen_lists(
    order_lists: Iterable[OrderList], from_id: int, start_ns: int, end_ns: int, limit: int
) -> list[OrderList]:
    """Those of a window, as they are shown."""
    held = [
        each
        for each in order_lists
        if each.order_list_id >= from_id and start_ns <= each.updated_ts_ns <= (end_ns or each.updated_ts_ns)
    ]
    chosen = sorted(held, key=_by_time if start_ns or end_ns else _by_id)
    return chosen[:limit] if from_id or start_ns else chosen[: -limit - 1 : -1]


def _by_id(order_list: OrderList) -> tuple[int, int]:
    return order_list.order_list_id, 0


def _by_time(order_list: OrderList) -> tuple[int, int]:
    return order_list.updated_ts_ns, order_list.order_list_id
