"""python-binance (sync, async, streams, depth cache): argv is PORT and two keys as JSON."""

import asyncio
import json
import sys
from decimal import Decimal

from binance import AsyncClient, BinanceSocketManager, Client
from binance.base_client import BaseClient
from binance.exceptions import BinanceAPIException
from binance.ws.depthcache import DepthCacheManager

PORT, MAKER, TAKER = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
BaseClient.API_URL = f"http://127.0.0.1:{PORT}/api"
BaseClient.MARGIN_API_URL = f"http://127.0.0.1:{PORT}/sapi"
BaseClient.WS_API_URL = f"ws://127.0.0.1:{PORT}/ws-api/v3"
BinanceSocketManager.STREAM_URL = f"ws://127.0.0.1:{PORT}/"
SYMBOL = "ETHUSDT"


def trade() -> None:
    maker = Client(MAKER["apiKey"], MAKER["secretKey"])
    taker = Client(TAKER["apiKey"], TAKER["secretKey"])
    before = {asset: Decimal(maker.get_asset_balance(asset=asset)["free"]) for asset in ("ETH", "USDT")}
    order = maker.order_limit_sell(symbol=SYMBOL, quantity="2", price="3000.10", newClientOrderId="web:abc/1")
    assert (order["status"], order["clientOrderId"]) == ("NEW", "web:abc/1")
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
    assert {row["status"] for row in maker.get_all_orders(symbol=SYMBOL)} == {"CANCELED"}
    assert [fill["qty"] for fill in maker.get_my_trades(symbol=SYMBOL)] == ["0.50000000", "0.50000000"]
    after = {asset: Decimal(maker.get_asset_balance(asset=asset)["free"]) for asset in ("ETH", "USDT")}
    assert after["ETH"] - before["ETH"] == Decimal(-1)
    assert after["USDT"] - before["USDT"] == Decimal("3000.10") - Decimal("3.0001")
    assert maker.get_exchange_info()["symbols"]
    assert maker.get_symbol_info(SYMBOL)["filters"][0]["filterType"] == "PRICE_FILTER"
    assert maker.get_klines(symbol=SYMBOL, interval="1m", limit=5)[-1][4] == "3000.10000000"
    assert maker.get_system_status()["status"] == 0
    assert maker.get_trade_fee(symbol=SYMBOL)[0]["makerCommission"] == "0.001"
    assert maker.create_test_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="1") == {}
    assert taker.ws_get_order_book(symbol=SYMBOL)["asks"] == []


async def follow() -> None:
    maker = await AsyncClient.create(MAKER["apiKey"], MAKER["secretKey"])
    taker = await AsyncClient.create(TAKER["apiKey"], TAKER["secretKey"])
    sockets = BinanceSocketManager(maker)
    try:
        async with sockets.user_socket() as user, sockets.trade_socket(SYMBOL) as trades:
            async with DepthCacheManager(taker, SYMBOL, refresh_interval=0) as depth:
                order = await maker.order_limit_sell(symbol=SYMBOL, quantity="1", price="3100")
                cache = await asyncio.wait_for(depth.recv(), 20)
                while not cache.get_asks():
                    cache = await asyncio.wait_for(depth.recv(), 20)
                assert cache.get_asks()[0] == [3100.0, 1.0]
                placed = await asyncio.wait_for(user.recv(), 20)
                assert (placed["e"], placed["x"], placed["i"]) == ("executionReport", "NEW", order["orderId"])
                await taker.order_limit_buy(symbol=SYMBOL, quantity="1", price="3100")
                while cache.get_asks():
                    cache = await asyncio.wait_for(depth.recv(), 20)
            kinds = []
            while "TRADE" not in kinds:
                event = await asyncio.wait_for(user.recv(), 20)
                kinds.append(event.get("x", event["e"]))
            assert (await asyncio.wait_for(trades.recv(), 20))["p"] == "3100.00000000"
        assert (await maker.ws_get_account())["accountType"] == "SPOT"
        by_ws = await maker.ws_create_order(
            symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity="1", price="3200"
        )
        assert (await maker.ws_cancel_order(symbol=SYMBOL, orderId=by_ws["orderId"]))["status"] == "CANCELED"
    finally:
        await maker.close_connection()
        await taker.close_connection()


trade()
asyncio.run(follow())
print("ok")
