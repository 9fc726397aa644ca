"""python-binance (sync, async, streams, depth cache): argv is PORT and two keys as JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from binance import AsyncClient, BinanceSocketManager, Client
from binance.base_client import BaseClient
from binance.exceptions import BinanceAPIException
from binance.ws.depthcache import DepthCacheManager
from binance.ws.reconnecting_websocket import ReconnectingWebsocket

PORT, MAKER, TAKER = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
BaseClient.API_URL = f"http://127.0.0.1:{PORT}/api"
BaseClient.MARGIN_API_URL = f"http://127.0.0.1:{PORT}/sapi"
BaseClient.WS_API_URL = f"ws://127.0.0.1:{PORT}/ws-api/v3"
BinanceSocketManager.STREAM_URL = f"ws://127.0.0.1:{PORT}/"
ReconnectingWebsocket.TIMEOUT = 1  # Seconds without a message until a socket looks whether it is to close.
SYMBOL = "ETHUSDT"
SECONDS_MAX = 20


def is_soon(condition: Callable[[], bool]) -> bool:
    """Asked again and again, for what may lag: the depth over REST is an image up to 100 ms old."""
    deadline_s = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline_s:
        pass
    return condition()


def held(client: Client) -> dict[str, Decimal]:
    return {row["asset"]: Decimal(row["free"]) for row in client.get_account()["balances"]}


def moved(before: dict[str, Decimal], after: dict[str, Decimal]) -> dict[str, Decimal]:
    return {asset: amount - before[asset] for asset, amount in after.items() if amount != before[asset]}


def trade() -> None:
    maker = Client(MAKER["apiKey"], MAKER["secretKey"])
    taker = Client(TAKER["apiKey"], TAKER["secretKey"])
    before = held(maker), held(taker)
    order = maker.order_limit_sell(symbol=SYMBOL, quantity="2", price="3000.10", newClientOrderId="web:abc/1")
    assert (order["status"], order["clientOrderId"]) == ("NEW", "web:abc/1")
    assert maker.get_asset_balance(asset="ETH")["locked"] == "2.00000000"
    part = taker.order_limit_buy(symbol=SYMBOL, quantity="0.5", price="3000.10")
    assert part["fills"][0]["commission"] == "0.00050000"
    assert maker.get_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "PARTIALLY_FILLED"
    market = taker.order_market_buy(symbol=SYMBOL, quantity="0.5")
    assert market["cummulativeQuoteQty"] == "1500.05000000"
    replaced = maker.cancel_replace_order(
        symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="1", price="3001",
        cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order["orderId"],
    )  # fmt: skip
    assert (replaced["cancelResult"], replaced["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    new_id = replaced["newOrderResponse"]["orderId"]
    assert [row["orderId"] for row in maker.get_open_orders(symbol=SYMBOL)] == [new_id]
    assert maker.cancel_order(symbol=SYMBOL, orderId=new_id)["status"] == "CANCELED"
    try:
        maker.cancel_order(symbol=SYMBOL, orderId=new_id)
    except BinanceAPIException as error:
        assert (error.code, error.message) == (-2011, "Unknown order sent.")
    else:
        raise AssertionError("a second cancel was taken")
    assert [row["status"] for row in maker.get_all_orders(symbol=SYMBOL)] == ["CANCELED", "CANCELED"]
    assert [row["status"] for row in taker.get_all_orders(symbol=SYMBOL)] == ["FILLED", "FILLED"]
    assert [fill["qty"] for fill in maker.get_my_trades(symbol=SYMBOL)] == ["0.50000000", "0.50000000"]
    usdt = Decimal("3000.10")  # For one ETH; one thousandth of what each receives is the fee.
    assert moved(before[0], held(maker)) == {"ETH": Decimal(-1), "USDT": usdt - Decimal("3.0001")}
    assert moved(before[1], held(taker)) == {"ETH": Decimal("0.999"), "USDT": -usdt}
    prevent(maker)
    read(maker)
    stop_out(maker, taker)
    trail(maker, taker)
    pair_off(maker, taker)
    show_parts(maker, taker)


def show_parts(maker: Client, taker: Client) -> None:
    """The book shows a part of an iceberg, and a pegged order joins it."""
    iceberg = maker.order_limit_sell(symbol=SYMBOL, quantity="3", price="3300", icebergQty="0.5")
    assert iceberg["icebergQty"] == "0.50000000"
    assert is_soon(lambda: maker.get_order_book(symbol=SYMBOL)["asks"] == [["3300.00000000", "0.50000000"]])
    pegged = maker.create_order(
        symbol=SYMBOL, side="SELL", type="LIMIT_MAKER", quantity="1", pegPriceType="PRIMARY_PEG",
        newOrderRespType="RESULT",
    )  # fmt: skip
    assert (pegged["price"], pegged["peggedPrice"]) == ("0.00000000", "3300.00000000")
    bought = taker.order_limit_buy(symbol=SYMBOL, quantity="2", price="3300")
    assert [fill["qty"] for fill in bought["fills"]] == ["0.50000000", "1.00000000", "0.50000000"]
    state = maker.get_order(symbol=SYMBOL, orderId=iceberg["orderId"])
    assert (state["status"], state["executedQty"], state["icebergQty"]) == (
        "PARTIALLY_FILLED", "1.00000000", "0.50000000",
    )  # fmt: skip
    assert maker.cancel_order(symbol=SYMBOL, orderId=iceberg["orderId"])["status"] == "CANCELED"


def stop_out(maker: Client, taker: Client) -> None:
    """A buy that waits for a rise, and one that takes what is offered there once it comes."""
    waiting = taker.create_order(
        symbol=SYMBOL, side="BUY", type="STOP_LOSS_LIMIT", timeInForce="GTC", quantity="0.1", price="3100",
        stopPrice="3050", newOrderRespType="RESULT",
    )  # fmt: skip
    assert (waiting["status"], waiting["stopPrice"], waiting["workingTime"]) == ("NEW", "3050.00000000", -1)
    assert taker.get_asset_balance(asset="USDT")["locked"] == "310.00000000"
    profit = maker.create_order(symbol=SYMBOL, side="SELL", type="TAKE_PROFIT", quantity="0.1", stopPrice="3090")
    assert maker.cancel_order(symbol=SYMBOL, orderId=profit["orderId"])["status"] == "CANCELED"
    maker.order_limit_sell(symbol=SYMBOL, quantity="0.3", price="3060")
    assert taker.order_limit_buy(symbol=SYMBOL, quantity="0.2", price="3060")["status"] == "FILLED"
    done = taker.get_order(symbol=SYMBOL, orderId=waiting["orderId"])
    assert (done["status"], done["isWorking"], done["cummulativeQuoteQty"]) == ("FILLED", True, "306.00000000")
    assert done["workingTime"] > done["time"]


def trail(maker: Client, taker: Client) -> None:
    """Two per cent behind the highest price once that is 3,080: it is 3,100 then, and 3,038 is far enough back."""
    following = maker.create_order(
        symbol=SYMBOL, side="SELL", type="TAKE_PROFIT_LIMIT", timeInForce="GTC", quantity="0.1", price="3000",
        stopPrice="3080", trailingDelta=200, newOrderRespType="RESULT",
    )  # fmt: skip
    assert (following["trailingDelta"], following["trailingTime"]) == (200, -1), following
    maker.order_limit_sell(symbol=SYMBOL, quantity="0.1", price="3090")
    maker.order_limit_sell(symbol=SYMBOL, quantity="0.1", price="3100")
    assert taker.order_limit_buy(symbol=SYMBOL, quantity="0.2", price="3100")["status"] == "FILLED"
    now = maker.get_order(symbol=SYMBOL, orderId=following["orderId"])
    assert (now["isWorking"], now["trailingTime"] > now["time"]) == (False, True), now
    taker.order_limit_buy(symbol=SYMBOL, quantity="0.2", price="3038")
    assert maker.order_limit_sell(symbol=SYMBOL, quantity="0.1", price="3038")["status"] == "FILLED"
    done = maker.get_order(symbol=SYMBOL, orderId=following["orderId"])
    assert (done["status"], done["isWorking"], done["cummulativeQuoteQty"]) == ("FILLED", True, "303.80000000")
    info = maker.get_symbol_info(SYMBOL)
    assert info["allowTrailingStop"], info


def pair_off(maker: Client, taker: Client) -> None:
    """Pairs of which one order ends the other, and an order that another one waits for."""
    pair = {
        "aboveType": "LIMIT_MAKER", "abovePrice": "3080", "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "3000",
        "belowPrice": "2990", "belowTimeInForce": "GTC",
    }  # fmt: skip
    oco = maker.order_oco_sell(symbol=SYMBOL, quantity="0.1", **pair)
    assert (oco["contingencyType"], oco["listOrderStatus"]) == ("OCO", "EXECUTING"), oco
    assert [row["orderListId"] for row in maker.get_open_oco_orders()] == [oco["orderListId"]]
    assert maker.get_asset_balance(asset="ETH")["locked"] == "0.10000000"
    assert taker.order_limit_buy(symbol=SYMBOL, quantity="0.1", price="3080")["status"] == "FILLED"
    above, below = (maker.get_order(symbol=SYMBOL, orderId=leg["orderId"]) for leg in oco["orders"])
    assert (above["status"], below["status"], below["expiryReason"]) == ("FILLED", "EXPIRED", "OCO_TRIGGER")
    assert maker.v3_get_order_list(orderListId=oco["orderListId"])["listOrderStatus"] == "ALL_DONE"
    working = {
        "workingType": "LIMIT", "workingTimeInForce": "GTC", "workingSide": "BUY", "workingPrice": "2900",
        "workingQuantity": "0.1", "pendingSide": "SELL", "pendingQuantity": "0.1",
    }  # fmt: skip
    pending = {f"pending{name[0].upper()}{name[1:]}": value for name, value in pair.items()} | {
        "pendingAbovePrice": "3090"
    }
    oto = maker.v3_post_order_list_oto(symbol=SYMBOL, **working, pendingType="MARKET")
    assert [row["status"] for row in oto["orderReports"]] == ["NEW", "PENDING_NEW"], oto
    otoco = maker.v3_post_order_list_otoco(symbol=SYMBOL, **working, **pending)
    assert len(otoco["orders"]) == 3
    over_socket = maker.ws_create_oco_order(symbol=SYMBOL, side="SELL", quantity="0.1", **pair | {"abovePrice": "3090"})
    assert maker.ws_get_oco_order(orderListId=over_socket["orderListId"])["symbol"] == SYMBOL
    assert len(maker.ws_get_oco_open_orders()) == 3
    by_leg = maker.cancel_order(symbol=SYMBOL, orderId=oto["orders"][1]["orderId"])
    assert [row["status"] for row in by_leg["orderReports"]] == ["CANCELED", "CANCELED"], by_leg
    assert maker.v3_delete_order_list(symbol=SYMBOL, orderListId=otoco["orderListId"])["listStatusType"] == "ALL_DONE"
    maker.ws_cancel_oco_order(symbol=SYMBOL, orderListId=over_socket["orderListId"])
    assert {row["listOrderStatus"] for row in maker.v3_get_all_order_list()} == {"ALL_DONE"}
    try:
        maker.create_oco_order(symbol=SYMBOL, side="SELL", quantity="0.1", **pair)
    except BinanceAPIException as error:
        assert error.message == "The relationship of the prices for the orders is not correct.", error
    else:
        raise AssertionError("a pair whose limit order is at the last price was taken")


def prevent(client: Client) -> None:
    """Two orders of one account that do not trade with each other."""
    order = client.order_limit_buy(symbol=SYMBOL, quantity="0.3", price="2900", newClientOrderId="web:own/1")
    own = client.order_limit_sell(symbol=SYMBOL, quantity="0.1", price="2900", selfTradePreventionMode="DECREMENT")
    assert (own["status"], own["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "0.10000000"), own
    assert own["preventedMatches"][0]["makerOrderId"] == order["orderId"]
    (match,) = client.get_prevented_matches(symbol=SYMBOL, orderId=order["orderId"])
    assert (match["takerOrderId"], match["takerPreventedQuantity"]) == (own["orderId"], "0.10000000"), match
    by_id = {"symbol": SYMBOL, "preventedMatchId": match["preventedMatchId"]}
    assert client.ws_get_prevented_matches(**by_id) == [match]
    assert client.get_order(symbol=SYMBOL, orderId=order["orderId"])["preventedMatchId"] == match["preventedMatchId"]
    assert client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])["preventedQuantity"] == "0.10000000"


def read(client: Client) -> None:
    """What everybody may ask."""
    assert client.get_exchange_info()["symbols"]
    assert client.get_symbol_info(SYMBOL)["filters"][0]["filterType"] == "PRICE_FILTER"
    assert client.get_klines(symbol=SYMBOL, interval="1m", limit=5)[-1][4] == "3000.10000000"
    assert client.get_historical_klines(SYMBOL, "1m", limit=5)[-1][4] == "3000.10000000"
    assert client.get_recent_trades(symbol=SYMBOL)[-1]["price"] == "3000.10000000"
    assert client.get_aggregate_trades(symbol=SYMBOL)[-1]["q"] == "0.50000000"
    assert client.get_ticker(symbol=SYMBOL)["lastPrice"] == "3000.10000000"
    assert client.get_symbol_ticker(symbol=SYMBOL)["price"] == "3000.10000000"
    assert client.get_avg_price(symbol=SYMBOL)["mins"] == 5
    assert client.get_orderbook_ticker(symbol=SYMBOL)["askQty"] == "0.00000000"
    assert is_soon(lambda: client.get_order_book(symbol=SYMBOL)["asks"] == [])
    assert client.ws_get_order_book(symbol=SYMBOL)["asks"] == []
    assert client.get_system_status()["status"] == 0
    assert Decimal(client.get_trade_fee(symbol=SYMBOL)[0]["makerCommission"]) == Decimal("0.001")
    assert client.create_test_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="1") == {}


async def expect(socket: Any, wanted: Callable[[Any], bool]) -> Any:
    """The next message that `wanted` accepts."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            message = await socket.recv()
            assert message.get("e") != "error", message
            if wanted(message):
                return message


async def expect_asks(depth: Any, asks: list[list[float]]) -> None:
    """Until the depth cache holds these."""
    async with asyncio.timeout(SECONDS_MAX):
        while (await depth.recv()).get_asks() != asks:
            pass


def reported(order: dict, execution: str, status: str) -> Callable[[dict], bool]:
    wanted = ("executionReport", order["orderId"], execution, status)
    return lambda event: (event["e"], event.get("i"), event.get("x"), event.get("X")) == wanted


async def follow() -> None:
    maker = await AsyncClient.create(MAKER["apiKey"], MAKER["secretKey"])
    taker = await AsyncClient.create(TAKER["apiKey"], TAKER["secretKey"])
    sockets = BinanceSocketManager(maker)
    try:
        async with (
            sockets.user_socket() as user,
            sockets.trade_socket(SYMBOL) as trades,
            sockets.multiplex_socket([f"{SYMBOL.lower()}@kline_1m", f"{SYMBOL.lower()}@bookTicker"]) as combined,
            DepthCacheManager(taker, SYMBOL, refresh_interval=0) as depth,
        ):
            order = await maker.order_limit_sell(symbol=SYMBOL, quantity="1", price="3100")
            await expect(user, reported(order, "NEW", "NEW"))
            await expect_asks(depth, [[3100.0, 1.0]])
            await expect(combined, lambda message: message["data"].get("a") == "3100.00000000")
            await taker.order_limit_buy(symbol=SYMBOL, quantity="0.25", price="3100")
            fill = await expect(user, reported(order, "TRADE", "PARTIALLY_FILLED"))
            assert (fill["l"], fill["L"], fill["n"], fill["N"]) == ("0.25000000", "3100.00000000", "0.77500000", "USDT")
            await expect_asks(depth, [[3100.0, 0.75]])
            await expect(trades, lambda message: (message["p"], message["q"]) == ("3100.00000000", "0.25000000"))
            await expect(combined, lambda message: message["data"].get("k", {}).get("c") == "3100.00000000")

            replaced = await maker.cancel_replace_order(
                symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="0.75", price="3100.01",
                cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order["orderId"],
            )  # fmt: skip
            await expect(user, reported(order, "CANCELED", "CANCELED"))
            await expect(user, reported(replaced["newOrderResponse"], "NEW", "NEW"))
            await taker.order_market_buy(symbol=SYMBOL, quantity="0.75")
            await expect(user, reported(replaced["newOrderResponse"], "TRADE", "FILLED"))
            position = await expect(user, lambda event: event["e"] == "outboundAccountPosition")
            now = {row["asset"]: (row["free"], row["locked"]) for row in (await maker.get_account())["balances"]}
            assert {row["a"]: (row["f"], row["l"]) for row in position["B"]}.items() <= now.items()
            await expect_asks(depth, [])

        assert (await maker.ws_get_account())["accountType"] == "SPOT"
        placed = await maker.ws_create_order(
            symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="1", price="3200"
        )
        assert (await maker.ws_get_order(symbol=SYMBOL, orderId=placed["orderId"]))["status"] == "NEW"
        assert (await maker.ws_cancel_order(symbol=SYMBOL, orderId=placed["orderId"]))["status"] == "CANCELED"
        assert await maker.get_open_orders() == []
    finally:
        await maker.close_connection()
        await taker.close_connection()


trade()
asyncio.run(follow())
print("ok")  # noqa: T201
