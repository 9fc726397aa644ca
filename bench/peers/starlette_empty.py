"""The peer of the REST benchmark: an empty route of Starlette under uvicorn. Prints its port, and serves."""

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def empty(_request: Request) -> JSONResponse:
    return JSONResponse({})


if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)  # noqa: T201
    config = uvicorn.Config(
        Starlette(routes=[Route("/empty", empty)]), loop="uvloop", http="httptools", log_level="error", access_log=False
    )
    uvicorn.Server(config).run(sockets=[listening])
