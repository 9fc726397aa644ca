"""A real venue under the benches' load: started as a person starts it, with rate limits that nobody reaches.

    with running(directory) as venue:
        traders = venue.traders(8)
        run_load(venue.served.port, rest_requests(mixed(10_000), traders), connections=32)

It is a process of its own, durable, with its history on. What it stores lies in `directory`, so that must be on the
disk in question.
"""

import hashlib
import hmac
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.load import Served
from holdfast.cli.client import Client
from holdfast.settings import DEFAULT_PATH, RateLimits

SYMBOL = "BTCUSDT"
QUANTITY = "0.00100"
MIDDLE_TICKS = 4_000_000  # 40,000.00
RESTING_LEVELS = 200  # On each side.
RECEIVE_WINDOW_MS = 60_000  # A load is signed at once and sent within this time.
_AMOUNTS = {"BTC": "1000000", "USDT": "1000000000"}
_UNREACHED = 10**12


class Trader(NamedTuple):
    api_key: str
    secret: bytes

    def signature(self, payload: str) -> str:
        return hmac.new(self.secret, payload.encode(), hashlib.sha256).hexdigest()


class Order(NamedTuple):
    side: str
    price_ticks: int
    client_id: str

    @property
    def price(self) -> str:
        return f"{self.price_ticks // 100}.{self.price_ticks % 100:02}"


class Venue(NamedTuple):
    served: Served
    data: Path
    line_port: int = 0  # When it was started with the binary line.

    @property
    def operator(self) -> Client:
        return Client(self.data)

    def traders(self, number: int) -> list[Trader]:
        """New accounts with much of everything, and a key each."""
        traders = []
        for i in range(number):
            name = f"bench-{i}"
            self.account(name)
            key = self.operator.post(f"/accounts/{name}/keys", {"type": "hmac", "permissions": ["read", "trade"]})
            traders.append(Trader(key["apiKey"], key["secretKey"].encode()))
        return traders

    def account(self, name: str) -> None:
        """A new account with much of everything."""
        self.operator.post("/accounts", {"name": name})
        for asset, amount in _AMOUNTS.items():
            self.operator.post(f"/accounts/{name}/deposits", {"asset": asset, "amount": amount})


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Venue]:
    """Start `holdfast run` on `directory` and stop it at the end; its output goes to a file there."""
    data, config = directory / "data", directory / "venue.toml"
    limits = "".join(f"{name} = {_UNREACHED}\n" for name in RateLimits._fields)
    markets = DEFAULT_PATH.read_text("utf-8").replace(
        f"[instruments.{SYMBOL}]", f"[instruments.{SYMBOL}]\norders_max = 10000000"
    )
    config.write_text(f"[rate_limits]\n{limits}\n{markets}", "utf-8")
    with _started(directory, "run", "--data", str(data), "--config", str(config), *options) as (process, ports):
        yield Venue(Served(ports[0], process.pid), data, ports[1])


@contextmanager
def joined(directory: Path) -> Iterator[Served]:
    """The same for one more gateway beside the venue of `running`."""
    with _started(directory, "gateway", "--join", str(directory / "data")) as (process, ports):
        yield Served(ports[0], process.pid)


@contextmanager
def _started(directory: Path, *words: str) -> Iterator[tuple["subprocess.Popen[str]", tuple[int, int]]]:
    """`holdfast WORDS` on a free port, and its ports."""
    command = [str(Path(sys.executable).with_name("holdfast")), *words, "--port", "0"]
    environment = {**os.environ, "HOLDFAST_MASTER_KEY_FILE": str(directory / "master.key"), "PYTHONUNBUFFERED": "1"}
    with (directory / "output").open("a") as output:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=output, text=True)
    assert process.stdout is not None
    try:
        yield process, _ports(process, directory / "output")
    finally:
        process.terminate()
        process.communicate()


def _ports(process: "subprocess.Popen[str]", output: Path) -> tuple[int, int]:
    """Of REST and WebSocket, and of the line (0: it has none), which is told first."""
    assert process.stdout is not None
    line_port = 0
    for text in process.stdout:
        _, found, address = text.partition("the line is open on 127.0.0.1 port ")
        if found:
            line_port = int(address)
        _, found, address = text.partition("listening on http://127.0.0.1:")
        if found:
            return int(address), line_port
    raise RuntimeError(f"the venue did not start: {output.read_text()[-2_000:]}")


# Loads.

_numbers = count(1)
Flow = Callable[[int], list[Order]]  # How many → the orders, in the order in which they should arrive.


def resting(number: int) -> list[Order]:
    """Orders of both sides on many levels, none of which trades."""
    return [_resting(i) for i in range(number)]


def trading(number: int) -> list[Order]:
    """Every second order fills the one before it."""
    return [_touching(i) for i in range(number)]


def mixed(number: int) -> list[Order]:
    """Of four orders two rest, and of the other two one fills the other."""
    return [_touching(i) if i % 4 >= 2 else _resting(i) for i in range(number)]


FLOWS: dict[str, Flow] = {"rest": resting, "trade": trading, "mix": mixed}


def _resting(i: int) -> Order:
    distance = 1_000 + i // 2 * 7 % RESTING_LEVELS
    side, sign = ("BUY", -1) if i % 2 else ("SELL", 1)
    return Order(side, MIDDLE_TICKS + sign * distance, _client_id())


def _touching(i: int) -> Order:
    return Order("BUY" if i % 2 else "SELL", MIDDLE_TICKS, _client_id())


def _client_id() -> str:
    return f"x-bench{next(_numbers):015}"


def rest_requests(orders: Sequence[Order], traders: Sequence[Trader]) -> list[bytes]:
    """Signed HTTP requests, one trader after the other, as a client with a form body sends them."""
    timestamp = int(time.time() * 1000)
    return [_rest_request(order, traders[i % len(traders)], timestamp) for i, order in enumerate(orders)]


def _rest_request(order: Order, trader: Trader, timestamp: int) -> bytes:
    query = (
        f"symbol={SYMBOL}&side={order.side}&type=LIMIT&timeInForce=GTC&quantity={QUANTITY}&price={order.price}"
        f"&newClientOrderId={order.client_id}&recvWindow={RECEIVE_WINDOW_MS}&timestamp={timestamp}"
    )
    body = f"{query}&signature={trader.signature(query)}"
    return (
        "POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: load\r\n"
        f"X-MBX-APIKEY: {trader.api_key}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def logon_message(trader: Trader) -> bytes:
    parameters = {"apiKey": trader.api_key, "recvWindow": RECEIVE_WINDOW_MS, "timestamp": int(time.time() * 1000)}
    signature = trader.signature("&".join(f"{name}={value}" for name, value in sorted(parameters.items())))
    return _message("logon", "session.logon", parameters | {"signature": signature})


def order_messages(orders: Sequence[Order]) -> list[bytes]:
    """Requests of a session that is logged on."""
    timestamp = int(time.time() * 1000)
    return [
        _message(
            order.client_id,
            "order.place",
            {
                "symbol": SYMBOL,
                "side": order.side,
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": QUANTITY,
                "price": order.price,
                "newClientOrderId": order.client_id,
                "recvWindow": RECEIVE_WINDOW_MS,
                "timestamp": timestamp,
            },
        )
        for order in orders
    ]


def _message(request_id: str, method: str, parameters: dict[str, object]) -> bytes:
    return msgspec.json.encode({"id": request_id, "method": method, "params": parameters})
