"""Reads of the history's file: plain SQL over indexes, each answer bounded by its limit.

history: events → tail (memory) → writer → schema → QUERIES

A window by ids is turned into one by time with one look at a primary key (see `schema`), so every query walks one index
from its first row to its last. The plus in `+trade_id` keeps a planner without statistics off the primary key there,
which would walk everybody's trades.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.accounts.movements import Deposit, Transfer
from holdfast.accounts.schema import TABLES, HistoryDamagedError, HistoryUnavailableError, open_for_reading
from holdfast.accounts.selection import Window
from holdfast.views import Amendment, Fill, Order, OrderList, PreventedMatch, Withdrawal

# A closed order is on no book, so `is_working` is no column.
_order_select = "SELECT " + ", ".join("0" if field == "is_working" else field for field in Order._fields)
_fill_select = "SELECT " + ", ".join(Fill._fields)
_list_select = f"SELECT {', '.join(OrderList._fields)} FROM order_lists"
_prevented_select = f"SELECT {', '.join(PreventedMatch._fields)} FROM prevented_matches"


class Queries:
    """Views from the file at `path`.

    Each raises HistoryUnavailableError or HistoryDamagedError when the file cannot be read.
    """

    def __init__(self, path: Path, is_guest: bool = False) -> None:
        self._path = path
        self._connection = open_for_reading(path, is_guest)

    def close(self) -> None:
        self._connection.close()

    def progress(self) -> tuple[int, int]:
        """(begin_seq, cursor_seq): the file holds what happened after the one, up to the other."""
        begin_seq, cursor_seq = self._rows("SELECT begin_seq, cursor_seq FROM progress WHERE id = 1", ())[0]
        return begin_seq, cursor_seq

    def schema_version(self) -> int:
        """Of the release that wrote the file."""
        return int(self._rows("SELECT schema_version FROM progress WHERE id = 1", ())[0][0])

    def order(self, account_id: int, order_id: int) -> Order | None:
        sql = f"{_order_select} FROM orders WHERE order_id = ? AND account_id = ?"
        return _first(self._orders(sql, (order_id, account_id)))

    def order_by_client_id(self, account_id: int, instrument_id: int, client_id: str) -> Order | None:
        """The newest of that id."""
        sql = (
            f"{_order_select} FROM orders WHERE account_id = ? AND client_id = ? AND instrument_id = ? "
            "ORDER BY order_id DESC LIMIT 1"
        )
        return _first(self._orders(sql, (account_id, client_id, instrument_id)))

    def orders(self, account_id: int, instrument_id: int, window: Window) -> list[Order]:
        """In the order of choosing, which may be descending."""
        start_ts_ns = window.start_ts_ns
        if window.from_id:
            sql = "SELECT created_ts_ns FROM orders WHERE order_id >= ? ORDER BY order_id LIMIT 1"
            found = self._rows(sql, (window.from_id,))
            if not found:
                return []
            start_ts_ns = max(start_ts_ns, found[0][0])
        conditions, values = _between("created_ts_ns", start_ts_ns, window.end_ts_ns)
        direction = "ASC" if window.is_oldest_first else "DESC"
        sql = (
            f"{_order_select} FROM orders WHERE account_id = ? AND instrument_id = ?{conditions} "
            f"ORDER BY created_ts_ns {direction} LIMIT ?"
        )
        return self._orders(sql, (account_id, instrument_id, *values, window.limit))

    def order_list(self, account_id: int, order_list_id: int) -> list[OrderList]:
        """The one with this id, if it is the account's."""
        return self._lists(f"{_list_select} WHERE account_id = ? AND order_list_id = ?", (account_id, order_list_id))

    def order_list_by_client_id(self, account_id: int, client_id: str) -> list[OrderList]:
        """The newest of that id."""
        sql = f"{_list_select} WHERE account_id = ? AND client_id = ? ORDER BY order_list_id DESC LIMIT 1"
        return self._lists(sql, (account_id, client_id))

    def order_lists(self, account_id: int, window: Window) -> list[OrderList]:
        """In the order of choosing, which may be descending: by the time when they were done, where the window has
        times, else by id."""
        direction = "ASC" if window.is_oldest_first else "DESC"
        conditions, values = _between("updated_ts_ns", window.start_ts_ns, window.end_ts_ns)
        by = f"updated_ts_ns {direction}, order_list_id {direction}" if conditions else f"order_list_id {direction}"
        sql = f"{_list_select} WHERE account_id = ? AND order_list_id >= ?{conditions} ORDER BY {by} LIMIT ?"
        return self._lists(sql, (account_id, window.from_id, *values, window.limit))

    def fills(self, account_id: int, instrument_id: int, window: Window) -> list[Fill]:
        """In the order of choosing, which may be descending."""
        start_ts_ns = window.start_ts_ns
        if window.from_id:
            sql = "SELECT ts_ns FROM fills WHERE instrument_id = ? AND trade_id >= ? ORDER BY trade_id LIMIT 1"
            found = self._rows(sql, (instrument_id, window.from_id))
            if not found:
                return []
            start_ts_ns = max(start_ts_ns, found[0][0])
        conditions, values = _between("ts_ns", start_ts_ns, window.end_ts_ns)
        direction = "ASC" if window.is_oldest_first else "DESC"
        sql = (
            f"{_fill_select} FROM fills WHERE account_id = ? AND instrument_id = ?{conditions} AND +trade_id >= ? "
            f"ORDER BY ts_ns {direction}, trade_id {direction}, is_maker {direction} LIMIT ?"
        )
        return self._fills(sql, (account_id, instrument_id, *values, window.from_id, window.limit))

    def fills_of_order(self, account_id: int, instrument_id: int, order_id: int, window: Window) -> list[Fill]:
        """In the order of choosing, which may be descending."""
        conditions, values = _between("ts_ns", window.start_ts_ns, window.end_ts_ns)
        direction = "ASC" if window.is_oldest_first else "DESC"
        sql = (
            f"{_fill_select} FROM fills WHERE order_id = ? AND trade_id >= ? AND account_id = ? "
            f"AND instrument_id = ?{conditions} ORDER BY trade_id {direction} LIMIT ?"
        )
        return self._fills(sql, (order_id, window.from_id, account_id, instrument_id, *values, window.limit))

    def market_trades(self, instrument_id: int, window: Window) -> list[Fill]:
        """The takers' sides by trade id, in the order of choosing. The window's times are not looked at."""
        direction = "ASC" if window.is_oldest_first else "DESC"
        sql = (
            f"{_fill_select} FROM fills WHERE instrument_id = ? AND trade_id >= ? AND is_maker = 0 "
            f"ORDER BY trade_id {direction} LIMIT ?"
        )
        return self._fills(sql, (instrument_id, window.from_id, window.limit))

    def amendments(self, account_id: int, instrument_id: int, order_id: int, window: Window) -> list[Amendment]:
        """Of one order, in the order of choosing, which may be descending."""
        direction = "ASC" if window.is_oldest_first else "DESC"
        sql = (
            f"SELECT {', '.join(Amendment._fields)} FROM amendments WHERE order_id = ? AND execution_id >= ? "
            f"AND account_id = ? AND instrument_id = ? ORDER BY execution_id {direction} LIMIT ?"
        )
        values = (order_id, window.from_id, account_id, instrument_id, window.limit)
        return [Amendment._make(row) for row in self._rows(sql, values)]

    def prevented_match(self, account_id: int, instrument_id: int, prevented_match_id: int) -> list[PreventedMatch]:
        """The one with this id, if it is the account's."""
        sql = f"{_prevented_select} WHERE instrument_id = ? AND prevented_match_id = ? AND account_id = ?"
        return [PreventedMatch._make(row) for row in self._rows(sql, (instrument_id, prevented_match_id, account_id))]

    def prevented_matches(
        self, account_id: int, instrument_id: int, order_id: int, window: Window
    ) -> list[PreventedMatch]:
        """Those of one order, as taker and as maker, each side up to the limit."""
        direction = "ASC" if window.is_oldest_first else "DESC"
        found = []
        for side in ("taker_order_id", "maker_order_id"):
            sql = (
                f"{_prevented_select} WHERE {side} = ? AND prevented_match_id >= ? AND account_id = ? "
                f"AND instrument_id = ? ORDER BY prevented_match_id {direction} LIMIT ?"
            )
            found += self._rows(sql, (order_id, window.from_id, account_id, instrument_id, window.limit))
        return [PreventedMatch._make(row) for row in found]

    def last_prevented_ids(self, order_ids: Sequence[int]) -> dict[int, int]:
        """The newest prevented match of each order that has one, as taker or as maker."""
        places = ", ".join("?" * len(order_ids))
        last: dict[int, int] = {}
        for side in ("taker_order_id", "maker_order_id"):
            sql = f"SELECT {side}, MAX(prevented_match_id) FROM prevented_matches WHERE {side} IN ({places}) GROUP BY 1"
            for order_id, prevented_match_id in self._rows(sql, order_ids):
                last[order_id] = max(prevented_match_id, last.get(order_id, 0))
        return last

    def deposits(self, account_id: int, window: Window) -> list[Deposit]:
        return [Deposit._make(row) for row in self._movements("deposits", "seq", "ts_ns", account_id, window)]

    def transfers(self, account_id: int, window: Window) -> list[Transfer]:
        """Both those that the account made and those it received, each side up to the limit."""
        sides = ("account_id", "to_account_id")
        rows = [row for side in sides for row in self._movements("transfers", "seq", "ts_ns", account_id, window, side)]
        return [Transfer._make(row) for row in rows]

    def withdrawals(self, account_id: int, window: Window) -> list[Withdrawal]:
        rows = self._movements("withdrawals", "withdrawal_id", "requested_ts_ns", account_id, window)
        return [Withdrawal._make(row) for row in rows]

    def _movements(
        self, table: str, id_column: str, time_column: str, account_id: int, window: Window, side: str = "account_id"
    ) -> list[tuple[Any, ...]]:
        """Ids ascend with time. An account's movements are few, so the time is a filter on the walk over its index."""
        conditions, values = _between(time_column, window.start_ts_ns, window.end_ts_ns)
        direction = "ASC" if window.is_oldest_first else "DESC"
        sql = (
            f"SELECT {', '.join(TABLES[table])} FROM {table} WHERE {side} = ? AND {id_column} >= ?{conditions} "
            f"ORDER BY {id_column} {direction} LIMIT ?"
        )
        return self._rows(sql, (account_id, window.from_id, *values, window.limit))

    def _orders(self, sql: str, values: Sequence[int | str]) -> list[Order]:
        return [Order._make(row) for row in self._rows(sql, values)]

    def _lists(self, sql: str, values: Sequence[int | str]) -> list[OrderList]:
        return [OrderList._make(row) for row in self._rows(sql, values)]

    def _fills(self, sql: str, values: Sequence[int | str]) -> list[Fill]:
        return [Fill._make(row) for row in self._rows(sql, values)]

    def _rows(self, sql: str, values: Sequence[int | str]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.OperationalError as error:
            raise HistoryUnavailableError(f"The account history cannot be read now: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise HistoryDamagedError(
                f"{self._path} is damaged ({error}); stop the venue and delete it, it is written anew from the journal."
            ) from error


def _between(column: str, start_ts_ns: int, end_ts_ns: int) -> tuple[str, tuple[int, ...]]:
    """SQL conditions and their values; both ends included, 0: open."""
    conditions, values = "", []
    if start_ts_ns:
        conditions += f" AND {column} >= ?"
        values.append(start_ts_ns)
    if end_ts_ns:
        conditions += f" AND {column} <= ?"
        values.append(end_ts_ns)
    return conditions, tuple(values)


def _first(orders: list[Order]) -> Order | None:
    return orders[0] if orders else None
