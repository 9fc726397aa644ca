"""The naive exchange's money: deposits, withdrawals, transfers, fees; and what was asked before, by its key."""

from holdfast import config
from holdfast.codes import CommandKind, ControlEventKind, KeyPermission, Limit, RejectReason, WithdrawalStatus
from holdfast.commands import Command
from tests.model.naive_admission import Admission
from tests.model.naive_state import Withdrawal

STEPS = {
    CommandKind.APPROVE_WITHDRAWAL: (WithdrawalStatus.APPROVED, [WithdrawalStatus.REQUESTED]),
    CommandKind.SEND_WITHDRAWAL: (WithdrawalStatus.SENT, [WithdrawalStatus.APPROVED]),
    CommandKind.REFUSE_WITHDRAWAL: (
        WithdrawalStatus.REFUSED,
        [WithdrawalStatus.REQUESTED, WithdrawalStatus.APPROVED],
    ),
}
MONEY = (
    CommandKind.DEPOSIT,
    CommandKind.REQUEST_WITHDRAWAL,
    CommandKind.TRANSFER,
    CommandKind.WITHDRAW_FEES,
)
NAMING = (CommandKind.ADD_ASSET, CommandKind.ADD_INSTRUMENT, CommandKind.CREATE_ACCOUNT, CommandKind.CREATE_KEY)


class Money(Admission):
    def done(self, made: int = 0, value: int = 0, **about: int) -> None:
        self.tell_control(ControlEventKind.COMMAND_DONE, 0, made, value, **about)

    def reject(self, reason: int, **about: int) -> None:
        self.tell_control(ControlEventKind.COMMAND_REJECTED, reason, **about)

    # Idempotency.

    def key_of(self, command: Command) -> tuple[int, int, bytes]:
        """What is named is unique by its text alone; money's keys are each account's own."""
        return command.kind, 0 if command.kind in NAMING else command.account_id, command.client_id

    def content_of(self, command: Command) -> tuple[int, ...]:
        return (
            command.account_id,
            command.instrument_id,
            command.price_ticks,
            command.qty_lots,
            command.order_id,
        )

    def remember(self, command: Command, made: int) -> None:
        entry = self.content_of(command), made, command.qty_lots, command.seq
        self.operator_keys[self.key_of(command)] = entry

    def answer_known(self, command: Command, conflict: RejectReason, **about: int) -> bool:
        entry = self.operator_keys.get(self.key_of(command))
        if entry is None:
            return False
        content, made, value, first_seq = entry
        if content != self.content_of(command):
            self.reject(conflict, **about)
        else:
            about["first_seq"] = first_seq
            self.tell_control(ControlEventKind.COMMAND_REPEATED, 0, made, value, **about)
        return True

    def is_keys_full(self) -> bool:
        return len(self.operator_keys) >= self.limits[Limit.OPERATOR_KEYS_MAX]

    # Money.

    def move_money(self, command: Command) -> None:
        about = {"asset_id": command.instrument_id, "instrument_id": 0}
        reason = self.judge_money(command)
        if reason:
            self.reject(reason, **about)
            return
        if self.answer_known(command, RejectReason.IDEMPOTENCY_CONFLICT, **about):
            return
        reason = self.judge_money_now(command)
        if reason:
            self.reject(reason, **about)
            return
        asset_id, amount, account_id = command.instrument_id, command.qty_lots, command.account_id
        asset = self.assets[asset_id]
        if command.kind == CommandKind.DEPOSIT:
            self.make_holding(account_id, asset_id).free += amount
            asset.deposited += amount
            self.remember(command, 0)
            self.done(0, amount, **about)
            self.tell_balance(account_id, asset_id, amount)
        elif command.kind == CommandKind.REQUEST_WITHDRAWAL:
            withdrawal_id = len(self.withdrawals) + 1
            self.withdrawals[withdrawal_id] = Withdrawal(account_id, asset_id, amount, WithdrawalStatus.REQUESTED)
            self.holding(account_id, asset_id).free -= amount
            self.holding(account_id, asset_id).in_transit += amount
            self.remember(command, withdrawal_id)
            self.done(withdrawal_id, amount, **about)
            self.tell_balance(account_id, asset_id, 0)
        elif command.kind == CommandKind.TRANSFER:
            self.holding(account_id, asset_id).free -= amount
            self.make_holding(command.order_id, asset_id).free += amount
            self.remember(command, 0)
            self.done(0, amount, **about)
            if command.order_id != account_id:
                self.tell_balance(account_id, asset_id, -amount)
                self.tell_balance(command.order_id, asset_id, amount)
        else:
            asset.fees -= amount
            asset.withdrawn += amount
            self.remember(command, 0)
            self.done(0, amount, **about)

    def judge_money(self, command: Command) -> int:
        if command.kind != CommandKind.WITHDRAW_FEES:
            reason = self.judge_asker(command, KeyPermission.WITHDRAW)
            if reason:
                return reason
        elif command.deadline_ts_ns and command.clock_ts_ns > command.deadline_ts_ns:
            return RejectReason.DEADLINE_PASSED
        if command.kind == CommandKind.TRANSFER and command.order_id not in self.accounts:
            return RejectReason.ACCOUNT_UNKNOWN
        if command.instrument_id not in self.assets:
            return RejectReason.ASSET_UNKNOWN
        if command.qty_lots <= 0:
            return RejectReason.AMOUNT_INVALID
        return 0 if command.client_id else RejectReason.MALFORMED

    def judge_money_now(self, command: Command) -> int:
        asset_id, amount, account_id = command.instrument_id, command.qty_lots, command.account_id
        asset = self.assets[asset_id]
        receiver_id = 0
        if command.kind == CommandKind.DEPOSIT:
            receiver_id = account_id
            if asset.deposited - asset.withdrawn + amount > config.SUPPLY_MAX:
                return RejectReason.SUPPLY_EXCEEDED
        elif command.kind == CommandKind.WITHDRAW_FEES:
            if asset.fees < amount:
                return RejectReason.INSUFFICIENT_BALANCE
        else:
            if command.kind == CommandKind.REQUEST_WITHDRAWAL and self.accounts[account_id].is_frozen:
                return RejectReason.ACCOUNT_FROZEN
            if self.holding(account_id, asset_id).free < amount:
                return RejectReason.INSUFFICIENT_BALANCE
            if command.kind == CommandKind.TRANSFER:
                receiver_id = command.order_id
        if self.is_keys_full():
            return RejectReason.OPERATOR_KEYS_FULL
        is_new = receiver_id and (receiver_id, asset_id) not in self.holdings
        if is_new and len(self.holdings) >= self.limits[Limit.BALANCES_MAX]:
            return RejectReason.BALANCES_FULL
        return 0

    def step_withdrawal(self, command: Command) -> None:
        withdrawal_id = command.order_id
        withdrawal = self.withdrawals.get(withdrawal_id)
        if withdrawal is None:
            self.reject(RejectReason.WITHDRAWAL_UNKNOWN)
            return
        account_id, asset_id, amount = withdrawal.account_id, withdrawal.asset_id, withdrawal.amount
        about = {"account_id": account_id, "asset_id": asset_id}
        target, allowed = STEPS[CommandKind(command.kind)]
        if withdrawal.status == target:
            self.tell_control(ControlEventKind.COMMAND_REPEATED, 0, withdrawal_id, amount, **about)
            return
        if withdrawal.status not in allowed:
            self.reject(RejectReason.WITHDRAWAL_NOT_OPEN, **about)
            return
        withdrawal.status = target
        self.done(withdrawal_id, amount, **about)
        holding = self.holding(account_id, asset_id)
        if target == WithdrawalStatus.SENT:
            holding.in_transit -= amount
            self.assets[asset_id].withdrawn += amount
            self.tell_balance(account_id, asset_id, -amount)
        elif target == WithdrawalStatus.REFUSED:
            holding.in_transit -= amount
            holding.free += amount
            self.tell_balance(account_id, asset_id, 0)
