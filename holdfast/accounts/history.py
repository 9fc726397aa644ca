"""History: what an account did, written behind the engine and read as if it were written at once.

journal → engine → events → HISTORY (tail in memory → writer → writer process → SQLite file) → gateways

The loop thread hands each applied batch to `on_applied` before replies go out, and reads here; a writer thread hands it
to a process that puts it into the file. Every read merges the file with the tail that is not in it yet, so an order is
readable the moment its reply is out. Invariants:

* file and tail together hold every event after `begin_seq`, once, up to the newest applied;
* `cursor_seq` is in the file, in the transaction of what it speaks for; what is replayed at or below it is passed over;
* the tail is bounded: beyond `lag_events_max` events `is_behind` is true until half of them are written, and the venue
  refuses new orders meanwhile. Cancels go on, and they add at most one event per open order.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from holdfast.accounts.follower import Follower
from holdfast.accounts.history_file import HistoryFile
from holdfast.accounts.movements import Deposit, Movement, Transfer, WithdrawalStep, movements
from holdfast.accounts.order_changes import lists_done, order_changes
from holdfast.accounts.queries import Queries
from holdfast.accounts.remote_file import RemoteFile
from holdfast.accounts.schema import SCHEMA_VERSION, HistoryDamagedError, HistoryUnavailableError
from holdfast.accounts.selection import LIMIT_MAX, Window, order_id_of
from holdfast.accounts.tail import Backlog
from holdfast.accounts.writer import WritableFile, Writer
from holdfast.events import ControlEvent, Events
from holdfast.views import Amendment, Fill, Order, OrderList, PreventedMatch, Withdrawal

LAG_EVENTS_MAX = 400_000  # About 100 MB of tail.
_INT64_MAX = 2**63 - 1


class AppliedBatch(Protocol):
    """What the history needs of an applied batch: `commands` are those from `first_seq` to `last_seq`."""

    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def commands(self) -> np.ndarray: ...
    @property
    def events(self) -> Events: ...


class HistoryStatus(NamedTuple):
    """For operators. `failure` is why the newest attempt to write failed, or empty."""

    begin_seq: int
    cursor_seq: int
    lag_events: int
    lag_events_max: int
    is_behind: bool
    failure: str


class History:
    """The history in the SQLite file at `path`, made if it is not there.

    Raises HistoryDamagedError when the file is no history of this version, HistoryUnavailableError when it cannot be
    opened, or a process of a venue that was killed does not let go of it. All methods belong to one thread, the loop's.
    With `writes_by_itself` False there is neither a writer thread nor a process, and `write_waiting` is called instead;
    tests do. A guest reads a file that another process's venue writes.
    """

    def __init__(
        self,
        path: Path,
        lag_events_max: int = LAG_EVENTS_MAX,
        writes_by_itself: bool = True,
        is_guest: bool = False,
    ) -> None:
        self._lag_events_max = lag_events_max
        file = None if is_guest else RemoteFile(path) if writes_by_itself else HistoryFile(path)
        with contextlib.ExitStack() as undo:
            if file is not None:
                undo.callback(file.close)
            self.begin_seq, cursor_seq = self._open(path, file)
            undo.pop_all()
        self._backlog = Backlog(cursor_seq, lag_events_max)
        self._writer: Writer | Follower = (
            Follower(path, self._backlog) if file is None else Writer(path, file, self._backlog)
        )
        if writes_by_itself:
            self._writer.start()

    def _open(self, path: Path, file: WritableFile | None) -> tuple[int, int]:
        """(begin_seq, cursor_seq) of a file that nobody else writes from now on, but for a guest."""
        try:
            if file is not None:
                file.open()
            self._queries = Queries(path, is_guest=file is None)
            version = self._queries.schema_version()
            progress = self._queries.progress()
        except sqlite3.OperationalError as error:
            raise HistoryUnavailableError(f"The account history {path} cannot be opened: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise HistoryDamagedError(
                f"{path} is not an account history ({error}); delete it, it is written anew from the journal."
            ) from error
        if version != SCHEMA_VERSION:
            raise HistoryDamagedError(f"{path} has schema {version}, and this release reads {SCHEMA_VERSION}.")
        return progress

    # What happens.

    def on_applied(self, applied: AppliedBatch) -> None:
        """Take an applied batch; batches follow each other without a gap, and may repeat what was seen."""
        self._take(applied.first_seq, applied.last_seq, applied.commands, applied.events)

    def on_replayed(self, first_seq: int, last_seq: int, commands: np.ndarray, events: Events) -> None:
        """The same for the replay at start.

        Waits when the writer is behind, so that a rebuild of any length runs in bounded memory; raises
        HistoryUnavailableError when it is behind because writing fails.
        """
        self._take(first_seq, last_seq, commands, events)
        self._writer.catch_up(lambda: self.is_behind)

    def begin_after(self, seq: int) -> None:
        """Begin an empty history after `seq`, when the journal no longer holds what came before."""
        assert self.cursor_seq == 0
        assert self._backlog.seen_seq == 0
        self._writer.begin_after(seq)
        self.begin_seq = seq

    def _take(self, first_seq: int, last_seq: int, commands: np.ndarray, events: Events) -> None:
        seen_seq = self._backlog.seen_seq
        if last_seq <= seen_seq:
            return
        assert first_seq <= seen_seq + 1, "the history missed commands"
        orders = events.orders
        if first_seq <= seen_seq:
            orders = orders.take(np.flatnonzero(orders["seq"] > seen_seq))
        moved: list[Movement] = [*order_changes(orders, commands, first_seq)]
        if len(events.lists):
            moved.extend(each for each in lists_done(events.lists) if each.updated_seq > seen_seq)
        if len(events.controls):
            for control in map(ControlEvent._make, events.controls.tolist()):
                if control.seq > seen_seq:
                    moved.extend(movements(control, commands, first_seq))
        self._backlog.add(last_seq, orders, moved)
        self._writer.wake()

    def write_waiting(self) -> bool:
        """Write what waits now, in this thread; False if that failed. Only without a writer thread."""
        return self._writer.write_waiting()

    def close(self) -> None:
        """Write what waits and close the file."""
        self._writer.stop()
        self._queries.close()

    # How far it is.

    @property
    def cursor_seq(self) -> int:
        """All up to it is in the file."""
        return self._backlog.cursor_seq

    @property
    def lag_events(self) -> int:
        """Events that are applied and not in the file."""
        return len(self._backlog)

    @property
    def is_behind(self) -> bool:
        """Whether new orders are to be refused: from more than the bound until half of it is reached."""
        return self._backlog.is_behind

    def status(self) -> HistoryStatus:
        return HistoryStatus(
            self.begin_seq, self.cursor_seq, self.lag_events, self._lag_events_max, self.is_behind, self._writer.failure
        )

    # Reads. In each, the tail is read before the file: see `tail`.

    def order(self, account_id: int, order_id: int) -> Order | None:
        """A closed order of the account, or None."""
        for tail in self._backlog.tails():
            event = tail.order(account_id, min(order_id, _INT64_MAX))
            if event is not None:
                return Order.from_event(event)
        return self._queries.order(account_id, min(order_id, _INT64_MAX))

    def order_by_client_id(self, account_id: int, instrument_id: int, client_id: str) -> Order | None:
        """The newest closed order of that client id, or None."""
        encoded = client_id.encode("ascii", "replace")
        for tail in reversed(self._backlog.tails()):
            event = tail.order_by_client_id(account_id, instrument_id, encoded)
            if event is not None:
                return Order.from_event(event)
        return self._queries.order_by_client_id(account_id, instrument_id, client_id)

    def orders(
        self,
        account_id: int,
        instrument_id: int,
        from_order_id: int = 0,
        start_ts_ns: int = 0,
        end_ts_ns: int = 0,
        limit: int = 500,
    ) -> list[Order]:
        """Closed orders, ascending by id; times are of creation. Which ones beyond the limit: see `selection`.

        The caller adds the open ones with `selection.merge_orders`.
        """
        window = _window(from_order_id, start_ts_ns, end_ts_ns, limit)
        orders: list[Order] = []
        for tail in self._backlog.tails():
            orders += map(Order.from_event, tail.orders(account_id, instrument_id, window))
        orders += self._queries.orders(account_id, instrument_id, window)
        return window.choose(orders, order_id_of)

    def order_list(self, account_id: int, order_list_id: int) -> OrderList | None:
        """A list of the account's that is done, or None."""
        order_list_id = min(order_list_id, _INT64_MAX)
        for order_list in self._unwritten_lists(account_id):
            if order_list.order_list_id == order_list_id:
                return order_list
        found = self._queries.order_list(account_id, order_list_id)
        return found[0] if found else None

    def order_list_by_client_id(self, account_id: int, client_id: str) -> OrderList | None:
        """The newest of that client id that is done, or None."""
        for order_list in reversed(self._unwritten_lists(account_id)):
            if order_list.client_id == client_id:
                return order_list
        found = self._queries.order_list_by_client_id(account_id, client_id)
        return found[0] if found else None

    def order_lists(
        self, account_id: int, from_id: int = 0, start_ts_ns: int = 0, end_ts_ns: int = 0, limit: int = 500
    ) -> list[OrderList]:
        """Lists that are done: ascending by id, or by the time when they were done where a time is given."""
        window = _window(from_id, start_ts_ns, end_ts_ns, limit)
        unwritten = self._unwritten_lists(account_id)
        found = [each for each in unwritten if window.holds(each.order_list_id, each.updated_ts_ns)]
        found += self._queries.order_lists(account_id, window)
        return window.choose(found, _list_time if start_ts_ns or end_ts_ns else _list_id)

    def fills(
        self,
        account_id: int,
        instrument_id: int,
        from_trade_id: int = 0,
        order_id: int = 0,
        start_ts_ns: int = 0,
        end_ts_ns: int = 0,
        limit: int = 500,
    ) -> list[Fill]:
        """The account's fills in an instrument, ascending by trade id; with `order_id` those of one order."""
        window = _window(from_trade_id, start_ts_ns, end_ts_ns, limit)
        order_id = min(order_id, _INT64_MAX)
        wanted = {"account_id": account_id, "instrument_id": instrument_id} | (
            {"order_id": order_id} if order_id else {}
        )
        fills: list[Fill] = []
        for tail in self._backlog.tails():
            fills += map(Fill.from_event, tail.fills(window, **wanted))
        if order_id:
            fills += self._queries.fills_of_order(account_id, instrument_id, order_id, window)
        else:
            fills += self._queries.fills(account_id, instrument_id, window)
        return window.choose(fills, _fill_key)

    def market_trades(self, instrument_id: int, from_trade_id: int = 0, limit: int = 500) -> list[Fill]:
        """Public trades as the takers' fills, ascending; without `from_trade_id` the newest."""
        window = _window(from_trade_id, 0, 0, limit)
        trades: list[Fill] = []
        for tail in self._backlog.tails():
            trades += map(Fill.from_event, tail.fills(window, instrument_id=instrument_id, is_maker=0))
        trades += self._queries.market_trades(instrument_id, window)
        return window.choose(trades, _fill_key)

    def first_trade_id(self, instrument_id: int, aggregate_trade_id: int = 0, ts_ns: int = 0) -> int:
        """The first public trade at or after an aggregate id and a time, or 0: where aggTrades begins to read.

        Both ascend with the trade id, so this is a search by halves, some 20 point reads.
        """
        newest = self.market_trades(instrument_id, limit=1)
        if not newest:
            return 0
        low, high = 1, newest[0].trade_id + 1
        while low < high:
            middle = (low + high) // 2
            trade = self.market_trades(instrument_id, middle, 1)[0]
            if trade.aggregate_trade_id >= aggregate_trade_id and trade.ts_ns >= ts_ns:
                high = middle
            else:
                low = trade.trade_id + 1
        found = self.market_trades(instrument_id, low, 1)
        return found[0].trade_id if found else 0

    def amendments(
        self, account_id: int, instrument_id: int, order_id: int, from_execution_id: int = 0, limit: int = 500
    ) -> list[Amendment]:
        """Of one order, ascending."""
        window = _window(from_execution_id, 0, 0, limit)
        order_id = min(order_id, _INT64_MAX)
        wanted = (order_id, account_id, instrument_id)
        found = [
            movement
            for movement in self._unwritten_movements()
            if isinstance(movement, Amendment)
            if (movement.order_id, movement.account_id, movement.instrument_id) == wanted
            if window.holds(movement.execution_id, movement.ts_ns)
        ]
        found += self._queries.amendments(account_id, instrument_id, order_id, window)
        return window.choose(found, lambda amendment: amendment.execution_id)

    def prevented_match(self, account_id: int, instrument_id: int, prevented_match_id: int) -> PreventedMatch | None:
        """The account's with this id, or None."""
        prevented_match_id = min(prevented_match_id, _INT64_MAX)
        wanted = (account_id, instrument_id, prevented_match_id)
        for match in self._unwritten_matches():
            if (match.account_id, match.instrument_id, match.prevented_match_id) == wanted:
                return match
        found = self._queries.prevented_match(*wanted)
        return found[0] if found else None

    def prevented_matches(
        self, account_id: int, instrument_id: int, order_id: int, from_prevented_match_id: int = 0, limit: int = 500
    ) -> list[PreventedMatch]:
        """Those of one order, as taker and as maker, ascending."""
        window = _window(from_prevented_match_id, 0, 0, limit)
        order_id = min(order_id, _INT64_MAX)
        found = [
            match
            for match in self._unwritten_matches()
            if order_id in (match.taker_order_id, match.maker_order_id)
            if (match.account_id, match.instrument_id) == (account_id, instrument_id)
            if window.holds(match.prevented_match_id, match.ts_ns)
        ]
        found += self._queries.prevented_matches(account_id, instrument_id, order_id, window)
        return window.choose(found, _match_id)

    def last_prevented_ids(self, order_ids: Sequence[int]) -> dict[int, int]:
        """The id of the newest prevented match of each order that has one."""
        wanted = frozenset(order_ids)
        unwritten = self._unwritten_matches()  # Before the file, as ever; and newer than what is in it.
        last: dict[int, int] = {}
        for start in range(0, len(order_ids), LIMIT_MAX):
            last |= self._queries.last_prevented_ids(order_ids[start : start + LIMIT_MAX])
        for match in unwritten:
            for order_id in (match.taker_order_id, match.maker_order_id):
                if order_id in wanted:
                    last[order_id] = match.prevented_match_id
        return last

    def deposits(self, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0, limit: int = 500) -> list[Deposit]:
        """Ascending by time."""
        window = _window(0, start_ts_ns, end_ts_ns, limit)
        found = [
            movement
            for movement in self._unwritten_movements()
            if isinstance(movement, Deposit) and movement.account_id == account_id
            if window.holds(movement.seq, movement.ts_ns)
        ]
        return window.choose([*found, *self._queries.deposits(account_id, window)], _seq)

    def transfers(self, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0, limit: int = 500) -> list[Transfer]:
        """Made and received, ascending by time."""
        window = _window(0, start_ts_ns, end_ts_ns, limit)
        found = [
            movement
            for movement in self._unwritten_movements()
            if isinstance(movement, Transfer) and account_id in (movement.account_id, movement.to_account_id)
            if window.holds(movement.seq, movement.ts_ns)
        ]
        return window.choose([*found, *self._queries.transfers(account_id, window)], _seq)

    def withdrawals(
        self, account_id: int, start_ts_ns: int = 0, end_ts_ns: int = 0, limit: int = 500
    ) -> list[Withdrawal]:
        """As they stand, ascending by the time of the request."""
        window = _window(0, start_ts_ns, end_ts_ns, limit)
        requested: list[Withdrawal] = []
        steps: dict[int, WithdrawalStep] = {}
        for movement in self._unwritten_movements():
            if isinstance(movement, WithdrawalStep):
                steps[movement.withdrawal_id] = movement
            elif isinstance(movement, Withdrawal) and movement.account_id == account_id:
                requested.append(movement)
        requested = [w for w in requested if window.holds(w.withdrawal_id, w.requested_ts_ns)]
        found = window.choose([*requested, *self._queries.withdrawals(account_id, window)], lambda w: w.withdrawal_id)
        return [_after(withdrawal, steps.get(withdrawal.withdrawal_id)) for withdrawal in found]

    def _unwritten_matches(self) -> list[PreventedMatch]:
        return [movement for movement in self._unwritten_movements() if isinstance(movement, PreventedMatch)]

    def _unwritten_lists(self, account_id: int) -> list[OrderList]:
        lists = (movement for movement in self._unwritten_movements() if isinstance(movement, OrderList))
        return [order_list for order_list in lists if order_list.account_id == account_id]

    def _unwritten_movements(self) -> Iterable[Movement]:
        return [movement for tail in self._backlog.tails() for movement in tail.movements]


def _match_id(match: PreventedMatch) -> int:
    return match.prevented_match_id


def _list_id(order_list: OrderList) -> int:
    return order_list.order_list_id


def _list_time(order_list: OrderList) -> tuple[int, int]:
    return order_list.updated_ts_ns, order_list.order_list_id


def _window(from_id: int, start_ts_ns: int, end_ts_ns: int, limit: int) -> Window:
    """Numbers that no client can mean are cut to what a column holds; nothing is found there either."""
    assert limit > 0
    return Window(min(from_id, _INT64_MAX), min(start_ts_ns, _INT64_MAX), min(end_ts_ns, _INT64_MAX), limit)


def _after(withdrawal: Withdrawal, step: WithdrawalStep | None) -> Withdrawal:
    return withdrawal if step is None else withdrawal._replace(status=step.status, updated_ts_ns=step.ts_ns)


def _fill_key(fill: Fill) -> tuple[int, int]:
    return fill.trade_id, fill.is_maker


def _seq(movement: Deposit | Transfer) -> int:
    return movement.seq
