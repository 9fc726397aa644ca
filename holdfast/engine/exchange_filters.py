"""Exchange filters: how much one account may have open over all instruments.

commands → engine (risk: EXCHANGE FILTERS) → events

Source: filters.md of Binance's documentation. Nothing is counted by account as orders come and go, which would touch
another row with every fill; where a venue sets such a limit, the account's positions are added up for each new order
or order list, up to the limit.
"""

import numpy as np

from holdfast.codes import RejectReason
from holdfast.engine.jit import cold
from holdfast.engine.state import NIL, views


@cold
def judge_exchange_filters(handle, account_id, more, more_algo):
    """Whether the account may have so many more orders open, and of them so many with a stop price."""
    state = views(handle)
    venue = state.venue[0]
    orders_max = venue["exchange_orders_max"]
    algo_orders_max = venue["exchange_algo_orders_max"]
    open_count = np.int64(more)
    waiting_count = np.int64(more_algo)
    row = state.accounts[account_id]["first_position"]
    while row != NIL and (orders_max == 0 or open_count <= orders_max):
        position = state.positions[row]
        open_count += position["open_count"]
        waiting_count += position["waiting_count"]
        row = position["next"]
    if orders_max != 0 and open_count > orders_max:
        return RejectReason.EXCHANGE_MAX_NUM_ORDERS.value
    if more_algo != 0 and algo_orders_max != 0 and waiting_count > algo_orders_max:
        return RejectReason.EXCHANGE_MAX_NUM_ALGO_ORDERS.value
    return RejectReason.NONE.value


@cold
def judge_exchange_icebergs(handle, account_id, more):
    """Whether the account may have so many more icebergs open."""
    state = views(handle)
    orders_max = state.venue[0]["exchange_iceberg_orders_max"]
    if orders_max == 0:
        return RejectReason.NONE.value
    count = np.int64(more)
    row = state.accounts[account_id]["first_position"]
    while row != NIL:
        count += state.positions[row]["iceberg_count"]
        row = state.positions[row]["next"]
    return RejectReason.EXCHANGE_MAX_NUM_ICEBERG_ORDERS.value if count > orders_max else RejectReason.NONE.value


@cold
def judge_exchange_lists(state, account_id):
    """Whether the account may have another order list open."""
    lists_max = state.list_head[0]["exchange_order_lists_max"]
    if lists_max == 0:
        return RejectReason.NONE.value
    count = np.int64(0)
    row = state.accounts[account_id]["first_position"]
    while row != NIL:
        count += state.position_lists[row]["open_count"]
        row = state.positions[row]["next"]
    return RejectReason.EXCHANGE_MAX_NUM_ORDER_LISTS.value if count >= lists_max else RejectReason.NONE.value
