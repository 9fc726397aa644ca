"""The timers of an account, held against the journal: what was to be canceled was, once, and nothing else was.

settings and watches of the traders ──▶ TIMER ORACLE ◀──── a drop copy of the account, the journal's commands

An account's orders are put together from the reports of its drop copy alone, one after the other; so it is known which
were open when a timer ran out, whatever else happened at the same time. Nothing is judged by a clock: a timer has to
run out at the first TICK that is not before it, and what it cancels carries that TICK's number.
"""

from collections import Counter, deque
from collections.abc import Callable

from holdfast.client import OrderEventKind, OrderStatus, Report
from holdfast.codes import CommandKind
from holdfast.commands import Command
from holdfast.line import ServerKind
from tests.crash.drop_copy import DropCopy
from tests.crash.records import NS_PER_MS, SYMBOL, Record, SentCountdown, Watch
from tests.crash.timers import RanOut, Timers
from tests.crash.traders import WATCH_MS

LATE_NS = 500 * NS_PER_MS  # A venue that is up is not as late as this, unless it is held.
_OPEN = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_NEW)
_CANCELING = (
    CommandKind.CANCEL_ORDER,
    CommandKind.CANCEL_ALL,
    CommandKind.REPLACE_ORDER,
    CommandKind.CANCEL_ORDER_LIST,
)
_AT_ONCE_MS = 1  # What the timer of a connection is set to that has ended.


class TimerOracle:
    """One account."""

    def __init__(self, record: Record, drop_copy: DropCopy) -> None:
        self.drop_copy = drop_copy
        self.counts: Counter[str] = Counter()
        self._record = record
        self._open: dict[int, int] = {}  # Order id → instrument id.

    def check(self, timers: Timers, open_ids: set[int], has_lived: Callable[[Watch], bool]) -> None:
        """After a round in which the drop copy caught up. `open_ids` are the orders that are open by REST; `has_lived`
        says whether the process at the end of a watch outlived it, and the venue."""
        account_id = self.drop_copy.line.core.account_id
        own = [setting for setting in timers.settings if setting.account_id == account_id]
        ran_out = [each for each in timers.ran_out if each.scope.account_id == account_id]
        self._check_settings([setting for setting in own if setting.key_id])
        self._check_watched([setting for setting in own if not setting.key_id])
        self._check_announced(ran_out)
        self._follow(timers.commands, ran_out)
        assert self._open.keys() == open_ids, f"told to be open {self._open.keys() - open_ids}, by REST {open_ids}"
        for watch in self._record.watches:
            self._check_watch(watch, ran_out, has_lived(watch))
        self.counts["countdowns that ran out"] += len(ran_out)
        self.counts["of these while the venue was away"] += sum(each.late_ns > LATE_NS for each in ran_out)
        self._record.countdowns.clear()
        self._record.watches.clear()
        self.drop_copy.reports.clear()

    def _instrument_id(self, symbol: str) -> int:
        return self.drop_copy.line.instrument(symbol).instrument_id if symbol else 0

    def _check_settings(self, journaled: list[Command]) -> None:
        """What was acknowledged is in the journal, once and in order; of the rest each may be, unless refused."""
        found = deque(journaled)
        for sent in self._record.countdowns:
            is_next = bool(found) and self._is_setting(found[0], sent)
            if sent.reply is not None:
                assert is_next, f"an acknowledged countdown is lost: {sent}"
                self._check_reply(found[0], sent)
            if is_next and not sent.refused:
                found.popleft()
                self.counts["countdowns set"] += sent.countdown_ms not in (0, WATCH_MS)
        assert not found, f"countdowns that nobody set, or that were set twice: {found}"

    def _is_setting(self, setting: Command, sent: SentCountdown) -> bool:
        return (setting.instrument_id, setting.qty_lots) == (self._instrument_id(sent.symbol), sent.countdown_ms)

    def _check_reply(self, setting: Command, sent: SentCountdown) -> None:
        assert sent.reply is not None
        assert sent.reply["countdownTime"] == str(sent.countdown_ms), sent
        if "triggerTime" in sent.reply:
            due_ms = setting.ts_ns // NS_PER_MS + sent.countdown_ms
            assert sent.reply["triggerTime"] == due_ms, f"{sent} runs out at {due_ms}"

    def _check_watched(self, journaled: list[Command]) -> None:
        """The venue sets timers itself only of what is watched, and lets them run out only for those that ended."""
        watched = {self._instrument_id(watch.symbol) for watch in self._record.watches}
        ended = {self._instrument_id(watch.symbol) for watch in self._record.watches if not watch.is_off}
        for setting in journaled:
            assert setting.instrument_id in watched, f"the venue set a timer that nobody asked for: {setting}"
            is_meant = setting.qty_lots != _AT_ONCE_MS or setting.instrument_id in ended
            assert is_meant, f"a connection ended that was not watched any more, and the venue cancels: {setting}"

    def _check_announced(self, ran_out: list[RanOut]) -> None:
        told = Counter(
            (report.seq, report.instrument_id, report.qty_lots)
            for report in self.drop_copy.reports
            if report.kind == ServerKind.COUNTDOWN_RAN_OUT
        )
        due = Counter((each.seq, each.scope.instrument_id, each.countdown_ms) for each in ran_out)
        assert not due - told, f"countdowns did not run out though they were due: {due - told}"
        assert not told - due, f"countdowns ran out though they were not due, or twice: {told - due}"

    def _follow(self, commands: dict[int, Command], ran_out: list[RanOut]) -> None:
        """Each report; before the first one of a timer's TICK it is known what that has to cancel."""
        scopes: dict[int, set[int]] = {}
        for each in ran_out:
            scopes.setdefault(each.seq, set()).add(each.scope.instrument_id)
        seq, due = 0, set[int]()
        for report in self.drop_copy.reports:
            if report.seq != seq:
                assert not due, f"orders were not canceled though a countdown ran out: {due}"
                seq = report.seq
                due = {order for order, market in self._open.items() if scopes.get(seq, set()) & {0, market}}
                self.counts["orders that countdowns canceled"] += len(due)
            if report.kind == OrderEventKind.ORDER_CANCELED:
                self._check_cancel(report, commands[seq], scopes.get(seq, set()))
                due.discard(report.order_id)
            self._take(report)
        assert not due, f"orders were not canceled though a countdown ran out: {due}"

    def _check_cancel(self, report: Report, command: Command, scopes: set[int]) -> None:
        """It was open, and what canceled it had to."""
        assert report.order_id in self._open, f"an order was canceled that was not open: {report}"
        if command.kind == CommandKind.TICK:
            is_meant = bool(scopes & {0, report.instrument_id})
        else:
            is_meant = command.kind in _CANCELING and command.account_id == report.account_id
        assert is_meant, f"an order was canceled though nothing was to cancel it: {report} {command}"

    def _take(self, report: Report) -> None:
        if report.kind >= ServerKind.ORDERS_CANCELED or report.kind == OrderEventKind.CANCEL_REJECTED:
            return  # Of no order, or nothing has happened to it.
        if report.status in _OPEN:
            self._open[report.order_id] = report.instrument_id
        else:
            self._open.pop(report.order_id, None)

    def _check_watch(self, watch: Watch, ran_out: list[RanOut], has_lived: bool) -> None:
        """Its connection has ended: what it covered is gone, and that took no half minute if somebody was there."""
        self.counts["watches switched off"] += watch.is_off
        if not watch.is_told:
            return
        instrument_id = self._instrument_id(watch.symbol)
        ends = [each.countdown_ms for each in ran_out if each.scope.instrument_id == instrument_id]
        assert ends, f"a connection that was watched ended, and nothing followed: {watch}"
        assert _AT_ONCE_MS in ends or not has_lived, f"nobody saw that a connection ended: {watch}"
        if watch.symbol in ("", SYMBOL):
            left = {sent.reply["orderId"] for sent in watch.covered if sent.reply} & self._open.keys()
            assert not left, f"orders have outlived the connection that was to end with them: {left}"
        self.counts["disconnects"] += 1
        self.counts["of these in rounds that killed their process"] += not has_lived
