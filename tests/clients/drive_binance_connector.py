"""The older official connector (REST, streams, WebSocket API): argv is PORT and two keys as JSON.

Its user stream is left out: it needs a listen key, which Binance itself has retired.
"""

import json
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

PORT, MAKER, TAKER = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
SYMBOL = "ETHBTC"
URL, SOCKET = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}"
SECONDS_MAX = 20


def is_soon(condition: Callable[[], bool]) -> bool:
    """Asked again and again, for what may lag: the depth over REST is an image up to 100 ms old."""
    deadline_s = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline_s:
        pass
    return condition()


def client(key: dict) -> Spot:
    return Spot(key["apiKey"], key["secretKey"], base_url=URL)


class Messages:
    """What a socket says, kept until it is asked for."""

    def __init__(self) -> None:
        self._texts: queue.Queue[str] = queue.Queue()

    def keep(self, _socket: object, text: str) -> None:
        self._texts.put(text)

    def expect(self, wanted: Callable[[dict], bool]) -> dict:
        """The next message that `wanted` accepts."""
        deadline_s = time.monotonic() + SECONDS_MAX
        while True:
            message = json.loads(self._texts.get(timeout=max(0, deadline_s - time.monotonic())))
            if wanted(message):
                return message

    def result(self) -> dict:
        """What the WebSocket API answers to the one request that is under way."""
        reply = self.expect(lambda message: "status" in message)
        assert reply["status"] == 200, reply
        return reply["result"]


def held(spot: Spot) -> dict[str, Decimal]:
    return {row["asset"]: Decimal(row["free"]) for row in spot.account()["balances"]}


def moved(before: dict[str, Decimal], after: dict[str, Decimal]) -> dict[str, Decimal]:
    return {asset: amount - before[asset] for asset, amount in after.items() if amount != before[asset]}


@contextmanager
def stopped_at_last(socket: SpotWebsocketStreamClient | SpotWebsocketAPIClient) -> Iterator[None]:
    """Its thread would keep a script that failed from ending."""
    try:
        yield
    finally:
        socket.stop()


def trade(maker: Spot, taker: Spot) -> None:
    before = held(maker), held(taker)
    streamed = Messages()
    streams = SpotWebsocketStreamClient(stream_url=SOCKET, on_message=streamed.keep)
    with stopped_at_last(streams):
        follow(maker, taker, streams, streamed)
    btc = Decimal("0.076")  # One thousandth of what each receives is the fee.
    assert moved(before[0], held(maker)) == {"ETH": Decimal("-1.5"), "BTC": btc - Decimal("0.000076")}
    assert moved(before[1], held(taker)) == {"ETH": Decimal("1.4985"), "BTC": -btc}
    assert [row["status"] for row in maker.get_orders(SYMBOL)] == ["CANCELED", "CANCELED"]
    pair_off(maker)


def pair_off(maker: Spot) -> None:
    """Order lists, placed and canceled."""
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": "0.06", "belowType": "STOP_LOSS", "belowStopPrice": "0.04"}
    working = {
        "workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "0.045", "workingQuantity": "1",
        "workingTimeInForce": "GTC", "pendingSide": "SELL", "pendingQuantity": "1",
    }  # fmt: skip
    pending = {f"pending{name[0].upper()}{name[1:]}": value for name, value in pair.items()}
    lists = [
        maker.new_oco_order(SYMBOL, "SELL", "1", **pair),
        maker.new_oto_order(SYMBOL, **working, pendingType="MARKET"),
        maker.new_otoco_order(SYMBOL, **working, **pending),
    ]
    assert [len(each["orders"]) for each in lists] == [2, 2, 3]
    ids = [each["orderListId"] for each in lists]
    assert [each["orderListId"] for each in maker.get_oco_open_orders()] == ids
    for list_id in ids:
        assert maker.get_oco_order(orderListId=list_id)["listOrderStatus"] == "EXECUTING"
        assert maker.cancel_oco_order(SYMBOL, orderListId=list_id)["listOrderStatus"] == "ALL_DONE"
    assert [each["orderListId"] for each in maker.get_oco_orders(fromId=ids[0])] == ids


def follow(maker: Spot, taker: Spot, streams: SpotWebsocketStreamClient, streamed: Messages) -> None:
    """Place, fill in part, replace, fill, cancel; the streams tell of it."""
    streams.diff_book_depth(symbol=SYMBOL.lower(), speed=100)
    streamed.expect(lambda message: message.get("result", 1) is None)
    streams.trade(symbol=SYMBOL.lower())
    streamed.expect(lambda message: message.get("result", 1) is None)
    order = maker.new_order(SYMBOL, "SELL", "LIMIT", timeInForce="GTC", quantity="2", price="0.05")
    streamed.expect(lambda message: message.get("a") == [["0.05000000", "2.00000000"]])
    taken = taker.new_order(SYMBOL, "BUY", "LIMIT", timeInForce="IOC", quantity="0.5", price="0.05")
    assert taken["fills"][0]["commission"] == "0.00050000"
    assert streamed.expect(lambda message: message.get("e") == "trade")["q"] == "0.50000000"
    streamed.expect(lambda message: message.get("a") == [["0.05000000", "1.50000000"]])
    assert maker.get_order(SYMBOL, orderId=order["orderId"])["status"] == "PARTIALLY_FILLED"
    replaced = maker.cancel_and_replace(
        SYMBOL, "SELL", "LIMIT", "STOP_ON_FAILURE", cancelOrderId=order["orderId"], timeInForce="GTC",
        quantity="1.5", price="0.051",
    )  # fmt: skip
    assert replaced["newOrderResult"] == "SUCCESS"
    new_id = replaced["newOrderResponse"]["orderId"]
    assert [row["orderId"] for row in maker.get_open_orders(SYMBOL)] == [new_id]
    assert taker.new_order(SYMBOL, "BUY", "MARKET", quantity="1")["status"] == "FILLED"
    assert maker.cancel_open_orders(SYMBOL)[0]["executedQty"] == "1.00000000"
    streamed.expect(lambda message: ["0.05000000", "0.00000000"] in message.get("a", []))
    assert [fill["commission"] for fill in maker.my_trades(SYMBOL)] == ["0.00002500", "0.00005100"]
    try:
        maker.cancel_order(SYMBOL, orderId=order["orderId"])
    except ClientError as error:
        assert (error.status_code, error.error_code) == (400, -2011)
    else:
        raise AssertionError("a canceled order was canceled again")


def trade_over_the_websocket_api(taker: Spot) -> None:
    replies = Messages()
    api = SpotWebsocketAPIClient(
        stream_url=f"{SOCKET}/ws-api/v3", api_key=MAKER["apiKey"], api_secret=MAKER["secretKey"],
        on_message=replies.keep,
    )  # fmt: skip
    sell = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC"}
    with stopped_at_last(api):
        api.new_order(**sell, quantity=1.0, price=0.06)
        placed = replies.result()
        taker.new_order(SYMBOL, "BUY", "LIMIT", timeInForce="GTC", quantity="0.25", price="0.06")
        api.get_order(symbol=SYMBOL, orderId=placed["orderId"])
        assert replies.result()["executedQty"] == "0.25000000"
        api.cancel_replace_order(**sell, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"],
                                 quantity=0.75, price=0.061)  # fmt: skip
        new = replies.result()["newOrderResponse"]
        api.cancel_order(symbol=SYMBOL, orderId=new["orderId"])
        assert replies.result()["status"] == "CANCELED"
        api.get_open_orders(symbol=SYMBOL)
        assert replies.result() == []
        api.my_trades(symbol=SYMBOL)
        assert replies.result()[-1]["orderId"] == placed["orderId"]
        api.account()
        assert replies.result()["accountType"] == "SPOT"


def read(spot: Spot) -> None:
    """What everybody may ask."""
    assert spot.ping() == {}
    assert spot.time()["serverTime"] > 0
    assert spot.exchange_info(symbol=SYMBOL)["symbols"][0]["symbol"] == SYMBOL
    assert is_soon(lambda: spot.depth(SYMBOL)["asks"] == [])
    assert spot.trades(SYMBOL)[-1]["price"] == "0.06000000"
    assert spot.agg_trades(SYMBOL)[-1]["p"] == "0.06000000"
    assert spot.klines(SYMBOL, "1m")[-1][4] == "0.06000000"
    assert spot.ticker_24hr(SYMBOL)["lastPrice"] == "0.06000000"
    assert spot.ticker_price(SYMBOL)["price"] == "0.06000000"
    assert spot.book_ticker(SYMBOL)["askQty"] == "0.00000000"
    assert spot.avg_price(SYMBOL)["mins"] == 5


maker_client, taker_client = client(MAKER), client(TAKER)
trade(maker_client, taker_client)
trade_over_the_websocket_api(taker_client)
read(maker_client)
print("ok")  # noqa: T201
