"""The documents say what the code does: a page whose tables can rot is worse than none.

Each table of docs/api.md that lists something is compared with what the code lists, both ways; README's snippet is the
one that a start prints; links lead somewhere.
"""

import re
from pathlib import Path

import pytest

from holdfast.codes import KeyPermission, OrderType, TimeInForce, TradingMode
from holdfast.gateway.binance import general, orders
from holdfast.gateway.binance.endpoints import Budget, Endpoint
from holdfast.gateway.binance.gateway import REST_ROUTES, REST_UNSUPPORTED
from holdfast.gateway.binance.market_topics import Source, Topic, topic_of
from holdfast.gateway.binance.ws_api import SESSION_METHODS
from holdfast.market_data.intervals import INTERVALS
from holdfast.market_data.klines import ROWS_MAX
from holdfast.market_data.market_data import MarketData
from holdfast.market_data.trades import AGGREGATES_KEPT, TRADES_KEPT
from holdfast.progress import snippet
from holdfast.settings import RateLimits
from holdfast.views import Auction
from tests.gateway.fakes import World
from tests.gateway.market_venue import Market
from tests.market_data.session import BTCUSDT, REFERENCE

ROOT = Path(__file__).parents[1]
API = (ROOT / "docs" / "api.md").read_text()
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def table(heading: str) -> list[list[str]]:
    """The cells of the table of docs/api.md whose head begins so; without the head."""
    lines = iter(API.splitlines())
    assert any(line.startswith(heading) for line in lines), f"no table begins with {heading}"
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def in_ticks(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def endpoints() -> dict[str, tuple[str, Endpoint]]:
    """WebSocket API method → (REST method and path, endpoint), from the code."""
    gateway, market = World().gateway, Market()
    paths = {method: f"{http_method} {path}" for (http_method, path), method in REST_ROUTES.items()}
    found = {method: (paths.pop(method), endpoint) for method, endpoint in gateway.methods.items()}
    assert not paths
    # The market's rows stand in the same order for both doors, with the same endpoint objects in them.
    for rows in (market.endpoints, market.rules):
        for (path, rest), (method, endpoint) in zip(rows.rest.items(), rows.methods.items(), strict=True):
            assert rest is endpoint
            found[method] = (f"GET {path}", endpoint)
    return found


def test_every_endpoint_is_listed_with_its_method_permission_and_weight() -> None:
    keys = {None: "", KeyPermission.READ: "read", KeyPermission.TRADE: "trade"}
    budgets = {Budget.ORDER: "order", Budget.CANCEL: "cancel"}
    documented = {}
    for rest, method, key, weight, _ in table("| REST | WebSocket API |"):
        documented[in_ticks(method)[0]] = (in_ticks(rest)[0], key, weight)
    actual = endpoints()
    assert documented.keys() == actual.keys()
    for method, (rest, endpoint) in actual.items():
        shown_rest, key, weight = documented[method]
        assert (shown_rest, key) == (rest, keys[endpoint.permission])
        if endpoint.budget in budgets:
            assert weight == budgets[endpoint.budget]
        elif isinstance(endpoint.weight, int):
            assert weight == str(endpoint.weight), method
        else:
            assert re.fullmatch("[0-9]+\u2013[0-9]+", weight), method


def test_the_paths_that_clients_ask_for_at_start_are_listed() -> None:
    documented = [in_ticks(row[0])[0] for row in table("| Path | Answer |")]
    assert sorted(documented) == sorted(f"GET {path}" for path in World().gateway._shims)


def test_what_is_not_there_is_listed() -> None:
    documented = [in_ticks(row[0])[0] for row in table("| Path | |")]
    assert documented == [f"{method} {path}" for method, path in REST_UNSUPPORTED]


def test_the_methods_of_a_session_are_listed() -> None:
    assert [in_ticks(row[0])[0] for row in table("| Method | |")] == list(SESSION_METHODS)


def all_topics() -> set[type[Topic]]:
    return set(Topic.__subclasses__())


def test_every_documented_stream_exists_and_every_kind_of_stream_is_documented() -> None:
    values = {
        "levels": ["5", "10", "20"],
        "interval": list(INTERVALS),
        "zone": ["+08:00"],
        "window": ["1h", "4h", "1d"],
    }
    names = [in_ticks(row[0])[0].replace("<symbol>", "btcusdt") for row in table("| Stream | When |")]
    for name, chosen in values.items():
        names = [each.replace(f"<{name}>", one) for each in names for one in chosen]
    source = Source(MarketData(), lambda: REFERENCE, 1_000_000, lambda _: 0, lambda _: Auction(0, 0, 0))
    topics = {name: topic_of(name, source, {"btcusdt": BTCUSDT}) for name in names}
    assert [name for name, topic in topics.items() if topic is None] == []
    assert {type(topic) for topic in topics.values()} == all_topics()


def test_the_order_types_and_their_times_in_force_are_listed() -> None:
    documented = {
        in_ticks(name)[0]: ({*in_ticks(times)} | ({"NONE"} if "none" in times else set()), in_ticks(needs))
        for name, times, needs in table("| Type | `timeInForce` | Needs |")
    }
    assert documented.keys() == {kind.name for kind in OrderType if kind}
    for kind, (times, needs) in documented.items():
        allowed = orders._TIMES_IN_FORCE_OF[OrderType[kind]]
        assert times == {TimeInForce(each).name for each in allowed}
        assert set(orders._REQUIRED[OrderType[kind]]) <= set(needs)


def test_what_is_refused_by_name_is_listed() -> None:
    documented = {name for row in table("| Parameter or value | Answer |") for name in in_ticks(row[0])}
    assert documented >= {*orders._PREVENTIONS_MISSING, *orders._NOT_REQUIRED}


def test_the_trading_modes_and_their_status_are_listed() -> None:
    documented = {row[0]: in_ticks(row[1])[0] for row in table("| Mode | `status` in exchangeInfo |")}
    assert documented == {mode.name: general._MODES[mode][0] for mode in TradingMode}


def test_the_limits_are_the_defaults() -> None:
    documented = [int(row[1].replace(",", "")) for row in table("| What | Default | Of |")]
    assert sorted(documented) == sorted(RateLimits())


def test_the_bounds_of_market_data_are_as_said() -> None:
    candles, trades = (line for line in re.split(r"\n\* ", API) if line.startswith(("**Candles**", "**Trades.**")))
    for name in ("1s", "1m", "15m", "1h"):
        assert re.search(rf"{ROWS_MAX[name]:,} of `{name}`", candles), name
    assert f"{TRADES_KEPT:,} trades and {AGGREGATES_KEPT:,} aggregates" in trades


def test_the_readme_shows_the_snippet_that_a_start_prints() -> None:
    shown = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    assert shown == snippet("http://127.0.0.1:8000", Path("data/demo-keys.json"), "demo-alice") + "\n"
    assert len(shown.splitlines()) == 12


def test_every_command_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    written = README + (ROOT / "CONTRIBUTING.md").read_text()
    called = set(re.findall(r"(?:^|`)make ([a-z]+)", written, re.MULTILINE))  # In code, not in sentences.
    assert {"run", "test"} <= called
    assert {name for name in called if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text()), target


def anchors(text: str) -> set[str]:
    """The anchors that a Markdown page has: its headings in lower case, with dashes."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
