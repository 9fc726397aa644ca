"""The fast lane takes what is ordinary, nothing that the general way would refuse, and all into the very same bytes.

A request that the lane took and the general way would not have, or not so, would be an order that nobody placed.
"""

import json
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast import kernel_cache
from holdfast.codes import TradingMode
from holdfast.commands import COMMAND_BYTES, command_dtype
from holdfast.gateway.binance import parameters
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.lane import requests as lane
from holdfast.gateway.binance.orders import GATEWAY_ID
from holdfast.instruments import Asset, Instrument, Reference
from tests.gateway.lane import requests_drawn as drawn
from tests.gateway.lane.general_way import Made, Request, make
from tests.gateway.lane.requests_drawn import NOW_NS, REFERENCE

TABLE = lane.MarketTable(REFERENCE)
FIRST_NUMBER = 1_000
MS = NOW_NS // 10**6
UNIT_NS = 1_000
UNTOUCHED = 0x5A


class Read(NamedTuple):
    """What the kernel answered: its rows for the requests, as dictionaries, and the records of the plain ones."""

    rows: list[dict[str, int]]
    records: list[bytes]


def read(batch: list[Request], now_ns: int = NOW_NS, table: lane.MarketTable = TABLE) -> Read:
    """Read a batch. The bytes are exactly as many as they must be, and no row beyond the batch may change."""
    text = np.frombuffer(b"".join(each.text for each in batch), np.uint8)
    facts, end = [], 0
    for each in batch:
        end += len(each.text)
        form = lane.FORM_REST if each.is_rest else lane.FORM_WEBSOCKET
        facts.append([form, end, each.account_id, each.key_id, each.received_ts_ns, UNIT_NS, len(facts)])
    count = len(batch)
    records = np.full((count + 1, COMMAND_BYTES), UNTOUCHED, np.uint8)
    rows = np.full((count + 1, lane.READ), UNTOUCHED, np.int64)
    table_of_facts = np.array(facts, np.int64).reshape(-1, lane.FACTS)
    plain = lane.read_orders(text, table_of_facts, table.slots, GATEWAY_ID, FIRST_NUMBER, now_ns, records, rows)
    assert (records[plain:] == UNTOUCHED).all()
    assert (rows[count:] == UNTOUCHED).all()
    names = lane.read_dtype.names or ()
    shown = [dict(zip(names, row, strict=True)) for row in rows[:count].tolist()]
    return Read(shown, [record.tobytes() for record in records[:plain]])


def check(batch: list[Request], now_ns: int = NOW_NS, reference: Reference = REFERENCE) -> list[bool]:
    """Hold a batch against the general way; says of each request whether the lane took it."""
    table = TABLE if reference is REFERENCE else lane.MarketTable(reference)
    rows, records = read(batch, now_ns, table)
    text = b"".join(each.text for each in batch)
    plain = 0
    for request, row in zip(batch, rows, strict=True):
        if row["record"] < 0:
            assert row == dict.fromkeys(row, 0) | {"record": -1}
            continue
        assert row["record"] == plain
        assert (row["form"], row["unit_ns"], row["limits_end"]) == (int(request.is_rest), UNIT_NS, 0)
        assert row["limits"] == rows.index(row)
        taken = Made(records[plain], row["response"], text[row["id_start"] : row["id_end"]])
        assert taken == make(request, reference, now_ns, FIRST_NUMBER + plain)
        plain += 1
    assert plain == len(records)
    return [row["record"] >= 0 for row in rows]


def rest(text: str, received_ts_ns: int = NOW_NS) -> Request:
    return Request(text.encode("latin-1"), True, received_ts_ns)


def websocket(text: str, received_ts_ns: int = NOW_NS) -> Request:
    return Request(text.encode(), False, received_ts_ns)


def limit(**changes: Any) -> dict[str, Any]:
    order: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
    }
    order |= {"price": "25000.10", "newClientOrderId": "x-1", "timestamp": MS}
    return {name: value for name, value in (order | changes).items() if value is not None}


def framed(params: dict[str, Any], **received: int) -> Request:
    return websocket(json.dumps({"id": 1, "method": "order.place", "params": params}), **received)


# What is ordinary is taken.

SIGNATURE = "&signature=" + "0f" * 32
FREQUENT = {
    "ccxt, a limit order": rest(
        "symbol=BTCUSDT&side=BUY&newClientOrderId=x-TKT5PX2F0123456789abcdef012345&newOrderRespType=FULL"
        f"&type=LIMIT&quantity=0.01&price=25000&timeInForce=GTC&timestamp={MS}&recvWindow=10000" + SIGNATURE
    ),
    "ccxt, a market order": rest(
        "symbol=BTCUSDT&side=SELL&newClientOrderId=x-TKT5PX2F0123456789abcdef012345&newOrderRespType=FULL"
        f"&type=MARKET&quantity=0.01&timestamp={MS}&recvWindow=10000" + SIGNATURE
    ),
    "ccxt, post only": rest(
        "symbol=BTCUSDT&side=SELL&newClientOrderId=x-TKT5PX2F0123456789abcdef012345&newOrderRespType=RESULT"
        f"&type=LIMIT_MAKER&quantity=0.01&price=25000.5&timestamp={MS}&recvWindow=10000" + SIGNATURE
    ),
    "python-binance, sorted": rest(
        "newClientOrderId=x-HNA2TXFJ0123456789abcdef012345&price=25000.10&quantity=2&recvWindow=10000&side=SELL"
        f"&symbol=BTCUSDT&timeInForce=GTC&timestamp={MS}&type=LIMIT" + SIGNATURE
    ),
    "hummingbot": rest(
        "symbol=BTCUSDT&side=BUY&quantity=0.01000000&type=LIMIT_MAKER&newClientOrderId=x-MG43PCSNBBTCUSDT0123456789ab"
        f"&price=25000.10000000&timestamp={MS}" + SIGNATURE
    ),
    "binance-sdk-spot, logged on": websocket(
        '{"id":"5f2c1d0e9b8a47768f0e1d2c3b4a5968","method":"order.place","params":{"symbol":"BTCUSDT","side":"SELL",'
        '"type":"LIMIT","timeInForce":"GTC","quantity":2,"price":160,"newClientOrderId":"mine","newOrderRespType":"ACK",'
        f'"timestamp":{MS}}}}}'
    ),
    "json.dumps with its spaces": websocket(
        json.dumps({"id": 7, "method": "order.place", "params": limit(selfTradePreventionMode="EXPIRE_BOTH")}, indent=2)
    ),
    "numbers as Python shows its floats": framed(limit(price=25000.0, quantity=0.01, recvWindow=5000)),
    "times in microseconds": framed(limit(timestamp=NOW_NS // 1_000)),
    "times as texts": framed(limit(timestamp=str(MS), recvWindow="60000")),
    "the method with its version": websocket(json.dumps({"method": "v3/order.place", "id": "a", "params": limit()})),
    "the longest texts": websocket(
        json.dumps({"id": "i" * 126, "method": "order.place", "params": limit(newClientOrderId="c" * 36)})
    ),
    "market by quantity": framed(limit(type="MARKET", price=None, timeInForce=None)),
}


def test_what_clients_send_is_plain() -> None:
    plain = dict(zip(FREQUENT, check(list(FREQUENT.values())), strict=True))
    assert plain == dict.fromkeys(FREQUENT, True)


@given(st.lists(drawn.ordinary_requests(), min_size=1, max_size=3))
def test_ordinary_requests_are_plain(batch: list[Request]) -> None:
    assert all(check(batch))


# What is not is left to the general way, or is taken as it would have.

ORDERS = {
    "LIMIT": limit(),
    "MARKET": limit(type="MARKET", price=None, timeInForce=None),
    "LIMIT_MAKER": limit(type="LIMIT_MAKER", timeInForce=None),
}


def spelled(pairs: list[tuple[str, Any]], as_it_is: str = "") -> list[Request]:
    """The same parameters as a form and as a frame, and as one in which the value of `as_it_is` has no quotes."""

    def framed_as(is_quoted: bool) -> Request:
        tokens = [str(value) if name == as_it_is and not is_quoted else f'"{value}"' for name, value in pairs]
        params = ",".join(f'"{name}":{token}' for (name, _), token in zip(pairs, tokens, strict=True))
        return websocket(f'{{"id":1,"method":"order.place","params":{{{params}}}}}')

    form = drawn.form([(name, str(value)) for name, value in pairs])
    return [Request(form, True, NOW_NS), framed_as(True), framed_as(False)]


@pytest.mark.parametrize("order_type", ORDERS)
@pytest.mark.parametrize("name", drawn.NAMES)
def test_each_parameter_at_its_edges(name: str, order_type: str) -> None:
    for edge in drawn.EDGES[name]:
        order = ORDERS[order_type]
        last = [*((other, order[other]) for other in order if other != name), (name, edge)]
        check(spelled(last, name))
        check(spelled([last[-1], *last[:-1]], name))


@pytest.mark.parametrize("order_type", ORDERS)
def test_each_parameter_missing_twice_or_besides(order_type: str) -> None:
    order = ORDERS[order_type]
    for name in drawn.NAMES:
        check(spelled([(each, value) for each, value in order.items() if each != name]))
    for name in order:
        assert not any(check(spelled([*order.items(), (name, order[name])])))
        assert not any(check(spelled([(name, order[name]), *order.items()])))
    for name in drawn.OTHER_NAMES:
        assert not any(check(spelled([*order.items(), (name, "1")])))


def test_what_stands_around_the_parameters_at_its_edges() -> None:
    params = json.dumps(limit())
    for request_id in drawn.REQUEST_IDS:
        check([websocket(f'{{"id":{request_id},"method":"order.place","params":{params}}}')])
        check([websocket(f'{{"method":"order.place","params":{params},"id":{request_id}}}')])
    for method in drawn.METHODS:
        check([websocket(f'{{"id":1,"method":{method},"params":{params}}}')])
    for signature in drawn.SIGNATURES:
        pairs = [(name, str(value)) for name, value in limit().items()]
        check([Request(drawn.form(pairs, signature), True, NOW_NS)])
    members = ['"id":1', '"method":"order.place"', f'"params":{params}']
    for i in range(3):
        assert not any(check([websocket("{" + ",".join([*members, members[i]]) + "}")]))
        assert not any(check([websocket("{" + ",".join([members[i], *members]) + "}")]))
        assert not any(check([websocket("{" + ",".join(members[:i] + members[i + 1 :]) + "}")]))


def test_each_place_of_a_request_with_another_byte() -> None:
    form, frame, _ = spelled(list(ORDERS["MARKET"].items()))
    for request in (form._replace(text=form.text[:-60]), frame):
        for byte in b'"\\{}:,&=%+ \r\0\x1f\x7f\xff0.-a':
            places = range(len(request.text))
            changed = [request.text[:i] + bytes([byte]) + request.text[i + 1 :] for i in places]
            inserted = [request.text[:i] + bytes([byte]) + request.text[i:] for i in places]
            check([request._replace(text=text) for text in [*changed, *inserted]])


@given(st.lists(drawn.odd_requests(), min_size=1, max_size=3), st.sampled_from([0, 0, 1, 10**9, 5 * 10**9]))
def test_what_is_taken_is_what_the_general_way_makes_of_it(batch: list[Request], later_ns: int) -> None:
    check(batch, NOW_NS + later_ns)


@given(st.lists(drawn.broken_requests(), min_size=1, max_size=3))
def test_broken_bytes_are_never_read_otherwise(batch: list[Request]) -> None:
    check(batch)


@given(drawn.ordinary_requests(), drawn.broken_requests(), drawn.ordinary_requests())
def test_neighbours_of_a_broken_request_are_not_disturbed(before: Request, broken: Request, after: Request) -> None:
    plain = check([before, broken, after])
    assert plain[0]
    assert plain[2]


@given(st.lists(st.binary(max_size=40), max_size=4), st.booleans())
@example([b"{", b'"', b'{"params":{', b'{"id":'], False)
@example([b"price=1", b"symbol=", b"signature=", b"symbol"], True)
def test_any_bytes(texts: list[bytes], is_rest: bool) -> None:
    assert not any(check([Request(text, is_rest, NOW_NS) for text in texts]))


def test_every_prefix_of_a_request_is_not_plain() -> None:
    for request in FREQUENT.values():
        lengths = range(len(request.text) - (64 if request.is_rest else 0))  # A part of a signature is a signature.
        assert not any(check([request._replace(text=request.text[:length]) for length in lengths]))


NEVER_PLAIN = {
    "by another key": framed(limit(apiKey="a" * 64)),
    "signed": framed(limit(signature="a5")),
    "its reply looks different": framed(limit(returnRateLimits=False)),
    "without an id of its own": framed(limit(newClientOrderId=None)),
    "a window with decimals": framed(limit(recvWindow="5000.5")),
    "by quote quantity": framed(limit(type="MARKET", price=None, timeInForce=None, quantity=None, quoteOrderQty="10")),
    "no id": websocket(json.dumps({"method": "order.place", "params": limit()})),
    "another member": websocket(json.dumps({"id": 1, "method": "order.place", "params": limit(), "more": 1})),
    "a parameter twice": websocket(
        json.dumps({"id": 1, "method": "order.place", "params": limit()})[:-2] + ',"side":"BUY"}}'
    ),
    "a test": websocket(json.dumps({"id": 1, "method": "order.test", "params": limit()})),
    "text behind it": websocket(json.dumps({"id": 1, "method": "order.place", "params": limit()}) + "{}"),
    "an encoded name": framed(limit(newClientOrderId="A"))._replace(
        text=json.dumps({"id": 1, "method": "order.place", "params": limit()}).replace("side", "\\u0073ide").encode()
    ),
}


def test_rare_forms_are_left_to_the_general_way() -> None:
    assert not any(check(list(NEVER_PLAIN.values())))


def test_each_character_of_a_client_id() -> None:
    def is_allowed(character: str) -> bool:
        try:
            parameters.client_id("", character)
        except ApiError:
            return False
        return True

    form = "&".join(f"{name}={value}" for name, value in limit(newClientOrderId=None).items())
    batch = [rest(f"{form}&newClientOrderId={chr(byte)}{SIGNATURE}") for byte in range(256)]
    assert check(batch) == [is_allowed(chr(byte)) for byte in range(256)]


# Time.


def test_a_request_is_plain_exactly_as_long_as_it_is_fresh() -> None:
    made_ns = MS * 10**6
    oldest, newest = made_ns - 10**9 + 1, made_ns + 5 * 10**9
    receptions = [oldest - 1, oldest, newest, newest + 1]
    plain = [check([framed(limit(), received_ts_ns=received)], received) for received in receptions]
    assert plain == [[False], [True], [True], [False]]


def test_a_request_may_become_too_old_while_it_waits() -> None:
    newest = MS * 10**6 + 5 * 10**9
    assert check([framed(limit())], newest) == [True]
    assert check([framed(limit())], newest + 1) == [False]


def test_a_command_is_decided_within_ten_seconds_however_great_its_window() -> None:
    [record] = read([framed(limit(recvWindow=60_000))]).records
    assert np.frombuffer(record, command_dtype)["deadline_ts_ns"] == NOW_NS + 10 * 10**9


# Markets.


def test_a_thousand_markets_are_each_found_and_others_are_not() -> None:
    base, quote = Asset(1, "BTC", 8), Asset(2, "USDT", 8)

    def market(i: int) -> Instrument:
        return Instrument(i, f"C{i}USDT", base, quote, 10**6 + i, 1_000, 1, TradingMode.TRADING, {})

    reference = Reference([base, quote], [market(i) for i in range(1, 1_001)])
    ticks = [market(i).tick_e8 for i in range(1, 1_001)]
    batch = [framed(limit(symbol=f"C{i + 1}USDT", price=f"0.0{tick}")) for i, tick in enumerate(ticks)]
    assert all(check(batch, reference=reference))
    others = [framed(limit(symbol=f"C{i}USDT")) for i in range(1_001, 1_101)]
    assert not any(check(others, reference=reference))


def test_no_markets_at_all() -> None:
    assert check([framed(limit())], reference=Reference([], [])) == [False]


# Buffers, and the compiled kernel.


def test_plain_orders_stand_close_together_and_are_numbered_without_gaps() -> None:
    rows, records = read([framed(limit()), rest("nothing"), framed(limit(side="SELL")), rest(""), framed(limit())])
    assert [row["record"] for row in rows] == [0, -1, 1, -1, 2]
    commands = np.frombuffer(b"".join(records), command_dtype)
    assert commands["request_number"].tolist() == [FIRST_NUMBER, FIRST_NUMBER + 1, FIRST_NUMBER + 2]
    assert commands["side"].tolist() == [1, 2, 1]


def test_an_empty_batch() -> None:
    assert read([]) == Read([], [])


def test_the_compiled_kernel_lies_in_the_directory_named_after_all_that_it_sees() -> None:
    lane.warm_up()
    dispatcher: Any = lane.read_orders
    if hasattr(dispatcher, "stats"):  # Not without the JIT.
        assert dispatcher.stats.cache_path.startswith(str(kernel_cache.CACHE_ROOT / kernel_cache.CACHE_KEY))
