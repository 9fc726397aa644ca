"""What the HTTP machinery costs: an empty route of ours beside one of Starlette under uvicorn:  python -m bench.rest

Both answer the same two bytes of JSON, in a process of their own; the load generator has the other core. Rounds take
turns; the figures are medians.
"""

import asyncio
import sys
from functools import partial

import uvloop

from bench.load import PEERS, LoadResult, get_request, peers_python, run_load, serving, take_turns
from bench.machine import show
from holdfast.gateway.server import Request, Respond, Response, Routes, Server

CONNECTIONS = (32, 1)
REQUESTS = {32: 60_000, 1: 10_000}
ROUNDS = 3
PATH = "/empty"


def main(rounds: int = ROUNDS) -> None:
    rows = []
    with (
        serving(sys.executable, "-m", "bench.rest", "serve") as ours,
        serving(peers_python(), str(PEERS / "starlette_empty.py")) as peer,
    ):
        for connections in CONNECTIONS:
            load = partial(load_empty_route, connections=connections)
            mine, other = take_turns([(ours, load), (peer, load)], rounds)
            rows.append(mine.row(f"Holdfast, {connections} open", f"{mine.per_second / other.per_second:.2f}x"))
            rows.append(other.row(f"uvicorn + Starlette, {connections} open"))
    show("An empty HTTP route", ["server", "requests/s", "p50 µs", "p99 µs", "CPU µs", "ratio"], rows)


def load_empty_route(port: int, connections: int) -> LoadResult:
    result = run_load(port, [get_request(PATH)], connections, REQUESTS[connections])
    if result.good != result.replies:
        raise RuntimeError(f"{result.replies - result.good} of {result.replies} answers were wrong")
    return result


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
