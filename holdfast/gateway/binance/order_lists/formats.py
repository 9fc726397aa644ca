"""Formats: order lists as Binance's JSON, in its field order.

events, views → FORMATS → replies, queries, user data stream
"""

from collections.abc import Iterable, Sequence

from holdfast.codes import ContingencyType, ListOrderStatus, ListStatusType, OrderEventKind, OrderStatus
from holdfast.events import OrderEvent, OrderListEvent
from holdfast.gateway.binance import formats
from holdfast.gateway.binance.formats import ResponseType, Shown
from holdfast.instruments import Instrument
from holdfast.views import OrderList

# Enumerations as Binance names them, by our number.
CONTINGENCIES = {member.value: member.name for member in ContingencyType}
STATUS_TYPES = {member.value: member.name for member in ListStatusType}
ORDER_STATUSES = {member.value: member.name for member in ListOrderStatus}

_ENDS = (OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH)


def list_shown(instrument: Instrument, order_list: OrderList, unit_ns: int) -> Shown:
    """A list as queries show it. Its time is that of the newest change of its status."""
    return {
        "orderListId": order_list.order_list_id,
        "contingencyType": CONTINGENCIES[order_list.contingency],
        "listStatusType": STATUS_TYPES[order_list.list_status_type],
        "listOrderStatus": ORDER_STATUSES[order_list.list_order_status],
        "listClientOrderId": order_list.client_id,
        "transactionTime": order_list.updated_ts_ns // unit_ns,
        "symbol": instrument.symbol,
        "orders": _legs_shown(instrument, order_list),
    }


def _legs_shown(instrument: Instrument, order_list: OrderList) -> list[Shown]:
    return [
        {"symbol": instrument.symbol, "orderId": order_id, "clientOrderId": client_id}
        for order_id, client_id in legs(order_list)
    ]


def legs(order_list: OrderList) -> list[tuple[int, str]]:
    """Id and client id of each order."""
    ids = (order_list.order_id_1, order_list.order_id_2, order_list.order_id_3)
    names = (order_list.client_id_1, order_list.client_id_2, order_list.client_id_3)
    return [*zip(ids, names, strict=True)][: order_list.leg_count]


def list_placed(
    instrument: Instrument,
    placed: OrderListEvent,
    events: Sequence[OrderEvent],
    response: ResponseType,
    unit_ns: int,
) -> Shown:
    """The reply to a new list. The working orders are shown as the command left them, those that wait for one as they
    were accepted: whoever wants to know what became of them since asks for them."""
    order_list = OrderList.from_event(placed)
    reports = []
    for order_id, _ in legs(order_list):
        own = [event for event in events if event.order_id == order_id]
        if own[0].status == OrderStatus.PENDING_NEW:
            own = own[:1]
        prevented = [event for event in events if formats.is_prevention(event) and _concerns(event, order_id)]
        reports.append(formats.order_placed(instrument, own, response, unit_ns, prevented))
    return {**list_shown(instrument, order_list, unit_ns), "orderReports": reports}


def _concerns(event: OrderEvent, order_id: int) -> bool:
    return order_id in (event.order_id, event.counter_order_id)


def list_canceled(
    instrument: Instrument, done: OrderListEvent, events: Iterable[OrderEvent], cancel_id: str, unit_ns: int
) -> Shown:
    """The reply to the cancel of a list or of one of its orders; `cancel_id` is the cancel's own client id."""
    order_list = OrderList.from_event(done)
    ended = {event.order_id: event for event in events if event.status in _ENDS}
    reports = [
        formats.order_canceled(instrument, ended[order_id], cancel_id, unit_ns)
        for order_id, _ in legs(order_list)
        if order_id in ended
    ]
    return {**list_shown(instrument, order_list, unit_ns), "orderReports": reports}


def canceled(
    instrument: Instrument, events: Sequence[OrderEvent], lists: Iterable[OrderListEvent], cancel_id: str, unit_ns: int
) -> Iterable[Shown]:
    """What a cancel tells of each order that it ended; of a list, once, in the place of its first order."""
    done = {event.order_list_id: event for event in lists if event.list_order_status == ListOrderStatus.ALL_DONE}
    for event in events:
        if event.kind != OrderEventKind.ORDER_CANCELED:
            continue
        if not event.order_list_id:
            yield formats.order_canceled(instrument, event, cancel_id, unit_ns)
        elif event.order_list_id in done:
            yield list_canceled(instrument, done.pop(event.order_list_id), events, cancel_id, unit_ns)


def list_of_amended(instrument: Instrument, event: OrderListEvent) -> Shown:
    """The list of an order that was amended, as the reply shows it beside the order."""
    order_list = OrderList.from_event(event)
    return {
        "orderListId": order_list.order_list_id,
        "contingencyType": CONTINGENCIES[order_list.contingency],
        "listOrderStatus": ORDER_STATUSES[order_list.list_order_status],
        "listClientOrderId": order_list.client_id,
        "symbol": instrument.symbol,
        "orders": _legs_shown(instrument, order_list),
    }


def list_status(instrument: Instrument, event: OrderListEvent, unit_ns: int) -> Shown:
    """What happened to a list, for the user data stream."""
    order_list = OrderList.from_event(event)
    time = event.ts_ns // unit_ns
    return {
        "e": "listStatus",
        "E": time,
        "s": instrument.symbol,
        "g": event.order_list_id,
        "c": CONTINGENCIES[event.contingency],
        "l": STATUS_TYPES[event.list_status_type],
        "L": ORDER_STATUSES[event.list_order_status],
        "r": formats.REJECT_REASONS.get(event.reason, "NONE"),
        "C": order_list.client_id,
        "T": time,
        "O": [{"s": instrument.symbol, "i": order_id, "c": client_id} for order_id, client_id in legs(order_list)],
    }
