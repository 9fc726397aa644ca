"""The older official connector (REST, streams, WebSocket API): argv is PORT and two keys as JSON."""

import json
import queue
import sys

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

PORT, MAKER, TAKER = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
SYMBOL = "ETHBTC"
URL, SOCKET = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}"


def client(key: dict) -> Spot:
    return Spot(key["apiKey"], key["secretKey"], base_url=URL)


def expect(received: queue.Queue, wanted: object) -> dict:
    """The next message that `wanted` accepts."""
    while True:
        message = json.loads(received.get(timeout=20))
        if wanted(message):
            return message


def trade() -> None:
    maker, taker = client(MAKER), client(TAKER)
    streamed: queue.Queue = queue.Queue()
    streams = SpotWebsocketStreamClient(stream_url=SOCKET, on_message=lambda _, text: streamed.put(text))
    streams.diff_book_depth(symbol=SYMBOL.lower(), speed=100)
    streams.trade(symbol=SYMBOL.lower())
    expect(streamed, lambda message: message.get("result", 1) is None)
    order = maker.new_order(SYMBOL, "SELL", "LIMIT", timeInForce="GTC", quantity="2", price="0.05")
    expect(streamed, lambda message: message.get("a") and message["a"][0] == ["0.05000000", "2.00000000"])
    taker.new_order(SYMBOL, "BUY", "LIMIT", timeInForce="IOC", quantity="0.5", price="0.05")
    assert expect(streamed, lambda message: message.get("e") == "trade")["q"] == "0.50000000"
    assert maker.get_order(SYMBOL, orderId=order["orderId"])["status"] == "PARTIALLY_FILLED"
    replaced = maker.cancel_and_replace(
        SYMBOL, "SELL", "LIMIT", "STOP_ON_FAILURE", cancelOrderId=order["orderId"], timeInForce="GTC",
        quantity="1.5", price="0.051",
    )  # fmt: skip
    assert replaced["newOrderResult"] == "SUCCESS"
    taker.new_order(SYMBOL, "BUY", "MARKET", quantity="1")
    assert maker.cancel_open_orders(SYMBOL)[0]["executedQty"] == "1.00000000"
    assert [fill["commission"] for fill in maker.my_trades(SYMBOL)] == ["0.00002500", "0.00005100"]
    try:
        maker.cancel_order(SYMBOL, orderId=order["orderId"])
    except ClientError as error:
        assert (error.status_code, error.error_code) == (400, -2011)
    else:
        raise AssertionError("a canceled order was canceled again")
    streams.stop()

    replies: queue.Queue = queue.Queue()
    api = SpotWebsocketAPIClient(
        stream_url=f"{SOCKET}/ws-api/v3", api_key=MAKER["apiKey"], api_secret=MAKER["secretKey"],
        on_message=lambda _, text: replies.put(text),
    )  # fmt: skip
    api.new_order(symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="GTC", quantity=1.0, price=0.06)
    placed = expect(replies, lambda message: True)
    assert placed["status"] == 200, placed
    api.cancel_order(symbol=SYMBOL, orderId=placed["result"]["orderId"])
    assert expect(replies, lambda message: True)["result"]["status"] == "CANCELED"
    api.stop()
    for call in (maker.ping, maker.time, maker.exchange_info, maker.account, maker.ticker_24hr):
        call()
    maker.klines(SYMBOL, "1m")
    maker.depth(SYMBOL)


trade()
print("ok")
