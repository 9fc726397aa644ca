"""CSV for people and their tax advisers: every record, exact decimals, and no formulas smuggled in by a client id."""

import csv
import io

import pytest

from holdfast.accounts import export
from holdfast.accounts.history import History
from holdfast.codes import ExpiryReason, OrderStatus, TradingMode
from holdfast.instruments import Asset, Instrument, Reference
from holdfast.views import Order
from tests.accounts.stream import Stream

_coin, _dollar = Asset(1, "COIN", 8), Asset(2, "USD", 6)
_instruments = [Instrument(i, f"COIN{i}", _coin, _dollar, 1_000_000, 1_000, 1, TradingMode.TRADING, {}) for i in (1, 2)]
REFERENCE = Reference([_coin, _dollar], _instruments)


def parse(pieces):
    return list(csv.DictReader(io.StringIO("".join(pieces))))


@pytest.fixture
def stream() -> Stream:
    return Stream(1)


@pytest.fixture
def history(tmp_path, stream) -> History:
    history = History(tmp_path / "history.sqlite", writes_by_itself=False)
    for i in range(40):
        history.on_applied(stream.batch(20))
        if i == 30:
            history.write_waiting()
    return history


def test_every_record_of_the_account_is_there_once(history, stream, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 7)
    mine = [record for record in stream.fills if record.account_id == 1]
    rows = parse(export.fills(history, REFERENCE, 1))
    assert sorted((r["market"], int(r["trade_id"]), int(r["order_id"])) for r in rows) == sorted(
        (f"COIN{f.instrument_id}", f.trade_id, f.order_id) for f in mine
    )
    rows = parse(export.orders(history, REFERENCE, 1))
    assert sorted(int(r["order_id"]) for r in rows) == sorted(o.order_id for o in stream.closed if o.account_id == 1)
    rows = parse(export.deposits(history, REFERENCE, 1))
    assert [int(r["deposit_id"]) for r in rows] == [d.seq for d in stream.deposits if d.account_id == 1]
    rows = parse(export.withdrawals(history, REFERENCE, 1))
    assert [(int(r["withdrawal_id"]), r["amount"]) for r in rows] == [
        (w.withdrawal_id, _coin.format(w.amount)) for w in stream.withdrawals.values() if w.account_id == 1
    ]
    rows = parse(export.transfers(history, REFERENCE, 1))
    assert [(int(r["transfer_id"]), r["direction"], int(r["other_account_id"])) for r in rows] == [
        (t.seq, "out", t.to_account_id) if t.account_id == 1 else (t.seq, "in", t.account_id)
        for t in stream.transfers
        if 1 in (t.account_id, t.to_account_id)
    ]


def test_a_window_of_time_bounds_every_export(history, stream):
    start, end = stream.fills[20].ts_ns, stream.fills[-20].ts_ns
    rows = parse(export.fills(history, REFERENCE, 1, start, end))
    assert len(rows) == len([f for f in stream.fills if f.account_id == 1 and start <= f.ts_ns <= end])
    rows = parse(export.orders(history, REFERENCE, 1, start, end))
    assert len(rows) == len([o for o in stream.closed if o.account_id == 1 and start <= o.created_ts_ns <= end])
    rows = parse(export.deposits(history, REFERENCE, 1, start, end))
    assert len(rows) == len([d for d in stream.deposits if d.account_id == 1 and start <= d.ts_ns <= end])


def test_amounts_are_exact_decimals_and_times_are_utc(history, stream):
    fill = next(f for f in stream.fills if f.account_id == 1 and f.instrument_id == 1)
    row = parse(export.fills(history, REFERENCE, 1))[0]
    assert row["price"] == _instruments[0].format_price(fill.price_ticks)
    assert row["quote_quantity"] == _dollar.format(fill.quote_units)
    assert row["fee_asset"] == ("COIN" if fill.side == 1 else "USD")
    assert row["time"].startswith("2023-11-1")
    assert row["time"].endswith(f"{fill.ts_ns % 10**9:09d}Z")


def test_open_orders_come_last_unless_they_closed_meanwhile(history, stream):
    closed = next(o for o in stream.closed if o.account_id == 1)
    still_open = closed._replace(order_id=10**6, status=1)
    rows = parse(export.orders(history, REFERENCE, 1, open_orders=[closed._replace(status=1), still_open]))
    assert [r["order_id"] for r in rows].count(str(closed.order_id)) == 1
    assert (rows[-1]["order_id"], rows[-1]["status"]) == ("1000000", "NEW")


def test_icebergs_and_pegs_have_columns_of_their_own(history, stream):
    plain = stream.closed[0]._replace(account_id=1, status=1)
    shapes = [{"order_id": 10**6}, {"order_id": 10**6 + 1, "iceberg_lots": 5, "peg_price_type": 1}]
    shapes.append({"order_id": 10**6 + 2, "peg_price_type": 2, "peg_offset_levels": 3})
    rows = parse(export.orders(history, REFERENCE, 1, open_orders=[plain._replace(**shape) for shape in shapes]))
    part = _instruments[plain.instrument_id - 1].format_qty(5)
    shown = [(row["iceberg_quantity"], row["pegged_to"]) for row in rows[-3:]]
    assert shown == [("", ""), (part, "PRIMARY"), ("", "MARKET 3")]


def test_what_list_an_order_was_of_and_why_it_expired_are_shown(history, stream):
    plain = stream.closed[0]._replace(account_id=1, order_list_id=0, expiry_reason=0)
    expired = plain._replace(order_list_id=77, expiry_reason=ExpiryReason.OTHER_LEG, status=OrderStatus.EXPIRED)
    orders = [plain._replace(order_id=10**6), expired._replace(order_id=10**6 + 1)]
    rows = parse(export.orders(history, REFERENCE, 1, open_orders=orders))
    shown = [(row["order_list_id"], row["expiry_reason"]) for row in rows[-2:]]
    assert shown == [("", ""), ("77", "OTHER_LEG")]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_text_of_clients_never_begins_a_formula(history, stream, text):
    order = Order._make([1, text, *stream.closed[0][2:]])._replace(order_id=10**6, account_id=1)
    rows = parse(export.orders(history, REFERENCE, 1, open_orders=[order]))
    assert rows[-1]["client_order_id"] == "'" + text
