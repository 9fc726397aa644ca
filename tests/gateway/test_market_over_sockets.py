"""The same over real sockets: the server, the broadcaster and the `websockets` client, in every form of URL."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
import websockets

from holdfast.codes import Side
from holdfast.gateway.binance.market_install import install_market
from holdfast.gateway.server.broadcast import Broadcaster
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.server import Server
from holdfast.views import Auction
from tests.gateway.market_readers import DocumentedReader
from tests.gateway.market_venue import Market
from tests.market_data.session import Batch


class LiveMarket(Market):
    """A market whose streams are those that `install_market` puts on a server; it is its own replica."""

    def __init__(self, routes):
        super().__init__()
        self.readers = []
        self.streams = install_market(
            routes, self, self.data, Broadcaster(), lambda: self.clock_ns, lambda _: Auction(0, 0, 0)
        )

    def add_reader(self, reader):
        self.readers.append(reader)

    def apply(self, orders=None, book=None):
        batch = Batch(orders or [], book or [])
        self.data.on_applied(batch)
        for reader in self.readers:
            reader(batch)


@asynccontextmanager
async def venue():
    routes = Routes()
    market = LiveMarket(routes)
    server = Server(routes)
    await server.start()
    try:
        yield market, server.url.replace("http", "ws")
    finally:
        await server.stop(grace_s=1.0, announce=market.streams.announce_shutdown)


async def receive(client):
    return json.loads(await asyncio.wait_for(client.recv(), 5))


async def ask(client, **message):
    await client.send(json.dumps(message))
    return await receive(client)


@pytest.mark.parametrize(
    ("path", "names", "is_combined"),
    [
        ("/ws/btcusdt@depth@100ms", [], False),
        ("/ws", ["btcusdt@depth@100ms"], False),
        ("/ws/0", ["btcusdt@depth@100ms"], False),
        ("/stream?streams=btcusdt@depth@100ms", [], True),
        ("/stream", ["btcusdt@depth@100ms"], True),
        ("/stream/ws/3", ["btcusdt@depth@100ms"], False),
    ],
)
async def test_client_follows_the_book_through_every_form_of_url(path, names, is_combined):
    async with venue() as (market, url):
        session = market.session
        market.apply(book=[session.level(Side.BUY, 99, 5), session.level(Side.SELL, 101, 6)])
        market.tick()
        async with websockets.connect(url + path) as client:
            if names:
                assert await ask(client, method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
            reader = DocumentedReader(lambda: market.get("/api/v3/depth?symbol=BTCUSDT&limit=5000"))

            async def feed():
                message = await receive(client)
                if is_combined:
                    assert message["stream"] == "btcusdt@depth@100ms"
                    message = message["data"]
                reader.feed(message)

            await feed()
            reader.synchronise()
            for lots in (7, 0):
                market.apply(book=[session.level(Side.BUY, 99, lots)])
                market.tick()
                await feed()
        assert reader.book.shown() == ([], [("1.01000000", "0.00006000")])


async def test_thousands_of_sends_go_to_all_in_order():
    async with venue() as (market, url):
        clients = [await websockets.connect(f"{url}/stream?streams=btcusdt@depth@100ms") for _ in range(40)]
        for i in range(30):
            market.apply(book=[market.session.level(Side.BUY, 50 + i, 5)])
            market.tick()
            await asyncio.sleep(0)
        for client in clients:
            events = [(await receive(client))["data"] for _ in range(31)]
            assert [event["u"] for event in events] == list(range(31))
            await client.close()


async def test_session_that_ends_leaves_nothing_behind():
    async with venue() as (market, url), websockets.connect(f"{url}/ws/btcusdt@trade/btcusdt@depth") as client:
        assert (await receive(client))["e"] == "depthUpdate"
        assert market.streams.counts() == {"sessions": 1, "streams": 2, "waiting_sends": 0}
    assert market.streams.counts() == {"sessions": 0, "streams": 0, "waiting_sends": 0}


async def test_malformed_url_is_refused_before_the_upgrade():
    async with venue() as (_, url):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"{url}/ws/btcusdt@trade?timeUnit=HOUR")
        assert refused.value.response.status_code == 400
        assert json.loads(refused.value.response.body)["code"] == -1194


async def test_shutdown_is_announced_before_the_socket_closes():
    async with venue() as (market, url):
        client = await websockets.connect(f"{url}/stream")
        assert (await ask(client, method="GET_PROPERTY", params=["combined"], id=1))["result"] is True
        assert market.streams.counts()["sessions"] == 1
    assert (await receive(client))["stream"] == "!serverShutdown"
    with pytest.raises(websockets.ConnectionClosed):
        await receive(client)
