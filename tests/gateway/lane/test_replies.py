"""The kernel's replies are, byte for byte, those of the general way, and it leaves to that way only what it must.

The norm is called here as the gateway calls it: `orders.placed`, and `ws_frames.write_reply` around it.
"""

import string
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import (
    OrderEventKind,
    OrderStatus,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.events import OrderEvent, order_event_dtype
from holdfast.gateway.binance import orders, ws_frames
from holdfast.gateway.binance.endpoints import Answer
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import ResponseType
from holdfast.gateway.binance.lane import replies
from holdfast.gateway.binance.rest import MICROSECOND_NS, MILLISECOND_NS
from holdfast.instruments import Asset, Instrument, Reference

INT64_MAX = 2**63 - 1
ROOM = 1 << 20  # More than any of these batches takes.
UNWRITTEN = 0xA5
ZERO_EVENT = OrderEvent._make(np.zeros((), order_event_dtype).item())


class Want(NamedTuple):
    """One reply that is asked for."""

    seq: int
    form: int = replies.WEBSOCKET
    response: ResponseType = ResponseType.FULL
    unit_ns: int = MILLISECOND_NS
    request_id: bytes = b"1"
    limits: bytes = b""


def instrument(number: int = 1, base: Asset | None = None, quote: Asset | None = None, **fields: Any) -> Instrument:
    base, quote = base or Asset(1, "BTC", 8), quote or Asset(2, "USDT", 8)
    made = Instrument(number, "BTCUSDT", base, quote, 1_000_000, 1_000, 10, TradingMode.TRADING, {})
    return made._replace(**fields)


def reference_of(*instruments: Instrument) -> Reference:
    return Reference([asset for each in instruments for asset in (each.base, each.quote)], instruments)


BTCUSDT = instrument()
ONE_MARKET = reference_of(BTCUSDT)


def write(events: Sequence[OrderEvent], wants: Sequence[Want], reference: Reference, room: int = ROOM) -> list[bytes]:
    """The kernel's replies, as many calls as it takes with buffers of `room` bytes, behind which nothing is written."""
    rows = np.array([tuple(event) for event in events], order_event_dtype)
    wanted = np.zeros((len(wants), replies.COLUMNS), np.int64)
    text, limits_text = b"<", b"<"
    for i, want in enumerate(wants):
        id_end, limits_end = len(text) + len(want.request_id), len(limits_text) + len(want.limits)
        wanted[i] = (*want[:4], len(text), id_end, len(limits_text), limits_end)
        text += want.request_id
        limits_text += want.limits
    memory = np.full(room + 4_096, UNWRITTEN, np.uint8)
    ends = np.zeros(len(wants), np.int64)
    markets = replies.Markets(reference)
    found: list[bytes] = []
    while len(found) < len(wants):
        start = len(found)
        stop = replies.write_replies(rows, wanted, text, limits_text, markets, memory[:room], ends, start)
        assert start < stop <= len(wants)
        begins = [0, *ends[start : stop - 1].tolist()]
        found += [memory[begin:end].tobytes() for begin, end in zip(begins, ends[start:stop].tolist(), strict=True)]
    assert (memory[room:] == UNWRITTEN).all()
    return found


def general(events: Sequence[OrderEvent], want: Want, reference: Reference) -> bytes:
    """The general way's reply; empty when it is an error."""
    own = [event for event in events if event.seq == want.seq]
    if not own:
        return b""
    order: Any = SimpleNamespace(instrument=reference.instruments[own[0].instrument_id], response=want.response)
    try:
        body = msgspec.json.encode(orders.placed(order, SimpleNamespace(orders=own), want.unit_ns))
    except ApiError:
        return b""
    if want.form == replies.REST:
        return body
    return ws_frames.write_reply(want.request_id, Answer(200, body), want.limits, 0, want.unit_ns)


def fits(events: Sequence[OrderEvent], seq: int, reference: Reference) -> bool:
    """Whether all numbers of the accepted order of `seq` fit 64 bits as they are shown."""
    own = [event for event in events if event.seq == seq]
    order_id = next(event.order_id for event in own if event.kind == OrderEventKind.ORDER_ACCEPTED)
    own = [event for event in own if event.order_id == order_id]
    market = reference.instruments[own[0].instrument_id]
    base_unit, quote_unit = 10 ** (8 - market.base.decimals), 10 ** (8 - market.quote.decimals)
    lot = market.lot_units * base_unit
    last = own[-1]
    shown = [last.price_ticks * market.tick_e8]
    shown += [lots * lot for lots in (last.qty_lots, last.executed_lots, last.prevented_lots)]
    shown += [units * quote_unit for units in (last.quote_units, last.executed_quote_units)]
    for event in own:
        if event.kind == OrderEventKind.TRADE:
            fee = event.fee_units * (base_unit if event.fee_is_base else quote_unit)
            shown += [event.last_price_ticks * market.tick_e8, event.last_lots * lot, fee]
    return max(shown) <= INT64_MAX


# Anything that an engine could say, and more.

names = st.text(string.ascii_uppercase + string.digits + "-_.", min_size=1, max_size=36)
client_ids = st.text(string.ascii_letters + string.digits + "-_.:/", min_size=1, max_size=36).map(str.encode)
request_ids = st.one_of(
    st.just(b"null"),
    st.integers().map(lambda number: str(number).encode()[:128]),
    st.text(max_size=40).map(msgspec.json.encode).filter(lambda raw: len(raw) <= ws_frames.ID_BYTES_MAX),
)
assets = st.builds(Asset, st.integers(1, 9), st.one_of(names, st.text(min_size=1, max_size=8)), st.integers(0, 8))
sizes = st.one_of(st.integers(1, 1_000), st.sampled_from([10**6, 10**8, 10**10, 10**18, INT64_MAX]))
ids = st.one_of(st.integers(1, 10**6), st.integers(1, INT64_MAX))
times = st.one_of(st.integers(1_700_000_000 * 10**9, 1_900_000_000 * 10**9), st.integers(0, INT64_MAX))


@st.composite
def references(draw: st.DrawFn) -> Reference:
    numbers = draw(st.sets(st.integers(1, 5), min_size=1, max_size=3))
    return reference_of(
        *(
            instrument(
                number, draw(assets), draw(assets), symbol=draw(names), tick_e8=draw(sizes), lot_units=draw(sizes)
            )
            for number in numbers
        )
    )


def states(seq: int, market: Instrument) -> st.SearchStrategy[OrderEvent]:
    """An order in any state, with numbers of one magnitude: of the small ones most can be shown, of the great few."""

    def of_magnitude(most: int) -> st.SearchStrategy[OrderEvent]:
        number = st.one_of(st.just(0), st.integers(0, most))
        return st.builds(
            ZERO_EVENT._replace,
            seq=st.just(seq),
            instrument_id=st.just(market.instrument_id),
            ts_ns=times,
            created_ts_ns=times,
            status=st.sampled_from(OrderStatus),
            side=st.sampled_from(Side),
            order_type=st.sampled_from(OrderType),
            time_in_force=st.sampled_from(TimeInForce),
            self_trade_prevention=st.sampled_from(SelfTradePrevention),
            fee_is_base=st.integers(0, 1),
            order_id=ids,
            trade_id=ids,
            price_ticks=number,
            qty_lots=number,
            executed_lots=number,
            executed_quote_units=number,
            quote_units=number,
            prevented_lots=number,
            last_lots=number,
            last_price_ticks=number,
            last_quote_units=number,
            fee_units=number,
            client_id=client_ids,
        )

    return st.sampled_from([1_000, 10**6, 10**9, INT64_MAX]).flatmap(of_magnitude)


AFTER_ACCEPTANCE = [
    OrderEventKind.TRADE,
    OrderEventKind.ORDER_EXPIRED,
    OrderEventKind.TRADE_PREVENTED,
    OrderEventKind.ORDER_CANCELED,
]


@st.composite
def outcomes(draw: st.DrawFn, seq: int, market: Instrument) -> list[OrderEvent]:
    """The order events of one command: an order with others' in between, a refusal, or nothing."""
    state = states(seq, market)
    how = draw(st.sampled_from(["accepted"] * 6 + ["refused", "others only", "skipped"]))
    if how == "skipped":
        return []
    if how == "refused":
        refused = draw(state)
        return [refused._replace(kind=OrderEventKind.ORDER_REJECTED, reason=RejectReason.INSUFFICIENT_BALANCE)]
    events = [
        draw(state)._replace(kind=draw(st.sampled_from(AFTER_ACCEPTANCE))) for _ in range(draw(st.integers(0, 4)))
    ]
    if how == "accepted":
        accepted = draw(state)._replace(kind=OrderEventKind.ORDER_ACCEPTED)
        mine = draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
        events = [
            event._replace(order_id=accepted.order_id, client_id=accepted.client_id) if is_mine else event
            for event, is_mine in zip(events, mine, strict=True)
        ]
        events.insert(draw(st.integers(0, 1)) if events and not mine[0] else 0, accepted)
    return events


class Batch(NamedTuple):
    events: list[OrderEvent]
    wants: list[Want]
    reference: Reference


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    reference = draw(references())
    markets = st.sampled_from(list(reference.instruments.values()))
    events: list[OrderEvent] = []
    wants: list[Want] = []
    for seq in range(7, 7 + draw(st.integers(1, 5))):
        events += draw(outcomes(seq, draw(markets)))
        if draw(st.integers(0, 4)):  # Not every command is the gateway's.
            wants.append(
                Want(
                    seq,
                    draw(st.sampled_from([replies.WEBSOCKET, replies.REST])),
                    draw(st.sampled_from(ResponseType)),
                    draw(st.sampled_from([MILLISECOND_NS, MICROSECOND_NS])),
                    draw(request_ids),
                    draw(st.sampled_from([b"", b"[]", b'[{"rateLimitType":"ORDERS","count":1}]'])),
                )
            )
    return Batch([event._replace(index=i) for i, event in enumerate(events)], wants, reference)


@given(batches())
@settings(max_examples=100)
def test_replies_are_those_of_the_general_way(batch: Batch) -> None:
    for want, reply in zip(batch.wants, write(*batch), strict=True):
        expected = general(batch.events, want, batch.reference)
        if expected and not fits(batch.events, want.seq, batch.reference):
            expected = b""
        assert reply == expected


@given(batches(), st.integers(2_500, 6_000))
@settings(max_examples=30)
def test_a_small_buffer_takes_more_calls_for_the_same_replies(batch: Batch, room: int) -> None:
    assert write(*batch, room) == write(*batch)


@given(batches(), st.integers(0, 2_500))
@settings(max_examples=30)
def test_a_reply_that_does_not_fit_any_buffer_is_left(batch: Batch, room: int) -> None:
    for reply, expected in zip(write(*batch, room), write(*batch), strict=True):
        assert reply in (expected, b"")


# By example.

CLIENT_ID = b"x-myBot:7/a_b.c"
RESTING = ZERO_EVENT._replace(
    seq=7,
    ts_ns=1_700_000_000_123_456_789,
    created_ts_ns=1_700_000_000_123_000_000,
    instrument_id=1,
    kind=OrderEventKind.ORDER_ACCEPTED,
    status=OrderStatus.NEW,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    order_id=28,
    price_ticks=6_512_345,
    qty_lots=500,
    client_id=CLIENT_ID,
)
FILLED = RESTING._replace(
    index=2,
    kind=OrderEventKind.TRADE,
    status=OrderStatus.FILLED,
    executed_lots=500,
    executed_quote_units=32_561_725_000,
    last_lots=500,
    last_price_ticks=6_512_345,
    fee_is_base=1,
    fee_units=500,
    trade_id=9,
)
MAKER = FILLED._replace(index=1, order_id=11, client_id=b"somebody-else", side=Side.SELL)


def body(*events: OrderEvent, **want: Any) -> Any:
    """The reply over REST, read."""
    (reply,) = write(events, [Want(7, replies.REST, **want)], ONE_MARKET)
    assert reply == general(events, Want(7, replies.REST, **want), ONE_MARKET)
    return msgspec.json.decode(reply) if reply else None


def test_a_fill_as_it_goes_over_the_wire() -> None:
    want = Want(7, request_id=b'"a"', limits=b"[]")
    assert write([RESTING, MAKER, FILLED], [want], ONE_MARKET) == [
        b'{"id":"a","status":200,"result":{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,'
        b'"clientOrderId":"x-myBot:7/a_b.c","transactTime":1700000000123,"price":"65123.45000000",'
        b'"origQty":"0.00500000","executedQty":"0.00500000","origQuoteOrderQty":"0.00000000",'
        b'"cummulativeQuoteQty":"325.61725000","status":"FILLED","timeInForce":"GTC","type":"LIMIT","side":"BUY",'
        b'"workingTime":1700000000123,"fills":[{"price":"65123.45000000","qty":"0.00500000","commission":"0.00000500",'
        b'"commissionAsset":"BTC","tradeId":9}],"selfTradePreventionMode":"NONE"},"rateLimits":[]}'
    ]


def test_limits_are_left_out_when_there_are_none() -> None:
    (reply,) = write([RESTING], [Want(7, response=ResponseType.ACK)], ONE_MARKET)
    assert reply.endswith(b'"transactTime":1700000000123}}')


def test_other_orders_of_the_same_command_are_not_shown() -> None:
    assert [fill["tradeId"] for fill in body(RESTING, MAKER._replace(trade_id=8), FILLED)["fills"]] == [9]


def test_an_order_by_quote_quantity_shows_what_it_executed() -> None:
    event: dict[str, Any] = {
        "order_type": OrderType.MARKET,
        "time_in_force": TimeInForce.NONE,
        "price_ticks": 0,
        "qty_lots": 0,
    }
    shown = body(RESTING._replace(**event), FILLED._replace(**event, quote_units=40_000_000_000))
    assert shown["origQty"] == "0.00500000"
    assert shown["origQuoteOrderQty"] == "400.00000000"
    assert shown["timeInForce"] == "GTC"


@pytest.mark.parametrize(
    ("time_in_force", "reason"),
    [
        (TimeInForce.IOC, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        (TimeInForce.FOK, "UNFILLED_FOK_ORDER_EXPIRED"),
        (TimeInForce.NONE, "INSUFFICIENT_LIQUIDITY"),
    ],
)
def test_an_expired_order_says_why(time_in_force: TimeInForce, reason: str) -> None:
    accepted = RESTING._replace(time_in_force=time_in_force)
    expired = accepted._replace(index=1, kind=OrderEventKind.ORDER_EXPIRED, status=OrderStatus.EXPIRED)
    assert body(accepted, expired)["expiryReason"] == reason


def test_what_self_trade_prevention_took_away_is_shown() -> None:
    accepted = RESTING._replace(self_trade_prevention=SelfTradePrevention.DECREMENT)
    shown = body(accepted, accepted._replace(index=1, kind=OrderEventKind.TRADE_PREVENTED, prevented_lots=100))
    assert shown["preventedQuantity"] == "0.00100000"
    assert shown["selfTradePreventionMode"] == "DECREMENT"


def test_an_order_with_thousands_of_fills_is_one_reply() -> None:
    fills = [FILLED._replace(index=i, trade_id=i, fee_units=INT64_MAX) for i in range(1, 3_000)]
    assert len(body(RESTING, *fills)["fills"]) == 2_999


def test_the_longest_numbers_fit() -> None:
    extreme: dict[str, Any] = dict.fromkeys(("ts_ns", "created_ts_ns", "order_id", "trade_id"), INT64_MAX)
    extreme |= dict.fromkeys(("quote_units", "executed_quote_units", "fee_units"), INT64_MAX)
    extreme |= dict.fromkeys(("qty_lots", "executed_lots", "prevented_lots", "last_lots"), INT64_MAX // 1_000)
    extreme |= dict.fromkeys(("price_ticks", "last_price_ticks"), INT64_MAX // 1_000_000)
    longest = FILLED._replace(
        **extreme,
        status=OrderStatus.EXPIRED,
        order_type=OrderType.LIMIT_MAKER,
        time_in_force=TimeInForce.IOC,
        self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER,
        client_id=b"i" * 36,
    )
    events = [longest._replace(kind=OrderEventKind.ORDER_ACCEPTED), *[longest] * 20]
    shown = body(*events, unit_ns=1)
    assert shown["origQuoteOrderQty"] == "92233720368.54775807"
    (reply,) = write(events, [Want(7, unit_ns=1)], ONE_MARKET)
    for room in range(0, 2 * len(reply), 99):
        assert write(events, [Want(7, unit_ns=1)], ONE_MARKET, room) in ([reply], [b""])


@pytest.mark.parametrize(
    "events",
    [
        [RESTING._replace(kind=OrderEventKind.ORDER_REJECTED, reason=RejectReason.INSUFFICIENT_BALANCE)],
        [MAKER],
        [],
    ],
    ids=["refused", "no acceptance", "skipped"],
)
def test_what_was_not_accepted_is_left(events: list[OrderEvent]) -> None:
    accepted = [RESTING._replace(seq=8)]
    left, written = write([*events, *accepted], [Want(7), Want(8)], ONE_MARKET)
    assert left == b""
    assert written == general(accepted, Want(8), ONE_MARKET)


@pytest.mark.parametrize(
    "unusual",
    [
        {"instrument_id": 0},
        {"instrument_id": 2},
        {"instrument_id": 4},
        {"instrument_id": -1},
        {"status": 8},
        {"side": 16},
        {"order_type": -1},
        {"price_ticks": -1},
        {"price_ticks": INT64_MAX},
        {"qty_lots": INT64_MAX // 1_000 + 1},
        {"ts_ns": -1},
        {"client_id": b'"'},
        {"client_id": b"a\\b"},
        {"client_id": b"a\nb"},
        {"client_id": b"a\0b"},
        {"client_id": "ä".encode()},
    ],
    ids=str,
)
def test_what_is_unusual_is_left(unusual: dict[str, Any]) -> None:
    """Instruments 1 and 3 there are."""
    reference = reference_of(BTCUSDT, instrument(3, symbol="ETHUSDT"))
    assert write([RESTING._replace(**unusual)], [Want(7)], reference) == [b""]
    assert write([RESTING], [Want(7)], reference) != [b""]


@pytest.mark.parametrize("number", ["last_price_ticks", "last_lots", "fee_units", "trade_id"])
def test_a_fill_that_cannot_be_shown_leaves_the_reply(number: str) -> None:
    negative: dict[str, Any] = {number: -1}
    wrong = FILLED._replace(**negative)
    assert write([RESTING, wrong, FILLED._replace(index=3)], [Want(7)], ONE_MARKET) == [b""]


def test_the_kernel_can_be_made_ready_before_it_is_needed() -> None:
    replies.warm_up()
