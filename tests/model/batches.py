"""Draws of the model tests that are many commands: enough of one kind to need several of the engine's steps.

draws → BATCHES → commands
"""

from collections.abc import Iterator
from typing import Any

from holdfast.codes import CommandKind, OrderType, Side, TimeInForce, TradingMode
from holdfast.commands import Command
from tests.model.naive_exchange import NaiveExchange
from tests.model.opening import GTC, IOC, LIMIT, MARKET, PEG_MARKET, SECOND_NS

PLACE = Command(kind=CommandKind.PLACE_ORDER, instrument_id=2)


def _sides(side: int) -> tuple[Side, Side]:
    """The one that is meant, and the other."""
    return (Side.SELL, Side.BUY) if side != Side.SELL else (Side.BUY, Side.SELL)


def crowd(model: NaiveExchange, qty: int, step_ticks: int, side: int, is_scheduled: bool) -> Iterator[Command]:
    """An auction of many orders, whose surplus is on one side."""
    change = Command(kind=CommandKind.SET_TRADING_MODE, instrument_id=2)
    yield change._replace(qty_lots=TradingMode.AUCTION)
    place = PLACE._replace(order_type=LIMIT, time_in_force=GTC)
    for i in range(80):
        one = place._replace(account_id=1 + i % 3, client_id=b"%d of crowd %d" % (i, model.orders))
        this = Side.BUY if i % 2 else Side.SELL
        far = step_ticks * (i // 8)
        price = 500 + far if this == Side.BUY else 500 - far
        yield one._replace(side=this, price_ticks=price, qty_lots=qty + (this == side))
    if is_scheduled:
        reopen = Command(kind=CommandKind.SCHEDULE_REOPENING, instrument_id=2)
        yield reopen._replace(client_id=b"crowd %d" % model.orders, order_id=SECOND_NS)
        yield Command(kind=CommandKind.TICK, ts_ns=model.instruments[2].next_mode_ts_ns)
    else:
        yield change._replace(qty_lots=TradingMode.TRADING)


def ladder(model: NaiveExchange, account: int, side: int, count: int, step_size: int) -> Iterator[Command]:
    """Enough makers that a taker's sweep, or a mass cancel, needs several of the engine's steps."""
    rest = PLACE._replace(account_id=account, side=int(side), order_type=LIMIT, time_in_force=GTC, qty_lots=1)
    for i in range(count):
        price = 1 + (i // step_size) if side == Side.BUY else 200 + (i // step_size)
        yield rest._replace(price_ticks=price, client_id=b"ladder %d" % (model.orders + i))
    taker = PLACE._replace(account_id=1, side=Side.SELL if side == Side.BUY else Side.BUY)
    yield taker._replace(order_type=MARKET, qty_lots=count - 3, client_id=b"sweep %d" % model.orders)


def icebergs(
    model: NaiveExchange, side: int, count: int, part_lots: int, taken_lots: int, prevention: int
) -> Iterator[Command]:
    """Parts that come round and round between those of others, so that a taker needs several steps for them."""
    side, other = _sides(side)
    place = PLACE._replace(price_ticks=100, order_type=LIMIT)
    name = b"%d %%d" % model.orders
    for i in range(count):
        part = place._replace(account_id=1 + i % 2, side=side, time_in_force=GTC, qty_lots=15 * part_lots + i)
        yield part._replace(iceberg_lots=part_lots * (i % 3 > 0), client_id=b"part " + name % i)
    taker = place._replace(account_id=1, side=other, time_in_force=IOC, self_trade_prevention=prevention)
    yield taker._replace(qty_lots=taken_lots, client_id=b"taker " + name % 0)


def pegging(model: NaiveExchange, levels: int, wanted: list[Any], side: int) -> Iterator[Command]:
    """Pegged orders in a book of so many levels, and a trade that makes those work that wait."""
    place = PLACE._replace(account_id=2, instrument_id=1, order_type=LIMIT, qty_lots=2)
    name = b"%d %%d" % model.orders
    for i in range(2 * levels):
        price, one = (99 - i // 2, Side.BUY) if i % 2 else (102 + i // 2, Side.SELL)
        level = place._replace(side=one, time_in_force=GTC, price_ticks=price)
        yield level._replace(client_id=b"level " + name % i)
    for i, (one, (order_type, time), (peg, offset), qty, part_lots) in enumerate(wanted):
        stop = 99 if side == Side.SELL else 102
        peg_of = place._replace(account_id=1 + i % 3, side=one, order_type=int(order_type), time_in_force=time)
        peg_of = peg_of._replace(stop_price_ticks=stop if order_type >= OrderType.STOP_LOSS else 0, flags=peg)
        peg_of = peg_of._replace(price_ticks=offset, qty_lots=qty, client_id=b"pegged " + name % i)
        yield peg_of._replace(iceberg_lots=part_lots if time == GTC else 0)
    push = place._replace(account_id=1, side=side, order_type=MARKET, client_id=b"push " + name % 0)
    yield push._replace(qty_lots=1)


def cascade(model: NaiveExchange, side: int, count: int, step_size: int, limit: str) -> Iterator[Command]:
    """A market that falls (or rises) through stop orders, of which each takes the next order with it."""
    side, other = _sides(side)
    down = 1 if side == Side.SELL else -1
    place = PLACE._replace(qty_lots=1)
    name = b"%d %%d" % model.orders
    rest = place._replace(account_id=2, side=other, order_type=LIMIT, time_in_force=GTC)
    for i in range(count + 2):
        yield rest._replace(price_ticks=3_000 - down * i, client_id=b"rest " + name % i)
    stop = place._replace(side=side, order_type=OrderType.STOP_LOSS)
    if limit == "peg":
        stop = stop._replace(order_type=OrderType.STOP_LOSS_LIMIT, time_in_force=GTC, flags=PEG_MARKET)
    elif limit:
        price = 3_000 - down * (count // 2)  # Some come to rest.
        stop = stop._replace(order_type=OrderType.STOP_LOSS_LIMIT, time_in_force=GTC, price_ticks=price)
    for i in range(count):
        price = 3_000 - down * (i // step_size)
        yield stop._replace(account_id=1 + i % 3, stop_price_ticks=price, client_id=b"stop " + name % i)
    yield place._replace(account_id=1, side=side, order_type=MARKET, client_id=b"push " + name % 0)


def trails(model: NaiveExchange, orders: list[Any], path: list[tuple[int, int, bool]]) -> Iterator[Command]:
    """Trailing stops are placed as the market goes its way in the trades of two others, some before it begins."""
    name = b"%d %%d" % model.orders
    waiting = [(number, order) for number, order in enumerate(orders)]
    for number, (begin, end, is_sweep) in enumerate(path):
        for _ in range(2 if number else len(orders) // 2):
            if waiting:
                last, order = waiting.pop()
                yield _trailing(name % last, *order)
        prices = sorted({begin, (begin + end) // 2, end}, reverse=end < begin) if is_sweep else [end]
        yield from _sweep(name % number, prices, begin < end)


def _trailing(name: bytes, side: int, is_loss: bool, delta: int, stop: int, limit: int) -> Command:
    """Stop price and limit, where it has them, are that far from 2,000."""
    kind = (OrderType.STOP_LOSS if is_loss else OrderType.TAKE_PROFIT) + bool(limit)
    order = PLACE._replace(account_id=1, side=int(side), order_type=int(kind), trailing_delta_bips=delta, qty_lots=1)
    order = order._replace(stop_price_ticks=2_000 + stop if stop else 0, client_id=name)
    time = GTC if limit else TimeInForce.NONE
    return order._replace(price_ticks=2_000 + limit if limit else 0, time_in_force=time)


def _sweep(name: bytes, prices: list[int], is_rise: bool) -> Iterator[Command]:
    """One taker trades a lot at each of the prices, which are that far from 2,000."""
    place = PLACE._replace(qty_lots=1, order_type=LIMIT, time_in_force=GTC)
    maker, taker = (Side.SELL, Side.BUY) if is_rise else (Side.BUY, Side.SELL)
    for i, price in enumerate(prices):
        order = place._replace(account_id=2, side=int(maker), price_ticks=2_000 + price)
        yield order._replace(client_id=b"m %d " % i + name)
    order = place._replace(account_id=3, side=int(taker), price_ticks=2_000 + prices[-1], time_in_force=IOC)
    yield order._replace(qty_lots=len(prices), client_id=b"t " + name)


BATCHES = {
    "crowd": crowd,
    "ladder": ladder,
    "icebergs": icebergs,
    "pegging": pegging,
    "cascade": cascade,
    "trails": trails,
}
