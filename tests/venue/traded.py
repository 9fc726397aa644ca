"""A data directory that was traded on until its venue was killed: the start of tests about what is kept."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess

CONFIG = Path(__file__).parents[1] / "crash" / "venue.toml"  # Small segments, frequent snapshots, no rate limits.
ROUNDS = 150
_LISTS = {
    "orders": ("/api/v3/allOrders", {"symbol": "BTCUSDT", "limit": 1000}),
    "trades": ("/api/v3/myTrades", {"symbol": "BTCUSDT", "limit": 1000}),
    "open orders": ("/api/v3/openOrders", {}),
    "balances": ("/api/v3/account", {}),
}


class Traded(NamedTuple):
    directory: Path
    keys: dict[str, dict[str, str]]  # By account's name.
    seen: dict[tuple[str, str], Any]  # (account, list) → what the venue had answered before it was killed.

    def copy(self, target: Path) -> VenueProcess:
        """The directory again, and a venue for it that was not started."""
        shutil.copytree(self.directory, target, ignore=shutil.ignore_patterns("*.sock"))  # A killed venue left it.
        return VenueProcess(target, "--config", str(CONFIG))


def trade(directory: Path) -> Traded:
    """Let two accounts trade on a new venue, and kill it."""
    with VenueProcess(directory, "--config", str(CONFIG)) as venue:
        keys = {name: venue.trader(name, BTC="10", USDT="1000000") for name in ("alice", "bob")}
        with (
            Rest(venue.port, keys["alice"]) as alice,
            Rest(venue.port, keys["bob"]) as bob,
            Operator(venue.port, venue.data) as operator,
        ):
            for number in range(ROUNDS):
                place(alice, "SELL", f"{40_000 + number % 7}", newClientOrderId=f"a{number}")
                place(bob, "BUY", f"{40_000 + number % 5}", newClientOrderId=f"b{number}")
            for number in range(2):  # With a change between them, so that they are of two seqs.
                place(alice, "SELL", "41000")
                status, reply = operator.call("POST", "/venue/snapshots", key=f"snapshot-{number}")
                assert status in (200, 201), reply
            place(bob, "BUY", "39000")
        return Traded(directory, keys, seen(venue, keys))


def place(rest: Rest, side: str, price: str, **more: Any) -> dict[str, Any]:
    """A LIMIT order that must be taken."""
    status, reply = rest.signed(
        "POST",
        "/api/v3/order",
        symbol="BTCUSDT",
        side=side,
        type="LIMIT",
        timeInForce="GTC",
        quantity="0.01",
        price=price,
        **more,
    )
    assert status == 200, reply
    answer: dict[str, Any] = reply
    return answer


def seen(venue: VenueProcess, keys: dict[str, dict[str, str]]) -> dict[tuple[str, str], Any]:
    """What each account reads of itself."""
    found: dict[tuple[str, str], Any] = {}
    for account, key in keys.items():
        with Rest(venue.port, key) as rest:
            for what, (path, parameters) in _LISTS.items():
                status, answer = rest.signed("GET", path, **parameters)
                assert status == 200, answer
                found[account, what] = answer["balances"] if what == "balances" else answer
    return found


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory, to see whether one was touched."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def why_not_started(directory: Path, *options: str, environment: dict[str, str] | None = None, port: int = 0) -> str:
    """Start a venue that must not start; the one sentence that it says on stderr."""
    venue = VenueProcess(directory, environment=environment)
    words = ["run", "--data", str(venue.data), "--port", str(port or venue.port), *options]
    done = venue.command(*words, check=False)
    assert done.returncode == 1, done
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(".\n"), done.stderr
    assert "listening" not in done.stdout
    return done.stderr.strip()
