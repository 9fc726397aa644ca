"""Order lists for the model tests: a group of records, and what happens around it.

draws → LIST BATCHES → commands
"""

from collections.abc import Iterator

from holdfast.codes import CommandKind, OrderType, Side
from holdfast.commands import Command
from tests.model.draws import LegShape, WantedList
from tests.model.naive_exchange import NaiveExchange
from tests.model.opening import GTC, IOC, LIMIT, LIMIT_MAKER, MARKET, PEG_MARKET, PEG_PRIMARY
from tests.model.singles import later

OPO, OPOCO = 4, 5
PROFIT_FORMS = ((LIMIT_MAKER, 0), (OrderType.TAKE_PROFIT, 0), (OrderType.TAKE_PROFIT_LIMIT, GTC), (LIMIT_MAKER, GTC))
LOSS_FORMS = (
    (OrderType.STOP_LOSS, 0),
    (OrderType.STOP_LOSS_LIMIT, GTC),
    (OrderType.STOP_LOSS_LIMIT, IOC),
    (OrderType.STOP_LOSS, 0),
)
ALONE_FORMS = ((LIMIT, GTC), (MARKET, 0), (OrderType.STOP_LOSS_LIMIT, GTC), (OrderType.TAKE_PROFIT, 0))


def place_list(model: NaiveExchange, wanted: WantedList) -> Iterator[Command]:
    """A group: the legs, and the list's own record."""
    number = model.command.seq
    legs = _legs(model, wanted)
    shapes = wanted.shapes[-len(legs) :]
    legs = _odd_legs(wanted, [_shaped(leg, shape) for leg, shape in zip(legs, shapes, strict=True)])
    fresh = [b"leg %d %d" % (number, i) for i in range(len(legs))]
    if wanted.odd == "same ids":
        fresh = fresh[:1] * len(legs)
    if wanted.leg_id != b"fresh" and len(fresh) > 1:
        fresh[1] = wanted.leg_id
    group = [leg._replace(client_id=name) for leg, name in zip(legs, fresh, strict=True)]
    own_id = b"fresh list %d" % number if wanted.own_id == b"fresh" else wanted.own_id
    own = Command(kind=CommandKind.PLACE_ORDER_LIST, account_id=wanted.account, key_id=wanted.key)
    group.append(own._replace(instrument_id=wanted.instrument, client_id=own_id, qty_lots=wanted.kind))
    if wanted.odd == "late":
        yield group.pop(0)
        yield Command(kind=CommandKind.CANCEL_ORDER, account_id=wanted.account, order_id=10**6)
    for i, record in enumerate(group):
        # Each is stamped a nanosecond after the one before, and all have the same deadline.
        yield record._replace(deadline_ts_ns=later(wanted.deadline) - i if wanted.deadline is not None else 0)


def _legs(model: NaiveExchange, wanted: WantedList) -> list[Command]:
    """As they ought to be, near the last price."""
    kind, above, below = wanted.kind, wanted.above, wanted.below
    market = model.instruments.get(wanted.instrument)
    last = market.last_price if market and market.last_price else 100
    side, other_side = wanted.side, wanted.other_side
    if kind >= OPO:
        side, other_side = (Side.BUY, Side.SELL) if wanted.up != 60 else (side, other_side)
    leg = Command(kind=CommandKind.ORDER_LIST_LEG, account_id=wanted.account, key_id=wanted.key, flags=2)
    leg = leg._replace(instrument_id=wanted.instrument, self_trade_prevention=wanted.stp, qty_lots=wanted.qty)
    working = leg._replace(order_type=LIMIT_MAKER if above == 3 else LIMIT, side=int(side), price_ticks=wanted.price)
    working = working._replace(time_in_force=0 if above == 3 else (GTC, GTC, IOC)[below % 3])
    pending = leg._replace(side=int(side if kind == 1 else other_side))
    if kind >= OPO and wanted.odd != "lots":
        pending = pending._replace(qty_lots=0)
    forms = [PROFIT_FORMS[above], LOSS_FORMS[below]]
    if (pending.side == Side.SELL) == (wanted.odd == "type"):
        forms.reverse()
    pair = [
        _leg(pending, forms[0], last + wanted.up, 1),
        _leg(pending, forms[1], max(last - wanted.down, 1), -1),
    ]
    alone = _leg(pending, ALONE_FORMS[above], last + (wanted.up if above == 3 else -wanted.down), -1)
    return pair if kind == 1 else [working, *(pair if kind in (3, OPOCO) else [alone])]


def _leg(leg: Command, form: tuple[int, int], price: int, beyond: int) -> Command:
    """An order of a form at a price, or with a stop there and its limit a little beyond it."""
    order_type, time = form
    has_stop = order_type >= OrderType.STOP_LOSS
    has_limit = order_type & LIMIT
    limit = max(price + beyond * has_stop, 1) if has_limit else 0
    leg = leg._replace(order_type=int(order_type), time_in_force=int(time), price_ticks=limit)
    return leg._replace(stop_price_ticks=price if has_stop else 0)


def _shaped(leg: Command, shape: LegShape) -> Command:
    """As an iceberg, trailing or pegged, where that was drawn and its type may be."""
    has_limit, is_maker = bool(leg.order_type & LIMIT), leg.order_type == LIMIT_MAKER
    if has_limit and (is_maker or leg.time_in_force == GTC):
        is_too_much = 0 < leg.qty_lots < shape.part_lots < 10
        leg = leg._replace(iceberg_lots=leg.qty_lots if is_too_much else shape.part_lots)
    if leg.order_type >= OrderType.STOP_LOSS and shape.delta:
        leg = leg._replace(trailing_delta_bips=shape.delta)
        leg = leg if shape.has_stop else leg._replace(stop_price_ticks=0)
    if has_limit and shape.peg:
        peg = PEG_PRIMARY if is_maker and shape.peg == PEG_MARKET else shape.peg
        leg = leg._replace(flags=leg.flags | int(peg), price_ticks=shape.offset)
    return leg


def _odd_legs(wanted: WantedList, legs: list[Command]) -> list[Command]:
    """With what is odd about them."""
    market = {"order_type": MARKET, "price_ticks": 0, "time_in_force": 0}
    match wanted.odd:
        case "lots" if wanted.kind in (1, 3):
            legs[-1] = legs[-1]._replace(qty_lots=wanted.qty + 1)
        case "working":
            legs[0] = legs[0]._replace(**market)
        case "quote":
            legs[-1] = legs[-1]._replace(**market, qty_lots=0, quote_units=1_000)
        case "account":
            legs[0] = legs[0]._replace(account_id=2)
        case "one leg":
            return legs[:1]
        case "four legs":
            return [*legs, *legs][:4]
    return legs


def push(model: NaiveExchange, instrument: int, distance: int, taker: int, side: int, qty: int) -> Iterator[Command]:
    """A trade so far from the last price."""
    last = model.instruments[instrument].last_price or 100
    order = Command(kind=CommandKind.PLACE_ORDER, instrument_id=instrument, order_type=LIMIT)
    order = order._replace(price_ticks=max(last + distance, 1), qty_lots=qty)
    name = b"push %d" % model.command.seq
    maker_side = Side.SELL if side == Side.BUY else Side.BUY
    rest = order._replace(account_id=1 + taker % 3, side=int(maker_side), time_in_force=GTC)
    yield rest._replace(client_id=b"m" + name)
    yield order._replace(account_id=taker, side=int(side), time_in_force=IOC, client_id=b"t" + name)
