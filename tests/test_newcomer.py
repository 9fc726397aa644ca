"""A newcomer's path: what README.md says is pasted as it stands into a session beside a real demo venue.

Only the port is another one. How long a start takes is measured by people, not here: see README.md.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.clients.environments import python_of
from tests.support.venue import VenueProcess

pytestmark = pytest.mark.slow
README = (Path(__file__).parents[1] / "README.md").read_text()
BUY, WATCH = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with VenueProcess(tmp_path_factory.mktemp("newcomer"), "--demo") as running:
        yield running


def paste(venue: VenueProcess, code: str) -> list[str]:
    """What the code prints in an environment with ccxt, in the directory in which `make run` was typed."""
    done = subprocess.run(
        [str(python_of("ccxt")), "-c", code.replace("http://127.0.0.1:8000", venue.url)],
        cwd=venue.directory,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def printed(venue: VenueProcess) -> list[str]:
    """What the README's Python prints in one session."""
    return paste(venue, f"{BUY}\n{WATCH}")


def test_the_snippet_buys_bitcoin_and_shows_order_trade_fee_and_balance(printed: list[str]) -> None:
    fee = r"\{'currency': 'BTC', 'cost': 1e-05\}"
    order = re.fullmatch(rf"order \d+ closed 0\.01 BTC at (\d+\.?\d*) fee {fee}", printed[0])
    trade = re.fullmatch(r"trade \d+ (0\.\d+) BTC at (\d+\.?\d*) fee \{.*\}", printed[1])
    assert order and trade, printed[:3]
    assert 0 < Decimal(trade[1]) <= Decimal("0.01")  # The last of perhaps several fills.
    owned = json.loads(printed[2].removeprefix("owned ").replace("'", '"'))
    assert owned["BTC"] == 1.00999
    assert abs(owned["USDT"] - (100_000 - 0.01 * float(order[1]))) < 0.01


def test_the_book_is_seen_to_move(printed: list[str]) -> None:
    book = printed[3:]
    assert len(book) == 20
    assert all(re.fullmatch(r"bid \[[0-9., e-]+\] ask \[[0-9., e-]+\]", line) for line in book), book
    assert len(set(book)) > 1


def test_the_start_prints_the_same_snippet_and_whole_keys(venue: VenueProcess) -> None:
    lines = list(venue.log)
    keys_file = venue.data / "demo-keys.json"
    expected = BUY.replace("http://127.0.0.1:8000", venue.url).replace("data/demo-keys.json", str(keys_file))
    begin = lines.index(expected.splitlines()[0])
    assert lines[begin : begin + 12] == expected.splitlines()
    for name, key in json.loads(keys_file.read_text()).items():
        begin = lines.index(name)
        assert lines[begin + 1 : begin + 3] == [f"  API key     {key['apiKey']}", f"  secret key  {key['secretKey']}"]


def test_what_was_bought_is_there_after_kill_9(venue: VenueProcess, printed: list[str]) -> None:
    order_id = printed[0].split()[1]
    venue.kill()
    venue.start()
    connect = BUY.partition("order = ")[0]
    assert paste(venue, f"{connect}print(exchange.fetch_order('{order_id}', 'BTC/USDT')['status'])") == ["closed"]
