"""Orders over the WebSocket API, beside an empty echo of picows:  python -m bench.ws_api [--quick] [--directory DIR]

A whole venue is sent LIMIT orders over sessions that logged on once, so that no order is signed; each is answered when
it is durable and applied. The echo sends back messages of the same bytes. Orders are a mix: of four two rest, and of
the other two one fills the other. All sessions are of one account. The load generator has the other core; rounds take
turns; the figures are medians. DIR must lie on the disk in question.

What is judged are sessions with several orders in flight. Sessions that wait for each reply are shown beside them: many
of them, where each message costs two system calls as in the echo, and few, which wait for the disk all the time.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.load import PEERS, LoadResult, client_frame, run_load, serving, take_turns, websocket_handshake
from bench.machine import show, verdict
from bench.rest import checked
from bench.venue import Trader, logon_message, mixed, order_messages, running

PATH = "/ws-api/v3"
OK_TEXT = '"status":200'
RATIO_MIN = 0.35


class Shape(NamedTuple):
    sessions: int
    in_flight: int  # On each.
    is_judged: bool

    @property
    def name(self) -> str:
        return f"{self.sessions} x {self.in_flight}"


SHAPES = (Shape(16, 8, True), Shape(128, 1, False), Shape(16, 1, False))


class Size(NamedTuple):
    orders: int
    echoes: int
    rounds: int


FULL = Size(40_000, 100_000, 5)
QUICK = Size(8_000, 30_000, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where the venue keeps its data")
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    rows, ratios = [], []
    with (
        tempfile.TemporaryDirectory(prefix="bench-ws-api-", dir=options.directory) as made,
        running(Path(made)) as venue,
        serving(sys.executable, str(PEERS / "picows_echo.py")) as peer,
    ):
        [trader] = venue.traders(1)
        for shape in SHAPES:
            loads = partial(load_orders, trader, size.orders, shape), partial(load_echo, size.echoes, shape)
            orders, echo = take_turns([(venue.served, loads[0]), (peer, loads[1])], size.rounds)
            ratio = orders.per_second / echo.per_second
            if shape.is_judged:
                ratios.append(ratio)
            rows.append(orders.row(f"orders, {shape.name}", f"{ratio:.2f}x"))
            rows.append(echo.row(f"echo, {shape.name}", "1.00x"))
    show(
        "LIMIT orders, durable, and an empty picows echo; sessions x messages in flight on each",
        ["", "messages/s", "p50 µs", "p99 µs", "CPU µs", "ratio"],
        rows,
        [verdict(f"{min(ratios):.2f}x the empty echo (at least {RATIO_MIN}x)", min(ratios) >= RATIO_MIN)],
    )


def load_orders(trader: Trader, orders: int, shape: Shape, port: int) -> LoadResult:
    openings = [websocket_handshake(PATH), client_frame(logon_message(trader))]
    frames = [client_frame(message) for message in order_messages(mixed(orders))]
    return checked(
        run_load(port, frames, shape.sessions, 0, shape.in_flight, websocket=True, openings=openings, ok_text=OK_TEXT)
    )


def load_echo(echoes: int, shape: Shape, port: int) -> LoadResult:
    openings = [websocket_handshake("/")]
    frames = [client_frame(message) for message in order_messages(mixed(100))]
    return run_load(port, frames, shape.sessions, echoes, shape.in_flight, websocket=True, openings=openings)


if __name__ == "__main__":
    main()
