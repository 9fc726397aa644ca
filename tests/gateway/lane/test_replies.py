"""The kernel's replies are, byte for byte, those of the general way, and it leaves to that way only what it must.

The norm is called here as the gateway calls it: `orders.placed`, and `ws_frames.write_reply` around it.
"""

import string
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import (
    ExpiryReason,
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
from holdfast.gateway.binance import formats, orders, ws_frames
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
    """Whether all numbers of the accepted order of `seq` fit 64 bits as they are shown, and it met no own order."""
    own = [event for event in events if event.seq == seq]
    order_id = next(event.order_id for event in own if event.kind == OrderEventKind.ORDER_ACCEPTED)
    if any(map(formats.is_prevention, own)):
        return False
    own = [event for event in own if event.order_id == order_id]
    market = reference.instruments[own[0].instrument_id]
    base_unit, quote_unit = 10 ** (8 - market.base.decimals), 10 ** (8 - market.quote.decimals)
    lot = market.lot_units * base_unit
    last = own[-1]
    shown = [last.price_ticks * market.tick_e8]
    shown += [lots * lot for lots in (last.qty_lots, last.executed_lots)]
    shown += [units * quote_unit for units in (last.quote_units, last.executed_quote_units)]
    for event in own:
        if event.kind == OrderEventKind.TRADE:
            fee = event.fee_units * (base_unit if event.fee_is_base else quote_unit)
            shown += [event.last_price_ticks * market.tick_e8, event.last_lots * lot, fee]
    return max(shown) <= INT64_MAX and last.prevented_lots == 0


# Anything that an engine could say, and more, by a seed: what Hypothesis draws itself is rarely an order that trades.

SYMBOL_CHARACTERS = string.ascii_uppercase + string.digits + "-_."
CLIENT_ID_CHARACTERS = string.ascii_letters + string.digits + "-_.:/"
REQUEST_ID_CHARACTERS = [*string.printable, "\N{EURO SIGN}", "\N{GRINNING FACE}"]
UNITS = [1, 7, 1_000, 10**6, 10**8, 10**10, 10**18, INT64_MAX]
AFTER_ACCEPTANCE = [OrderEventKind.TRADE] * 4 + [
    OrderEventKind.ORDER_EXPIRED,
    OrderEventKind.TRADE_PREVENTED,
    OrderEventKind.ORDER_CANCELED,
]


class Batch(NamedTuple):
    events: list[OrderEvent]
    wants: list[Want]
    reference: Reference


class Draw:
    """What the tests are about, by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._choice = random.choice

    def batch(self) -> Batch:
        numbers = self._random.sample(range(1, 6), 3)
        reference = reference_of(*map(self._instrument, numbers))
        outcomes = [self._outcome(seq, self._choice(numbers)) for seq in range(7, 7 + self._choice([1, 3, 6]))]
        events = [event._replace(index=i) for outcome in outcomes for i, event in enumerate(outcome)]
        wants = [self._want(7 + i) for i in range(len(outcomes)) if self._random.random() < 0.8]
        return Batch(events, wants, reference)

    def _instrument(self, number: int) -> Instrument:
        symbol = self._text(SYMBOL_CHARACTERS, 36)
        units = UNITS if self._random.random() < 0.2 else UNITS[:4]
        tick_e8, lot_units = self._choice(units), self._choice(units)
        return instrument(number, self._asset(), self._asset(), symbol=symbol, tick_e8=tick_e8, lot_units=lot_units)

    def _asset(self) -> Asset:
        return Asset(self._choice(range(1, 10)), self._text(SYMBOL_CHARACTERS, 12), self._choice(range(9)))

    def _text(self, characters: Sequence[str], most: int) -> str:
        return "".join(self._random.choices(characters, k=self._random.randint(1, most)))

    def _want(self, seq: int) -> Want:
        return Want(
            seq,
            self._choice([replies.WEBSOCKET, replies.REST]),
            self._choice([*ResponseType, ResponseType.FULL]),
            self._choice([MILLISECOND_NS, MICROSECOND_NS]),
            self._request_id(),
            self._choice([b"", b"[]", b'[{"rateLimitType":"ORDERS","count":1}]']),
        )

    def _request_id(self) -> bytes:
        number = b"%d" % self._random.randint(-INT64_MAX, INT64_MAX)
        text = msgspec.json.encode(self._text(REQUEST_ID_CHARACTERS, 36))[: ws_frames.ID_BYTES_MAX]
        return self._choice([number, text, ws_frames.NO_ID])

    def _outcome(self, seq: int, number: int) -> list[OrderEvent]:
        """The order events of one command: an order with others' in between, a refusal, or nothing."""
        drawn = self._random.random()
        if drawn < 0.1:
            return []
        state = self._state(seq, number)
        if drawn < 0.2:
            return [state._replace(kind=OrderEventKind.ORDER_REJECTED, reason=RejectReason.INSUFFICIENT_BALANCE)]
        accepted = state._replace(kind=OrderEventKind.ORDER_ACCEPTED)
        events = [self._later(accepted) for _ in range(self._choice([0, 1, 2, 5, 9]))]
        place = 1 if events and events[0].order_id != accepted.order_id else 0
        if drawn < 0.9:
            events.insert(self._choice([0, place]), accepted)
        return events

    def _later(self, accepted: OrderEvent) -> OrderEvent:
        """An event of the same command: of the accepted order, or of another."""
        event = self._state(accepted.seq, accepted.instrument_id)._replace(kind=self._choice(AFTER_ACCEPTANCE))
        event = event._replace(reason=int(self._choice([*formats.EXPIRY_REASONS])))
        if self._random.random() < 0.6:
            return event._replace(order_id=accepted.order_id, client_id=accepted.client_id)
        return event

    def _state(self, seq: int, number: int) -> OrderEvent:
        """An order in any state; one number in a hundred is too great to be shown."""
        return ZERO_EVENT._replace(
            **{name: self._number() for name in NUMBERS},
            seq=seq,
            instrument_id=number,
            ts_ns=self._random.randint(0, INT64_MAX),
            created_ts_ns=self._random.randint(0, INT64_MAX),
            status=self._choice([each for each in OrderStatus if each != OrderStatus.PENDING_NEW]),  # Those of lists.
            side=self._choice([*Side]),
            order_type=self._choice([kind for kind in OrderType if kind < OrderType.STOP_LOSS]),
            time_in_force=self._choice([*TimeInForce]),
            self_trade_prevention=self._choice([*SelfTradePrevention]),
            fee_is_base=self._choice([0, 1]),
            prevented_lots=self._choice([0, 0, 0, 0, 0, 0, 0, 0, 0, 7]),
            client_id=self._text(CLIENT_ID_CHARACTERS, 36).encode(),
        )

    def _number(self) -> int:
        drawn = self._random.random()
        if drawn < 0.01:
            return self._choice([INT64_MAX, INT64_MAX // 10**8 + 1, INT64_MAX // 10**8])
        return 0 if drawn < 0.3 else self._random.randint(0, 10 ** self._choice(range(1, 9)))


NUMBERS = (
    "order_id",
    "price_ticks",
    "qty_lots",
    "executed_lots",
    "executed_quote_units",
    "quote_units",
    "last_lots",
    "last_price_ticks",
    "last_quote_units",
    "fee_units",
    "trade_id",
)
batches = st.integers(0, 2**64 - 1).map(lambda seed: Draw(Random(seed)).batch())


@given(batches)
@settings(max_examples=500)
def test_replies_are_those_of_the_general_way(batch: Batch) -> None:
    for want, reply in zip(batch.wants, write(*batch), strict=True):
        expected = general(batch.events, want, batch.reference)
        if expected and not fits(batch.events, want.seq, batch.reference):
            expected = b""
        assert reply == expected


@given(batches, st.integers(2_500, 6_000))
@settings(max_examples=100)
def test_a_small_buffer_takes_more_calls_for_the_same_replies(batch: Batch, room: int) -> None:
    assert write(*batch, room) == write(*batch)


@given(batches, st.integers(0, 2_500))
@settings(max_examples=100)
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
REFUSED = RESTING._replace(kind=OrderEventKind.ORDER_REJECTED, reason=RejectReason.INSUFFICIENT_BALANCE)
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
    ("reason", "shown"),
    [
        (ExpiryReason.IMMEDIATE_OR_CANCEL, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        (ExpiryReason.FILL_OR_KILL, "UNFILLED_FOK_ORDER_EXPIRED"),
        (ExpiryReason.NO_LIQUIDITY, "INSUFFICIENT_LIQUIDITY"),
        (ExpiryReason.FUNDS_EXHAUSTED, "INSUFFICIENT_LIQUIDITY"),
        (ExpiryReason.PAGES_FULL, "INSUFFICIENT_LIQUIDITY"),
        (ExpiryReason.PRICE_RANGE, "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"),
    ],
)
def test_an_expired_order_says_why(reason: ExpiryReason, shown: str) -> None:
    expired = RESTING._replace(
        index=1, kind=OrderEventKind.ORDER_EXPIRED, status=OrderStatus.EXPIRED, reason=int(reason)
    )
    assert body(RESTING, expired)["expiryReason"] == shown


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": OrderEventKind.TRADE_PREVENTED, "prevented_lots": 100},
        {"kind": OrderEventKind.ORDER_EXPIRED, "reason": ExpiryReason.SELF_TRADE, "order_id": 1, "is_maker": 1},
    ],
)
def test_an_order_that_met_its_own_account_is_left_to_the_general_way(changes: dict[str, int]) -> None:
    prevented = RESTING._replace(index=1, trade_id=1, **changes)
    assert write([RESTING, prevented], [Want(RESTING.seq)], ONE_MARKET) == [b""]


def test_an_order_with_thousands_of_fills_is_one_reply() -> None:
    fills = [FILLED._replace(index=i, trade_id=i, fee_units=INT64_MAX) for i in range(1, 3_000)]
    assert len(body(RESTING, *fills)["fills"]) == 2_999


def test_the_longest_numbers_fit() -> None:
    extreme: dict[str, Any] = dict.fromkeys(("ts_ns", "created_ts_ns", "order_id", "trade_id"), INT64_MAX)
    extreme |= dict.fromkeys(("quote_units", "executed_quote_units", "fee_units"), INT64_MAX)
    extreme |= dict.fromkeys(("qty_lots", "executed_lots", "last_lots"), INT64_MAX // 1_000)
    extreme |= dict.fromkeys(("price_ticks", "last_price_ticks"), INT64_MAX // 1_000_000)
    longest = FILLED._replace(
        **extreme,
        status=OrderStatus.EXPIRED,
        reason=ExpiryReason.PRICE_RANGE,
        order_type=OrderType.LIMIT_MAKER,
        time_in_force=TimeInForce.IOC,
        self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER,
        client_id=b"i" * 36,
    )
    events = [longest._replace(kind=OrderEventKind.ORDER_ACCEPTED), *[longest] * 20]
    shown = body(*events, unit_ns=1)
    assert shown["origQuoteOrderQty"] == "92233720368.54775807"
    for own in (events, events[:1]):
        (reply,) = write(own, [Want(7, unit_ns=1)], ONE_MARKET)
        for room in range(0, 2 * len(reply), 99):
            assert write(own, [Want(7, unit_ns=1)], ONE_MARKET, room) in ([reply], [b""])


@pytest.mark.parametrize(
    "events",
    [
        [REFUSED],
        [REFUSED, RESTING],
        [MAKER],
        [],
    ],
    ids=["refused", "refused first", "no acceptance", "skipped"],
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
        {"status": 9},
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
