"""Command sequences for the model tests.

draws → singles, batches, list batches → COMMANDS → engine, model

A sequence begins with a fixed opening and goes on with drawn `Step`s. `commands_of` makes commands of a step with the
model's help, so that a shrunk sequence still means something. Here are the wishes that hold others; one that stands
for itself is in `SINGLES` or `BATCHES`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from holdfast.codes import CommandKind, InstrumentParameter, OrderType, TradingMode
from holdfast.commands import Command, command_dtype, encode
from tests.model.batches import BATCHES
from tests.model.draws import Step
from tests.model.list_batches import place_list, push
from tests.model.naive_exchange import NaiveExchange
from tests.model.opening import parameter
from tests.model.singles import LATER_NS, SINGLES, as_it_is


def commands_of(model: NaiveExchange, step: Step) -> Iterator[Command]:
    """The commands of a drawn step, stamped; each is to be applied to the model before the next is asked for."""
    pause_ns, wish = step
    for number, command in enumerate(wished(model, wish)):
        pause = pause_ns if number == 0 else 1
        if command.ts_ns:
            pause = max(pause, command.ts_ns - model.command.ts_ns)
        command = stamped(command, model.command, pause)
        if command.deadline_ts_ns:
            command = command._replace(deadline_ts_ns=command.clock_ts_ns + command.deadline_ts_ns - LATER_NS)
        yield command


def stamped(command: Command, last: Command, pause_ns: int) -> Command:
    """As the journal stamps it, so much later than the last one."""
    ts_ns, clock_ts_ns = last.ts_ns + pause_ns, last.clock_ts_ns + pause_ns
    return command._replace(seq=last.seq + 1, ts_ns=ts_ns, clock_ts_ns=clock_ts_ns)


def records(commands: list[Command]) -> np.ndarray:
    return np.frombuffer(b"".join(map(encode, commands)), command_dtype).copy()


def wished(model: NaiveExchange, wish: Step) -> Iterator[Command]:
    what, *terms = wish
    return WISHES[what](model, *terms)


def story(model: NaiveExchange, wish_of_list: Step, pushes: list[Any]) -> Iterator[Command]:
    """A list, and trades around its prices."""
    yield from wished(model, wish_of_list)
    instrument = min(max(wish_of_list[1].instrument, 1), 3)
    for one in pushes:
        yield from push(model, instrument, *one)


def auction(model: NaiveExchange, instrument: int, wishes: list[Step], modes: tuple[int, ...]) -> Iterator[Command]:
    change = Command(kind=CommandKind.SET_TRADING_MODE, instrument_id=instrument)
    yield change._replace(qty_lots=TradingMode.AUCTION)
    for one in wishes:
        for command in wished(model, one):
            is_new = command.kind == CommandKind.PLACE_ORDER and command.order_type < OrderType.STOP_LOSS
            yield command._replace(instrument_id=instrument) if is_new else command
    for mode in modes:
        yield change._replace(qty_lots=mode)


def price_range(
    model: NaiveExchange,
    instrument: int,
    reference: tuple[int, int, int],
    limits_ppm: list[int],
    wishes: list[Step],
) -> Iterator[Command]:
    """A reference price and a range around it, while some trade; then no range."""
    which = InstrumentParameter
    settings = (which.REFERENCE_BUCKETS, which.REFERENCE_BUCKET_MS, which.REFERENCE_PRICE_TICKS)
    for setting, value in zip(settings, reference, strict=True):
        yield parameter(instrument, setting, value)
    for number, ppm in enumerate(limits_ppm, which.BID_LIMIT_UP_PPM):
        yield parameter(instrument, number, ppm)
    for one in wishes:
        yield from wished(model, one)
    for number in range(which.BID_LIMIT_UP_PPM, which.ASK_LIMIT_DOWN_PPM + 1):
        yield parameter(instrument, number, 0)


def interlude(model: NaiveExchange, changes: list[Step], wishes: list[Step], is_put_right: bool) -> Iterator[Command]:
    """Settings that some trade under."""
    undoing = []
    for one in changes:
        (change,) = wished(model, one)
        undoing.append(as_it_is(model, change))
        yield change
    for one in wishes:
        yield from wished(model, one)
    if is_put_right:
        yield from filter(None, reversed(undoing))


WISHES: dict[str, Callable[..., Iterator[Command]]] = {
    **SINGLES,
    **BATCHES,
    "list": place_list,
    "story": story,
    "auction": auction,
    "range": price_range,
    "interlude": interlude,
}
