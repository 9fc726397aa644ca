"""What a snapshot costs those who trade meanwhile:  python -m bench.snapshot [--quick] [--directory DIR]

A venue with a million open orders is sent orders by a few clients, each waiting for its reply before it sends the next;
again and again a snapshot is written meanwhile. What counts is the slowest reply of all rounds with a snapshot, beside
the slowest of as much time without. DIR must lie on the disk in question.

The open orders are put into the journal before the venue starts, which then replays them.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from bench.load import LoadResult, run_load
from bench.machine import show, verdict
from bench.rest import checked
from bench.venue import MIDDLE_TICKS, Trader, Venue, mixed, rest_requests, running
from holdfast.clock import Clock
from holdfast.codes import CommandKind, OrderType, Side, TimeInForce
from holdfast.commands import Command, encode
from holdfast.engine.engine import Engine
from holdfast.journal.data_directory import DataDirectory
from holdfast.journal.file_journal import FileJournal

CLIENTS = 4
TRADERS = 8
LEVELS = 20_000  # On each side.
GROUP_RECORDS = 1_000
BURST_ORDERS = 1_000
ABOVE_MS_MAX = 20.0


class Size(NamedTuple):
    open_orders: int
    rounds: int


FULL = Size(1_000_000, 3)
QUICK = Size(100_000, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where the venue keeps its data")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="bench-snapshot-", dir=options.directory) as made:
        with running(Path(made)) as venue:
            traders = venue.traders(TRADERS)
        fill(venue.data, size.open_orders)
        with running(Path(made)) as venue:
            measure(venue, traders, size)


def fill(data: Path, open_orders: int) -> None:
    """Put resting orders into the journal of a venue that does not run."""
    with DataDirectory.open(data) as directory:
        taken = threading.Event()
        journal = FileJournal(
            directory.journal,
            Clock(),
            taken.set,
            venue_id=directory.venue_id.bytes,
            rules_version=Engine.RULES_VERSION,
        )
        for first in range(0, open_orders, GROUP_RECORDS):
            while journal.status().pending_records > 10 * GROUP_RECORDS:
                taken.wait(1)
                taken.clear()
                journal.take_committed()
            journal.append(b"".join(_resting(i) for i in range(first, first + GROUP_RECORDS)))
            journal.take_committed()
        journal.close()


def _resting(i: int) -> bytes:
    distance = 2_000 + i // 2 % LEVELS
    return encode(
        Command(
            kind=CommandKind.PLACE_ORDER,
            side=Side.BUY if i % 2 else Side.SELL,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            account_id=1 + i % TRADERS,
            instrument_id=1,
            price_ticks=MIDDLE_TICKS + (-distance if i % 2 else distance),
            qty_lots=100,
            client_id=b"x-open%015d" % i,
        )
    )


def measure(venue: Venue, traders: list[Trader], size: Size) -> None:
    burst(venue, traders)  # The first replies of a fresh process are slower.
    with_snapshot, without, seconds = [], [], []
    for _ in range(size.rounds):
        started = time.monotonic()
        with_snapshot += bursts_during_snapshot(venue, traders)
        seconds.append(time.monotonic() - started)
        while time.monotonic() - started < 2 * seconds[-1]:
            without.append(burst(venue, traders))
    above_ms = (slowest(with_snapshot) - slowest(without)) / 1_000
    show(
        f"Replies to orders while a snapshot is written, {size.open_orders:,} open orders, {CLIENTS} clients",
        ["", "orders/s", "p50 µs", "p99 µs", "slowest µs"],
        [_row("while a snapshot is written", with_snapshot), _row("without", without)],
        [
            f"{size.rounds} snapshots of {min(seconds):.1f} to {max(seconds):.1f} s.",
            verdict(f"the slowest {above_ms:.1f} ms later (at most {ABOVE_MS_MAX:.0f} ms)", above_ms <= ABOVE_MS_MAX),
        ],
    )


def bursts_during_snapshot(venue: Venue, traders: list[Trader]) -> list[LoadResult]:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            venue.operator.post("/venue/snapshots")
        except BaseException as failure:
            failures.append(failure)

    writing = threading.Thread(target=write)
    writing.start()
    results = []
    while writing.is_alive():
        results.append(burst(venue, traders))
    writing.join()
    if failures:
        raise RuntimeError("no snapshot was written") from failures[0]
    return results


def burst(venue: Venue, traders: list[Trader]) -> LoadResult:
    return checked(run_load(venue.served.port, rest_requests(mixed(BURST_ORDERS), traders), CLIENTS))


def slowest(results: list[LoadResult]) -> float:
    return max(result.max_us for result in results)


def _row(name: str, results: list[LoadResult]) -> list[str]:
    count = len(results)
    return [
        name,
        f"{sum(result.replies for result in results) / sum(result.seconds for result in results):,.0f}",
        f"{sum(result.p50_us for result in results) / count:.0f}",
        f"{sum(result.p99_us for result in results) / count:.0f}",
        f"{slowest(results):.0f}",
    ]


if __name__ == "__main__":
    main()
