"""Orders over REST, beside what the disk and an empty route take:  python -m bench.rest [--quick] [--directory DIR]

With --gateways N: how that grows with N gateways in processes of their own; see `bench.rest_gateways`.

A whole venue (`holdfast run`: signatures, limits, durable journal, history) is sent LIMIT orders that were signed
before, and answers each when it is durable and applied. Beside it an empty route of Starlette under uvicorn, and for
the record an empty route of our own server. Three flows: orders that rest, orders of which every second fills the one
before, and a mix of both. One process serves at a time; the load generator has the other core. Rounds take turns; the
figures are medians. DIR must lie on the disk in question.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench import rest_gateways
from bench.disk import sync_us
from bench.load import PEERS, LoadResult, Measured, get_request, peers_python, run_load, serving, take_turns
from bench.machine import show, verdict
from bench.venue import FLOWS, Flow, Trader, Venue, rest_requests, running
from holdfast.gateway.server import Request, Respond, Response, Routes, Server

CONNECTIONS = 32
TRADERS = 8
PATH = "/empty"
RATIO_MIN = 0.8
ABOVE_SYNC_MS_MAX = 0.5


class Size(NamedTuple):
    orders: int
    empty_requests: int
    single: int  # Requests of one client alone.
    rounds: int


FULL = Size(40_000, 60_000, 4_000, 5)
QUICK = Size(8_000, 20_000, 1_000, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where the venue keeps its data")
    parser.add_argument("--gateways", type=int, default=0, metavar="N", help="how it grows with N joined gateways")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    if options.gateways:
        with tempfile.TemporaryDirectory(prefix="bench-rest-", dir=options.directory) as made:
            rest_gateways.measure(Path(made), options.gateways, size.orders, size.rounds)
        return
    with (
        tempfile.TemporaryDirectory(prefix="bench-rest-", dir=options.directory) as made,
        running(Path(made)) as venue,
        serving(sys.executable, "-m", "bench.rest", "serve") as empty,
        serving(peers_python(), str(PEERS / "starlette_empty.py")) as peer,
    ):
        traders = venue.traders(TRADERS)
        contestants = [
            *((venue.served, partial(load_orders, flow, traders, size.orders)) for flow in FLOWS.values()),
            (peer, partial(load_empty_route, size.empty_requests)),
            (empty, partial(load_empty_route, size.empty_requests)),
        ]
        show_throughput(take_turns(contestants, size.rounds))
        show_latency(*single_client(venue, traders, size, Path(made)))


def load_orders(flow: Flow, traders: list[Trader], orders: int, port: int) -> LoadResult:
    return checked(run_load(port, rest_requests(flow(orders), traders), CONNECTIONS))


def load_empty_route(requests: int, port: int) -> LoadResult:
    return checked(run_load(port, [get_request(PATH)], CONNECTIONS, requests))


def checked(result: LoadResult) -> LoadResult:
    if result.good != result.replies:
        raise RuntimeError(f"{result.replies - result.good} of {result.replies} answers were wrong")
    return result


def show_throughput(measured: list[Measured]) -> None:
    *orders, peer, empty = measured
    ratios = [each.per_second / peer.per_second for each in orders]
    rows = [
        each.row(f"orders: {name}", f"{ratio:.2f}x") for name, each, ratio in zip(FLOWS, orders, ratios, strict=True)
    ]
    rows.append(peer.row("uvicorn + Starlette, empty route", "1.00x"))
    rows.append(empty.row("our server, empty route", f"{empty.per_second / peer.per_second:.2f}x"))
    show(
        f"Signed LIMIT orders over REST, durable, {CONNECTIONS} connections",
        ["", "requests/s", "p50 µs", "p99 µs", "CPU µs", "ratio"],
        rows,
        [verdict(f"{min(ratios):.2f}x the empty route (at least {RATIO_MIN}x)", min(ratios) >= RATIO_MIN)],
    )


def single_client(venue: Venue, traders: list[Trader], size: Size, directory: Path) -> tuple[float, float, float]:
    """Medians in µs: one client's orders, their 99th percentile, and the disk alone in the same rounds."""
    results, syncs = [], []
    for _ in range(size.rounds):
        syncs.append(sync_us(directory))
        requests = rest_requests(FLOWS["mix"](size.single), traders)
        results.append(checked(run_load(venue.served.port, requests, 1)))
    return (
        statistics.median(result.p50_us for result in results),
        statistics.median(result.p99_us for result in results),
        statistics.median(syncs),
    )


def show_latency(p50_us: float, p99_us: float, disk_us: float) -> None:
    above_ms = (p50_us - disk_us) / 1_000
    show(
        "One client, one order after the other (mix)",
        ["", "p50 µs", "p99 µs"],
        [["order", f"{p50_us:.0f}", f"{p99_us:.0f}"], ["4 KiB made durable (RWF_DSYNC)", f"{disk_us:.0f}", ""]],
        [
            verdict(
                f"median {above_ms:.2f} ms above the disk (at most {ABOVE_SYNC_MS_MAX})", above_ms <= ABOVE_SYNC_MS_MAX
            )
        ],
    )


async def _serve() -> None:
    def empty(_request: Request, respond: Respond) -> None:
        respond(Response(200, b"{}"))

    routes = Routes()
    routes.add("GET", PATH, empty)
    server = Server(routes)
    await server.start()
    print(server.port, flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        uvloop.run(_serve())
    else:
        main()
