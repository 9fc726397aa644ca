"""The official SDK (REST, WebSocket API, streams): argv is PORT, two keys and an Ed25519 key of the maker's, as JSON.

Where a reply does not fit its model, the SDK only logs a warning and hands out something looser instead. So every
warning is a failure here, and every reply must be a model with no field that the model does not know.
"""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_spot.spot import Spot
from pydantic import BaseModel

PORT, MAKER, TAKER, ED25519 = int(sys.argv[1]), *map(json.loads, sys.argv[2:5])
URL, SOCKET = f"http://127.0.0.1:{PORT}", f"ws://127.0.0.1:{PORT}"
SYMBOL = "SOLUSDT"
SECONDS_MAX = 20
LIMIT_SELL = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "time_in_force": "GTC"}
LIMIT_BUY = {**LIMIT_SELL, "side": "BUY"}
# Every reply of the WebSocket API has "rateLimits", those to stop orders "stopPrice", to trailing ones, icebergs,
# pegged and canceled orders the others, as Binance documents it, though some of the models leave them out.
LEFT_OUT = {
    *("rateLimits", "stopPrice", "trailingDelta", "trailingTime", "icebergQty", "selfTradePreventionMode"),
    *("pegPriceType", "pegOffsetType", "pegOffsetValue", "peggedPrice"),
}
warnings: list[str] = []


class Collect(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warnings.append(record.getMessage())


logging.getLogger().addHandler(Collect(level=logging.WARNING))


def secret_of(key: dict) -> dict[str, str]:
    """What signs, as the SDK's configurations name it."""
    return {"api_secret": key["secretKey"]} if "secretKey" in key else {"private_key": key["privateKey"]}


def rest_client(key: dict) -> Any:
    configuration = ConfigurationRestAPI(api_key=key["apiKey"], base_path=URL, **secret_of(key))
    return Spot(config_rest_api=configuration).rest_api


def fitting(data: object) -> Any:
    """A reply or an event, which must be made of models that know all of its fields."""
    found = data.actual_instance if getattr(data, "actual_instance", None) is not None else data
    for part in found if isinstance(found, list) else [found]:
        assert isinstance(part, BaseModel), f"not a model: {part}"
        check_fields(part)
    return found


def check_fields(model: BaseModel) -> None:
    unknown = getattr(model, "additional_properties", {}).keys() - LEFT_OUT
    assert unknown == set(), f"{type(model).__name__} does not know {unknown}"
    for name in type(model).model_fields:
        value = getattr(model, name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, BaseModel):
                check_fields(each)


def read(response: Any) -> Any:
    return fitting(response.data())


def held(account: Any) -> dict[str, Decimal]:
    return {row.asset: Decimal(row.free) for row in account.balances}


def moved(before: dict[str, Decimal], after: dict[str, Decimal]) -> dict[str, Decimal]:
    return {asset: amount - before[asset] for asset, amount in after.items() if amount != before[asset]}


def trade() -> None:
    maker, taker = rest_client(MAKER), rest_client(TAKER)
    before = held(read(maker.get_account())), held(read(taker.get_account()))
    order = read(maker.new_order(**LIMIT_SELL, quantity=10, price=150.25))
    part = read(taker.new_order(**LIMIT_BUY, quantity=4, price=150.25))
    assert (part.status, part.fills[0].commission) == ("FILLED", "0.00400000"), part
    state = read(maker.get_order(symbol=SYMBOL, order_id=order.order_id))
    assert (state.status, state.executed_qty) == ("PARTIALLY_FILLED", "4.00000000")
    replaced = read(
        maker.order_cancel_replace(
            symbol=SYMBOL, side="SELL", type="LIMIT", time_in_force="GTC", quantity=6, price=150.5,
            cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=order.order_id,
        )
    )  # fmt: skip
    assert (replaced.cancel_result, replaced.new_order_result) == ("SUCCESS", "SUCCESS"), replaced
    market = read(taker.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=6))
    assert market.cummulative_quote_qty == "903.00000000"
    resting = read(maker.new_order(**LIMIT_SELL, quantity=1, price=151))
    assert [row.order_id for row in read(maker.get_open_orders(symbol=SYMBOL))] == [resting.order_id]
    smaller = read(maker.order_amend_keep_priority(symbol=SYMBOL, order_id=resting.order_id, new_qty=0.5)).amended_order
    assert (smaller.qty, smaller.orig_client_order_id) == ("0.50000000", resting.client_order_id)
    amendments = read(maker.order_amendments(symbol=SYMBOL, order_id=resting.order_id))
    assert [(row.orig_qty, row.new_qty) for row in amendments] == [("1.00000000", "0.50000000")]
    assert amendments[0].new_client_order_id == smaller.client_order_id
    assert read(maker.delete_order(symbol=SYMBOL, order_id=resting.order_id)).status == "CANCELED"
    own = {"self_trade_prevention_mode": "EXPIRE_MAKER", "new_order_resp_type": "RESULT"}
    giving_way = read(maker.new_order(**LIMIT_BUY, quantity=1, price=140))
    taker_order = read(maker.new_order(**LIMIT_SELL, quantity=2, price=140, **own))
    (match,) = read(maker.my_prevented_matches(symbol=SYMBOL, order_id=giving_way.order_id))
    assert (match.prevented_match_id, match.taker_order_id) == (1, taker_order.order_id), match
    assert (match.maker_order_id, match.maker_prevented_quantity) == (giving_way.order_id, "1.00000000"), match
    assert read(maker.my_prevented_matches(symbol=SYMBOL, prevented_match_id=1)) == [match]
    assert read(maker.delete_order(symbol=SYMBOL, order_id=taker_order.order_id)).status == "CANCELED"
    read(maker.new_order(**LIMIT_SELL, quantity=1, price=152, new_order_resp_type="ACK"))
    read(maker.new_order(**LIMIT_SELL, quantity=1, price=153, new_order_resp_type="RESULT"))
    assert len(read(maker.delete_open_orders(symbol=SYMBOL))) == 2
    assert read(maker.get_open_orders(symbol=SYMBOL)) == []
    assert [fill.qty for fill in read(maker.my_trades(symbol=SYMBOL))] == ["4.00000000", "6.00000000"]
    statuses = [row.status for row in read(maker.all_orders(symbol=SYMBOL))]
    expected = ["CANCELED", "FILLED", "CANCELED", "EXPIRED_IN_MATCH", "CANCELED", "CANCELED", "CANCELED"]
    assert statuses == expected, statuses
    usdt = Decimal(4) * Decimal("150.25") + Decimal(6) * Decimal(
        "150.5"
    )  # A thousandth of what each receives is its fee.
    after = held(read(maker.get_account())), held(read(taker.get_account()))
    assert moved(before[0], after[0]) == {"SOL": Decimal(-10), "USDT": usdt * Decimal("0.999")}
    assert moved(before[1], after[1]) == {"SOL": Decimal("9.99"), "USDT": -usdt}
    for response in (
        maker.time(),
        maker.exchange_info(),
        maker.exchange_info(symbol=SYMBOL),
        maker.exchange_info(symbols=[SYMBOL, "BTCUSDT"]),
        maker.depth(symbol=SYMBOL, limit=5),
        maker.get_trades(symbol=SYMBOL),
        maker.historical_trades(symbol=SYMBOL),
        maker.agg_trades(symbol=SYMBOL),
        maker.avg_price(symbol=SYMBOL),
        maker.ticker24hr(symbol=SYMBOL),
        maker.ticker24hr(),
        maker.ticker_price(symbol=SYMBOL),
        maker.ticker_price(),
        maker.ticker_book_ticker(symbol=SYMBOL),
        maker.ticker_book_ticker(),
        maker.ticker(symbol=SYMBOL),
        maker.ticker_trading_day(symbol=SYMBOL),
        maker.rate_limit_order(),
        maker.account_commission(symbol=SYMBOL),
        maker.order_test(symbol=SYMBOL, side="BUY", type="MARKET", quantity=1),
        maker.order_test(symbol=SYMBOL, side="BUY", type="MARKET", quantity=1, compute_commission_rates=True),
    ):
        read(response)
    assert maker.ping().data() == {}  # The SDK has no model for it, and gives candles as the lists that they are.
    assert maker.klines(symbol=SYMBOL, interval="1m").data()[-1][4] == "150.50000000"
    assert maker.ui_klines(symbol=SYMBOL, interval="1m").data()[-1][4] == "150.50000000"
    stop_out(maker, taker)
    list_orders(maker)
    trail(maker, taker)
    show_parts(maker, taker)
    peg(maker, taker)


def show_parts(maker: Any, taker: Any) -> None:
    """An iceberg, of which one taker gets three parts."""
    parts = {**LIMIT_SELL, "iceberg_qty": 1, "new_order_resp_type": "RESULT"}
    iceberg = read(maker.new_order(**parts, quantity=3, price=170))
    shown = read(maker.get_order(symbol=SYMBOL, order_id=iceberg.order_id))
    assert (shown.orig_qty, shown.iceberg_qty) == ("3.00000000", "1.00000000"), shown
    taken = read(taker.new_order(**LIMIT_BUY, quantity=3, price=170))
    assert [(fill.qty, fill.price) for fill in taken.fills] == [("1.00000000", "170.00000000")] * 3, taken
    assert read(maker.get_order(symbol=SYMBOL, order_id=iceberg.order_id)).status == "FILLED"


def peg(maker: Any, taker: Any) -> None:
    """A price from the book, on either side of it."""
    deeper = {"peg_price_type": "PRIMARY_PEG", "peg_offset_type": "PRICE_LEVEL", "peg_offset_value": 1}
    for price in (180, 181):
        read(maker.new_order(**LIMIT_SELL, quantity=1, price=price))
    pegged = maker.new_order(**LIMIT_SELL, quantity=1, **deeper).data().to_dict()
    assert (pegged["price"], pegged["peggedPrice"]) == ("0.00000000", "181.00000000"), pegged
    buy = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "time_in_force": "IOC"}
    best = read(taker.new_order(**buy, quantity=1, peg_price_type="MARKET_PEG"))
    assert (best.status, best.fills[0].price) == ("FILLED", "180.00000000"), best
    assert len(read(maker.delete_open_orders(symbol=SYMBOL))) == 2


PAIR = {"above_type": "LIMIT_MAKER", "above_price": 170, "below_type": "STOP_LOSS_LIMIT", "below_stop_price": 130}
PAIR |= {"below_price": 129, "below_time_in_force": "GTC"}
PENDING_PAIR = {"pending_side": "SELL", **{f"pending_{name}": value for name, value in PAIR.items()}}
SELL = {"symbol": SYMBOL, "side": "SELL", "quantity": 1, "new_order_resp_type": "RESULT"}
WORKING = {"symbol": SYMBOL, "working_type": "LIMIT", "working_side": "BUY", "working_price": 120}
WORKING |= {"working_quantity": 1, "working_time_in_force": "GTC", "new_order_resp_type": "RESULT"}
PENDING = {"pending_type": "MARKET", "pending_side": "SELL"}


def list_orders(maker: Any) -> None:
    """Each kind of order list is placed, read and canceled, each reply as modelled."""
    placed = [
        read(maker.order_list_oco(**SELL, **PAIR)),
        read(maker.order_list_oto(**WORKING, **PENDING, pending_quantity=1)),
        read(maker.order_list_otoco(**WORKING, **PENDING_PAIR, pending_quantity=1)),
        read(maker.order_list_opo(**WORKING, **PENDING)),
        read(maker.order_list_opoco(**WORKING, **PENDING_PAIR)),
        read(maker.order_oco(**SELL, price=170, stop_price=130)),
    ]
    assert [len(each.orders) for each in placed] == [2, 2, 3, 2, 3, 2]
    ids = [each.order_list_id for each in placed]
    assert [each.order_list_id for each in read(maker.open_order_list())] == ids
    assert read(maker.get_order_list(order_list_id=ids[0])).list_order_status == "EXECUTING"
    for list_id in ids:
        done = read(maker.delete_order_list(symbol=SYMBOL, order_list_id=list_id))
        assert {report.status for report in done.order_reports} == {"CANCELED"}, done
    assert [each.list_status_type for each in read(maker.all_order_list(from_id=ids[0]))] == ["ALL_DONE"] * len(ids)


def stop_out(maker: Any, taker: Any) -> None:
    """An order that waits for its stop price is read, canceled, and another one triggered, each reply as modelled."""
    stop = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_LOSS_LIMIT", "time_in_force": "GTC", "quantity": 1}
    waiting = read(maker.new_order(**stop, price=148, stop_price=149, new_order_resp_type="FULL"))
    assert (waiting.status, waiting.working_time, waiting.fills) == ("NEW", -1, []), waiting
    state = read(maker.get_order(symbol=SYMBOL, order_id=waiting.order_id))
    assert (state.is_working, state.stop_price) == (False, "149.00000000"), state
    assert read(maker.delete_order(symbol=SYMBOL, order_id=waiting.order_id)).stop_price == "149.00000000"
    waiting = read(maker.new_order(**stop, price=148, stop_price=149))
    read(taker.new_order(**LIMIT_BUY, quantity=1, price=149))
    read(maker.new_order(**LIMIT_SELL, quantity=1, price=149))
    state = read(maker.get_order(symbol=SYMBOL, order_id=waiting.order_id))
    assert (state.is_working, state.status) == (True, "NEW"), state
    assert read(maker.delete_order(symbol=SYMBOL, order_id=waiting.order_id)).status == "CANCELED"


def trail(maker: Any, taker: Any) -> None:
    """A trailing stop is read, canceled, and another one called: a tenth behind the highest price, from 149 to 160."""
    stop = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_LOSS_LIMIT", "time_in_force": "GTC", "quantity": 1}
    trailing = {**stop, "price": 140, "trailing_delta": 1000}
    before = read(maker.new_order(**trailing, stop_price=145, new_order_resp_type="RESULT"))
    assert before.additional_properties.items() >= {"trailingDelta": 1000, "trailingTime": -1}.items(), before
    canceled = read(maker.delete_order(symbol=SYMBOL, order_id=before.order_id))
    assert (canceled.status, canceled.trailing_delta) == ("CANCELED", 1000), canceled
    following = read(maker.new_order(**trailing, new_order_resp_type="FULL"))
    assert following.additional_properties["trailingTime"] == following.transact_time, following
    for price in (160, 144):
        read(taker.new_order(**LIMIT_BUY, quantity=1, price=price))
        read(maker.new_order(**LIMIT_SELL, quantity=1, price=price))
    state = read(maker.get_order(symbol=SYMBOL, order_id=following.order_id))
    assert (state.is_working, state.status, state.trailing_delta) == (True, "NEW", 1000), state
    assert state.trailing_time == following.transact_time
    assert read(maker.delete_order(symbol=SYMBOL, order_id=state.order_id)).status == "CANCELED"


class Stream:
    """The events of one stream, kept until they are asked for."""

    def __init__(self, handle: Any) -> None:
        self._events: asyncio.Queue[object] = asyncio.Queue()
        handle.on("message", self._events.put_nowait)

    async def expect(self, wanted: Callable[[Any], bool]) -> Any:
        """The next event that `wanted` accepts."""
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                events = await self._events.get()
                for event in events if isinstance(events, list) else [events]:
                    found = fitting(event)
                    if wanted(found):
                        return found


def reported(order_id: int, execution: str, status: str) -> Callable[[Any], bool]:
    wanted = ("ExecutionReport", order_id, execution, status)
    return lambda event: (type(event).__name__, *(getattr(event, name, None) for name in "ixX")) == wanted


def listed(list_id: int, status: str) -> Callable[[Any], bool]:
    wanted = ("ListStatus", list_id, status)
    return lambda event: (type(event).__name__, *(getattr(event, name, None) for name in "gl")) == wanted


async def list_orders_over_socket(api: Any, user: Stream) -> None:
    placed = [
        read(await api.order_list_place_oco(**SELL, **PAIR)).result,
        read(await api.order_list_place_oto(**WORKING, **PENDING, pending_quantity=1)).result,
        read(await api.order_list_place_otoco(**WORKING, **PENDING_PAIR, pending_quantity=1)).result,
        read(await api.order_list_place_opo(**WORKING, **PENDING)).result,
        read(await api.order_list_place_opoco(**WORKING, **PENDING_PAIR)).result,
        read(await api.order_list_place(**SELL, price=170, stop_price=130)).result,
    ]
    for each in placed:
        started = await user.expect(listed(each.order_list_id, "EXEC_STARTED"))
        assert [leg.i for leg in started.O] == [leg.order_id for leg in each.orders]
    oco, oto, *others = (each.order_list_id for each in placed)
    assert len(read(await api.open_order_lists_status()).result) == len(placed)
    assert read(await api.order_list_status(order_list_id=oco)).result.contingency_type == "OCO"
    by_leg = read(await api.order_cancel(symbol=SYMBOL, order_id=placed[0].orders[1].order_id)).result
    assert fitting(by_leg).list_order_status == "ALL_DONE", by_leg
    amended = {"symbol": SYMBOL, "order_id": placed[1].orders[1].order_id, "new_qty": 0.5}
    smaller = read(await api.order_amend_keep_priority(**amended)).result
    assert (smaller.amended_order.status, smaller.list_status.order_list_id) == ("PENDING_NEW", oto), smaller
    await user.expect(listed(oto, "UPDATED"))
    for list_id in (oto, *others):
        read(await api.order_list_cancel(symbol=SYMBOL, order_list_id=list_id))
        await user.expect(listed(list_id, "ALL_DONE"))
    assert {each.list_status_type for each in read(await api.all_order_lists()).result} == {"ALL_DONE"}


async def session(key: dict) -> None:
    """One order's life over the WebSocket API and the streams, the session logged on with the maker's key."""
    configuration = ConfigurationWebSocketAPI(api_key=key["apiKey"], stream_url=f"{SOCKET}/ws-api/v3", **secret_of(key))
    api = await Spot(config_ws_api=configuration).websocket_api.create_connection()
    streams = await Spot(
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=SOCKET)
    ).websocket_streams.create_connection()
    taker = rest_client(TAKER)
    try:
        assert read(await api.session_logon()).result.api_key == configuration.api_key
        subscribed = await api.user_data_stream_subscribe()
        read(subscribed.response)
        user = Stream(subscribed.stream)
        depth = Stream(await streams.diff_book_depth(symbol=SYMBOL, update_speed="100ms"))
        levels = Stream(await streams.partial_book_depth(symbol=SYMBOL, levels="5", update_speed="100ms"))
        best = Stream(await streams.book_ticker(symbol=SYMBOL))
        after_trade = [
            Stream(handle)
            for handle in (
                await streams.trade(symbol=SYMBOL),
                await streams.agg_trade(symbol=SYMBOL),
                await streams.kline(symbol=SYMBOL, interval="1m"),
                await streams.ticker(symbol=SYMBOL),
                await streams.mini_ticker(symbol=SYMBOL),
                await streams.all_mini_ticker(),
                await streams.avg_price(symbol=SYMBOL),
                await streams.rolling_window_ticker(symbol=SYMBOL, window_size="1h"),
                await streams.all_market_rolling_window_ticker(window_size="1h"),
                await streams.kline_offset(symbol=SYMBOL, interval="1m"),
            )
        ]

        placed = read(await api.order_place(**LIMIT_SELL, quantity=2, price=160)).result
        await user.expect(reported(placed.order_id, "NEW", "NEW"))
        await depth.expect(lambda event: [level for level in event.a if level[0] == "160.00000000"] != [])
        await levels.expect(lambda event: event.asks == [["160.00000000", "2.00000000"]])
        await best.expect(lambda event: event.a == "160.00000000")
        read(taker.new_order(**LIMIT_BUY, quantity=1, price=160))
        fill = await user.expect(reported(placed.order_id, "TRADE", "PARTIALLY_FILLED"))
        assert (fill.l, fill.L, fill.n, fill.N) == ("1.00000000", "160.00000000", "0.16000000", "USDT"), fill
        for stream in after_trade:
            await stream.expect(lambda event: True)  # noqa: ARG005
        status = read(await api.order_status(symbol=SYMBOL, order_id=placed.order_id)).result
        assert (status.status, status.executed_qty) == ("PARTIALLY_FILLED", "1.00000000")

        replaced = read(
            await api.order_cancel_replace(
                cancel_replace_mode="STOP_ON_FAILURE", cancel_order_id=placed.order_id, **LIMIT_SELL, quantity=1,
                price=161,
            )
        ).result  # fmt: skip
        new_id = replaced.new_order_response.order_id
        await user.expect(reported(placed.order_id, "CANCELED", "CANCELED"))
        await user.expect(reported(new_id, "NEW", "NEW"))
        read(taker.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=1))
        await user.expect(reported(new_id, "TRADE", "FILLED"))
        position = await user.expect(lambda event: type(event).__name__ == "OutboundAccountPosition")
        account = read(await api.account_status()).result
        now = {row.asset: (row.free, row.locked) for row in account.balances}
        assert {row.a: (row.f, row.l) for row in position.B}.items() <= now.items()

        resting = read(await api.order_place(**LIMIT_SELL, quantity=1, price=162)).result
        changes = {"symbol": SYMBOL, "order_id": resting.order_id}
        new_id = f"smaller-{resting.order_id}"
        smaller = await api.order_amend_keep_priority(**changes, new_qty=0.75, new_client_order_id=new_id)
        assert read(smaller).result.amended_order.qty == "0.75000000"
        report = await user.expect(reported(resting.order_id, "REPLACED", "NEW"))
        assert (report.c, report.C, report.q) == (new_id, resting.client_order_id, "0.75000000"), report
        (amendment,) = read(await api.order_amendments(**changes)).result
        assert (amendment.execution_id, amendment.new_qty) == (report.I, "0.75000000")
        canceled = read(await api.order_cancel(symbol=SYMBOL, order_id=resting.order_id)).result
        assert fitting(canceled).status == "CANCELED"
        own = {"self_trade_prevention_mode": "EXPIRE_MAKER", "new_order_resp_type": "RESULT"}
        giving_way = read(await api.order_place(**LIMIT_BUY, quantity=1, price=140)).result
        read(await api.order_place(**LIMIT_SELL, quantity=2, price=140, **own))
        report = await user.expect(reported(giving_way.order_id, "TRADE_PREVENTION", "EXPIRED_IN_MATCH"))
        (match,) = read(await api.my_prevented_matches(symbol=SYMBOL, order_id=giving_way.order_id)).result
        assert (report.v, report.U) == (match.prevented_match_id, match.taker_order_id), report
        assert (report.A, report.B, report.pl, report.pL, report.pY) == (
            "1.00000000", "1.00000000", "1.00000000", "140.00000000", "140.00000000",
        ), report  # fmt: skip
        read(await api.order_cancel(symbol=SYMBOL, order_id=match.taker_order_id))
        iceberg = read(await api.order_place(**LIMIT_SELL, quantity=1, price=163, iceberg_qty=0.25)).result
        report = await user.expect(reported(iceberg.order_id, "NEW", "NEW"))
        assert (report.q, report.F) == ("1.00000000", "0.25000000"), report
        pegged = read(await api.order_place(**LIMIT_SELL, quantity=1, peg_price_type="PRIMARY_PEG")).result
        report = await user.expect(reported(pegged.order_id, "NEW", "NEW"))
        told = report.to_dict()
        assert (told["p"], told["gP"], told["gp"]) == ("0.00000000", "PRIMARY_PEG", "163.00000000"), told
        stop = {"symbol": SYMBOL, "side": "BUY", "type": "TAKE_PROFIT", "quantity": 1, "trailing_delta": 25}
        trailing = read(await api.order_place(**stop, new_order_resp_type="RESULT")).result
        assert (trailing.trailing_delta, trailing.trailing_time) == (25, trailing.transact_time), trailing
        report = await user.expect(reported(trailing.order_id, "NEW", "NEW"))
        assert (report.d, report.D) == (25, trailing.trailing_time), report
        assert read(await api.order_status(symbol=SYMBOL, order_id=trailing.order_id)).result.trailing_delta == 25
        read(await api.order_place(**LIMIT_SELL, quantity=1, price=163))
        read(await api.open_orders_cancel_all(symbol=SYMBOL))
        await list_orders_over_socket(api, user)
        for call in (
            api.ping(),
            api.time(),
            api.depth(symbol=SYMBOL, limit=5),
            api.trades_recent(symbol=SYMBOL),
            api.trades_historical(symbol=SYMBOL),
            api.trades_aggregate(symbol=SYMBOL),
            api.klines(symbol=SYMBOL, interval="1m"),
            api.ui_klines(symbol=SYMBOL, interval="1m"),
            api.avg_price(symbol=SYMBOL),
            api.ticker24hr(symbol=SYMBOL),
            api.ticker(symbol=SYMBOL),
            api.ticker_trading_day(symbol=SYMBOL),
            api.ticker_price(symbol=SYMBOL),
            api.ticker_book(symbol=SYMBOL),
            api.account_rate_limits_orders(),
            api.account_commission(symbol=SYMBOL),
            api.order_test(symbol=SYMBOL, side="BUY", type="MARKET", quantity=1),
            api.all_orders(symbol=SYMBOL),
            api.my_trades(symbol=SYMBOL),
            api.open_orders_status(symbol=SYMBOL),
            api.session_status(),
            api.session_subscriptions(),
        ):
            read(await call)
        # This model is of what lies in the reply, not of the reply: the SDK fills none of its fields.
        info = (await api.exchange_info(symbol=SYMBOL)).data()
        fitting(type(info).from_dict(info.additional_properties["result"]))
        await subscribed.stream.unsubscribe()
        read(await api.session_logout())
    finally:
        await api.close_connection()
        await streams.close_connection()


trade()
assert read(rest_client(ED25519).get_account()).uid == read(rest_client(MAKER).get_account()).uid
for maker_key in (ED25519, MAKER):
    asyncio.run(session(maker_key))
assert warnings == [], warnings
print("ok")  # noqa: T201
