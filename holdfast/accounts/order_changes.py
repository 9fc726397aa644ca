"""What befell orders and is told of them for good: amendments, matches that were prevented, and lists that are done.

history: EVENTS → tail (memory) → writer → schema → queries

Few orders meet any, so these are rows of their own from the beginning, like movements of money.
"""

from collections.abc import Iterable

import numpy as np

from holdfast.codes import ListOrderStatus, OrderEventKind, SelfTradePrevention
from holdfast.events import OrderEvent, OrderListEvent
from holdfast.views import Amendment, OrderList, PreventedMatch

_AMENDED = int(OrderEventKind.ORDER_AMENDED)
_EXPIRED = int(OrderEventKind.ORDER_EXPIRED)
_PREVENTED = int(OrderEventKind.TRADE_PREVENTED)


def order_changes(orders: np.ndarray, commands: np.ndarray, first_seq: int) -> Iterable[Amendment | PreventedMatch]:
    """Those that a batch's order events tell of; `commands` is the batch, `first_seq` its first number."""
    kinds = orders["kind"].tobytes()
    if _AMENDED in kinds:
        yield from _amendments(orders.take(np.flatnonzero(orders["kind"] == _AMENDED)), commands, first_seq)
    if _EXPIRED in kinds or _PREVENTED in kinds:
        is_end_or_less = (orders["kind"] == _EXPIRED) | (orders["kind"] == _PREVENTED)
        yield from _prevented_matches(orders.take(np.flatnonzero(is_end_or_less & (orders["trade_id"] != 0))))


def lists_done(lists: np.ndarray) -> Iterable[OrderList]:
    """The order lists that some list events say are done."""
    for event in map(OrderListEvent._make, lists.tolist()):
        if event.list_order_status == ListOrderStatus.ALL_DONE:
            yield OrderList.from_event(event)


def _amendments(amended: np.ndarray, commands: np.ndarray, first_seq: int) -> Iterable[Amendment]:
    before = 0
    for event in map(OrderEvent._make, amended.tolist()):
        # The first one is of the order that the command names; the other order of its pair keeps its client id.
        client_id = event.client_id if event.seq == before else commands[event.seq - first_seq]["client_id"]
        before = event.seq
        yield Amendment(
            event.account_event,
            event.order_id,
            event.account_id,
            event.instrument_id,
            event.client_id.decode("ascii"),
            client_id.decode("ascii"),
            event.qty_lots + event.last_lots,
            event.qty_lots,
            event.ts_ns,
            event.seq,
        )


def _prevented_matches(prevented: np.ndarray) -> Iterable[PreventedMatch]:
    """A match has one event for each order that lost something: the maker's, then the taker's, or one of them."""
    matches: dict[tuple[int, int], PreventedMatch] = {}
    for event in map(OrderEvent._make, prevented.tolist()):
        key = (event.instrument_id, event.trade_id)
        if event.is_maker:
            orders, mode = (event.counter_order_id, event.order_id), int(SelfTradePrevention.EXPIRE_MAKER)
            lots = (0, event.last_lots)
        else:
            orders, mode = (event.order_id, event.counter_order_id), event.self_trade_prevention
            lots = (event.last_lots, matches[key].maker_lots if key in matches else 0)
        matches[key] = PreventedMatch(
            event.trade_id,
            event.instrument_id,
            event.account_id,
            *orders,
            mode,
            event.last_price_ticks,
            *lots,
            event.ts_ns,
            event.seq,
        )
    return matches.values()
