"""An account's history as CSV: decimal text, piece by piece.

history → EXPORT → gateways, command line

Each function returns an iterator of pieces of CSV text, the header first. A piece costs one read of at most `PAGE` rows
(and may be empty), so a loop that sends one piece at a time is never held up. Times are UTC with nanoseconds. What is a
person's own text (client ids, references) gets a leading apostrophe when a spreadsheet would take it for a formula.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from holdfast.accounts.history import History
from holdfast.accounts.movements import Deposit, Transfer
from holdfast.accounts.selection import Window
from holdfast.codes import ExpiryReason, OrderStatus, OrderType, PegPriceType, Side, TimeInForce, WithdrawalStatus
from holdfast.instruments import Instrument, Reference
from holdfast.views import Fill, Order, Withdrawal

PAGE = 500
_FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")

R = TypeVar("R", Order, Fill)

ORDER_HEADER = (
    "time",
    "order_id",
    "client_order_id",
    "market",
    "side",
    "type",
    "time_in_force",
    "price",
    "stop_price",
    "trailing_delta_bips",
    "pegged_to",
    "quantity",
    "iceberg_quantity",
    "quote_quantity",
    "executed",
    "executed_quote",
    "status",
    "expiry_reason",
    "order_list_id",
    "updated",
)
FILL_HEADER = (
    "time",
    "trade_id",
    "order_id",
    "market",
    "side",
    "role",
    "price",
    "quantity",
    "quote_quantity",
    "fee",
    "fee_asset",
)
TRANSFER_HEADER = ("time", "transfer_id", "direction", "other_account_id", "asset", "amount", "reference")
DEPOSIT_HEADER = ("time", "deposit_id", "asset", "amount", "reference")
WITHDRAWAL_HEADER = ("time", "withdrawal_id", "asset", "amount", "status", "reference", "updated")


def orders(
    history: History,
    reference: Reference,
    account_id: int,
    start_ts_ns: int = 0,
    end_ts_ns: int = 0,
    open_orders: Iterable[Order] = (),
) -> Iterator[str]:
    """Market by market: the closed orders by id, then those of `open_orders` that have not closed meanwhile.

    The times are of creation.
    """
    yield _text([ORDER_HEADER])
    window = Window(start_ts_ns=start_ts_ns, end_ts_ns=end_ts_ns)
    still_open = {o.order_id: o for o in open_orders if window.holds(o.order_id, o.created_ts_ns)}
    for instrument in reference.instruments.values():
        read = partial(history.orders, account_id, instrument.instrument_id)
        for page in _pages(read, start_ts_ns, end_ts_ns):
            for order in page:
                still_open.pop(order.order_id, None)
            yield _text(_order_cells(instrument, order) for order in page)
    rest = [(reference.instruments[order.instrument_id], order) for order in still_open.values()]
    yield _text(_order_cells(instrument, order) for instrument, order in rest)


def fills(
    history: History, reference: Reference, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0
) -> Iterator[str]:
    """Market by market, by trade id."""
    yield _text([FILL_HEADER])
    for instrument in reference.instruments.values():
        read = partial(history.fills, account_id, instrument.instrument_id)
        for page in _pages(read, start_ts_ns, end_ts_ns):
            yield _text(_fill_cells(instrument, fill) for fill in page)


def deposits(
    history: History, reference: Reference, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0
) -> Iterator[str]:
    yield _text([DEPOSIT_HEADER])
    start_ts_ns = max(start_ts_ns, 1)
    while found := history.deposits(account_id, start_ts_ns, end_ts_ns, PAGE):
        yield _text(_deposit_cells(reference, deposit) for deposit in found)
        start_ts_ns = found[-1].ts_ns + 1  # One command, one time: nothing shares it.


def withdrawals(
    history: History, reference: Reference, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0
) -> Iterator[str]:
    """As they stand; the times of the window are of the request."""
    yield _text([WITHDRAWAL_HEADER])
    start_ts_ns = max(start_ts_ns, 1)
    while found := history.withdrawals(account_id, start_ts_ns, end_ts_ns, PAGE):
        yield _text(_withdrawal_cells(reference, withdrawal) for withdrawal in found)
        start_ts_ns = found[-1].requested_ts_ns + 1


def transfers(
    history: History, reference: Reference, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0
) -> Iterator[str]:
    """Made (`out`) and received (`in`), with the other account's id."""
    yield _text([TRANSFER_HEADER])
    start_ts_ns = max(start_ts_ns, 1)
    while found := history.transfers(account_id, start_ts_ns, end_ts_ns, PAGE):
        yield _text(_transfer_cells(reference, account_id, transfer) for transfer in found)
        start_ts_ns = found[-1].ts_ns + 1


def _pages(read: Callable[..., list[R]], start_ts_ns: int, end_ts_ns: int) -> Iterator[list[R]]:
    """Pages by id; `read(first_id, …)` gives the records from that id on.

    A trade of an account with itself has two records of one id, so a full page gives its last id to the next one.
    """
    first_id, is_last = 1, False
    while not is_last:
        page = read(first_id, start_ts_ns=start_ts_ns, end_ts_ns=end_ts_ns, limit=PAGE)
        is_last = len(page) < PAGE
        if not is_last:
            first_id = page[-1][0]  # Both views begin with the id.
            page = [record for record in page if record[0] < first_id]
        yield page


def _order_cells(instrument: Instrument, order: Order) -> Sequence[object]:
    return (
        _time(order.created_ts_ns),
        order.order_id,
        _user_text(order.client_id),
        instrument.symbol,
        Side(order.side).name,
        OrderType(order.order_type).name,
        TimeInForce(order.time_in_force).name if order.time_in_force else "",
        instrument.format_price(order.price_ticks),
        instrument.format_price(order.stop_price_ticks) if order.stop_price_ticks else "",
        order.trailing_delta_bips or "",
        _peg(order),
        instrument.format_qty(order.qty_lots),
        instrument.format_qty(order.iceberg_lots) if order.iceberg_lots else "",
        instrument.quote.format(order.quote_units),
        instrument.format_qty(order.executed_lots),
        instrument.quote.format(order.executed_quote_units),
        OrderStatus(order.status).name,
        ExpiryReason(order.expiry_reason).name if order.expiry_reason else "",
        order.order_list_id or "",
        _time(order.updated_ts_ns),
    )


def _peg(order: Order) -> str:
    """What the price was taken from: "PRIMARY", or "PRIMARY 2" two levels deeper."""
    if not order.peg_price_type:
        return ""
    name = PegPriceType(order.peg_price_type).name
    return f"{name} {order.peg_offset_levels}" if order.peg_offset_levels else name


def _fill_cells(instrument: Instrument, fill: Fill) -> Sequence[object]:
    fee_asset = instrument.base if fill.fee_is_base else instrument.quote
    return (
        _time(fill.ts_ns),
        fill.trade_id,
        fill.order_id,
        instrument.symbol,
        Side(fill.side).name,
        "MAKER" if fill.is_maker else "TAKER",
        instrument.format_price(fill.price_ticks),
        instrument.format_qty(fill.lots),
        instrument.quote.format(fill.quote_units),
        fee_asset.format(fill.fee_units),
        fee_asset.code,
    )


def _deposit_cells(reference: Reference, deposit: Deposit) -> Sequence[object]:
    asset = reference.assets[deposit.asset_id]
    amount = asset.format(deposit.amount)
    return _time(deposit.ts_ns), deposit.seq, asset.code, amount, _user_text(deposit.reference)


def _transfer_cells(reference: Reference, account_id: int, transfer: Transfer) -> Sequence[object]:
    asset = reference.assets[transfer.asset_id]
    is_out = transfer.account_id == account_id
    return (
        _time(transfer.ts_ns),
        transfer.seq,
        "out" if is_out else "in",
        transfer.to_account_id if is_out else transfer.account_id,
        asset.code,
        asset.format(transfer.amount),
        _user_text(transfer.reference),
    )


def _withdrawal_cells(reference: Reference, withdrawal: Withdrawal) -> Sequence[object]:
    asset = reference.assets[withdrawal.asset_id]
    return (
        _time(withdrawal.requested_ts_ns),
        withdrawal.withdrawal_id,
        asset.code,
        asset.format(withdrawal.amount),
        WithdrawalStatus(withdrawal.status).name,
        _user_text(withdrawal.reference),
        _time(withdrawal.updated_ts_ns),
    )


def _text(rows: Iterable[Sequence[object]]) -> str:
    piece = io.StringIO()
    csv.writer(piece).writerows(rows)
    return piece.getvalue()


def _time(ts_ns: int) -> str:
    seconds, rest_ns = divmod(ts_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def _user_text(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA_BEGINNINGS) else text
