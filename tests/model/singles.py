"""Draws of the model tests that are a command each, or a few: what traders and operators ask.

draws → SINGLES, batches → commands
"""

from collections.abc import Iterator
from typing import Any

from holdfast.codes import CommandKind, Limit, OrderType, TimeInForce
from holdfast.commands import Command
from tests.model.draws import Step
from tests.model.naive_exchange import NaiveExchange
from tests.model.opening import ACCOUNTS, GTC, HORIZON_NS, MARKET, parameter

LATER_NS = 2 * HORIZON_NS


def later(deadline: int | None) -> int:
    """Marks a deadline that counts from the command's own clock, which is known last."""
    return 0 if deadline is None else LATER_NS + deadline


# Traders.


def place(model: NaiveExchange, order: Step) -> Iterator[Command]:
    yield _order(model, CommandKind.PLACE_ORDER, order)


def cancel(model: NaiveExchange, account: int, key: int, target: Step, deadline: int | None) -> Iterator[Command]:
    command = Command(kind=CommandKind.CANCEL_ORDER, account_id=account, key_id=key)
    yield _aim(model, command._replace(deadline_ts_ns=later(deadline)), target)


def amend(
    model: NaiveExchange,
    account: int,
    key: int,
    target: Step,
    fewer_lots: int,
    client_id: bytes | None,
    deadline: int | None,
) -> Iterator[Command]:
    is_owner = any(one.account_id == account for one in model.open)
    if model.open and not is_owner and key == 0 and account in ACCOUNTS:
        account = model.open[-1].account_id
    command = Command(kind=CommandKind.AMEND_ORDER, account_id=account, key_id=key)
    command = _aim(model, command._replace(deadline_ts_ns=later(deadline)), target)
    yield _amendment(model, command, fewer_lots, client_id)


def replace(model: NaiveExchange, order: Step, target: Step, goes_on: bool) -> Iterator[Command]:
    command = _order(model, CommandKind.REPLACE_ORDER, order)
    yield _aim(model, command._replace(flags=command.flags | int(goes_on)), target)


def cancel_all(_: NaiveExchange, account: int, key: int, instrument: int, deadline: int | None) -> Iterator[Command]:
    command = Command(kind=CommandKind.CANCEL_ALL, account_id=account, key_id=key, instrument_id=instrument)
    yield command._replace(deadline_ts_ns=later(deadline))


def cancel_list(model: NaiveExchange, account: int, key: int, target: Step, deadline: int | None) -> Iterator[Command]:
    how, pick, _ = target
    command = Command(kind=CommandKind.CANCEL_ORDER_LIST, account_id=account, key_id=key, instrument_id=1)
    mine = [one for one in model.lists if one.account_id == account] or model.lists
    if mine and how != "unknown":
        one = mine[-1 - pick % len(mine)]
        command = command._replace(instrument_id=one.instrument_id if pick < 5 else 2)
        by_id = one.order_list_id if how in ("id", "both", "other") else 0
        by_name = {"client id": one.client_id, "both": one.client_id, "other": b"list 1"}.get(how, b"")
        command = command._replace(order_id=by_id, target_client_id=by_name)
    else:
        command = command._replace(order_id=pick - 1, target_client_id=b"list 1")
    yield command._replace(deadline_ts_ns=later(deadline))


def set_countdown(
    _: NaiveExchange, account: int, key: int, instrument: int, countdown_ms: int, deadline: int | None
) -> Iterator[Command]:
    command = Command(kind=CommandKind.SET_COUNTDOWN, account_id=account, key_id=key, instrument_id=instrument)
    yield command._replace(qty_lots=countdown_ms, deadline_ts_ns=later(deadline))


def tick(model: NaiveExchange, is_awaited: bool) -> Iterator[Command]:
    yield Command(kind=CommandKind.TICK, ts_ns=model.next_due_ts_ns() if is_awaited else 0)


def _order(model: NaiveExchange, kind: CommandKind, order: Step) -> Command:
    account, key, instrument, side, (order_type, time), stp, *amounts, client_id, is_fresh, deadline, shape = order
    command = Command(
        kind=kind,
        side=int(side),
        order_type=int(order_type),
        time_in_force=int(time),
        self_trade_prevention=stp,
        account_id=account,
        key_id=key,
        instrument_id=instrument,
        client_id=b"fresh %d" % model.command.seq if is_fresh else client_id,
        deadline_ts_ns=later(deadline),
    )
    return _shaped(_with_amounts(command, *amounts), amounts[-1] == ODD, amounts[-2], *shape)


ODD = -1  # As the quote quantity: what the order's type may not have stays, too.


def _with_amounts(command: Command, price: int, stop: int, delta: int, qty: int, quote: int) -> Command:
    order_type, is_odd = command.order_type, quote == ODD
    if order_type == MARKET:
        qty, quote = (qty, 0) if qty % 4 else (0, quote)
    elif not is_odd:
        quote = 0
    if order_type in (MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT) and not is_odd:
        price = 0
    if order_type < OrderType.STOP_LOSS and not is_odd:
        stop = delta = 0
    elif order_type >= OrderType.STOP_LOSS and delta > 0 and qty % 2:
        stop = 0
    command = command._replace(price_ticks=price, qty_lots=qty, quote_units=quote)
    return command._replace(stop_price_ticks=stop, trailing_delta_bips=delta)


def _shaped(command: Command, is_odd: bool, qty: int, part_lots: int, peg: int, offset: int) -> Command:
    """As an iceberg or pegged, where that was drawn and may be."""
    if command.order_type % 2 == 0 and not is_odd:
        return command
    if 0 < part_lots < 10:
        part_lots = min(part_lots, qty) if command.time_in_force in (TimeInForce.NONE, GTC) and qty > 0 else 0
    command = command._replace(iceberg_lots=part_lots, flags=int(peg))
    return command._replace(price_ticks=offset) if peg else command


def _amendment(model: NaiveExchange, command: Command, fewer_lots: int, client_id: bytes | None) -> Command:
    """So many lots fewer than the order that the command names, under the client id that is meant."""
    named = [one for one in model.open if one.order_id == command.order_id]
    named += [one for one in model.open if one.client_id == command.target_client_id]
    order = named[0] if named else None
    if client_id == b"fresh":
        client_id = b"amended %d" % model.command.seq
    elif client_id == b"a former one":
        client_id = next((one.former_ids[0] for one in model.open if one.former_ids), b"id 3")
    elif client_id is None:
        client_id = order.client_id if order else b"id 1"
    qty_lots = (order.qty_lots if order else 5) - fewer_lots
    return command._replace(qty_lots=max(qty_lots, 1 if fewer_lots < 10 else -1), client_id=client_id)


def _aim(model: NaiveExchange, command: Command, target: Step) -> Command:
    """Name an open order of the account, in one way or another; or one that is not there."""
    how, pick, restriction = target
    mine = [one for one in model.open if one.account_id == command.account_id] or model.open
    command = command._replace(cancel_restriction=restriction)
    if not mine or how == "unknown":
        return command._replace(instrument_id=command.instrument_id or 1, order_id=10**6, target_client_id=b"id 1")
    order = mine[-1 - pick % len(mine)]
    if command.kind in (CommandKind.CANCEL_ORDER, CommandKind.AMEND_ORDER) or pick < 4:
        command = command._replace(instrument_id=order.instrument_id)
    match how:
        case "id":
            return command._replace(order_id=order.order_id)
        case "client id":
            return command._replace(target_client_id=order.client_id)
        case "both":
            return command._replace(order_id=order.order_id, target_client_id=order.client_id)
        case "other":
            return command._replace(order_id=order.order_id, target_client_id=mine[0].client_id)
    return command


# Operators.


def move_money(
    _: NaiveExchange, kind: int, account: int, asset: int, amount: int, receiver: int, key: int, reference: bytes
) -> Iterator[Command]:
    command = Command(kind=kind, account_id=account, instrument_id=asset, qty_lots=amount, client_id=reference)
    order_id = receiver if kind == CommandKind.TRANSFER else 0
    key_id = key if kind == CommandKind.REQUEST_WITHDRAWAL else 0
    yield command._replace(order_id=order_id, key_id=key_id)


def operate(_: NaiveExchange, kind: int, account: int, instrument: int, value: int, about: int) -> Iterator[Command]:
    if kind == CommandKind.SET_ACCOUNT_FEES:
        yield Command(kind=kind, account_id=account, price_ticks=instrument, qty_lots=value)
    else:
        yield Command(kind=kind, account_id=account, instrument_id=instrument, qty_lots=value, order_id=about)


def name(_: NaiveExchange, kind: int, account: int, instrument: int, price: int, *more: Any) -> Iterator[Command]:
    value, about, text = more
    command = Command(kind=kind, account_id=account, instrument_id=instrument, price_ticks=price)
    yield command._replace(qty_lots=value, order_id=about, client_id=text)


def set_parameter(_: NaiveExchange, instrument: int, setting: tuple[int, int]) -> Iterator[Command]:
    yield parameter(instrument, *setting)


def reopen(model: NaiveExchange, instrument: int, key: bytes, *more: Any) -> Iterator[Command]:
    halt_ns, cancel_only_ns, auction_ns, is_called_off = more
    key = b"reopening %d" % model.command.seq if key == b"fresh" else key
    command = Command(kind=CommandKind.SCHEDULE_REOPENING, instrument_id=instrument, client_id=key)
    yield command._replace(price_ticks=halt_ns, qty_lots=cancel_only_ns, order_id=auction_ns)
    if is_called_off:
        yield Command(kind=CommandKind.CANCEL_REOPENING, instrument_id=instrument)


def as_it_is(model: NaiveExchange, change: Command) -> Command | None:
    """The command that undoes a setting; None when the change is refused."""
    instrument = model.instruments.get(change.instrument_id)
    match change.kind:
        case CommandKind.SET_TRADING_MODE if instrument:
            return change._replace(qty_lots=instrument.mode)
        case CommandKind.SET_INSTRUMENT_PARAMETER if instrument:
            return change._replace(qty_lots=instrument.parameters.get(change.order_id, 0))
        case CommandKind.SET_LIMIT if change.order_id in list(model.limits):
            return change._replace(qty_lots=model.limits[Limit(change.order_id)])
        case CommandKind.SET_ACCOUNT_FROZEN | CommandKind.KILL_ACCOUNT:
            return change._replace(kind=CommandKind.SET_ACCOUNT_FROZEN, qty_lots=0)
        case CommandKind.SET_VENUE_KILLED:
            return change._replace(qty_lots=0)
    return None


SINGLES = {
    "place": place,
    "cancel": cancel,
    "amend": amend,
    "replace": replace,
    "cancel all": cancel_all,
    "cancel list": cancel_list,
    "countdown": set_countdown,
    "tick": tick,
    "money": move_money,
    "simple": operate,
    "name": name,
    "parameter": set_parameter,
    "reopening": reopen,
}
