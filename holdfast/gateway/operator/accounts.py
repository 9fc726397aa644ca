"""Accounts: create, list, show, freeze, kill, fees, forget a name, export the history."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from holdfast.codes import CommandKind
from holdfast.commands import Command
from holdfast.gateway.operator import schemas
from holdfast.gateway.operator.call import Call
from holdfast.gateway.operator.commands import carry_out, carry_out_canceling, done, is_repeated
from holdfast.gateway.operator.problems import ProblemError, malformed
from holdfast.gateway.operator.services import Services
from holdfast.gateway.operator.texts import account_of, time_text

EXPORTS = ("orders", "trades", "deposits", "withdrawals", "transfers")


class Page(schemas.Asked):
    after: Annotated[int, Meta(ge=0, le=2**31 - 1, description="The id of the last account that is known")] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class Period(schemas.Asked):
    """Of an export; without a bound, from the beginning and to the end."""

    start: schemas.Time = ""
    end: schemas.Time = ""


async def create(call: Call) -> schemas.Account:
    """First the name's row, then the command: a crash in between leaves a row that the retry finds."""
    services, wanted = call.services, call.body
    parent_id = account_of(services, wanted.parent) if wanted.parent is not None else 0
    people = services.directory.people
    try:
        person = await asyncio.to_thread(people.reserve, wanted.name, call.idempotency_key)
    except ValueError as error:
        raise ProblemError(409, str(error), "Choose another name.") from None
    existing = services.directory.account_of_uid(person.uid)
    if existing is not None and person.idempotency_key != call.idempotency_key:
        raise _name_taken(existing)
    command = Command(kind=CommandKind.CREATE_ACCOUNT, client_id=person.uid.encode("ascii"), order_id=parent_id)
    control = await carry_out(services.replica, command)
    if is_repeated(control) and person.idempotency_key != call.idempotency_key:
        raise _name_taken(control.id)
    return _account(services, control.id, wanted.name)


def _name_taken(account_id: int) -> ProblemError:
    return ProblemError(
        409,
        f"There is an account of that name already: {account_id}.",
        "Choose another name. To repeat a request, use its Idempotency-Key again.",
        "NAME_TAKEN",
    )


async def list_all(call: Call) -> schemas.Accounts:
    services, page = call.services, call.query
    rows = services.directory.accounts(page.after, page.limit)
    names = services.directory.people.names_of([row.uid for row in rows])
    accounts = [_account(services, row.account_id, names.get(row.uid)) for row in rows]
    return schemas.Accounts(accounts, rows[-1].account_id if len(rows) == page.limit else None)


async def show(call: Call) -> schemas.AccountState:
    services = call.services
    account_id = account_of(services, call.path["account"])
    state = services.replica.account(account_id)
    assert state is not None, "the directory knows accounts that the engine made"
    account = _account(services, account_id, services.directory.name_of(account_id))
    assets = services.replica.reference.assets
    return schemas.AccountState(
        account.account_id,
        account.uid,
        account.name,
        account.parent_id,
        account.created_at,
        state.is_frozen,
        None if state.maker_fee_ppm < 0 else state.maker_fee_ppm,
        None if state.taker_fee_ppm < 0 else state.taker_fee_ppm,
        len(services.replica.open_orders(account_id)),
        [
            schemas.Balance(asset.code, asset.format(b.free), asset.format(b.locked), asset.format(b.in_transit))
            for b in services.replica.balances(account_id)
            for asset in [assets[b.asset_id]]
        ],
    )


async def set_frozen(call: Call) -> schemas.Done:
    account_id = account_of(call.services, call.path["account"])
    command = Command(kind=CommandKind.SET_ACCOUNT_FROZEN, account_id=account_id, qty_lots=int(call.body.frozen))
    return done(await carry_out(call.services.replica, command))


async def kill(call: Call) -> schemas.Canceled:
    account_id = account_of(call.services, call.path["account"])
    command = Command(kind=CommandKind.KILL_ACCOUNT, account_id=account_id)
    return await carry_out_canceling(call.services.replica, command)


async def set_fees(call: Call) -> schemas.Done:
    maker, taker = call.body.maker_fee_ppm, call.body.taker_fee_ppm
    command = Command(
        kind=CommandKind.SET_ACCOUNT_FEES,
        account_id=account_of(call.services, call.path["account"]),
        price_ticks=-1 if maker is None else maker,
        qty_lots=-1 if taker is None else taker,
    )
    return done(await carry_out(call.services.replica, command))


async def forget(call: Call) -> schemas.Forgotten:
    """Delete the account's name. The account stays, and is named by its id from then on."""
    services = call.services
    row = services.directory.account(account_of(services, call.path["account"]))
    assert row is not None
    return schemas.Forgotten(await asyncio.to_thread(services.directory.people.forget, row.uid))


async def export(call: Call) -> Response:
    """The history as CSV, streamed; other work goes on between its pieces."""
    services = call.services
    account_id = account_of(services, call.path["account"])
    what = call.path["what"]
    if what not in EXPORTS:
        raise ProblemError(404, "There is no such export.", f"There are {', '.join(EXPORTS)}.")
    start, end = _ts_ns(call.query.start), _ts_ns(call.query.end)

    async def pieces() -> AsyncIterator[str]:
        for piece in services.export_history(account_id, what, start, end):
            yield piece
            await asyncio.sleep(0)

    headers = {"content-disposition": f'attachment; filename="account-{account_id}-{what}.csv"'}
    return StreamingResponse(pieces(), media_type="text/csv", headers=headers)


def _account(services: Services, account_id: int, name: str | None) -> schemas.Account:
    row = services.directory.account(account_id)
    assert row is not None
    return schemas.Account(account_id, row.uid, name, row.parent_id or None, time_text(row.created_ts_ns))


def _ts_ns(text: str) -> int:
    """A time of the query in nanoseconds; 0 for none."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("without a time zone")
        return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
    except (ValueError, OverflowError):
        raise malformed("A time is written as 2026-01-31T12:00:00Z.") from None
