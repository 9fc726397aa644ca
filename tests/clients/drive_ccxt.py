"""ccxt and ccxt.pro against a venue: argv is PORT and two keys as JSON. Runs in ccxt's own environment."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

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
SYMBOL = "BTC/USDT"
SECONDS_MAX = 20


def is_soon(condition: Callable[[], bool]) -> bool:
    """Asked again and again, for what may lag: the depth over REST is an image up to 100 ms old."""
    deadline_s = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline_s:
        pass
    return condition()


def settings(key: dict) -> dict:
    return {"apiKey": key["apiKey"], "secret": key["secretKey"], "urls": {"api": URLS}}


def held(client: ccxt.binance) -> dict[str, Decimal]:
    """What is free, by asset, as the venue wrote it: ccxt's own numbers are floats."""
    return {row["asset"]: Decimal(row["free"]) for row in client.fetch_balance()["info"]["balances"]}


def moved(before: dict[str, Decimal], after: dict[str, Decimal]) -> dict[str, Decimal]:
    return {asset: amount - before[asset] for asset, amount in after.items() if amount != before[asset]}


def trade() -> None:
    maker, taker = ccxt.binance(settings(MAKER)), ccxt.binance(settings(TAKER))
    market = maker.load_markets()[SYMBOL]  # With keys: also the shims for currencies and margin.
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    before = held(maker), held(taker)

    resting = maker.create_order(SYMBOL, "limit", "sell", 0.02, 50_000)
    assert resting["status"] == "open"
    assert maker.fetch_balance()["BTC"]["used"] == 0.02
    first = taker.create_order(SYMBOL, "limit", "buy", 0.005, 50_000)
    assert (first["status"], first["filled"], first["average"]) == ("closed", 0.005, 50_000)
    partly = maker.fetch_order(resting["id"], SYMBOL)
    assert (partly["status"], partly["filled"], partly["remaining"]) == ("open", 0.005, 0.015)

    replaced = maker.edit_order(resting["id"], SYMBOL, "limit", "sell", 0.015, 50_001)
    assert [order["id"] for order in maker.fetch_open_orders(SYMBOL)] == [replaced["id"]]
    by_amount = taker.create_order(SYMBOL, "market", "buy", 0.005)
    assert (by_amount["status"], by_amount["average"]) == ("closed", 50_001)
    # ccxt sends 250.00: one step more would cost 250.005.
    by_cost = taker.create_order(SYMBOL, "market", "buy", None, None, {"quoteOrderQty": 250.005})
    assert (by_cost["status"], by_cost["filled"]) == ("closed", 0.00499)
    assert maker.cancel_order(replaced["id"], SYMBOL)["status"] == "canceled"
    assert maker.fetch_open_orders(SYMBOL) == []

    post_only = maker.create_order(SYMBOL, "limit", "sell", 0.001, 60_000, {"postOnly": True})
    assert maker.fetch_order(post_only["id"], SYMBOL)["postOnly"]
    assert len(maker.cancel_all_orders(SYMBOL)) == 1

    fills = maker.fetch_my_trades(SYMBOL)
    sold = [(fill["amount"], fill["price"], fill["takerOrMaker"]) for fill in fills]
    assert sold == [(0.005, 50_000, "maker"), (0.005, 50_001, "maker"), (0.00499, 50_001, "maker")], sold
    # One thousandth of what each receives is the fee: of 250 + 250.005 + 249.50499 USDT, and of 0.01499 BTC.
    usdt = Decimal("749.50999")
    assert moved(before[0], held(maker)) == {"BTC": Decimal("-0.01499"), "USDT": usdt - Decimal("0.74950999")}
    assert moved(before[1], held(taker)) == {"BTC": Decimal("0.01499") - Decimal("0.00001499"), "USDT": -usdt}
    filled = {order["id"] for order in taker.fetch_closed_orders(SYMBOL)}
    assert filled == {first["id"], by_amount["id"], by_cost["id"]}
    states = {order["id"]: (order["status"], order["filled"]) for order in maker.fetch_orders(SYMBOL)}
    assert states == {
        resting["id"]: ("canceled", 0.005),
        replaced["id"]: ("canceled", 0.00999),
        post_only["id"]: ("canceled", 0),
    }

    refuse(ccxt.OrderNotFound, lambda: maker.cancel_order("999999999", SYMBOL))
    refuse(ccxt.InsufficientFunds, lambda: maker.create_order(SYMBOL, "limit", "buy", 100, 50_000))
    refuse(ccxt.BadRequest, lambda: maker.create_order(SYMBOL, "limit", "buy", 0.00001, 50_000))
    stranger = ccxt.binance(settings({**MAKER, "secretKey": "x" * 64}))
    refuse(ccxt.AuthenticationError, stranger.fetch_balance)

    assert maker.fetch_status()["status"] == "ok"
    assert maker.fetch_trading_fee(SYMBOL)["maker"] == 0.001
    assert maker.fetch_ticker(SYMBOL)["last"] == 50_001
    assert SYMBOL in maker.fetch_tickers()
    assert SYMBOL in maker.fetch_bids_asks()
    assert maker.fetch_trades(SYMBOL)[-1]["price"] == 50_001
    assert maker.fetch_ohlcv(SYMBOL, "1m")[-1][4] == 50_001
    assert is_soon(lambda: maker.fetch_order_book(SYMBOL)["asks"] == [])
    stop_out(maker, taker)
    trail(maker, taker)
    pair_off(maker)


def stop_out(maker: ccxt.binance, taker: ccxt.binance) -> None:
    """Two orders wait below the market; a trade at their stop prices lets them trade with what rests there."""
    maker.create_order(SYMBOL, "limit", "buy", 0.0022, 49_900)
    market = taker.create_order(SYMBOL, "market", "sell", 0.001, None, {"stopLossPrice": 49_950})
    limit = taker.create_order(SYMBOL, "limit", "sell", 0.001, 49_890, {"stopLossPrice": 49_940})
    profit = taker.create_order(SYMBOL, "limit", "sell", 0.001, 60_000, {"takeProfitPrice": 59_000})
    for order, price in ((market, 49_950), (limit, 49_940), (profit, 59_000)):
        waiting = taker.fetch_order(order["id"], SYMBOL)
        assert (waiting["status"], waiting["filled"], waiting["triggerPrice"]) == ("open", 0, price), waiting
    refuse(
        ccxt.OrderImmediatelyFillable,
        lambda: taker.create_order(SYMBOL, "market", "sell", 0.001, None, {"stopLossPrice": 50_001}),
    )
    assert taker.cancel_order(profit["id"], SYMBOL)["status"] == "canceled"
    assert taker.create_order(SYMBOL, "limit", "sell", 0.0002, 49_900)["status"] == "closed"
    for order in (market, limit):
        filled = taker.fetch_order(order["id"], SYMBOL)
        assert (filled["status"], filled["filled"], filled["average"]) == ("closed", 0.001, 49_900), filled
    assert maker.fetch_open_orders(SYMBOL) == []


def trail(maker: ccxt.binance, taker: ccxt.binance) -> None:
    """One per cent behind the highest price: 50,500 comes, and so 49,995 is far enough back."""
    how = {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}
    order = taker.create_order(SYMBOL, "market", "sell", 0.001, None, how)
    later = taker.create_order(SYMBOL, "limit", "sell", 0.001, 49_000, {**how, "trailingTriggerPrice": 49_500})
    shown = [taker.fetch_order(each["id"], SYMBOL)["info"] for each in (order, later)]
    assert [(each["type"], int(each["trailingDelta"])) for each in shown] == [
        ("STOP_LOSS", 100),
        ("STOP_LOSS_LIMIT", 100),
    ]
    assert [int(each["trailingTime"]) > 0 for each in shown] == [True, False], shown
    too_far = {**how, "trailingPercent": 50}
    refuse(ccxt.BadRequest, lambda: taker.create_order(SYMBOL, "market", "sell", 1, None, too_far))
    maker.create_order(SYMBOL, "limit", "sell", 0.001, 50_500)
    assert taker.create_order(SYMBOL, "market", "buy", 0.001)["average"] == 50_500
    maker.create_order(SYMBOL, "limit", "buy", 0.002, 49_995)
    assert taker.create_order(SYMBOL, "limit", "sell", 0.001, 49_995)["status"] == "closed"
    filled = taker.fetch_order(order["id"], SYMBOL)
    assert (filled["status"], filled["filled"], filled["average"]) == ("closed", 0.001, 49_995), filled
    assert taker.cancel_order(later["id"], SYMBOL)["status"] == "canceled"
    assert maker.fetch_open_orders(SYMBOL) == []


def pair_off(maker: ccxt.binance) -> None:
    """ccxt places order lists by the venue's own parameters, and reads and cancels their orders as any other."""
    placed = maker.privatePostOrderListOco(
        {
            "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "aboveType": "LIMIT_MAKER", "abovePrice": "51000",
            "belowType": "STOP_LOSS_LIMIT", "belowStopPrice": "48000", "belowPrice": "47900", "belowTimeInForce": "GTC",
        }
    )  # fmt: skip
    above, below = (str(leg["orderId"]) for leg in placed["orders"])
    assert [order["id"] for order in maker.fetch_open_orders(SYMBOL)] == [above, below], placed
    maker.cancel_order(above, SYMBOL)
    assert {maker.fetch_order(each, SYMBOL)["status"] for each in (above, below)} == {"canceled"}
    assert [each["listOrderStatus"] for each in maker.privateGetAllOrderList()] == ["ALL_DONE"]


def refuse(error: type[Exception], call: Callable[[], object]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error} was not raised")


class Watch:
    """What a `watch_` method of ccxt.pro gives, one at a time, kept until it is asked for."""

    def __init__(self, method: Callable[..., Awaitable[Any]], *arguments: object) -> None:
        self._seen: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._follow(method, arguments))

    async def _follow(self, method: Callable[..., Awaitable[Any]], arguments: tuple) -> None:
        while True:
            seen = await method(*arguments)
            # Books, tickers and balances are one dictionary; orders, trades and candles a list of what is new.
            for each in seen if isinstance(seen, list) else [seen]:
                self._seen.put_nowait(each)

    async def expect(self, wanted: Callable[[Any], bool]) -> Any:
        """The next one that `wanted` accepts."""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                seen = await self._seen.get()
                if wanted(seen):
                    return seen

    def stop(self) -> None:
        self._task.cancel()


async def follow() -> None:
    maker, taker = ccxt.pro.binance(settings(MAKER)), ccxt.pro.binance(settings(TAKER))
    watches: list[Watch] = []

    def watch(method: Callable[..., Awaitable[Any]], *arguments: object) -> Watch:
        watches.append(Watch(method, *arguments))
        return watches[-1]

    try:
        await maker.load_markets()
        await maker.authenticate()  # Subscribes the user stream, and waits for that.
        orders, fills = watch(maker.watch_orders, SYMBOL), watch(maker.watch_my_trades, SYMBOL)
        balances = watch(maker.watch_balance)
        book, trades = watch(taker.watch_order_book, SYMBOL), watch(taker.watch_trades, SYMBOL)
        ticker, candles = watch(taker.watch_ticker, SYMBOL), watch(taker.watch_ohlcv, SYMBOL, "1m")
        best = watch(taker.watch_bids_asks, [SYMBOL])
        await book.expect(lambda seen: seen["asks"] == [])

        order = await maker.create_order(SYMBOL, "limit", "sell", 0.003, 51_000)
        await orders.expect(lambda seen: (seen["id"], seen["status"], seen["filled"]) == (order["id"], "open", 0))
        await book.expect(lambda seen: seen["asks"] == [[51_000, 0.003]])
        await best.expect(lambda seen: seen[SYMBOL]["ask"] == 51_000)
        await taker.create_order(SYMBOL, "limit", "buy", 0.001, 51_000, {"timeInForce": "IOC"})
        await orders.expect(lambda seen: (seen["id"], seen["status"], seen["filled"]) == (order["id"], "open", 0.001))
        fill = await fills.expect(lambda seen: seen["order"] == order["id"])
        assert (fill["price"], fill["amount"], fill["takerOrMaker"]) == (51_000, 0.001, "maker"), fill
        assert fill["fee"] == {"currency": "USDT", "cost": 0.051}, fill
        await trades.expect(lambda seen: (seen["price"], seen["amount"]) == (51_000, 0.001))
        await book.expect(lambda seen: seen["asks"] == [[51_000, 0.002]])
        await ticker.expect(lambda seen: seen["last"] == 51_000)
        await candles.expect(lambda seen: seen[4] == 51_000)

        replaced = await maker.edit_order_ws(order["id"], SYMBOL, "limit", "sell", 0.002, 51_001)
        await orders.expect(lambda seen: (seen["id"], seen["status"]) == (order["id"], "canceled"))
        await orders.expect(lambda seen: (seen["id"], seen["status"]) == (replaced["id"], "open"))
        assert (await taker.create_order_ws(SYMBOL, "market", "buy", 0.002))["status"] == "closed"
        await orders.expect(lambda seen: (seen["id"], seen["status"]) == (replaced["id"], "closed"))
        await book.expect(lambda seen: seen["asks"] == [])

        placed = await maker.create_order_ws(SYMBOL, "limit", "sell", 0.001, 52_000)
        assert (await maker.cancel_order_ws(placed["id"], SYMBOL))["status"] == "canceled"
        await orders.expect(lambda seen: (seen["id"], seen["status"]) == (placed["id"], "canceled"))
        assert (await maker.fetch_order_ws(placed["id"], SYMBOL))["status"] == "canceled"
        assert await maker.fetch_open_orders_ws(SYMBOL) == []
        assert (await maker.fetch_my_trades_ws(SYMBOL))[-1]["order"] == replaced["id"]
        now = await maker.fetch_balance()
        # Of this reply ccxt reads only the derivatives' shape; what the venue sent is in "info".
        assert (await maker.fetch_balance_ws())["info"]["balances"] == now["info"]["balances"]
        await balances.expect(lambda seen: all(seen[asset] == now[asset] for asset in ("BTC", "USDT")))
    finally:
        for each in watches:
            each.stop()
        await maker.close()
        await taker.close()


trade()
asyncio.run(follow())
print("ok")  # noqa: T201
