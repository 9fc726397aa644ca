"""Whatever is sent about order lists: an answer of 4xx or a right one, and an engine that is in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.order_lists.test_forms import FORMS, GOOD
from tests.gateway.order_lists.venue import EngineWorld

PATHS = {kind: f"/api/v3/orderList/{kind}" for kind in FORMS} | {"old": "/api/v3/order/oco"}
NAMES = sorted({name for form in FORMS.values() for name in form.parameters.names()} | {"price", "stopLimitPrice"})
VALUES = st.one_of(
    st.sampled_from(["BUY", "SELL", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"]),
    st.sampled_from(["TAKE_PROFIT_LIMIT", "GTC", "IOC", "FOK", "ACK", "NONE", "DECREMENT", "BTCUSDT", "mine", "yours"]),
    st.sampled_from(["PRIMARY_PEG", "MARKET_PEG", "PRICE_LEVEL", "100", "2", "0.0004"]),
    st.sampled_from(["0", "0.00001", "0.001", "1", "39000", "40000", "41000", "99999999", "9" * 19, "9" * 21, "-1"]),
    st.text(max_size=6),
)
CHANGES = st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), VALUES), max_size=4)
PLACED = st.tuples(st.sampled_from(sorted(PATHS)), CHANGES)
NAMED = st.dictionaries(
    st.sampled_from(["orderListId", "listClientOrderId", "origClientOrderId", "fromId", "limit", "startTime"]),
    st.one_of(st.integers(0, 5), st.sampled_from(["mine", "yours", "9" * 19, ""])),
    max_size=2,
)
ASKED = st.tuples(
    st.sampled_from(["DELETE orderList", "GET orderList", "GET openOrderList", "GET allOrderList"]), NAMED
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineWorld]:
    """One venue for all examples; making one costs more than an example."""
    world = EngineWorld(Path(tmp_path_factory.mktemp("lists")))
    yield world
    world.history.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(PLACED, ASKED), max_size=6))
def test_any_request_is_answered_and_leaves_the_engine_in_order(
    shared: EngineWorld, requests: list[tuple[str, dict[str, object]]]
) -> None:
    shared.clock.advance(60)  # New limits.
    for what, changes in requests:
        if what in PATHS:
            terms = {name: value for name, value in (GOOD[what] | changes).items() if value is not None}
            answer = shared.signed("POST", PATHS[what], **terms)
        else:
            method, path = what.split()
            symbol = {"symbol": "BTCUSDT"} if method == "DELETE" else {}
            answer = shared.signed(method, f"/api/v3/{path}", **symbol, **changes)
        assert answer.status < 500, answer.json
        assert answer.status == 200 or (answer.code < -1000 and answer.text)
    open_lists = shared.asked("GET", "/api/v3/openOrderList")
    open_orders = shared.asked("GET", "/api/v3/openOrders")
    assert {each["orderListId"] for each in open_lists} == {each["orderListId"] for each in open_orders}
    shared.venue.engine.check_invariants()
    shared.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert shared.asked("GET", "/api/v3/openOrderList") == []
