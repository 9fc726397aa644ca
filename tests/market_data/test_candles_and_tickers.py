"""Candles and tickers equal what anybody computes from the list of trades: that is what makes them worth trusting."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import Side
from holdfast.market_data import MarketData, bars
from holdfast.market_data.intervals import INTERVALS
from holdfast.market_data.tickers import average_price_ticks, ticker, window_start_s
from holdfast.market_data.trades import PublicTrade, aggregate
from tests.market_data.session import BTCUSDT, SECOND_NS, Batch, Session

# A trade: seconds since the one before (so that all storeys are crossed), taker's side, price, lots, same taker order.
trades = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(0, 200), st.integers(0, 90_000), st.integers(0, 40 * 86_400)),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.integers(90, 110),
        st.integers(1, 50),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)
offsets = st.sampled_from([0, 8 * 3600, -3600, 5 * 3600 + 45 * 60, -12 * 3600, 14 * 3600])


def trade_all(steps):
    market_data, session, done = MarketData(), Session(), []
    for seconds, side, price, lots, same_aggregate in steps:
        session.step(session.ts_ns + seconds * SECOND_NS + 1)
        if same_aggregate and done and done[-1].price_ticks == price and done[-1].buyer_is_maker == (side == Side.SELL):
            events = session.trade(side, price, lots, same_aggregate=True)
        else:
            events = session.trade(side, price, lots)
        market_data.on_applied(Batch(events, []))
        taker = events[1]
        done.append(
            PublicTrade(
                taker.trade_id,
                taker.aggregate_trade_id,
                price,
                lots,
                BTCUSDT.quote_of(price, lots),
                session.ts_ns,
                side == Side.SELL,
            )
        )
    return market_data, session, done


def naive_slot(name, time_s, offset_s):
    """Where the slot begins and the next one, by the calendar of the zone."""
    local = datetime.fromtimestamp(time_s, UTC) + timedelta(seconds=offset_s)
    midnight = local.replace(hour=0, minute=0, second=0)
    if name == "1M":
        start = midnight.replace(day=1)
        end = (start + timedelta(days=32)).replace(day=1)
    elif name == "1w":
        start = midnight - timedelta(days=midnight.weekday())
        end = start + timedelta(days=7)
    elif name == "3d":
        start = midnight - timedelta(days=(midnight - datetime(1970, 1, 1, tzinfo=UTC)).days % 3)
        end = start + timedelta(days=3)
    else:
        seconds = int(name[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[name[-1]]
        start = midnight + timedelta(seconds=(local - midnight).seconds // seconds * seconds)
        end = start + timedelta(seconds=seconds)
    return tuple(int((moment - timedelta(seconds=offset_s)).timestamp()) for moment in (start, end))


def naive_candles(name, done, now_s, offset_s):
    """All candles from the first trade to now, flat ones between; (start, open, high, low, close, sums…)."""
    candles = []
    start, end = naive_slot(name, done[0].ts_ns // SECOND_NS, offset_s)
    while start <= now_s:
        inside = [t for t in done if start <= t.ts_ns // SECOND_NS < end]
        prices = [t.price_ticks for t in inside] or [candles[-1][4]]
        bought = [t for t in inside if not t.buyer_is_maker]
        candles.append(
            (
                start,
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
                sum(t.lots for t in inside),
                sum(t.quote_units for t in inside),
                sum(t.lots for t in bought),
                sum(t.quote_units for t in bought),
                len(inside),
                inside[0].trade_id if inside else 0,
            )
        )
        start, end = naive_slot(name, end, offset_s)
    return candles


def as_tuple(bar):
    sums = (bar.lots, bar.quote, bar.taker_lots, bar.taker_quote, bar.count, bar.first_id)
    return (bar.start_s, bar.open, bar.high, bar.low, bar.close, *sums)


LONG_ENOUGH = ["1h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"]  # Fewer than a thousand candles over the trades' time.


@settings(max_examples=60, deadline=None)
@given(trades, st.sampled_from(LONG_ENOUGH), offsets, st.integers(0, 200_000))
def test_candles_of_every_zone_are_those_of_the_trades(steps, name, offset_s, later_s):
    steps = [(seconds % 90_000, *rest) for seconds, *rest in steps]
    market_data, session, done = trade_all(steps)
    now_s = session.ts_ns // SECOND_NS + later_s
    expected = naive_candles(name, done, now_s, offset_s)
    klines = market_data.market(1).klines
    assert [as_tuple(b) for b in klines.candles(INTERVALS[name], now_s, 1000, offset_s=offset_s)] == expected[-1000:]
    start_s = done[0].ts_ns // SECOND_NS + later_s // 3
    end_s = start_s + later_s // 2
    inside = [candle for candle in expected if start_s <= candle[0] <= end_s]
    assert [
        as_tuple(b) for b in klines.candles(INTERVALS[name], now_s, 5, start_s=start_s, end_s=end_s, offset_s=offset_s)
    ] == inside[:5]
    until = [candle for candle in expected if candle[0] <= end_s]
    assert [as_tuple(b) for b in klines.candles(INTERVALS[name], now_s, 5, end_s=end_s, offset_s=offset_s)] == until[
        -5:
    ]
    assert [as_tuple(b) for b in klines.candles(INTERVALS[name], now_s, 1, start_s=0, offset_s=offset_s)] == expected[
        :1
    ]


@settings(max_examples=40, deadline=None)
@given(trades, st.sampled_from(sorted(INTERVALS)), st.integers(0, 600))
def test_newest_candles_of_every_interval_are_those_of_the_trades(steps, name, later_s):
    steps = [(seconds % 400, *rest) for seconds, *rest in steps]
    market_data, session, done = trade_all(steps)
    now_s = session.ts_ns // SECOND_NS + later_s
    expected = naive_candles(name, done, now_s, 0)
    klines = market_data.market(1).klines
    assert [as_tuple(b) for b in klines.candles(INTERVALS[name], now_s, 1000)] == expected[-1000:]


@settings(max_examples=100, deadline=None)
@given(trades, st.sampled_from([1, 59, 60, 61, 240, 1440, 10_080]), st.integers(0, 200_000))
def test_ticker_sums_exactly_the_trades_of_its_window(steps, minutes, later_s):
    market_data, session, done = trade_all(steps)
    market = market_data.market(1)
    now_s = session.ts_ns // SECOND_NS + later_s
    start_s = window_start_s(now_s, minutes)
    assert now_s - minutes * 60 - 60 < start_s <= now_s - minutes * 60
    statistics = ticker(market.klines, market.trades, start_s)
    inside = [t for t in done if t.ts_ns // SECOND_NS >= start_s]
    before = [t.price_ticks for t in done if t.ts_ns // SECOND_NS < start_s]
    assert statistics.previous_ticks == (before[-1] if before else 0)
    prices = [t.price_ticks for t in inside] or [before[-1]]
    assert statistics.last_ticks == done[-1].price_ticks
    assert statistics.last_lots == done[-1].lots
    assert statistics[1:5] == (prices[0], max(prices), min(prices), prices[-1])
    assert statistics.lots == sum(t.lots for t in inside)
    assert statistics.quote_units == sum(t.quote_units for t in inside)
    ids = [t.trade_id for t in inside]
    assert (statistics.first_id, statistics.last_id) == ((ids[0], ids[-1]) if ids else (-1, -1))
    assert statistics.trade_count == len(ids)
    # Asked again it is the same, though sums were kept.
    assert ticker(market.klines, market.trades, start_s) == statistics


@settings(max_examples=50, deadline=None)
@given(trades, st.integers(0, 600))
def test_average_price_is_of_five_minute_buckets_rounded_down(steps, later_s):
    market_data, session, done = trade_all(steps)
    market = market_data.market(1)
    now_s = session.ts_ns // SECOND_NS + later_s
    inside = [t for t in done if t.ts_ns // SECOND_NS // 60 > now_s // 60 - 5]
    lots = sum(t.lots for t in inside)
    expected = sum(t.price_ticks * t.lots for t in inside) // lots if lots else done[-1].price_ticks
    found = average_price_ticks(market.klines, market.trades, BTCUSDT.units_per_tick_lot, now_s)
    assert found == expected


@settings(deadline=None)
@given(trades)
def test_aggregates_are_runs_of_one_taker_at_one_price(steps):
    market_data, _, done = trade_all(steps)
    rings = market_data.market(1).trades
    assert rings.newest(1000) == done
    assert rings.newest(3) == done[-3:]
    assert rings.newest_aggregates(1000) == aggregate(done)
    assert [a.aggregate_trade_id for a in aggregate(done)] == list(range(1, done[-1].aggregate_trade_id + 1))
    assert rings.from_id(2, 3) == done[1:4]


@settings(max_examples=50, deadline=None)
@given(trades, st.integers(0, 24))
def test_dump_and_load_in_mid_stream_give_the_same_future(steps, cut):
    whole, session, done = trade_all(steps)
    half, half_session, _ = trade_all(steps[:cut] or steps[:1])
    loaded = MarketData.load(half.dump())
    assert loaded.dump() == half.dump()
    for trade in done[half_session.trade_id :]:
        half_session.step(trade.ts_ns)
        half_session.aggregate_id = trade.aggregate_trade_id
        side = Side.SELL if trade.buyer_is_maker else Side.BUY
        loaded.on_applied(Batch(half_session.trade(side, trade.price_ticks, trade.lots, same_aggregate=True), []))
    assert loaded.dump() == whole.dump()
    now_s = session.ts_ns // SECOND_NS + 30
    one, other = whole.market(1), loaded.market(1)
    start_s = window_start_s(now_s, 1440)
    assert ticker(one.klines, one.trades, start_s) == ticker(other.klines, other.trades, start_s)


def test_rows_keep_sums_beyond_64_bits_and_the_newest_only():
    bar = bars.Bar(60, 7)
    bar.lots, bar.quote, bar.taker_lots, bar.taker_quote = 2**64 + 3, 2**90, 2**70 - 1, 2**63
    bar.count, bar.first_id = 9, 2**50
    rows = bars.Rows(2)
    for start_s in (60, 120, 180):
        rows.append(bar.copy_at(start_s))
    assert len(rows) == 2
    assert [rows.start_s(i) for i in (0, 1)] == [120, 180]
    assert as_tuple(rows.bar(1)) == as_tuple(bar.copy_at(180))
    assert [rows.index_from(s) for s in (0, 120, 121, 180, 181)] == [0, 0, 1, 1, 2]


def test_candles_whose_beginning_is_no_longer_kept_are_not_shown():
    market_data, session = MarketData(), Session(ts_ns=1_700_000_000 * SECOND_NS)
    market_data.market(1).klines.rows["8h"] = bars.Rows(2)
    for _ in range(12):
        session.step(session.ts_ns + 8 * 3600 * SECOND_NS)
        market_data.on_applied(Batch(session.trade(Side.BUY, 100, 1), []))
    now_s = session.ts_ns // SECOND_NS
    klines = market_data.market(1).klines
    days = klines.candles(INTERVALS["1d"], now_s, 1000, offset_s=8 * 3600)
    assert days[-1].count <= 3
    assert all(day.count == 3 for day in days[:-1])
