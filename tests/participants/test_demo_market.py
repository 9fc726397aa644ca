"""The demo market must look like a market to whoever opens it first, for hours, and without leaving anything behind.

Everything runs against a tiny exchange (`fake_venue`) with time as an argument: ten simulated minutes take seconds.
"""

import gc
from collections import Counter
from statistics import median, pstdev
from typing import NamedTuple

import pytest

from holdfast.participants.demo import MARKETS, DemoMarket, account_names, funding, maker_names
from holdfast.participants.maker import LADDER_SLOTS
from holdfast.participants.session import Reply
from tests.participants.fake_venue import REFERENCE, FakeVenue

START_NS = 1_700_000_000 * 10**9
STEP_NS = 10**8
SYMBOLS = sorted(REFERENCE.by_symbol)
OPEN_ORDERS_MAX = 2 * LADDER_SLOTS * len(MARKETS)


class Run:
    """A demo market on a fake venue, moved on by simulated time."""

    def __init__(self, seed: int, venue: FakeVenue | None = None) -> None:
        self.venue = venue or FakeVenue()
        self.venue.now_ns = self.venue.now_ns or START_NS
        self.market = DemoMarket(seed, REFERENCE, self.venue, self.venue.session)

    def pass_s(self, seconds: float) -> "Run":
        for _ in range(round(seconds * 10)):
            self.step()
        return self

    def step(self) -> None:
        self.venue.now_ns += STEP_NS
        self.market.step(self.venue.now_ns)
        self.venue.deliver()


class Sample(NamedTuple):
    levels: int  # On the thinner side, within 1 % of the best.
    spread_bp: float
    middle: float


class TenMinutes(NamedTuple):
    venue: FakeVenue
    samples: dict[str, list[Sample]]
    open_orders_max: int


@pytest.fixture(scope="module")
def ten_minutes() -> TenMinutes:
    """On a venue whose replies come a step later, as a durable one's do; the other tests have prompt ones."""
    run = Run(seed=7)
    venue = run.venue
    venue.is_slow = True
    run.pass_s(20)
    samples: dict[str, list[Sample]] = {symbol: [] for symbol in SYMBOLS}
    open_orders_max = 0
    for _ in range(580):
        run.pass_s(1)
        open_orders_max = max(open_orders_max, venue.open_count())
        for symbol in SYMBOLS:
            levels = min(venue.levels(symbol, side, 0.01) for side in ("BUY", "SELL"))
            bid, ask = venue.best(symbol)
            assert bid is not None
            assert ask is not None
            samples[symbol].append(Sample(levels, (ask / bid - 1) * 1e4, (ask + bid) / 2))
    return TenMinutes(venue, samples, open_orders_max)


def test_each_side_has_twenty_levels_within_a_percent(ten_minutes):
    for symbol in SYMBOLS:
        levels = sorted(sample.levels for sample in ten_minutes.samples[symbol])
        assert levels[len(levels) // 50] >= 20, symbol
        assert levels[0] >= 14, "even in the moment of a jump"


def test_spreads_are_narrow_and_never_crossed(ten_minutes):
    for symbol in SYMBOLS:
        spreads = [sample.spread_bp for sample in ten_minutes.samples[symbol]]
        assert min(spreads) > 0
        assert median(spreads) < 8
        assert max(spreads) < 60


def test_hardly_a_second_is_without_a_trade(ten_minutes):
    for symbol in SYMBOLS:
        seconds = {trade.ts_ns // 10**9 for trade in ten_minutes.venue.trades[symbol]}
        assert len(seconds) >= 0.95 * 595, symbol


def test_sizes_are_heavy_tailed(ten_minutes):
    for symbol in SYMBOLS:
        sizes = sorted(trade.lots * trade.price_ticks for trade in ten_minutes.venue.trades[symbol])
        assert sizes[len(sizes) * 99 // 100] > 8 * median(sizes)


def test_prices_move_like_prices_and_agree_across_the_triangle(ten_minutes):
    for symbol in SYMBOLS:
        middles = [sample.middle for sample in ten_minutes.samples[symbol]]
        returns_bp = [(b / a - 1) * 1e4 for a, b in zip(middles[::30], middles[30::30], strict=False)]
        assert 0.5 < pstdev(returns_bp) < 40, symbol
    rows = zip(*(ten_minutes.samples[symbol] for symbol in ("ETHBTC", "ETHUSDT", "BTCUSDT")), strict=True)
    gaps_bp = [abs(cross.middle * under.middle / over.middle - 1) * 1e4 for cross, over, under in rows]
    assert median(gaps_bp) < 5
    assert max(gaps_bp) < 60


def test_it_costs_few_commands(ten_minutes):
    by_account = Counter(account for account, _, _ in ten_minutes.venue.log)
    assert sum(by_account.values()) / 600 < 60
    for account in set(account_names()) - {"demo-taker"}:
        assert by_account[account] / 60 < 50, "within the usual 50 orders in 10 s"


def test_open_orders_are_bounded(ten_minutes):
    assert ten_minutes.open_orders_max <= OPEN_ORDERS_MAX


def test_nobody_runs_out_of_money(ten_minutes):
    given = {(f.account, f.asset): int(f.amount) * 10**8 for f in funding()}
    for key, units in ten_minutes.venue.free.items():
        assert 0.98 * given[key] < units < 1.02 * given[key], key


def test_the_same_seed_gives_the_same_market_and_another_seed_another():
    logs = [Run(seed).pass_s(30).venue.log for seed in (1, 1, 2)]
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]


def test_a_new_run_cancels_what_the_last_one_left_and_goes_on_at_its_price():
    venue = Run(1).pass_s(30).venue
    left = order_ids(venue)
    last_price = venue.last_price("BTCUSDT")
    assert last_price is not None
    assert len(left) > 200
    Run(2, venue).pass_s(30)
    remaining = order_ids(venue)
    assert not left & remaining
    assert 200 < len(remaining) <= OPEN_ORDERS_MAX
    assert venue.best("BTCUSDT")[0] == pytest.approx(last_price, rel=0.01)


def order_ids(venue: FakeVenue) -> set[int]:
    return {resting.order["id"] for orders in venue.open.values() for resting in orders.values()}


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(400, {"code": -1013, "msg": "Market is closed."}),
        Reply(429, {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per TEN_SECONDS."}),
        Reply(503, {"code": -1008, "msg": "Server is currently overloaded."}),
    ],
    ids=["halt", "rate limit", "journal down"],
)
def test_when_refused_everyone_waits_and_trading_resumes_afterwards(refusal):
    run = Run(3).pass_s(30)
    venue = run.venue
    venue.refusal = refusal
    run.pass_s(60)  # Pauses grow to their longest.
    venue.log.clear()
    run.pass_s(60)
    assert len(venue.log) / 60 < 4, "a probe by each now and then"
    venue.refusal = None
    run.pass_s(45)
    trades_before = {symbol: len(venue.trades[symbol]) for symbol in SYMBOLS}
    run.pass_s(10)
    for symbol in SYMBOLS:
        assert venue.levels(symbol, "BUY", 0.01) >= 18
        assert len(venue.trades[symbol]) > trades_before[symbol]
    assert venue.open_count() <= OPEN_ORDERS_MAX


def test_a_venue_that_answers_no_reads_is_not_flooded_either():
    run = Run(3).pass_s(30)
    run.venue.refusal = run.venue.read_refusal = Reply(503, {"code": -1008, "msg": "…"})
    run.pass_s(60)
    errors_before = len(run.venue.errors)
    run.pass_s(60)
    assert (len(run.venue.errors) - errors_before) / 60 < 8


def test_lost_replies_leave_no_order_behind():
    run = Run(4).pass_s(20)
    run.venue.loses_replies = True
    run.pass_s(20)
    run.venue.loses_replies = False
    run.pass_s(60)
    assert 200 < run.venue.open_count() <= OPEN_ORDERS_MAX


def test_a_surplus_moves_quotes_down_so_that_it_is_sold():
    venues = [FakeVenue(), FakeVenue()]
    for name in maker_names("BTC", "USDT"):
        venues[1].free[name, "BTC"] += 2 * 10**8
    usual, lower = (Run(5, venue).pass_s(10).venue.best("BTCUSDT") for venue in venues)
    assert usual[0] is not None
    assert lower[1] is not None
    assert lower[1] < usual[0]


def test_memory_does_not_grow():
    run = Run(6).pass_s(120)
    counts = []
    for _ in range(3):
        run.pass_s(60)
        run.venue.log.clear()
        run.venue.errors.clear()
        for trades in run.venue.trades.values():
            del trades[:-1]
        gc.collect()
        counts.append(len(gc.get_objects()))
    assert counts[2] < counts[0] + 500


def test_funding_covers_every_account_once_and_people_get_a_sensible_start():
    deposits = funding()
    assert len({(d.account, d.asset) for d in deposits}) == len(deposits)
    assert {d.account for d in deposits} == {*account_names(), "demo-alice", "demo-bob"}
    alice = {d.asset: float(d.amount) for d in deposits if d.account == "demo-alice"}
    assert alice["USDT"] >= 10_000
    assert alice["BTC"] >= 0.1
    assert all(len(d.reference) <= 36 for d in deposits)
