"""The execution rules that are shown are those that the engine keeps, with the reference price that it measures by."""

from typing import Any

import pytest

from holdfast.codes import InstrumentParameter as P
from holdfast.instruments import Reference
from tests.gateway.market_venue import Market
from tests.market_data.session import BTC, BTCUSDT, ETH, ETHUSDT, HALTED, USDT

START_MS = 1_700_000_000_000
RANGE = {
    P.BID_LIMIT_UP_PPM: 2_000_000,
    P.BID_LIMIT_DOWN_PPM: 500_000,
    P.ASK_LIMIT_UP_PPM: 2_000_100,
    P.ASK_LIMIT_DOWN_PPM: 500_100,
}
MEAN = {P.REFERENCE_BUCKETS: 10, P.REFERENCE_BUCKET_MS: 1_000}


def market(**parameters: dict[P, int]) -> Market:
    """A market with these parameters of BTCUSDT and others."""
    of = Market()
    instruments = [each._replace(parameters=parameters.get(each.symbol, {})) for each in (BTCUSDT, ETHUSDT, HALTED)]
    of.reference = Reference([BTC, USDT, ETH], instruments)
    return of


def rules(answer: Any) -> dict[str, Any]:
    return {each["symbol"]: each["rules"] for each in answer["symbolRules"]}


def test_the_multipliers_that_are_set_are_shown() -> None:
    of = market(BTCUSDT=RANGE, ETHUSDT={P.ASK_LIMIT_UP_PPM: 1_000_001})
    assert of.get("/api/v3/executionRules?symbol=BTCUSDT") == {
        "symbolRules": [
            {
                "symbol": "BTCUSDT",
                "rules": [
                    {
                        "ruleType": "PRICE_RANGE",
                        "bidLimitMultUp": "2.00000000",
                        "bidLimitMultDown": "0.50000000",
                        "askLimitMultUp": "2.00010000",
                        "askLimitMultDown": "0.50010000",
                    }
                ],
            }
        ]
    }
    some = rules(of.get("/api/v3/executionRules?symbols=%5B%22ETHUSDT%22,%22ETHBTC%22%5D"))
    assert some == {"ETHUSDT": [{"ruleType": "PRICE_RANGE", "askLimitMultUp": "1.00000100"}], "ETHBTC": []}


def test_rules_of_all_markets_or_of_those_in_a_status() -> None:
    of = market()
    assert list(rules(of.get("/api/v3/executionRules"))) == ["BTCUSDT", "ETHUSDT", "ETHBTC"]
    assert list(rules(of.get("/api/v3/executionRules?symbolStatus=HALT"))) == ["ETHBTC"]
    assert list(rules(of.get("/api/v3/executionRules?symbolStatus=BREAK"))) == []


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("executionRules?symbol=NOSUCH", -1121),
        ("executionRules?symbol=BTCUSDT&symbolStatus=TRADING", -1128),
        ("executionRules?symbolStatus=OPEN", -1122),
        ("referencePrice", -1102),
        ("referencePrice?symbol=NOSUCH", -1121),
        ("referencePrice?symbol=ETHUSDT", -2043),
        ("referencePrice/calculation?symbol=ETHUSDT", -2043),
        ("referencePrice/calculation?symbol=BTCUSDT&symbolStatus=HALT", -1220),
    ],
)
def test_what_is_wrong_is_refused(target: str, code: int) -> None:
    assert market(BTCUSDT=MEAN).get(f"/api/v3/{target}")["code"] == code


def test_weights() -> None:
    endpoint = Market().rules.rest["/api/v3/executionRules"]
    assert callable(endpoint.weight)
    assert endpoint.weight({"symbol": "A"}) == 2
    assert endpoint.weight({"symbols": ["A", "B"]}) == 4
    assert endpoint.weight({"symbols": ["A"] * 21}) == 40
    assert endpoint.weight({}) == 40


def test_the_reference_price_and_how_it_comes_about() -> None:
    of = market(BTCUSDT=MEAN)
    of.reference_prices[1] = 1_000
    shown = {"symbol": "BTCUSDT", "referencePrice": "10.00000000", "timestamp": START_MS}
    assert of.get("/api/v3/referencePrice?symbol=BTCUSDT") == shown
    assert of.get("/api/v3/referencePrice/calculation?symbol=BTCUSDT&symbolStatus=TRADING") == {
        "symbol": "BTCUSDT",
        "calculationType": "ARITHMETIC_MEAN",
        "bucketCount": 10,
        "bucketWidthMs": 1_000,
    }
    of.reference_prices.clear()
    assert of.get("/api/v3/referencePrice?symbol=BTCUSDT")["referencePrice"] is None


def test_a_price_by_hand_is_an_external_one() -> None:
    of = market(BTCUSDT=MEAN | {P.REFERENCE_PRICE_TICKS: 5})
    assert of.get("/api/v3/referencePrice/calculation?symbol=BTCUSDT") == {
        "symbol": "BTCUSDT",
        "calculationType": "EXTERNAL",
        "externalCalculationId": 0,
    }


def test_the_stream_tells_it_each_second_and_is_silent_where_there_is_none() -> None:
    of = market(BTCUSDT=MEAN)
    of.reference_prices[1] = 1_000
    _, socket = of.connect("/ws/btcusdt@referencePrice/ethusdt@referencePrice")
    told = {"e": "referencePrice", "s": "BTCUSDT", "r": "10.00000000", "t": START_MS}
    assert socket.sent == [told]
    of.reference_prices.clear()
    of.seconds(1)
    assert socket.sent[1:] == [told | {"r": None, "t": START_MS + 1_000}]
