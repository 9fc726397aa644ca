"""The state of the exchange: what every row means, and the one NamedTuple that holds all of it.

    commands → engine (risk → match → settle), all of it on this STATE → events

Every pool's row 0 is NIL and stays zero. Rows with an identity are numbered from 1 in the order in which commands made
them: account, asset, instrument, key and withdrawal ids are row numbers. Rows never move; balances, positions and
operators' keys are never freed. The hashes (`*_slots`) and everything in `step`, `taker`, `audit_*` and `out` are
derived or passing: a snapshot leaves them out, and so does the state hash.

Fields are int64 so that pure Python, which does not widen, computes the same; narrow ones are only copied and compared.
"""

from typing import NamedTuple

import numpy as np

from holdfast import config
from holdfast.commands import command_words_dtype
from holdfast.engine.book import BOOK, Book
from holdfast.engine.handle import Layout
from holdfast.engine.jit import row_type
from holdfast.engine.view import views_of
from holdfast.events import (
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    list_event_words_dtype,
    order_event_words_dtype,
)

NIL = 0
# 2: prevented matches are numbered. 3: orders have the fields of all of Binance's types. 4: an instrument knows whether
# it has a reference price; legs of lists may be of all types.
RULES_VERSION = 4

PARAMETERS_PER_INSTRUMENT = 64  # More than there are now, so that a new parameter moves nothing.
BUCKETS_PER_INSTRUMENT = 5
REFERENCE_ROWS = 64  # Per instrument.
LEGS_MAX = 3  # Of an order list.
LEG_ROWS = 2  # Where they begin in `taker`.
SKIPPED_MAX = 1_000  # Poison commands that are remembered by seq; the count goes on.

_client_id_words = [*[(f"client_id_{i}", np.int64) for i in range(4)], ("client_id_4", np.int32)]

venue_dtype = np.dtype(
    [
        ("seq", np.int64),  # Of the last command that was begun.
        ("ts_ns", np.int64),  # Its event time.
        ("clock_ts_ns", np.int64),  # Its deadline clock.
        ("index", np.int64),  # Events of this command so far.
        ("events_hash", np.int64),
        ("hash_seed", np.int64),  # From the first command's time, so that nobody can choose ids that collide.
        ("rules_version", np.int64),
        ("is_killed", np.int64),
        ("order_count", np.int64),  # The last order id.
        ("open_order_count", np.int64),
        ("asset_count", np.int64),  # The last id of each of these.
        ("instrument_count", np.int64),
        ("account_count", np.int64),
        ("key_count", np.int64),
        ("withdrawal_count", np.int64),
        ("balance_count", np.int64),
        ("position_count", np.int64),
        ("operator_key_count", np.int64),
        ("skipped_count", np.int64),
        ("client_id_rows", np.int64),  # The highest row that was ever in use.
        ("client_id_free", np.int64),  # Free rows, last in, first out.
        ("client_id_count", np.int64),
        ("closed_first", np.int64),  # Ids of closed orders in the order of closing.
        ("closed_last", np.int64),
        ("closed_count", np.int64),
        ("refused_first", np.int64),  # Ids of refused orders in the order of refusal.
        ("refused_last", np.int64),
        ("refused_count", np.int64),
        ("crowded_out_ts_ns", np.int64),  # When the last id that left for lack of room had been closed.
        ("orders_max", np.int64),
        ("client_ids_max", np.int64),
        ("client_id_horizon_ns", np.int64),
        ("operator_keys_max", np.int64),
        ("balances_max", np.int64),
        ("accounts_max", np.int64),
        ("waiting_count", np.int64),  # Open orders that wait for their stop price.
        ("countdown_rows", np.int64),  # The highest row that was ever in use.
        ("countdown_free", np.int64),  # Free rows, last in, first out.
        ("countdown_count", np.int64),
        ("countdowns_max", np.int64),
        ("exchange_orders_max", np.int64),  # Open orders of an account, and those of them that wait; 0: no limit.
        ("exchange_algo_orders_max", np.int64),
        ("exchange_iceberg_orders_max", np.int64),  # And icebergs.
    ]
)

asset_dtype = np.dtype(
    [
        *_client_id_words,  # The code.
        ("decimals", np.int32),
        ("deposited", np.int64),
        ("withdrawn", np.int64),  # Withdrawals that were sent, and fees that were withdrawn.
        ("holdings", np.int64),  # The sum of free + locked + in_transit over all accounts.
        ("in_transit", np.int64),
        ("fees", np.int64),  # Collected and not yet withdrawn. deposited - withdrawn = holdings + fees.
    ]
)

instrument_dtype = np.dtype(
    [
        *_client_id_words,  # The symbol.
        ("mode", np.int32),  # TradingMode
        ("base_asset", np.int64),
        ("quote_asset", np.int64),
        ("tick_e8", np.int64),
        ("lot_units", np.int64),
        ("units_per_tick_lot", np.int64),
        ("last_price_ticks", np.int64),
        ("trade_count", np.int64),  # The last trade id, aggregate trade id and book update id.
        ("aggregate_count", np.int64),
        ("update_count", np.int64),
        ("prevented_count", np.int64),  # The last prevented match's id.
        ("iceberg_count", np.int64),  # Its open icebergs.
        ("rules", np.int64),  # InstrumentRule bits, from its parameters.
    ]
)

schedule_dtype = np.dtype(  # What is to become of an instrument's mode by itself.
    [
        ("next_ts_ns", np.int64),  # When the next mode is due; 0: nothing is scheduled, and all others are 0.
        ("cancel_only_ns", np.int64),  # How long each mode to come is to last; 0: it is left out.
        ("auction_ns", np.int64),
        ("last_mode", np.int64),  # TradingMode after those.
    ]
)

bucket_dtype = np.dtype(
    [
        ("minute", np.int64),  # Of event time.
        ("lots", np.int64),
        ("tick_lots", np.int64),  # The sum of price_ticks x lots.
    ]
)

reference_bucket_dtype = np.dtype(
    [
        ("number", np.int64),  # Event time / its width.
        ("count", np.int64),  # Of trades, and the sum of their prices in ticks; both x 10,000.
        ("sum", np.int64),
    ]
)

account_dtype = np.dtype(
    [
        ("parent_id", np.int64),
        ("is_frozen", np.int64),
        ("maker_fee_ppm", np.int64),  # -1: the instrument's.
        ("taker_fee_ppm", np.int64),
        ("created_ts_ns", np.int64),
        ("event_count", np.int64),  # The last `account_event`.
        ("first_balance", np.int64),  # Chains in the order of creation.
        ("last_balance", np.int64),
        ("first_position", np.int64),
        ("last_position", np.int64),
        ("first_withdrawal", np.int64),
        ("last_withdrawal", np.int64),
    ]
)

key_dtype = np.dtype(
    [
        ("account_id", np.int64),
        ("permissions", np.int64),  # KeyPermission bits
        ("key_type", np.int64),
        ("is_revoked", np.int64),
    ]
)

balance_dtype = np.dtype(  # One cache line.
    [
        ("account_id", np.int64),
        ("asset_id", np.int64),
        ("free", np.int64),
        ("locked", np.int64),  # Held for open orders.
        ("in_transit", np.int64),  # Held for withdrawals.
        ("next", np.int64),  # The account's next balance.
        ("reserved", np.int64, 2),
    ]
)

position_dtype = np.dtype(  # An account in an instrument.
    [
        ("account_id", np.int64),
        ("instrument_id", np.int64),
        ("base_row", np.int64),  # Its balances.
        ("quote_row", np.int64),
        ("open_count", np.int64),
        ("open_buy_lots", np.int64),
        ("first_order", np.int64),  # Its open orders in the order in which they came to rest.
        ("last_order", np.int64),
        ("next", np.int64),  # The account's next position.
        ("waiting_count", np.int64),  # Of its open orders, those that wait for their stop price.
        ("iceberg_count", np.int64),  # Of its open orders, the icebergs.
    ]
)

# What the engine knows of an order beside the book's row of the same number.
detail_dtype = np.dtype(
    [
        ("order_id", np.int64),
        ("created_ts_ns", np.int64),
        ("updated_ts_ns", np.int64),
        ("updated_seq", np.int64),
        ("price_ticks", np.int64),
        ("qty_lots", np.int64),
        ("executed_lots", np.int64),
        ("executed_quote_units", np.int64),
        ("quote_units", np.int64),
        ("prevented_lots", np.int64),
        ("account_id", np.int32),
        ("instrument_id", np.int32),
        ("key_id", np.int32),
        ("position", np.int32),
        ("older", np.int32),  # The position's open orders.
        ("younger", np.int32),
        ("client_id_row", np.int32),
        ("client_id_4", np.int32),
        ("client_id_0", np.int64),
        ("client_id_1", np.int64),
        ("client_id_2", np.int64),
        ("client_id_3", np.int64),
        ("side", np.int8),
        ("order_type", np.int8),
        ("time_in_force", np.int8),
        ("self_trade_prevention", np.int8),
        ("status", np.int8),
        ("peg_price_type", np.int8),
        ("trailing_delta_bips", np.int16),
        ("stop_price_ticks", np.int64),  # 0: none.
        ("iceberg_lots", np.int64),  # How much is shown at a time; 0: all.
        ("trailing_ts_ns", np.int64),  # When a trailing stop began to follow the price; 0: not yet, or none.
        ("working_ts_ns", np.int64),  # When its stop price was reached, or (in a list, without one) it was placed.
        ("amend_count", np.int16),
        ("peg_offset_levels", np.int16),
        ("list_row", np.int32),  # The order list that it is in; 0: none.
    ]
)

# Of an order that follows the price, beside its detail; zero of all others. See `trails.py`.
trail_dtype = np.dtype(
    [
        ("extreme_ticks", np.int64),  # The best price since, where the order is the first who has seen it; else 0.
        ("older", row_type),  # The runs before and after that which it begins then; of its level, in a ring.
        ("younger", row_type),
    ]
)

client_id_dtype = np.dtype(  # One cache line.
    [
        *_client_id_words,
        ("account_id", np.int32),
        ("order_id", np.int64),  # 0: refused.
        ("ts_ns", np.int64),  # Of closing; of a refused one the deadline; of an open one the row of its former id.
        ("link", np.int32),  # While the order is open its row; afterwards the next entry in its queue, or free.
        ("status", np.int32),  # OrderStatus of its end; NEW while it is open; NONE: forgotten, but still queued.
    ]
)

# An open order list. Its orders are found by their ids; one that is not found has ended, or is in hand.
order_list_dtype = np.dtype(
    [
        *_client_id_words,
        ("kind", np.int32),  # OrderListKind
        ("order_list_id", np.int64),  # 0 only while the row is free.
        ("order_id_1", np.int64),
        ("order_id_2", np.int64),
        ("order_id_3", np.int64),  # 0: it has two.
        *[(f"leg_1_client_id_{i}", np.int64) for i in range(4)],
        ("leg_1_client_id_4", np.int32),
        ("account_id", np.int32),
        *[(f"leg_2_client_id_{i}", np.int64) for i in range(4)],
        ("leg_2_client_id_4", np.int32),
        ("instrument_id", np.int32),
        *[(f"leg_3_client_id_{i}", np.int64) for i in range(4)],
        ("leg_3_client_id_4", np.int32),
        ("key_id", np.int32),
        ("position", np.int32),
        ("client_id_row", np.int32),
        ("phase", np.int32),  # PENDING, DUE, PAIRED or SINGLE
        ("older", np.int32),  # The position's open lists.
        ("younger", np.int32),  # Of a free row: the next free one.
        ("next_due", np.int32),  # While it is DUE: whose pending orders are placed after its own.
        ("leg_count", np.int64),
        ("holder_id", np.int64),  # PAIRED: the order that holds the funds of both, since it needs more; 0: no pair.
        ("held_units", np.int64),  # OPO: what the working order has bought, locked for the pending orders.
        ("created_ts_ns", np.int64),
        ("updated_ts_ns", np.int64),
        ("updated_seq", np.int64),
    ]
)

# `order_list.phase`: what depends on what.
PENDING = 1  # The pending orders wait for the working one to be filled.
DUE = 2  # It is filled; the pending ones are placed before the next command.
PAIRED = 3  # Each of two orders ends the other.
SINGLE = 4  # One order is left, on which nothing depends.

list_head_dtype = np.dtype(
    [
        ("list_count", np.int64),  # The last order list id.
        ("open_list_count", np.int64),
        ("list_rows", np.int64),  # The highest row that was ever in use.
        ("list_free", np.int64),  # Free rows, last in, first out.
        ("order_lists_max", np.int64),
        ("exchange_order_lists_max", np.int64),  # Open lists of an account; 0: no limit.
        ("leg_count", np.int64),  # How many orders of a list have come whose own record comes next.
        ("leg_seq", np.int64),  # The last of them.
    ]
)

position_lists_dtype = np.dtype(  # Of the position in the same row.
    [("open_count", np.int64), ("first_list", np.int64), ("last_list", np.int64)]
)

operator_key_dtype = np.dtype(
    [
        *_client_id_words,
        ("kind", np.int32),  # CommandKind. Kind, scope and text together are the key.
        ("scope", np.int64),  # The account, or 0 where the text alone must be unique.
        ("account_id", np.int64),  # What the command said: a repetition says the same.
        ("instrument_id", np.int64),
        ("price_ticks", np.int64),
        ("qty_lots", np.int64),
        ("order_id", np.int64),
        ("id", np.int64),  # What it made.
        ("first_seq", np.int64),
    ]
)

withdrawal_dtype = np.dtype(
    [
        *_client_id_words,  # The reference.
        ("status", np.int32),  # WithdrawalStatus
        ("account_id", np.int64),
        ("asset_id", np.int64),
        ("amount", np.int64),
        ("requested_ts_ns", np.int64),
        ("updated_ts_ns", np.int64),
        ("next", np.int64),  # The account's next withdrawal.
    ]
)

countdown_dtype = np.dtype(  # A dead man's timer. A free row has nothing but `link`.
    [
        ("due_ts_ns", np.int64),  # When it runs out, in event time.
        ("countdown_ms", np.int64),  # What it was set to.
        ("account_id", np.int32),
        ("instrument_id", np.int32),  # 0: all.
        ("link", np.int64),  # Its place in the heap; of a free row the next one.
    ]
)

skipped_dtype = np.dtype([("seq", np.int64), ("instrument_id", np.int64)])

# `step.phase`: what goes on before the next command is begun.
IDLE = 0
MATCHING = 1
CANCELING = 2
TRIGGERING = 3
TICKING = 4
UNCROSSING = 5
PLACING = 6  # Pending orders, whose working order was filled.

# How far the command in hand has come. Between two calls of the engine it is idle.
step_dtype = np.dtype(
    [
        ("phase", np.int64),  # One of those above
        ("command_kind", np.int64),
        ("about_account_id", np.int64),  # What control events say that the command is about.
        ("about_asset_id", np.int64),
        ("about_instrument_id", np.int64),
        ("about_key_id", np.int64),
        ("remaining_units", np.int64),  # MARKET by quote: what is left to spend or get.
        ("touched_price_ticks", np.int64),  # A level that changed and has no event yet; 0: none.
        (
            "run_price_ticks",
            np.int64,
        ),  # The price of the taker's last trade, whose aggregate trade id goes on; 0: none.
        ("range_key", np.int64),  # The worst key that the price range of execution lets the taker trade at.
        ("worst_key", np.int64),  # The taker trades with no key of the opposite side that is higher.
        ("is_banded", np.int64),  # 1: it would, were it not for the price band.
        ("auction_ticks", np.int64),  # Uncrossing: the price of all trades, how many lots so far, who took last.
        ("auction_lots", np.int64),
        ("auction_taker_id", np.int64),
        ("touched_buy_ticks", np.int64),  # Uncrossing: a level that changed and has no event yet; 0: none.
        ("touched_sell_ticks", np.int64),
        ("first_ticks", np.int64),  # The price of the first trade of the last taker that traded.
        ("lowest_ticks", np.int64),  # Between these the trades of this command were so far.
        ("highest_ticks", np.int64),  # 0: none yet.
        ("account_id", np.int64),  # Mass cancel: whose orders.
        ("last_account_id", np.int64),  # Mass cancel: and those of the accounts up to this one.
        ("instrument_id", np.int64),  # Mass cancel: only there; 0: everywhere.
        ("position", np.int64),  # Mass cancel: where it is.
        ("canceled_count", np.int64),
        ("base_row", np.int64),  # The acting account's balances as they were when the step began.
        ("quote_row", np.int64),
        ("base_free", np.int64),
        ("base_locked", np.int64),
        ("quote_free", np.int64),
        ("quote_locked", np.int64),
        ("client_id_tag", np.int64),  # That of the order in hand.
        ("target_row", np.int64),  # The open order to cancel, replace, amend or trigger.
        ("duplicate_order_id", np.int64),  # What a DUPLICATE_CLIENT_ID names.
        ("duplicate_status", np.int64),
        ("refused_leg", np.int64),  # Which order of the list in hand is the one that is refused; 0: the list is.
        ("duplicate_list_id", np.int64),  # What a DUPLICATE_LIST_CLIENT_ID names.
        ("due_first", np.int64),  # Lists whose pending orders are to be placed, the first filled first.
        ("due_last", np.int64),
        ("near_closed_row", np.int64),  # Closed client ids: of which one the place in the hash was fetched last,
        ("far_closed_row", np.int64),  # and the row of the one behind which; NIL: the queue is shorter.
        ("audited_balances", np.int64),  # The running audit: balance rows below this are in its sums.
    ]
)

out_head_dtype = np.dtype(  # Events so far.
    [("orders", np.int64), ("balances", np.int64), ("book", np.int64), ("controls", np.int64), ("lists", np.int64)]
)


class Out(NamedTuple):
    """Where a call leaves its events until the caller has copied them."""

    order_events: np.ndarray
    balance_events: np.ndarray
    book_events: np.ndarray
    control_events: np.ndarray
    list_events: np.ndarray
    out_head: np.ndarray


class State(NamedTuple):
    """All of it, as kernels see it."""

    book: Book
    out: Out
    commands: np.ndarray  # The caller's, for one call.
    venue: np.ndarray  # One row of scalars, since a NamedTuple cannot change.
    assets: np.ndarray
    instruments: np.ndarray
    parameters: np.ndarray  # int64[instruments * PARAMETERS_PER_INSTRUMENT]
    schedules: np.ndarray  # schedule_dtype, one for each instrument
    buckets: np.ndarray  # instruments * BUCKETS_PER_INSTRUMENT
    reference_buckets: np.ndarray  # instruments * REFERENCE_ROWS
    accounts: np.ndarray
    keys: np.ndarray
    balances: np.ndarray
    balance_slots: np.ndarray
    positions: np.ndarray
    position_slots: np.ndarray
    details: np.ndarray
    trails: np.ndarray
    taker: np.ndarray  # The order in hand; one that is only named, by a refused cancel; from LEG_ROWS those of a list.
    client_ids: np.ndarray
    client_id_slots: np.ndarray
    order_lists: np.ndarray
    order_list_slots: np.ndarray
    list_in_hand: np.ndarray  # One row: the list that a command would place, or would cancel.
    list_head: np.ndarray  # One row.
    position_lists: np.ndarray
    legs: np.ndarray  # Commands: the orders of the list whose own record comes next.
    operator_keys: np.ndarray
    operator_key_slots: np.ndarray
    withdrawals: np.ndarray
    countdowns: np.ndarray
    countdown_slots: np.ndarray
    countdown_heap: np.ndarray  # Rows of `countdowns` from place 1 on, the one that runs out first there.
    skipped: np.ndarray
    step: np.ndarray  # One row.
    audit_sums: np.ndarray  # int64[assets]: what the running audit has added up so far.
    audit_needed: np.ndarray  # int64[balances]: what the open orders that it has seen of an account need.


_int64 = np.dtype(np.int64)

OUT = Layout(
    Out,
    order_events=order_event_words_dtype,
    balance_events=balance_event_dtype,
    book_events=book_event_dtype,
    control_events=control_event_dtype,
    list_events=list_event_words_dtype,
    out_head=out_head_dtype,
)

STATE = Layout(
    State,
    book=BOOK,
    out=OUT,
    commands=command_words_dtype,
    venue=venue_dtype,
    assets=asset_dtype,
    instruments=instrument_dtype,
    parameters=_int64,
    schedules=schedule_dtype,
    buckets=bucket_dtype,
    reference_buckets=reference_bucket_dtype,
    accounts=account_dtype,
    keys=key_dtype,
    balances=balance_dtype,
    balance_slots=_int64,
    positions=position_dtype,
    position_slots=_int64,
    details=detail_dtype,
    trails=trail_dtype,
    taker=detail_dtype,
    client_ids=client_id_dtype,
    client_id_slots=_int64,
    order_lists=order_list_dtype,
    order_list_slots=_int64,
    list_in_hand=order_list_dtype,
    list_head=list_head_dtype,
    position_lists=position_lists_dtype,
    legs=command_words_dtype,
    operator_keys=operator_key_dtype,
    operator_key_slots=_int64,
    withdrawals=withdrawal_dtype,
    countdowns=countdown_dtype,
    countdown_slots=_int64,
    countdown_heap=_int64,
    skipped=skipped_dtype,
    step=step_dtype,
    audit_sums=_int64,
    audit_needed=_int64,
)

views = views_of(STATE)

assert balance_dtype.itemsize == 64
assert client_id_dtype.itemsize == 64
assert detail_dtype.itemsize == 192
assert all(dtype.itemsize % 8 == 0 for _, dtype in STATE.arrays if dtype.names)
assert config.ASSETS_MAX < 2**20
