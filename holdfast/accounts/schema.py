"""The history's tables: one schema, in SQL that PostgreSQL takes too.

history: events → tail (memory) → writer → SCHEMA → queries

A table's columns are the fields of the view that its rows become, so no table of names stands between them; a change
of a view is a new SCHEMA_VERSION, and a test compares the statements with those in docs/history.md. Amounts are in
asset units, prices in ticks, quantities in lots.

Order ids and creation times ascend together over the whole venue, and so do trade ids and times within an instrument.
So one index by time serves both kinds of windows: an id is turned into a time first (`queries`).
"""

import sqlite3
from pathlib import Path

from holdfast.accounts.movements import ControlAction, Deposit, Transfer, WithdrawalStep
from holdfast.views import Amendment, Fill, Order, OrderList, PreventedMatch, Withdrawal

SCHEMA_VERSION = 3

TABLES: dict[str, tuple[str, ...]] = {
    # One row per order, written when it closes: on no book then. Rejected orders never were orders.
    "orders": tuple(field for field in Order._fields if field != "is_working"),
    "order_lists": OrderList._fields,  # Likewise, when it is done.
    "fills": Fill._fields,  # Two rows per trade; the taker's is the public trade.
    "amendments": Amendment._fields,
    "prevented_matches": PreventedMatch._fields,
    "deposits": Deposit._fields,
    "transfers": Transfer._fields,
    "withdrawals": Withdrawal._fields,
    "withdrawal_steps": WithdrawalStep._fields,
    "control_actions": ControlAction._fields,  # What operators did, and what was refused to them: an audit trail.
}

PRIMARY_KEYS = {
    "orders": "order_id",
    "order_lists": "account_id, order_list_id",
    "fills": "instrument_id, trade_id, is_maker",
    "amendments": "account_id, execution_id",
    "prevented_matches": "instrument_id, prevented_match_id",
    "deposits": "seq",
    "transfers": "seq",
    "withdrawals": "withdrawal_id",
    "withdrawal_steps": "seq",
    "control_actions": "seq, event_index",
}

INDEXES = {
    "orders_by_account": "orders (account_id, instrument_id, created_ts_ns)",
    "orders_by_client_id": "orders (account_id, client_id, order_id)",
    "order_lists_by_client_id": "order_lists (account_id, client_id, order_list_id)",
    "order_lists_by_time": "order_lists (account_id, updated_ts_ns, order_list_id)",
    "fills_by_account": "fills (account_id, instrument_id, ts_ns, trade_id, is_maker)",
    "fills_by_order": "fills (order_id, trade_id)",
    "amendments_by_order": "amendments (order_id, execution_id)",
    "prevented_by_taker": "prevented_matches (taker_order_id, prevented_match_id)",
    "prevented_by_maker": "prevented_matches (maker_order_id, prevented_match_id)",
    "deposits_by_account": "deposits (account_id, seq)",
    "transfers_by_account": "transfers (account_id, seq)",
    "transfers_by_receiver": "transfers (to_account_id, seq)",
    "withdrawals_by_account": "withdrawals (account_id, withdrawal_id)",
    "steps_by_withdrawal": "withdrawal_steps (withdrawal_id, seq)",
}

_TEXT_COLUMNS = {"client_id", "client_id_1", "client_id_2", "client_id_3", "former_client_id", "reference"}


class HistoryError(Exception):
    """The history's file cannot be used. `str()` is a sentence for people."""


class HistoryUnavailableError(HistoryError):
    """It cannot be read now (locked, disk error); a later attempt may succeed."""


class HistoryDamagedError(HistoryError):
    """It is no history of this version. Deleting it is safe: the venue writes it anew from the journal."""


def create_statements() -> list[str]:
    """The schema as SQL statements, in order; each leaves alone what is there."""
    statements = [
        "CREATE TABLE IF NOT EXISTS progress (id BIGINT NOT NULL PRIMARY KEY, schema_version BIGINT NOT NULL, "
        "begin_seq BIGINT NOT NULL, cursor_seq BIGINT NOT NULL)"
    ]
    for table, columns in TABLES.items():
        typed = [f"{column} {'TEXT' if column in _TEXT_COLUMNS else 'BIGINT'} NOT NULL" for column in columns]
        fields = ", ".join(typed)
        statements.append(f"CREATE TABLE IF NOT EXISTS {table} ({fields}, PRIMARY KEY ({PRIMARY_KEYS[table]}))")
    statements += [f"CREATE INDEX IF NOT EXISTS {name} ON {on}" for name, on in INDEXES.items()]
    return statements


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The writer's connection, with the schema made if the file is new. Raises sqlite3.Error or HistoryDamagedError.

    synchronous=NORMAL: a power cut may undo the last transactions, whole and in order. Each carries the cursor, so the
    history then says truthfully how far it goes and is carried on from the journal; nothing is lost. A cache of 32 MB
    and a checkpoint each 32 MB halve the time per row: rows of many accounts touch many pages again and again. A page
    goes to the disk by a call of its own, so large ones are fewer; where accounts are many, yet larger ones cost more.
    """
    connection = sqlite3.connect(path, timeout=0.1, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA page_size=8192")  # Of a new file.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-32768")
        connection.execute("PRAGMA wal_autocheckpoint=4000")
        connection.execute("BEGIN IMMEDIATE")
        for statement in create_statements():
            connection.execute(statement)
        connection.execute(
            "INSERT INTO progress (id, schema_version, begin_seq, cursor_seq) VALUES (1, ?, 0, 0) "
            "ON CONFLICT DO NOTHING",
            (SCHEMA_VERSION,),
        )
        (version,) = connection.execute("SELECT schema_version FROM progress WHERE id = 1").fetchone()
        if version != SCHEMA_VERSION:
            raise HistoryDamagedError(f"{path} has schema {version}, this release writes {SCHEMA_VERSION}; delete it.")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path, is_guest: bool = False) -> sqlite3.Connection:
    """A connection that cannot write; it hardly waits, since the loop thread reads through it.

    A guest, in another process than the writer's, neither makes the file nor tidies up after the last writer.
    """
    mode = "ro" if is_guest else "rw"
    name = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(name, uri=True, timeout=0.02, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only=ON")
    return connection
