"""How orders over REST grow with gateways in processes of their own:  python -m bench.rest --gateways N

The same load on the venue alone, and on 1 to N joined gateways that share it evenly; then on the venue and all of them.
Every process runs the engine; only the venue writes. What the table can show depends on the cores: the load generator,
the venue and each gateway want one each. CPU is of all of these servers together, for each order.
"""

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.load import Served, run_load
from bench.machine import show
from bench.venue import FLOWS, Trader, joined, rest_requests, running

CONNECTIONS = 32
TRADERS = 8


class _Round(NamedTuple):
    per_second: float
    p50_us: float
    p99_us: float
    cpu_us: float


def measure(directory: Path, gateways: int, orders: int, rounds: int) -> None:
    """Start everything, take turns, and print the table."""
    with ExitStack() as stack:
        venue = stack.enter_context(running(directory))
        traders = venue.traders(TRADERS)
        more = [stack.enter_context(joined(directory)) for _ in range(gateways)]
        setups: list[tuple[str, Sequence[Served]]] = [("the venue alone", [venue.served])]
        setups += [(f"{n} gateway{'s' if n > 1 else ''}", more[:n]) for n in range(1, gateways + 1)]
        setups.append((f"the venue and {gateways}", [venue.served, *more]))
        running_all = [venue.served, *more]
        results: list[list[_Round]] = [[] for _ in setups]
        for _ in range(rounds):
            for (_, doors), rows in zip(setups, results, strict=True):
                rows.append(_one(doors, running_all, traders, orders))
    columns = ["orders over REST (mix)", "requests/s", "p50 µs", "p99 µs", "CPU µs", "ratio"]
    medians = [_Round._make(map(statistics.median, zip(*rows, strict=True))) for rows in results]
    show(
        f"Signed orders through joined gateways, durable, {CONNECTIONS} connections",
        columns,
        [_row(name, each, medians[0]) for (name, _), each in zip(setups, medians, strict=True)],
    )


def _one(doors: Sequence[Served], everybody: Sequence[Served], traders: list[Trader], orders: int) -> _Round:
    """One load, shared evenly by `doors`."""
    requests = rest_requests(FLOWS["mix"](orders), traders)
    shares = [requests[i :: len(doors)] for i in range(len(doors))]
    cpu_s = sum(served.cpu_s() for served in everybody)
    with ThreadPoolExecutor(len(doors)) as threads:
        loads = [
            threads.submit(run_load, door.port, share, CONNECTIONS // len(doors))
            for door, share in zip(doors, shares, strict=True)
        ]
        results = [load.result() for load in loads]
    cpu_s = sum(served.cpu_s() for served in everybody) - cpu_s
    wrong = sum(result.replies - result.good for result in results)
    if wrong:
        raise RuntimeError(f"{wrong} of {orders} answers were wrong")
    return _Round(
        orders / max(result.seconds for result in results),
        statistics.mean(result.p50_us for result in results),
        max(result.p99_us for result in results),
        1e6 * cpu_s / orders,
    )


def _row(name: str, each: _Round, alone: _Round) -> list[str]:
    return [
        name,
        f"{each.per_second:,.0f}",
        f"{each.p50_us:.0f}",
        f"{each.p99_us:.0f}",
        f"{each.cpu_us:.1f}",
        f"{each.per_second / alone.per_second:.2f}x",
    ]
