"""Icebergs and pegged orders over REST and in the user stream: what a client sends, and what it reads back."""

from typing import Any

import pytest

from holdfast.codes import CommandFlag, CommandKind, RejectReason
from holdfast.instruments import Reference
from tests.gateway.fakes import BTC, USDT, World, instrument
from tests.gateway.websockets import Client

ICEBERG = {"quantity": "0.001", "icebergQty": "0.0004"}
PEGGED = {"price": None, "pegPriceType": "PRIMARY_PEG"}
DEEPER = PEGGED | {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": "2"}
STOP = {"type": "STOP_LOSS_LIMIT", "stopPrice": "26000", "newOrderRespType": "FULL"}


def shape_of(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name.startswith(("iceberg", "peg")) or name == "price"}


def test_an_iceberg_says_in_its_command_and_replies_how_much_it_shows(world: World) -> None:
    placed = world.order(**ICEBERG).json
    (command,) = world.replica.submitted
    assert (command.qty_lots, command.iceberg_lots, command.flags) == (100, 40, 0)
    assert (placed["origQty"], placed["icebergQty"]) == ("0.00100000", "0.00040000")
    queried = world.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=1).json
    assert (queried["origQty"], queried["icebergQty"]) == ("0.00100000", "0.00040000")
    canceled = world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1).json
    assert canceled["icebergQty"] == "0.00040000"


def test_an_iceberg_that_shows_all_of_it_or_nothing_is_taken(world: World) -> None:
    assert world.order(icebergQty="0.001").json["icebergQty"] == "0.00100000"
    assert "icebergQty" not in world.order(icebergQty="0").json
    assert world.order(type="LIMIT_MAKER", timeInForce=None, **ICEBERG).status == 200
    assert [command.iceberg_lots for command in world.replica.submitted] == [100, 0, 40]


def test_a_pegged_order_sends_its_offset_and_shows_the_price_it_took(world: World) -> None:
    """The reply is that of Binance's FAQ: `price` is what the client named, which is none."""
    placed = world.order(**PEGGED).json
    world.order(**DEEPER)
    world.order(**PEGGED | {"pegPriceType": "MARKET_PEG", "timeInForce": "IOC"})
    assert [(command.flags, command.price_ticks) for command in world.replica.submitted] == [
        (CommandFlag.PEG_PRIMARY, 0),
        (CommandFlag.PEG_PRIMARY, 2),
        (CommandFlag.PEG_MARKET, 0),
    ]
    pegged = {"price": "0.00000000", "pegPriceType": "PRIMARY_PEG", "peggedPrice": "25000.00000000"}
    assert shape_of(placed) == pegged
    offset = {"pegOffsetType": "PRICE_LEVEL", "pegOffsetValue": 2}
    queried = world.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=2).json
    assert shape_of(queried) == pegged | offset | {"icebergQty": "0.00000000"}
    (first, *_) = world.signed("GET", "/api/v3/openOrders", symbol="BTCUSDT").json
    assert shape_of(first) == pegged | {"icebergQty": "0.00000000"}
    assert shape_of(world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=2).json) == pegged | offset


def test_a_price_beside_a_peg_is_no_limit(world: World) -> None:
    """Generated clients always send a list's `workingPrice`, which Binance's tables call mandatory."""
    placed = world.order(**PEGGED | {"price": "24000"}).json
    assert shape_of(placed) == {"price": "0.00000000", "pegPriceType": "PRIMARY_PEG", "peggedPrice": "25000.00000000"}
    assert [command.price_ticks for command in world.replica.submitted] == [0]


def test_a_pegged_stop_order_has_no_price_until_it_is_triggered(world: World) -> None:
    placed = world.order(**STOP | PEGGED | {"icebergQty": "0.0005"}).json
    assert shape_of(placed) == {"price": "0.00000000", "pegPriceType": "PRIMARY_PEG", "icebergQty": "0.00050000"}


def test_a_replacement_may_be_both(world: World) -> None:
    world.order(newClientOrderId="first")
    answer = world.signed(
        "POST", "/api/v3/order/cancelReplace", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC",
        quantity="0.001", icebergQty="0.0004", pegPriceType="PRIMARY_PEG", pegOffsetType="PRICE_LEVEL",
        pegOffsetValue="3", cancelReplaceMode="ALLOW_FAILURE", cancelOrigClientOrderId="first",
    )  # fmt: skip
    command = world.replica.submitted[1]
    assert (command.kind, command.iceberg_lots, command.price_ticks) == (CommandKind.REPLACE_ORDER, 40, 3)
    assert command.flags == CommandFlag.PEG_PRIMARY | CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS
    assert shape_of(answer.json["newOrderResponse"])["pegOffsetValue"] == 3


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        (RejectReason.ICEBERG_PARTS, -1013, "Filter failure: ICEBERG_PARTS"),
        (RejectReason.MAX_NUM_ICEBERG_ORDERS, -1013, "Filter failure: MAX_NUM_ICEBERG_ORDERS"),
        (RejectReason.NO_PEG_PRICE, -2010, "Order book liquidity is too low for this pegged order."),
    ],
)
def test_refusals_of_the_engine_have_binances_words(world: World, reason: RejectReason, code: int, text: str) -> None:
    world.replica.refuse_next = reason
    answer = world.order(**ICEBERG)
    assert (answer.status, answer.code, answer.text) == (400, code, text)


def test_a_test_order_is_held_to_the_filters_of_icebergs(world: World) -> None:
    world.replica.reference = Reference([BTC, USDT], [instrument(ICEBERG_PARTS_MAX=3, QTY_LOTS_MIN=20)])
    for part, text in (("0.00032", "Filter failure: ICEBERG_PARTS"), ("0.0001", "Filter failure: LOT_SIZE")):
        answer = world.signed("POST", "/api/v3/order/test", **limit_of(icebergQty=part))
        assert (answer.code, answer.text) == (-1013, text)
    assert world.signed("POST", "/api/v3/order/test", **limit_of(icebergQty="0.00034")).json == {}
    assert world.signed("POST", "/api/v3/order/test", **limit_of(**DEEPER)).json == {}


def limit_of(**changes: str | None) -> dict[str, str]:
    fields = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    fields |= {"quantity": "0.001", "price": "25000"}
    return {name: value for name, value in (fields | changes).items() if value is not None}


def test_exchange_info_shows_the_filters_of_icebergs(world: World) -> None:
    world.replica.reference = Reference([BTC, USDT], [instrument(ICEBERG_PARTS_MAX=20, ICEBERG_ORDERS_MAX=7)])
    (shown,) = world.get("/api/v3/exchangeInfo").json["symbols"]
    assert {"filterType": "ICEBERG_PARTS", "limit": 20} in shown["filters"]
    assert {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": 7} in shown["filters"]
    world.replica.reference = Reference([BTC, USDT], [instrument()])
    (shown,) = world.get("/api/v3/exchangeInfo").json["symbols"]
    assert {"filterType": "ICEBERG_PARTS", "limit": 100} in shown["filters"]
    assert "MAX_NUM_ICEBERG_ORDERS" not in [each["filterType"] for each in shown["filters"]]


def test_reports_name_the_part_and_the_peg(world: World) -> None:
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    world.order(**ICEBERG)
    world.order(**DEEPER)
    world.order(**STOP | PEGGED)
    reports = [frame["event"] for frame in client.frames if "event" in frame]
    iceberg, pegged, waiting = (event for event in reports if event["e"] == "executionReport")
    assert (iceberg["F"], iceberg["q"], iceberg["p"]) == ("0.00040000", "0.00100000", "25000.00000000")
    assert not {"gP", "gOT", "gOV", "gp"} & iceberg.keys()
    shown = {name: pegged[name] for name in ("p", "gP", "gOT", "gOV", "gp")}
    assert shown == {
        "p": "0.00000000", "gP": "PRIMARY_PEG", "gOT": "PRICE_LEVEL", "gOV": 2, "gp": "25000.00000000",
    }  # fmt: skip
    assert (waiting["gP"], "gp" in waiting, "gOV" in waiting) == ("PRIMARY_PEG", False, False)
