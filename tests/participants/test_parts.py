"""The rules of conduct one by one, where a whole market would hide them."""

import random

import pytest

from holdfast.participants.conduct import Backoff, Budget, ClientIds, Wallet
from holdfast.participants.market import Market
from holdfast.participants.prices import ASSETS, ReferencePrices
from holdfast.participants.session import Reply
from holdfast.participants.taker import Arbitrageur, Triangle
from tests.participants.fake_venue import REFERENCE, FakeVenue

SECOND_NS = 10**9
OK = Reply(200, {})
REFUSED = Reply(400, {"code": -2010, "msg": "Account has insufficient balance for requested action."})


def test_one_refusal_is_borne_and_some_in_a_row_make_a_pause():
    backoff = Backoff(random.Random(1))
    backoff.note(REFUSED, 0)
    backoff.note(OK, 0)
    for _ in range(2):
        backoff.note(REFUSED, 0)
        assert backoff.is_ready(0)
    backoff.note(REFUSED, 0)
    assert not backoff.is_ready(0)
    assert backoff.is_ready(2 * SECOND_NS)


def test_pauses_double_up_to_half_a_minute_and_end_with_success():
    backoff, now_ns = Backoff(random.Random(1)), 0
    for expected_s in (1, 2, 4, 8, 16, 30, 30):
        backoff.note(Reply(429, {}), now_ns)
        assert not backoff.is_ready(now_ns + round(0.79 * expected_s * SECOND_NS))
        now_ns += round(1.21 * expected_s * SECOND_NS)
        assert backoff.is_ready(now_ns)
        assert backoff.is_probing
    backoff.note(OK, now_ns)
    assert not backoff.is_probing


def test_an_order_that_would_take_is_no_trouble():
    backoff = Backoff(random.Random(1))
    for _ in range(10):
        backoff.note(Reply(400, {"code": -2010, "msg": "Order would immediately match and take."}), 0)
    assert backoff.is_ready(0)


def test_a_budget_saves_up_to_its_bound():
    budget = Budget(per_s=2, saved_max=3)
    budget.step(SECOND_NS)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    budget.step(2 * SECOND_NS)
    assert [budget.spend() for _ in range(3)] == [True, True, False]


def test_client_ids_differ_between_runs_and_fit():
    first, second = ClientIds("t-BTCUSDT"), ClientIds("t-BTCUSDT")
    ids = [first.next(1_700_000_000 * SECOND_NS) for _ in range(100)]
    ids += [second.next(1_700_000_001 * SECOND_NS) for _ in range(100)]
    assert len(set(ids)) == 200
    assert max(map(len, ids)) <= 36


def test_quantities_are_whole_lots_and_no_smaller_than_the_filters_take():
    market = Market(REFERENCE.by_symbol["BTCUSDT"])
    assert market.quantity_text(market.lots(0.123456789, 64_000)) == "0.12346000"
    assert market.lots(0.0, 64_000) * 1e-5 * 64_000 > 5
    assert market.quote_text(1.0) == "6.00000000"
    assert market.price_text(round(market.in_ticks(64_000.01))) == "64000.01000000"


def test_reference_prices_jump_now_and_then_and_stay_within_sight():
    prices = ReferencePrices(random.Random(1))
    moves, last = [], prices.price("BTC", "USDT")
    for second in range(1, 4 * 3600):
        prices.step(second * SECOND_NS)
        price = prices.price("BTC", "USDT")
        moves.append(abs(price / last - 1))
        last = price
    moves.sort()
    assert moves[-1] > 15 * moves[len(moves) // 2], "news"
    assert 0.8 < last / ASSETS["BTC"].price < 1.2
    assert prices.price("ETH", "BTC") == pytest.approx(prices.price("ETH", "USDT") / prices.price("BTC", "USDT"))


class _View:
    def __init__(self, cross: float) -> None:
        self._cross = cross

    def best(self, symbol: str) -> tuple[float, float]:
        middle = {"ETHBTC": self._cross, "ETHUSDT": 3_200.0, "BTCUSDT": 64_000.0}[symbol]
        return middle * 0.9999, middle * 1.0001

    def last_price(self, symbol: str) -> float:
        return self.best(symbol)[0]


@pytest.mark.parametrize(
    ("cross", "sides"),
    [
        (0.0505, [("ETHBTC", "SELL"), ("ETHUSDT", "BUY"), ("BTCUSDT", "SELL")]),
        (0.0495, [("ETHBTC", "BUY"), ("ETHUSDT", "SELL"), ("BTCUSDT", "BUY")]),
        (0.05, []),
    ],
)
def test_the_arbitrageur_sells_what_is_dear_and_buys_it_the_way_round(cross, sides):
    venue = FakeVenue()
    session = venue.session("demo-arbitrage")
    markets = Triangle(*(Market(REFERENCE.by_symbol[symbol]) for symbol in ("ETHBTC", "ETHUSDT", "BTCUSDT")))
    wallet = Wallet(session, {"BTC": 1.0, "ETH": 1.0, "USDT": 1.0})
    arbitrageur = Arbitrageur("a", markets, session, wallet, random.Random(1))
    arbitrageur.step(SECOND_NS, ReferencePrices(random.Random(1)), _View(cross))
    assert [(p["symbol"], p["side"]) for _, _, p in venue.log] == sides
    assert all(p["timeInForce"] == "IOC" for _, _, p in venue.log)
