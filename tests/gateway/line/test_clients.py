"""Both Python clients beside a real venue, over a socket of each kind: what the package promises a newcomer, and what
it promises when the venue goes away under it."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from holdfast.client import (
    AsyncLineClient,
    EndedError,
    LineClient,
    LineError,
    OrderEventKind,
    OrderType,
    Outcome,
    PegPriceType,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.client.core import Request
from holdfast.client.orders import cancel_order, new_order
from holdfast.line import RECORD_BYTES
from tests.crash.harness import CONFIG
from tests.support.venue import VenueProcess, free_port

pytestmark = pytest.mark.slow

Key = dict[str, str]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    line_port = free_port()
    options = ("--config", str(CONFIG), "--line-socket", "--line-port", str(line_port))
    with VenueProcess(tmp_path_factory.mktemp("line"), *options) as running:
        yield running


def trader(venue: VenueProcess, name: str) -> Key:
    venue.json("account", "create", name)
    for asset, amount in (("BTC", "10"), ("USDT", "1000000")):
        venue.json("deposit", name, asset, amount, "--reference", f"{name}-{asset}")
    key: Key = venue.json("key", "create", name, "--type", "ed25519")
    return key


@pytest.fixture(scope="module")
def key(venue: VenueProcess) -> Key:
    return trader(venue, "alice")


def unix(venue: VenueProcess) -> Path:
    return venue.data / "line.sock"


def tcp(venue: VenueProcess) -> str:
    return f"127.0.0.1:{venue.options[-1]}"


def client(venue: VenueProcess, key: Key, **more: object) -> LineClient:
    return LineClient(tcp(venue), key["apiKey"], key["secretKey"], **more)  # type: ignore[arg-type]


def test_the_socket_is_its_owners_alone(venue: VenueProcess) -> None:
    assert unix(venue).stat().st_mode & 0o777 == 0o600
    assert f"the line is open on 127.0.0.1 port {venue.options[-1]}" in venue.log
    assert f"the line is open on {unix(venue)}" in venue.log


def test_orders_of_each_kind_with_decimal_text(venue: VenueProcess, key: Key) -> None:
    with client(venue, key) as line:
        market = line.instrument("BTCUSDT")
        ask = line.place("BTCUSDT", Side.SELL, Decimal("0.01000"), price=Decimal("40000.50"))
        assert ask.order is not None
        assert market.format_price(ask.order.price_ticks) == "40000.50000000"
        assert market.format_qty(ask.order.qty_lots) == "0.01000000"
        bought = line.place("BTCUSDT", Side.BUY, quote_quantity="200")
        assert bought.order is not None
        assert market.format_qty(bought.order.executed_lots) == "0.00499000"
        refused = line.place("BTCUSDT", Side.BUY, "0.01", price="50000", order_type=OrderType.LIMIT_MAKER)
        assert refused.reject_reason == RejectReason.WOULD_TAKE
        assert refused.order is None
        expired = line.place("BTCUSDT", Side.BUY, "0.01", price="30000", time_in_force=TimeInForce.IOC)
        assert [report.kind for report in expired.reports][-1] == OrderEventKind.ORDER_EXPIRED
        moved = line.replace("BTCUSDT", Side.SELL, "0.02", price="41000", order_id=ask.order.order_id)
        assert [report.kind for report in moved.reports] == [
            OrderEventKind.ORDER_CANCELED,
            OrderEventKind.ORDER_ACCEPTED,
        ]
        assert moved.order is not None
        amended = line.amend("BTCUSDT", "0.015", order_id=moved.order.order_id)
        assert [(r.kind, market.format_qty(r.qty_lots)) for r in amended.reports] == [
            (OrderEventKind.ORDER_AMENDED, "0.01500000")
        ]
        stop = line.place("BTCUSDT", Side.SELL, "0.01", stop_price="30000", order_type=OrderType.STOP_LOSS)
        assert stop.order is not None
        assert not stop.order.is_working
        iceberg = line.place("BTCUSDT", Side.SELL, "0.03", price="42000", iceberg_quantity="0.01")
        assert iceberg.order is not None
        pegged = line.place("BTCUSDT", Side.SELL, "0.01", peg=PegPriceType.PRIMARY, peg_offset_levels=1)
        assert pegged.order is not None
        assert market.format_price(pegged.order.price_ticks) == "42000.00000000"
        nowhere = line.replace(
            "BTCUSDT", Side.SELL, "0.01", order_id=iceberg.order.order_id, peg=PegPriceType.PRIMARY,
            peg_offset_levels=9, order_type=OrderType.LIMIT_MAKER,
        )  # fmt: skip
        assert nowhere.reject_reason == RejectReason.NO_PEG_PRICE
        with pytest.raises(ValueError, match="price from the book"):
            line.place("BTCUSDT", Side.SELL, "0.01", price="1", peg=PegPriceType.MARKET)
        of = {"order_type": OrderType.STOP_LOSS, "trailing_delta_bips": 100}
        assert line.place("BTCUSDT", Side.SELL, "0.01", **of).order is not None
        too_far = line.place("BTCUSDT", Side.SELL, "0.01", **(of | {"trailing_delta_bips": 2_001}))
        assert too_far.reject_reason == RejectReason.TRAILING_DELTA
        assert line.cancel_all("BTCUSDT").reports[-1].qty_lots == 4
        assert line.cancel("BTCUSDT", order_id=ask.order.order_id).reject_reason == RejectReason.ORDER_UNKNOWN
        assert len(line.read()) > 8


@pytest.mark.parametrize("value", ["0.123456789", "abc", "-1", "1e3", ""])
def test_a_value_that_is_no_number_of_lots_is_refused_before_it_is_sent(
    venue: VenueProcess, key: Key, value: str
) -> None:
    with client(venue, key) as line:
        with pytest.raises(ValueError):
            line.place("BTCUSDT", Side.BUY, value, price="40000")
        with pytest.raises(LineError):
            line.place("NOSUCH", Side.BUY, "1", price="40000")
        assert line.core.in_flight == 0


def test_thousands_at_once_are_answered_once_each(venue: VenueProcess, key: Key) -> None:
    with LineClient(unix(venue), key["apiKey"], key["secretKey"], session=9) as line:
        market = line.instrument("BTCUSDT")
        requests = [
            line.submit(new_order(market, Side.BUY, "0.001", "20000", time_in_force=TimeInForce.IOC))
            for _ in range(5_000)
        ]
        line.wait_all(requests)
        assert {request.outcome for request in requests} == {Outcome.DONE}
        told = line.read()
        assert len(told) == 10_000
        assert [(r.seq, r.index) for r in told] == sorted({(r.seq, r.index) for r in told})


async def test_the_asyncio_client_places_cancels_and_reports(venue: VenueProcess, key: Key) -> None:
    async with AsyncLineClient(unix(venue), key["apiKey"], key["secretKey"], session=1) as line:
        bids = await asyncio.gather(
            *(line.place("BTCUSDT", Side.BUY, "0.01", price=f"{20_000 + n}") for n in range(20))
        )
        orders = [bid.order for bid in bids]
        assert all(order is not None and order.is_working for order in orders)
        await asyncio.gather(*(line.cancel("BTCUSDT", order_id=order.order_id) for order in orders if order))
        told = []
        async for report in line.reports():
            told.append(report.kind)
            if len(told) == 40:
                break
        assert told == [OrderEventKind.ORDER_ACCEPTED] * 20 + [OrderEventKind.ORDER_CANCELED] * 20


async def test_both_clients_are_told_when_a_market_changes_its_mode(venue: VenueProcess, key: Key) -> None:
    with client(venue, key, session=8) as line:
        async with AsyncLineClient(unix(venue), key["apiKey"], key["secretKey"], session=9) as other:
            told = anext(aiter(other.mode_changes()))
            venue.json("instrument", "mode", "ETHUSDT", "CANCEL_ONLY")
            changed = await asyncio.wait_for(told, 20)
            assert (changed.symbol, changed.mode) == ("ETHUSDT", TradingMode.CANCEL_ONLY)
        assert [each.mode for each in line.mode_changes(20)] == [TradingMode.CANCEL_ONLY]
        refused = line.place("ETHUSDT", Side.BUY, "0.1", price="1000")
        assert refused.reject_reason == RejectReason.MODE_FORBIDS
        venue.json("instrument", "mode", "ETHUSDT", "TRADING")
        assert [each.mode for each in line.mode_changes(20)] == [TradingMode.TRADING]
        assert line.mode_changes() == []
        assert line.instrument("ETHUSDT").mode == TradingMode.TRADING


async def test_a_session_that_the_venue_ends_for_good_is_an_error_for_all_who_wait(
    venue: VenueProcess, key: Key
) -> None:
    async with (
        AsyncLineClient(tcp(venue), key["apiKey"], key["secretKey"], session=2) as first,
        AsyncLineClient(tcp(venue), key["apiKey"], key["secretKey"], session=2) as second,
    ):
        with pytest.raises(EndedError):
            async for _ in first.reports():
                pass
        with pytest.raises(EndedError):
            await first.place("BTCUSDT", Side.BUY, "0.01", price="20000")
        assert (await second.cancel_all()).outcome is Outcome.DONE


def test_a_wrong_key_is_refused_with_a_sentence(venue: VenueProcess, key: Key) -> None:
    other = trader(venue, "mallory")
    with pytest.raises(EndedError, match="not right"):
        LineClient(tcp(venue), key["apiKey"], other["secretKey"]).connect()


def test_revoking_a_key_ends_its_sessions(venue: VenueProcess) -> None:
    own = trader(venue, "rex")
    with client(venue, own) as line:
        (row,) = venue.json("key", "list", "rex")
        venue.command("key", "revoke", str(row["keyId"]), "--data", str(venue.data))
        with pytest.raises(EndedError, match="revoked"):
            line.read(20)


def test_a_drop_copy_tells_of_orders_that_came_another_way(venue: VenueProcess) -> None:
    own = trader(venue, "dora")
    reader = venue.json("key", "create", "dora", "--type", "ed25519", "--permissions", "read")
    with (
        client(venue, own) as line,
        LineClient(unix(venue), reader["apiKey"], reader["secretKey"], drop_copy=True) as copy,
    ):
        order = line.place("BTCUSDT", Side.BUY, "0.01", price="20000").order
        (told,) = copy.read(20)
        assert told == order
        with pytest.raises(LineError):
            copy.submit(cancel_order(copy.instrument("BTCUSDT"), told.order_id))


def test_who_was_away_is_told_from_memory_and_after_a_restart_from_the_journal(venue: VenueProcess, key: Key) -> None:
    reader = venue.json("key", "create", "alice", "--type", "ed25519", "--permissions", "read")
    with client(venue, key, session=5) as line:
        away = LineClient(unix(venue), reader["apiKey"], reader["secretKey"], drop_copy=True)
        away.connect()
        for is_restarted in (False, True):
            away._drop()
            placed = [line.place("BTCUSDT", Side.BUY, "0.01", price="21000").order for _ in range(30)]
            line.cancel_all("BTCUSDT")
            if is_restarted:
                venue.kill()
                venue.start()
            told = []
            while len(told) < 61:
                told += away.read(20)
            assert [r for r in told if r.kind == OrderEventKind.ORDER_ACCEPTED] == placed
            assert [r.kind for r in told[30:60]] == [OrderEventKind.ORDER_CANCELED] * 30
        away.close()


async def test_the_asyncio_client_carries_on_over_a_restart(venue: VenueProcess, key: Key) -> None:
    async with AsyncLineClient(unix(venue), key["apiKey"], key["secretKey"], session=6) as line:
        market = line.instrument("BTCUSDT")
        requests: list[Request] = []
        is_trading = asyncio.Event()

        async def trade() -> None:
            for number in range(150):
                record = new_order(market, Side.BUY, "0.001", "20000", client_id=f"async-{number}")
                requests.append(line.submit(record))
                if number == 30:
                    await line.wait(requests[-5])
                    is_trading.set()
                await asyncio.sleep(0)  # A turn for who kills: the rest is sent while nobody is there.

        trading = asyncio.create_task(trade())
        await is_trading.wait()
        venue.kill()
        await asyncio.to_thread(venue.start)
        await trading
        await asyncio.gather(*map(line.wait, requests))
        names = [request.order.client_id.decode() for request in requests if request.order is not None]
        assert names == [f"async-{number}" for number in range(150)]
        await line.cancel_all()


def test_the_venue_stops_with_0_whatever_clients_of_the_line_do(venue: VenueProcess, key: Key) -> None:
    host, port = tcp(venue).split(":")
    silent, half = socket.create_connection((host, int(port))), socket.create_connection((host, int(port)))
    with silent, half, client(venue, key, session=7) as line:
        half.sendall(bytes(RECORD_BYTES // 2))
        deaf = threading.Thread(target=flood, args=(line,))
        deaf.start()
        begun = time.monotonic()
        assert venue.terminate() == 0
        assert time.monotonic() - begun < 30
        deaf.join()
    venue.start()


def flood(line: LineClient) -> None:
    """Send much and read nothing."""
    market = line.instrument("BTCUSDT")
    for _ in range(3_000):
        line.submit(new_order(market, Side.BUY, "0.001", "20000", time_in_force=TimeInForce.IOC))
    connected = line._socket
    assert connected is not None
    connected.settimeout(5)
    with contextlib.suppress(OSError):  # The venue goes away meanwhile, as it was told to.
        connected.sendall(line.core.outgoing())


def test_the_line_speaks_tls_when_the_venue_does(tmp_path: Path) -> None:
    port = free_port()
    with VenueProcess(tmp_path, "--tls", "--line-port", str(port)) as venue:
        key = trader(venue, "alice")
        trust = ssl.create_default_context(cafile=tmp_path / "tls" / "authority.pem")
        with LineClient(f"127.0.0.1:{port}", key["apiKey"], key["secretKey"], tls=trust) as line:
            assert line.place("BTCUSDT", Side.BUY, "0.01", price="20000").order is not None
            market = line.instrument("BTCUSDT")
            many = [line.submit(new_order(market, Side.BUY, "0.01", "20000")) for _ in range(1_000)]
            assert {request.outcome for request in line.wait_all(many)} <= {Outcome.DONE, Outcome.REFUSED}
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as plain:
            plain.sendall(bytes(RECORD_BYTES))
            plain.settimeout(20)
            assert not plain.recv(RECORD_BYTES).startswith(b"HFLINE")
