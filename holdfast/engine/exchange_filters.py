"""Exchange filters: how much one account may have open over all instruments.

commands → engine (risk: EXCHANGE FILTERS) → events

Source: filters.md of Binance's documentation. Nothing is counted by account as orders come and go, which would touch
another row with every fill; where a venue sets such a limit, the account's positions are added up for each new order,
up to the limit.
"""

import numpy as np

from holdfast.codes import RejectReason
from holdfast.engine.jit import cold
from holdfast.engine.state import NIL, views


@cold
def judge_exchange_filters(handle, is_algo):
    """Whether the account of the order in hand may have another one open; `is_algo`: one with a stop price."""
    state = views(handle)
    venue = state.venue[0]
    orders_max = venue["exchange_orders_max"]
    algo_orders_max = venue["exchange_algo_orders_max"]
    open_count = np.int64(0)
    waiting_count = np.int64(0)
    row = state.accounts[state.taker[0]["account_id"]]["first_position"]
    while row != NIL:
        position = state.positions[row]
        open_count += position["open_count"]
        waiting_count += position["waiting_count"]
        if orders_max != 0 and open_count >= orders_max:
            return RejectReason.EXCHANGE_MAX_NUM_ORDERS.value
        row = position["next"]
    if is_algo and algo_orders_max != 0 and waiting_count >= algo_orders_max:
        return RejectReason.EXCHANGE_MAX_NUM_ALGO_ORDERS.value
    return RejectReason.NONE.value


@cold
def judge_exchange_icebergs(handle):
    """Whether the account of the order in hand may have another iceberg open."""
    state = views(handle)
    orders_max = state.venue[0]["exchange_iceberg_orders_max"]
    if orders_max == 0:
        return RejectReason.NONE.value
    count = np.int64(0)
    row = state.accounts[state.taker[0]["account_id"]]["first_position"]
    while row != NIL:
        count += state.positions[row]["iceberg_count"]
        row = state.positions[row]["next"]
    return RejectReason.EXCHANGE_MAX_NUM_ICEBERG_ORDERS.value if count >= orders_max else RejectReason.NONE.value
