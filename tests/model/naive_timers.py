"""The naive exchange's timers: what happens because time has passed."""

from dataclasses import dataclass

from holdfast import config
from holdfast.codes import ControlEventKind, Limit, RejectReason, TradingMode
from holdfast.commands import Command
from tests.model.naive_auction import Auctions

PUT_OFF_NS = 60 * 10**9


@dataclass
class Countdown:
    due_ts_ns: int
    countdown_ms: int


class Timers(Auctions):
    def __init__(self) -> None:
        super().__init__()
        self.countdowns: dict[tuple[int, int], Countdown] = {}  # By account and instrument (0: all).

    def set_countdown(self, command: Command) -> None:
        which, countdown_ms = (command.account_id, command.instrument_id), command.qty_lots
        if reason := self.judge_trader(command) or self.judge_countdown(command):
            self.tell_control(ControlEventKind.COMMAND_REJECTED, reason)
            return
        self.countdowns.pop(which, None)
        due_ts_ns = 0
        if countdown_ms:
            due_ts_ns = command.ts_ns + countdown_ms * 10**6
            self.countdowns[which] = Countdown(due_ts_ns, countdown_ms)
        self.tell_control(ControlEventKind.COUNTDOWN_SET, 0, due_ts_ns, countdown_ms)

    def judge_countdown(self, command: Command) -> int:
        if command.instrument_id not in (0, *self.instruments):
            return RejectReason.INSTRUMENT_UNKNOWN
        if not 0 <= command.qty_lots <= config.COUNTDOWN_MS_MAX:
            return RejectReason.COUNTDOWN_INVALID
        is_new = command.qty_lots and (command.account_id, command.instrument_id) not in self.countdowns
        if is_new and len(self.countdowns) >= self.limits[Limit.COUNTDOWNS_MAX]:
            return RejectReason.COUNTDOWNS_FULL
        return 0

    def awaited(self) -> list[tuple[int, int, int, int]]:
        """What happens when its time has come, the first first: time, 0 for a timer or 1 for a mode, whose, where."""
        timers = [(one.due_ts_ns, 0, *which) for which, one in self.countdowns.items()]
        instruments = self.instruments.items()
        return sorted(
            timers + [(one.next_mode_ts_ns, 1, 0, which) for which, one in instruments if one.next_mode_ts_ns]
        )

    def next_due_ts_ns(self) -> int:
        return self.awaited()[0][0] if self.awaited() else 0

    def tick(self, command: Command) -> None:
        while 0 < self.next_due_ts_ns() <= command.ts_ns:
            _, is_mode, account_id, instrument_id = self.awaited()[0]
            if is_mode:
                self.next_stage(instrument_id)
                self.follow_up(instrument_id)
                self.traded_prices = []
            else:
                self.run_out(account_id, instrument_id)

    def run_out(self, account_id: int, instrument_id: int) -> None:
        countdown = self.countdowns[account_id, instrument_id]
        about = {"account_id": account_id, "instrument_id": instrument_id}
        told = countdown.due_ts_ns, countdown.countdown_ms
        self.tell_control(ControlEventKind.COUNTDOWN_RAN_OUT, 0, *told, **about)
        meant = [one for one in self.open if one.account_id == account_id and instrument_id in (0, one.instrument_id)]
        if any(self.instruments[one.instrument_id].mode == TradingMode.HALT for one in meant):
            countdown.due_ts_ns = self.command.ts_ns + PUT_OFF_NS
        else:
            del self.countdowns[account_id, instrument_id]
        self.mass_cancel([account_id], instrument_id, about)
