"""The official SDK (REST, WebSocket API, streams): argv is PORT, two keys as JSON and the path of an Ed25519 key's JSON.

The SDK's models only log a warning when a reply does not fit and hand out raw JSON instead, so every warning is a failure
here and every reply must be a model.
"""

import asyncio
import json
import logging
import sys

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot
from pydantic import BaseModel

PORT, MAKER, TAKER = int(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
SYMBOL = "SOLUSDT"
warnings: list[str] = []


class Collect(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warnings.append(record.getMessage())


logging.getLogger().addHandler(Collect(level=logging.WARNING))


def client(key: dict) -> Spot:
    url = f"http://127.0.0.1:{PORT}"
    socket = f"ws://127.0.0.1:{PORT}"
    return Spot(
        config_rest_api=ConfigurationRestAPI(api_key=key["apiKey"], api_secret=key["secretKey"], base_path=url),
        config_ws_api=ConfigurationWebSocketAPI(
            api_key=key["apiKey"], api_secret=key["secretKey"], stream_url=f"{socket}/ws-api/v3"
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=socket),
    )


def model(response: object) -> BaseModel:
    """The reply's data, which must have fitted the SDK's model."""
    data = response.data()
    for part in data if isinstance(data, list) else [data]:
        assert isinstance(part, BaseModel) or isinstance(part, list), f"raw JSON instead of a model: {part}"
    return data


def one(data: object) -> object:
    return data.actual_instance if hasattr(data, "actual_instance") and data.actual_instance is not None else data


def rest() -> None:
    maker, taker = client(MAKER).rest_api, client(TAKER).rest_api
    limit = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "time_in_force": "GTC"}
    order = one(model(maker.new_order(**limit, quantity=10, price=150.25)))
    part = one(model(taker.new_order(**{**limit, "side": "BUY"}, quantity=4, price=150.25)))
    assert part.status == "FILLED", part
    state = one(model(maker.get_order(symbol=SYMBOL, order_id=order.order_id)))
    assert (state.status, state.executed_qty) == ("PARTIALLY_FILLED", "4.00000000")
    replaced = one(
        model(
            maker.order_cancel_replace(
                symbol=SYMBOL, side="SELL", type="LIMIT", time_in_force="GTC", quantity=6, price=150.5,
                cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=order.order_id,
            )
        )
    )  # fmt: skip
    assert replaced.cancel_result == "SUCCESS", replaced
    market = one(model(taker.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=6)))
    assert market.cummulative_quote_qty == "903.00000000"
    assert model(maker.get_open_orders(symbol=SYMBOL)) == []
    resting = one(model(maker.new_order(**limit, quantity=1, price=151)))
    assert one(model(maker.delete_order(symbol=SYMBOL, order_id=resting.order_id))).status == "CANCELED"
    one(model(maker.new_order(**limit, quantity=1, price=152)))
    assert len(model(maker.delete_open_orders(symbol=SYMBOL))) == 1
    assert [fill.qty for fill in model(maker.my_trades(symbol=SYMBOL))] == ["4.00000000", "6.00000000"]
    assert len(model(maker.all_orders(symbol=SYMBOL))) == 4
    assert model(maker.get_account()).account_type == "SPOT"
    for call in [
        lambda: maker.ping(),
        lambda: maker.time(),
        lambda: maker.exchange_info(),
        lambda: maker.exchange_info(symbol=SYMBOL),
        lambda: maker.depth(symbol=SYMBOL, limit=5),
        lambda: maker.get_trades(symbol=SYMBOL),
        lambda: maker.historical_trades(symbol=SYMBOL),
        lambda: maker.agg_trades(symbol=SYMBOL),
        lambda: maker.klines(symbol=SYMBOL, interval="1m"),
        lambda: maker.ui_klines(symbol=SYMBOL, interval="1m"),
        lambda: maker.avg_price(symbol=SYMBOL),
        lambda: maker.ticker24hr(symbol=SYMBOL),
        lambda: maker.ticker24hr(),
        lambda: maker.ticker_price(symbol=SYMBOL),
        lambda: maker.ticker_price(),
        lambda: maker.ticker_book_ticker(symbol=SYMBOL),
        lambda: maker.ticker_book_ticker(),
        lambda: maker.rate_limit_order(),
        lambda: maker.account_commission(symbol=SYMBOL),
        lambda: maker.order_test(symbol=SYMBOL, side="BUY", type="MARKET", quantity=1),
    ]:
        response = call()
        model(response)


async def sockets() -> None:
    maker, taker = client(MAKER), client(TAKER)
    api = await maker.websocket_api.create_connection()
    streams = await taker.websocket_streams.create_connection()
    reports: asyncio.Queue = asyncio.Queue()
    depths: asyncio.Queue = asyncio.Queue()
    try:
        logon = await api.session_logon()
        assert logon.data().result is not None
        user = await api.user_data_stream_subscribe()
        user.stream.on("message", reports.put_nowait)
        depth = await streams.diff_book_depth(symbol=SYMBOL, update_speed="100ms")
        depth.on("message", depths.put_nowait)
        placed = await api.order_place(
            symbol=SYMBOL, side="SELL", type="LIMIT", time_in_force="GTC", quantity=2, price=160
        )
        order_id = placed.data().result.order_id
        while True:
            event = await asyncio.wait_for(depths.get(), 20)
            if any(level[0] == "160.00000000" for level in event.a):
                break
        client(TAKER).rest_api.new_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", time_in_force="GTC", quantity=1, price=160
        )
        seen = []
        while "TRADE" not in seen:
            event = one(await asyncio.wait_for(reports.get(), 20))
            assert isinstance(event, BaseModel), event
            seen.append(getattr(event, "x", None))
        assert "NEW" in seen
        status = await api.order_status(symbol=SYMBOL, order_id=order_id)
        assert status.data().result.status == "PARTIALLY_FILLED"
        canceled = await api.order_cancel(symbol=SYMBOL, order_id=order_id)
        assert one(canceled.data().result).status == "CANCELED"
        for call in [
            lambda: api.ping(),
            lambda: api.time(),
            lambda: api.exchange_info(symbol=SYMBOL),
            lambda: api.depth(symbol=SYMBOL, limit=5),
            lambda: api.trades_recent(symbol=SYMBOL),
            lambda: api.trades_historical(symbol=SYMBOL),
            lambda: api.trades_aggregate(symbol=SYMBOL),
            lambda: api.klines(symbol=SYMBOL, interval="1m"),
            lambda: api.ui_klines(symbol=SYMBOL, interval="1m"),
            lambda: api.avg_price(symbol=SYMBOL),
            lambda: api.ticker24hr(symbol=SYMBOL),
            lambda: api.ticker_price(symbol=SYMBOL),
            lambda: api.ticker_book(symbol=SYMBOL),
            lambda: api.account_status(),
            lambda: api.account_rate_limits_orders(),
            lambda: api.account_commission(symbol=SYMBOL),
            lambda: api.all_orders(symbol=SYMBOL),
            lambda: api.my_trades(symbol=SYMBOL),
            lambda: api.open_orders_status(symbol=SYMBOL),
            lambda: api.session_status(),
            lambda: api.session_subscriptions(),
        ]:
            response = await call()
            assert isinstance(response.data(), BaseModel), response.data()
    finally:
        await api.close_connection()
        await streams.close_connection()


rest()
asyncio.run(sockets())
assert warnings == [], warnings
print("ok")
