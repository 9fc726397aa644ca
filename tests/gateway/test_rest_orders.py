"""Orders over REST: what a client sends becomes one command, and what it reads back is what the engine decided."""

import pytest

from holdfast.codes import CommandKind, OrderType, RejectReason, SelfTradePrevention, Side, TimeInForce
from tests.gateway.fakes import ACCOUNT_ID, START_NS, World


def test_limit_order_becomes_one_command_with_every_field(world: World) -> None:
    world.order(newClientOrderId="mine-1", selfTradePreventionMode="EXPIRE_MAKER", recvWindow="2000")
    (command,) = world.replica.submitted
    assert command.kind == CommandKind.PLACE_ORDER
    assert command.side == Side.BUY
    assert command.order_type == OrderType.LIMIT
    assert command.time_in_force == TimeInForce.GTC
    assert command.self_trade_prevention == SelfTradePrevention.EXPIRE_MAKER
    assert (command.price_ticks, command.qty_lots, command.quote_units) == (2_500_000, 100, 0)
    assert command.client_id == b"mine-1"
    assert (command.account_id, command.key_id, command.instrument_id) == (ACCOUNT_ID, 1, 1)
    assert command.received_ts_ns == START_NS
    assert command.deadline_ts_ns == START_NS + 2_000_000_000


def test_full_reply_has_every_documented_field_in_order(world: World) -> None:
    answer = world.order(newClientOrderId="mine-1")
    assert answer.status == 200
    assert list(answer.json.items()) == [
        ("symbol", "BTCUSDT"),
        ("orderId", 1),
        ("orderListId", -1),
        ("clientOrderId", "mine-1"),
        ("transactTime", START_NS // 10**6),
        ("price", "25000.00000000"),
        ("origQty", "0.00100000"),
        ("executedQty", "0.00000000"),
        ("origQuoteOrderQty", "0.00000000"),
        ("cummulativeQuoteQty", "0.00000000"),
        ("status", "NEW"),
        ("timeInForce", "GTC"),
        ("type", "LIMIT"),
        ("side", "BUY"),
        ("workingTime", START_NS // 10**6),
        ("fills", []),
        ("selfTradePreventionMode", "NONE"),
    ]


def test_market_order_shows_its_fills_with_fee_and_asset(world: World) -> None:
    answer = world.order(type="MARKET", price=None, timeInForce=None)
    assert answer.json["status"] == "FILLED"
    assert answer.json["cummulativeQuoteQty"] == "25.00000000"
    assert answer.json["fills"] == [
        {
            "price": "25000.00000000",
            "qty": "0.00100000",
            "commission": "0.00000200",
            "commissionAsset": "BTC",
            "tradeId": 1,
        }
    ]


def test_market_order_by_quote_quantity_shows_what_it_bought(world: World) -> None:
    answer = world.order(type="MARKET", price=None, timeInForce=None, quantity=None, quoteOrderQty="50")
    assert world.replica.submitted[0].quote_units == 50 * 10**8
    assert answer.json["origQty"] == answer.json["executedQty"] == "0.00200000"
    assert answer.json["origQuoteOrderQty"] == "50.00000000"


@pytest.mark.parametrize(
    ("order_type", "asked", "last_field"),
    [
        ("LIMIT", None, "selfTradePreventionMode"),
        ("LIMIT_MAKER", None, "transactTime"),
        ("LIMIT_MAKER", "FULL", "selfTradePreventionMode"),
        ("LIMIT", "ACK", "transactTime"),
    ],
)
def test_limit_and_market_reply_in_full_and_others_with_an_acknowledgement(
    world: World, order_type: str, asked: str | None, last_field: str
) -> None:
    time_in_force = "GTC" if order_type == "LIMIT" else None
    answer = world.order(type=order_type, timeInForce=time_in_force, newOrderRespType=asked)
    assert list(answer.json)[-1] == last_field


def test_result_reply_has_no_fills(world: World) -> None:
    assert "fills" not in world.order(newOrderRespType="RESULT").json


def test_expired_order_says_why(world: World) -> None:
    answer = world.order(timeInForce="IOC")
    assert (answer.json["status"], answer.json["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")


def test_absent_client_id_is_made_up_unique_and_22_characters_long(world: World) -> None:
    first, second = world.order().json["clientOrderId"], world.order().json["clientOrderId"]
    assert len(first) == 22
    assert first != second


def test_decimals_are_read_however_they_are_written(world: World) -> None:
    for quantity, price in [("0.00100", "25000.0"), ("0.001", "25000"), ("0.00100000", "25000.00000000")]:
        assert world.order(quantity=quantity, price=price).status == 200
    assert {(command.qty_lots, command.price_ticks) for command in world.replica.submitted} == {(100, 2_500_000)}


def test_order_can_be_read_back_by_either_id(world: World) -> None:
    world.order(newClientOrderId="mine-1")
    for named in ({"orderId": 1}, {"origClientOrderId": "mine-1"}, {"orderId": 1, "origClientOrderId": "mine-1"}):
        answer = world.signed("GET", "/api/v3/order", symbol="BTCUSDT", **named)
        assert answer.status == 200
        assert answer.json["clientOrderId"] == "mine-1"
        assert answer.json["status"] == "NEW"
        assert answer.json["time"] == answer.json["updateTime"] == START_NS // 10**6
        assert answer.json["stopPrice"] == answer.json["icebergQty"] == "0.00000000"
        assert answer.json["isWorking"] is True


def test_cancel_answers_canceled_with_both_client_ids(world: World) -> None:
    world.order(newClientOrderId="mine-1")
    answer = world.signed(
        "DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine-1", newClientOrderId="cancel-1"
    )
    assert answer.status == 200
    assert answer.json["status"] == "CANCELED"
    assert answer.json["origClientOrderId"] == "mine-1"
    assert answer.json["clientOrderId"] == "cancel-1"
    command = world.replica.submitted[1]
    assert command.kind == CommandKind.CANCEL_ORDER
    assert (command.client_id, command.target_client_id, command.order_id) == (b"cancel-1", b"mine-1", 0)


def test_cancel_by_both_ids_sends_both(world: World) -> None:
    world.order(newClientOrderId="mine-1")
    answer = world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1, origClientOrderId="mine-1")
    assert answer.status == 200
    assert (world.replica.submitted[1].order_id, world.replica.submitted[1].target_client_id) == (1, b"mine-1")


def test_cancel_all_shows_each_order_and_shares_one_cancel_id(world: World) -> None:
    world.order(newClientOrderId="a")
    world.order(newClientOrderId="b")
    answer = world.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert [order["origClientOrderId"] for order in answer.json] == ["a", "b"]
    assert len({order["clientOrderId"] for order in answer.json}) == 1


def test_cancel_all_of_nothing_is_unknown_order(world: World) -> None:
    answer = world.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (answer.status, answer.json) == (400, {"code": -2011, "msg": "Unknown order sent."})


def test_rejected_order_is_in_no_list(world: World) -> None:
    world.replica.refuse_next = RejectReason.INSUFFICIENT_BALANCE
    assert world.order().status == 400
    assert world.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT").json == []
    assert world.signed("GET", "/api/v3/openOrders").json == []
