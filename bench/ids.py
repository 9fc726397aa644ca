"""What remembering 50 million client order ids costs the engine:  python -m bench.ids [--quick]

The mix of `bench.exchange_core` in a venue that had 50 million orders before. The horizon is set to just those: so each
new id is looked up among 50 million and entered, and each command lets the oldest one go. Beside it the same commands
with a horizon of 0, Binance's own rule, where an id counts while its order is open and is forgotten then; as little of
a check as the engine has. And a horizon of a day: as many ids as the first, and none is let go. Each runs in a process
of its own, one thread; rounds take turns, and the figure is the median of the thread's own processor time.
"""

import argparse
import multiprocessing
import statistics
from typing import NamedTuple

import numpy as np

from bench.machine import show, verdict
from bench.mix import LOWEST_TICKS
from bench.mix_commands import Size, prepare, stamp
from bench.mix_run import give_memory, memory_of, open_venue, run
from bench.orders import BATCH, COMMAND_NS, WINDOW_NS
from holdfast.codes import CommandKind, Limit, OrderType, Side, TimeInForce
from holdfast.commands import command_dtype
from holdfast.engine.engine import Engine

SEED = 20_260
SIZE = Size(1, 2_000, 1_000, 3_000_000)
IDS = 50_000_000
QUICK_IDS = 1_500_000
QUICK_COMMANDS = 500_000
COST_MAX = 0.4
DAY_NS = 24 * 3600 * 10**9


class Measured(NamedTuple):
    per_second: float
    remembered: float  # Ids of closed orders, at the end.
    peak_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--rounds", type=int, help="the figure is their median")
    options = parser.parse_args()
    ids = QUICK_IDS if options.quick else IDS
    size = SIZE._replace(commands=QUICK_COMMANDS) if options.quick else SIZE
    horizons = {
        "of open orders": 0,
        "all": DAY_NS,
        "all, one let go for each": ids * COMMAND_NS,
    }
    results: dict[str, list[Measured]] = {name: [] for name in horizons}
    for _ in range(options.rounds or (1 if options.quick else 3)):
        for name, horizon_ns in horizons.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                results[name].append(pool.apply(measure, (size, ids, horizon_ns)))
    show_measured(
        size,
        ids,
        {name: Measured(*map(statistics.median, zip(*rounds, strict=True))) for name, rounds in results.items()},
    )


def measure(size: Size, ids: int, horizon_ns: int) -> Measured:
    Engine.warm_up()
    prepared = prepare(size, SEED)
    engine = open_venue(size)
    remember(engine, ids, horizon_ns)
    # The stream goes on where that ended: order ids too.
    prepared.records["order_id"][prepared.records["order_id"] > 0] += ids
    stamp(prepared.records, engine.last_seq + 1)
    prepared.records["deadline_ts_ns"] = prepared.records["clock_ts_ns"] + WINDOW_NS
    run(engine, prepared.records[: prepared.building])
    give_memory(engine, size.commands)
    result = run(engine, prepared.measured)
    if result.refused or result.totals != prepared.totals:
        raise RuntimeError(f"not the stream's results: {result.refused} refused, {result.totals}")
    remembered = engine.used()["client_ids"][0]
    return Measured(size.commands / result.processor_s, remembered, memory_of().peak_mb)


def remember(engine: Engine, ids: int, horizon_ns: int) -> None:
    """Set the horizon, and let so many orders come and go, which meet nothing on the empty book."""
    settings = np.zeros(2, command_dtype)
    settings["kind"] = CommandKind.SET_LIMIT
    settings["order_id"] = [Limit.CLIENT_IDS_MAX, Limit.CLIENT_ID_HORIZON_NS]
    settings["qty_lots"] = [2 * ids + SIZE.commands, horizon_ns]
    stamp(settings, engine.last_seq + 1)
    engine.apply(settings)
    if horizon_ns:
        engine.expect(2 * ids)  # Half of them bring an id, it reckons; here all do.
    records = np.zeros(BATCH, command_dtype)
    records["kind"] = CommandKind.PLACE_ORDER
    records["order_type"] = OrderType.LIMIT
    records["time_in_force"] = TimeInForce.IOC
    records["instrument_id"] = 1
    records["side"] = Side.BUY
    records["price_ticks"] = LOWEST_TICKS
    records["qty_lots"] = 1
    for begun in range(0, ids, BATCH):
        batch = records[: min(BATCH, ids - begun)]
        number = np.arange(begun, begun + len(batch))
        batch["account_id"] = batch["key_id"] = 1 + number % SIZE.accounts
        batch["client_id"] = earlier_ids(number)
        stamp(batch, engine.last_seq + 1)
        engine.apply(batch)


_FOUR_DIGITS = np.array([b"%04d" % number for number in range(10_000)], "S4").view(np.uint32)


def earlier_ids(number: np.ndarray) -> np.ndarray:
    """22 characters, as gateways make them; different for each number below 10^12."""
    words = np.zeros((len(number), 9), np.uint32)
    words[:, :2] = np.frombuffer(b"earlier-", np.uint32)
    words[:, 2] = np.frombuffer(b"x-00", np.uint32)
    words[:, 3] = _FOUR_DIGITS[number // 10**8]
    words[:, 4] = _FOUR_DIGITS[number // 10**4 % 10**4]
    words[:, 5] = _FOUR_DIGITS[number % 10**4]
    return words.reshape(-1).view("S36")


def show_measured(size: Size, ids: int, measured: dict[str, Measured]) -> None:
    without, *_, with_ids = measured.values()
    rows = [
        [
            name,
            f"{each.per_second / 1e6:.2f}",
            f"{1e9 / each.per_second:.0f}",
            f"{100 * (1 - each.per_second / without.per_second):.0f} %",
            f"{each.remembered:,.0f}",
            f"{each.peak_mb:,.0f}",
        ]
        for name, each in measured.items()
    ]
    cost = 1 - with_ids.per_second / without.per_second
    notes = [
        f"{size.commands:,} commands behind {ids:,} orders that came and went, processor time of the thread.",
        verdict(f"{100 * cost:.0f} % fewer commands a second (at most {100 * COST_MAX:.0f} %)", cost <= COST_MAX),
    ]
    columns = ["ids that count", "million/s", "ns", "cost", "remembered", "MB at most"]
    show("The engine and its client order ids", columns, rows, notes)


if __name__ == "__main__":
    main()
