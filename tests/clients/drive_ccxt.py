"""ccxt and ccxt.pro against a venue: argv is PORT and two keys as JSON. Runs in ccxt's own environment."""

import asyncio
import json
import sys

import ccxt
import ccxt.pro

PORT, MAKER, TAKER = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
HTTP, WS = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}"
URLS = {
    "public": f"{HTTP}/api/v3",
    "private": f"{HTTP}/api/v3",
    "v1": f"{HTTP}/api/v1",
    "sapi": f"{HTTP}/sapi/v1",
    "fapiPublic": f"{HTTP}/fapi/v1",
    "dapiPublic": f"{HTTP}/dapi/v1",
    "ws": {"spot": f"{WS}/ws", "ws-api": {"spot": f"{WS}/ws-api/v3"}},
}


def settings(key: dict) -> dict:
    return {"apiKey": key["apiKey"], "secret": key["secretKey"], "urls": {"api": URLS}}


def trade() -> None:
    maker, taker = ccxt.binance(settings(MAKER)), ccxt.binance(settings(TAKER))
    markets = maker.load_markets()  # With keys: also the shims for currencies and margin.
    assert markets["BTC/USDT"]["precision"] == {**markets["BTC/USDT"]["precision"], "price": 0.01, "amount": 0.00001}
    before = maker.fetch_balance()

    resting = maker.create_order("BTC/USDT", "limit", "sell", 0.02, 50_000)
    assert resting["status"] == "open"
    first = taker.create_order("BTC/USDT", "limit", "buy", 0.005, 50_000)
    assert (first["status"], first["filled"], first["average"]) == ("closed", 0.005, 50_000)
    partly = maker.fetch_order(resting["id"], "BTC/USDT")
    assert (partly["status"], partly["filled"], partly["remaining"]) == ("open", 0.005, 0.015)

    moved = maker.edit_order(resting["id"], "BTC/USDT", "limit", "sell", 0.015, 50_001)
    assert [order["id"] for order in maker.fetch_open_orders("BTC/USDT")] == [moved["id"]]
    market = taker.create_order("BTC/USDT", "market", "buy", 0.005)
    assert (market["status"], market["average"]) == ("closed", 50_001)
    cost = taker.create_order("BTC/USDT", "market", "buy", None, None, {"quoteOrderQty": 250.005})
    assert (cost["status"], cost["filled"]) == ("closed", 0.00499)
    canceled = maker.cancel_order(moved["id"], "BTC/USDT")
    assert canceled["status"] == "canceled"
    assert maker.fetch_open_orders("BTC/USDT") == []

    post_only = maker.create_order("BTC/USDT", "limit", "sell", 0.001, 60_000, {"postOnly": True})
    assert maker.fetch_order(post_only["id"], "BTC/USDT")["postOnly"]
    assert len(maker.cancel_all_orders("BTC/USDT")) == 1

    fills = maker.fetch_my_trades("BTC/USDT")
    sold = [(fill["amount"], fill["price"], fill["takerOrMaker"]) for fill in fills]
    assert sold == [(0.005, 50_000, "maker"), (0.005, 50_001, "maker"), (0.00499, 50_001, "maker")], sold
    # 250 + 250.005 + 249.50499 USDT received, one thousandth of each kept as the fee.
    after = maker.fetch_balance()
    assert round(after["BTC"]["total"] - before["BTC"]["total"], 8) == -0.01499
    assert round(after["USDT"]["total"] - before["USDT"]["total"], 8) == 749.50999 - 0.74950999 + 0.00000001 - 0.00000001
    closed = {order["id"] for order in maker.fetch_closed_orders("BTC/USDT")}
    assert resting["id"] not in closed  # Canceled by the replacement after a partial fill.
    assert {order["id"] for order in maker.fetch_orders("BTC/USDT")} >= {resting["id"], moved["id"]}

    for wrong, call in [
        (ccxt.OrderNotFound, lambda: maker.cancel_order("999999999", "BTC/USDT")),
        (ccxt.InsufficientFunds, lambda: maker.create_order("BTC/USDT", "limit", "buy", 100, 50_000)),
        (ccxt.AuthenticationError, lambda: ccxt.binance(settings({**MAKER, "secretKey": "x" * 64})).fetch_balance()),
    ]:
        try:
            call()
        except wrong:
            continue
        raise AssertionError(f"{wrong} was not raised")

    assert maker.fetch_status()["status"] == "ok"
    assert maker.fetch_trading_fee("BTC/USDT")["maker"] == 0.001
    assert maker.fetch_ticker("BTC/USDT")["last"] == 50_001
    assert maker.fetch_trades("BTC/USDT")[-1]["price"] == 50_001
    assert maker.fetch_ohlcv("BTC/USDT", "1m")[-1][4] == 50_001
    assert maker.fetch_order_book("BTC/USDT")["asks"] == []


async def follow() -> None:
    maker, taker = ccxt.pro.binance(settings(MAKER)), ccxt.pro.binance(settings(TAKER))
    try:
        await maker.load_markets()
        book_task = asyncio.create_task(taker.watch_order_book("BTC/USDT"))
        orders_task = asyncio.create_task(maker.watch_orders("BTC/USDT"))
        trades_task = asyncio.create_task(taker.watch_trades("BTC/USDT"))
        fills_task = asyncio.create_task(maker.watch_my_trades("BTC/USDT"))
        balance_task = asyncio.create_task(maker.watch_balance())
        book = await asyncio.wait_for(book_task, 20)
        assert book["asks"] == []
        while not maker.orders or len(maker.clients) == 0:
            # The subscription is there once an order of ours is reported.
            order = await maker.create_order("BTC/USDT", "limit", "sell", 0.001, 51_000)
            try:
                seen = await asyncio.wait_for(asyncio.shield(orders_task), 2)
                break
            except asyncio.TimeoutError:
                await maker.cancel_order(order["id"], "BTC/USDT")
        assert seen[-1]["symbol"] == "BTC/USDT"
        book = await asyncio.wait_for(taker.watch_order_book("BTC/USDT"), 20)
        while not book["asks"]:
            book = await asyncio.wait_for(taker.watch_order_book("BTC/USDT"), 20)
        assert book["asks"][0][0] == 51_000
        await taker.create_order("BTC/USDT", "limit", "buy", 0.001, 51_000)
        fills = await asyncio.wait_for(fills_task, 20)
        assert (fills[-1]["price"], fills[-1]["amount"]) == (51_000, 0.001)
        trades = await asyncio.wait_for(trades_task, 20)
        assert trades[-1]["price"] == 51_000
        balance = await asyncio.wait_for(balance_task, 20)
        assert "BTC" in balance
        placed = await maker.create_order_ws("BTC/USDT", "limit", "sell", 0.001, 52_000)
        assert (await maker.cancel_order_ws(placed["id"], "BTC/USDT"))["status"] == "canceled"
    finally:
        await maker.close()
        await taker.close()


trade()
asyncio.run(follow())
print("ok")
