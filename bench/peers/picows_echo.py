"""The peer of the WebSocket benchmarks: picows' own server, echoing. Prints its port, and serves."""

import asyncio

import uvloop
from picows import WSFrame, WSListener, WSTransport, WSUpgradeRequest, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


async def main() -> None:
    def listener(_request: WSUpgradeRequest) -> WSListener:
        return Echo()

    server = await ws_create_server(listener, "127.0.0.1", 0, use_aiofastnet=False)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
