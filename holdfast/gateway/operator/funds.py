"""Funds: deposits, withdrawals, transfers, collected fees. The idempotency key is the reference, kept for good."""

from typing import Annotated

from msgspec import Meta

from holdfast import views
from holdfast.codes import CommandKind, WithdrawalStatus
from holdfast.commands import Command
from holdfast.gateway.operator import schemas
from holdfast.gateway.operator.call import Call
from holdfast.gateway.operator.commands import carry_out, done
from holdfast.gateway.operator.problems import ProblemError
from holdfast.gateway.operator.services import Services
from holdfast.gateway.operator.texts import account_of, amount_of, asset_of, number_of, time_text


class Selection(schemas.Asked):
    account: schemas.AccountRef | None = None
    status: schemas.StatusName | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


async def deposit(call: Call) -> schemas.Moved:
    return await _move(call, CommandKind.DEPOSIT, account_of(call.services, call.path["account"]))


async def withdraw_fees(call: Call) -> schemas.Moved:
    return await _move(call, CommandKind.WITHDRAW_FEES, 0)


async def _move(call: Call, kind: CommandKind, account_id: int) -> schemas.Moved:
    asset = asset_of(call.services, call.body.asset)
    units = amount_of(asset, call.body.amount)
    command = Command(
        kind=kind,
        account_id=account_id,
        instrument_id=asset.asset_id,
        qty_lots=units,
        client_id=call.idempotency_key.encode("ascii"),
    )
    control = await carry_out(call.services.replica, command)
    told = done(control)
    return schemas.Moved(told.seq, told.repeated, account_id, asset.code, asset.format(units), call.idempotency_key)


async def transfer(call: Call) -> schemas.Transferred:
    services, wanted = call.services, call.body
    asset = asset_of(services, wanted.asset)
    units = amount_of(asset, wanted.amount)
    from_id, to_id = account_of(services, wanted.from_account), account_of(services, wanted.to_account)
    command = Command(
        kind=CommandKind.TRANSFER,
        account_id=from_id,
        order_id=to_id,
        instrument_id=asset.asset_id,
        qty_lots=units,
        client_id=call.idempotency_key.encode("ascii"),
    )
    told = done(await carry_out(services.replica, command))
    return schemas.Transferred(
        told.seq, told.repeated, from_id, asset.code, asset.format(units), call.idempotency_key, to_id
    )


async def request_withdrawal(call: Call) -> schemas.Withdrawal:
    services = call.services
    asset = asset_of(services, call.body.asset)
    command = Command(
        kind=CommandKind.REQUEST_WITHDRAWAL,
        account_id=account_of(services, call.path["account"]),
        instrument_id=asset.asset_id,
        qty_lots=amount_of(asset, call.body.amount),
        client_id=call.idempotency_key.encode("ascii"),
    )
    return _shown(services, (await carry_out(services.replica, command)).id)


async def approve(call: Call) -> schemas.Withdrawal:
    return await _step(call, CommandKind.APPROVE_WITHDRAWAL)


async def send(call: Call) -> schemas.Withdrawal:
    return await _step(call, CommandKind.SEND_WITHDRAWAL)


async def refuse(call: Call) -> schemas.Withdrawal:
    return await _step(call, CommandKind.REFUSE_WITHDRAWAL)


async def _step(call: Call, kind: CommandKind) -> schemas.Withdrawal:
    withdrawal_id = number_of(call.path["withdrawal"], "withdrawal")
    await carry_out(call.services.replica, Command(kind=kind, order_id=withdrawal_id))
    return _shown(call.services, withdrawal_id)


async def show(call: Call) -> schemas.Withdrawal:
    return _shown(call.services, number_of(call.path["withdrawal"], "withdrawal"))


async def list_all(call: Call) -> schemas.Withdrawals:
    """Newest first."""
    services, wanted = call.services, call.query
    account_id = account_of(services, wanted.account) if wanted.account is not None else 0
    found = [
        withdrawal
        for withdrawal in services.replica.withdrawals(account_id)
        if wanted.status is None or withdrawal.status == WithdrawalStatus[wanted.status]
    ]
    found.sort(key=lambda withdrawal: -withdrawal.withdrawal_id)
    return schemas.Withdrawals([_told(services, withdrawal) for withdrawal in found[: wanted.limit]])


async def fees(call: Call) -> schemas.Fees:
    assets = call.services.replica.reference.assets
    return schemas.Fees(
        [
            schemas.AssetFees(assets[totals.asset_id].code, assets[totals.asset_id].format(totals.fees))
            for totals in call.services.replica.totals()
        ]
    )


def _shown(services: Services, withdrawal_id: int) -> schemas.Withdrawal:
    withdrawal = services.withdrawal(withdrawal_id)
    if withdrawal is None:
        raise ProblemError(404, "There is no such withdrawal.", "List the withdrawals.", "WITHDRAWAL_UNKNOWN")
    return _told(services, withdrawal)


def _told(services: Services, withdrawal: views.Withdrawal) -> schemas.Withdrawal:
    asset = services.replica.reference.assets[withdrawal.asset_id]
    return schemas.Withdrawal(
        withdrawal.withdrawal_id,
        withdrawal.account_id,
        asset.code,
        asset.format(withdrawal.amount),
        WithdrawalStatus(withdrawal.status).name,  # type: ignore[arg-type]
        withdrawal.reference,
        time_text(withdrawal.requested_ts_ns),
        time_text(withdrawal.updated_ts_ns),
    )
