"""Icebergs, trailing stops and pegged orders in order lists, as clients write and read them.

What they do is told in `tests/engine/scenarios/order_lists_*.txt`; here it is what becomes of the parameters, and what
replies, queries, the user data stream and the history show.
"""

from typing import Any

import pytest

from holdfast.codes import InstrumentParameter, PegPriceType
from holdfast.instruments import Reference
from tests.gateway.fakes import BTC, START_NS, USDT, instrument
from tests.gateway.order_lists.test_forms import OCO, OLD, OPOCO, OTO, read, refusal
from tests.gateway.order_lists.test_placing import OCO_NAMES, OTO_NAMES, OTOCO_NAMES, place, report
from tests.gateway.order_lists.venue import EngineWorld
from tests.gateway.websockets import Client

MS = START_NS // 10**6
REFERENCE = Reference([BTC, USDT], [instrument(TRAILING_ABOVE_BIPS_MAX=2_000, TRAILING_BELOW_BIPS_MAX=2_000)])

ICEBERG_AND_TRAILING = {
    "aboveIcebergQty": "0.0004",
    "belowType": "STOP_LOSS",
    "belowPrice": None,
    "belowTimeInForce": None,
    "belowStopPrice": None,
    "belowTrailingDelta": "100",
}
PEGGED = {
    "workingPrice": None,
    "workingPegPriceType": "PRIMARY_PEG",
    "pendingType": "LIMIT_MAKER",
    "pendingPegPriceType": "PRIMARY_PEG",
    "pendingPegOffsetType": "PRICE_LEVEL",
    "pendingPegOffsetValue": "1",
}


def test_each_order_has_what_its_own_parameters_say() -> None:
    above, below = read("oco", ICEBERG_AND_TRAILING, REFERENCE).legs
    assert (above.iceberg_lots, above.trailing_delta_bips) == (40, 0)
    assert (below.iceberg_lots, below.trailing_delta_bips, below.stop_price_ticks) == (0, 100, 0)
    working, pending = read("oto", PEGGED).legs
    assert (working.peg_price_type, working.peg_offset_levels) == (PegPriceType.PRIMARY, 0)
    assert (pending.peg_price_type, pending.peg_offset_levels) == (PegPriceType.PRIMARY, 1)
    assert working.price_ticks == pending.price_ticks == 0


def test_a_pending_iceberg_is_measured_by_what_the_working_order_will_buy() -> None:
    _, above, below = read("opoco", {"pendingAboveIcebergQty": "0.002", "pendingBelowIcebergQty": "0.0004"}).legs
    assert (above.qty_lots, above.iceberg_lots, below.iceberg_lots) == (0, 200, 40)


def test_the_old_oco_has_them_under_its_own_names() -> None:
    limited = {"stopLimitPrice": "38900", "stopLimitTimeInForce": "GTC", "stopIcebergQty": "0.0005"}
    trailing = {"stopPrice": None, "trailingDelta": "100", "limitIcebergQty": "0.0004"}
    above, below = read("old", limited | trailing, REFERENCE).legs
    assert (above.iceberg_lots, below.iceberg_lots) == (40, 50)
    assert (below.stop_price_ticks, below.trailing_delta_bips) == (0, 100)


@pytest.mark.parametrize(
    ("kind", "changes", "code", "text"),
    [
        ("oco", {"aboveIcebergQty": "0.002"}, -1013, "IcebergQty exceeds QTY."),
        ("oco", {"aboveIcebergQty": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        (
            "oco",
            {"belowType": "STOP_LOSS", "belowPrice": None, "belowTimeInForce": None, "belowIcebergQty": "0.0004"},
            *(-1106, "Parameter 'belowIcebergQty' sent when not required."),
        ),
        ("oto", {"workingTimeInForce": "FOK", "workingIcebergQty": "0.0004"}, -1014, None),
        ("opo", {"pendingType": "LIMIT_MAKER", "pendingPrice": "41000", "pendingIcebergQty": "0.003"}, -1013, None),
        ("oco", {"aboveTrailingDelta": "100"}, -1106, "Parameter 'aboveTrailingDelta' sent when not required."),
        ("oco", {"belowTrailingDelta": "0"}, -1013, "Filter failure: TRAILING_DELTA"),
        ("oco", {"belowTrailingDelta": "10000"}, -1013, "Filter failure: TRAILING_DELTA"),
        ("oto", {"workingTrailingDelta": "100"}, -1104, None),
        ("oto", {**PEGGED, "workingPrice": "99999999"}, -1013, "Filter failure: PRICE_FILTER"),
        ("oto", {**PEGGED, "workingTimeInForce": "IOC"}, -1014, None),
        ("oto", {**PEGGED, "pendingPegPriceType": "BEST"}, -1210, "Invalid pegPriceType."),
        ("oto", {**PEGGED, "pendingPegOffsetType": None}, -1128, None),
        ("oto", {**PEGGED, "pendingPegPriceType": None}, -1102, None),
        (
            "oto",
            {"pendingPegPriceType": "MARKET_PEG"},
            *(-1013, "This order type may not use pegged price."),
        ),
        (
            "oco",
            {"abovePrice": None, "abovePegPriceType": "MARKET_PEG"},
            *(-1013, "This price peg cannot be used with this order type."),
        ),
        ("old", {"pegPriceType": "PRIMARY_PEG"}, -1104, None),
    ],
)
def test_what_does_not_go_together_is_refused_as_of_other_orders(
    kind: str, changes: dict[str, Any], code: int, text: str | None
) -> None:
    found_code, found_text = refusal(kind, changes, REFERENCE)
    assert (found_code, text in (None, found_text)) == (code, True), found_text


def test_a_market_without_trailing_stops_has_none_in_lists(world: EngineWorld) -> None:
    world.venue.set_parameter(InstrumentParameter.TRAILING_ABOVE_BIPS_MAX, 0)
    world.venue.set_parameter(InstrumentParameter.TRAILING_BELOW_BIPS_MAX, 0)
    answer = place(world, "oco", OCO, **ICEBERG_AND_TRAILING)
    assert (answer.code, answer.text) == (-1013, "Trailing stop orders are not supported for this symbol.")


def test_an_iceberg_and_a_trailing_stop_are_a_pair(world: EngineWorld) -> None:
    answer = place(world, "oco", OCO | OCO_NAMES, **ICEBERG_AND_TRAILING)
    assert answer.status == 200, answer.json
    up, down = report(answer, "up"), report(answer, "down")
    assert (up["origQty"], up["icebergQty"], up["workingTime"]) == ("0.00100000", "0.00040000", MS)
    assert (down["stopPrice"], down["trailingDelta"], down["workingTime"]) == ("0.00000000", 100, -1)
    assert down["trailingTime"] == MS, "it follows the last price from now on"
    (listed,) = (each for each in world.asked("GET", "/api/v3/openOrders") if each["clientOrderId"] == "down")
    assert (listed["trailingDelta"], listed["trailingTime"]) == (100, MS)
    _, asks, _ = world.venue.book(1, 5)
    assert asks == [(4_100_000, 40)]
    assert world.held()["BTC"][1] == "0.00100000", "held once, and as a whole"


def test_what_became_of_them_is_in_the_history(world: EngineWorld) -> None:
    place(world, "oco", OCO | OCO_NAMES, **ICEBERG_AND_TRAILING)
    world.bob_rests("BUY", "1", "39600")
    world.bob(type="MARKET", side="SELL", quantity="0.001")
    orders = {each["clientOrderId"]: each for each in world.asked("GET", "/api/v3/allOrders", symbol="BTCUSDT")}
    assert (orders["down"]["status"], orders["down"]["trailingDelta"]) == ("FILLED", 100)
    assert (orders["up"]["status"], orders["up"]["icebergQty"]) == ("EXPIRED", "0.00040000")
    assert orders["up"]["expiryReason"] == "OCO_TRIGGER"
    (done,) = world.asked("GET", "/api/v3/allOrderList")
    assert done["listOrderStatus"] == "ALL_DONE"


def test_pegged_orders_take_their_prices_when_they_are_placed(world: EngineWorld) -> None:
    world.bob_rests("BUY", "0.001", "39500")
    world.bob_rests("SELL", "0.001", "40500")
    world.bob_rests("SELL", "0.001", "40700")
    answer = place(world, "oto", OTO | OTO_NAMES, **PEGGED)
    assert answer.status == 200, answer.json
    working, pending = report(answer, "in"), report(answer, "out")
    assert (working["price"], working["peggedPrice"]) == ("0.00000000", "39500.00000000")
    assert working["pegPriceType"] == pending["pegPriceType"] == "PRIMARY_PEG"
    assert (pending["pegOffsetType"], pending["pegOffsetValue"]) == ("PRICE_LEVEL", 1)
    assert "peggedPrice" not in pending
    world.bob_rests("SELL", "0.003", "39500")
    placed = world.asked("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="out")
    assert (placed["status"], placed["peggedPrice"]) == ("NEW", "40700.00000000")


def test_a_working_order_without_a_level_to_take_its_price_from_is_refused(world: EngineWorld) -> None:
    answer = place(world, "oto", OTO, **PEGGED)
    text = "Order book liquidity is too low for this pegged order."
    assert (answer.status, answer.code, answer.text) == (400, -2010, text)


def test_icebergs_of_a_list_count_together(world: EngineWorld) -> None:
    world.venue.set_parameter(InstrumentParameter.ICEBERG_ORDERS_MAX, 1)
    both = {"aboveIcebergQty": "0.0004", "belowIcebergQty": "0.0004"}
    answer = place(world, "oco", OCO, **both)
    assert (answer.code, answer.text) == (-1013, "Filter failure: MAX_NUM_ICEBERG_ORDERS")
    assert place(world, "oco", OCO, aboveIcebergQty="0.0004").status == 200


def test_each_kind_is_placed_over_the_websocket_api(world: EngineWorld) -> None:
    client = Client(world)
    old = OLD | {"stopPrice": None, "trailingDelta": 100, "limitIcebergQty": "0.0004"}
    opoco = OPOCO | {"pendingAboveIcebergQty": "0.0004", "pendingBelowPrice": None}
    opoco |= {"pendingBelowPegPriceType": "MARKET_PEG", "pendingBelowTrailingDelta": 100}
    for method, terms in (("orderList.place", old), ("orderList.place.opoco", opoco)):
        reply = client.ask_signed(method, **{name: value for name, value in terms.items() if value is not None})
        assert reply["status"] == 200, reply
    up, down = reply["result"]["orderReports"][1:]
    assert (up["icebergQty"], up["status"]) == ("0.00040000", "PENDING_NEW")
    assert (down["pegPriceType"], down["trailingDelta"], down["trailingTime"]) == ("MARKET_PEG", 100, -1)


def test_the_user_stream_tells_when_a_pending_order_begins_to_trail_and_what_price_it_is_pegged_to(
    world: EngineWorld,
) -> None:
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    world.bob_rests("SELL", "0.001", "41500")
    changes = {"pendingAbovePrice": None, "pendingAbovePegPriceType": "PRIMARY_PEG", "pendingAboveIcebergQty": "0.0004"}
    changes |= {f"pending{name[0].upper()}{name[1:]}": ICEBERG_AND_TRAILING[name] for name in ICEBERG_AND_TRAILING}
    place(world, "opoco", OPOCO | OTOCO_NAMES, **changes)
    world.clock.advance(1)
    world.bob_rests("SELL", "0.002", "39000")
    reports = [frame["event"] for frame in client.frames if frame.get("event", {}).get("e") == "executionReport"]
    up = [each for each in reports if each["c"] == "up"]
    down = [each for each in reports if each["c"] == "down"]
    assert [(each["X"], each["F"], each["gP"], each.get("gp")) for each in up] == [
        ("PENDING_NEW", "0.00040000", "PRIMARY_PEG", None),
        ("NEW", "0.00040000", "PRIMARY_PEG", "41500.00000000"),
    ]
    assert [(each["X"], each["d"], each.get("D")) for each in down] == [
        ("PENDING_NEW", 100, None),
        ("NEW", 100, MS + 1_000),
    ]
