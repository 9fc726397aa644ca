"""What is drawn for the model tests: few accounts, few prices, tight limits, so that everything meets everything.

A step says what is wanted in the terms of its moment ("the second youngest open order"); `commands` makes commands of
it.

Usual values come first, since shrinking goes there. One unusual field ends most orders at an early check, so each is
rare.
"""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from holdfast import config
from holdfast.codes import CommandKind, InstrumentParameter, OrderType, Side
from tests.model.opening import (
    ACCOUNTS,
    FOK,
    GTC,
    HORIZON_NS,
    INSTRUMENTS,
    IOC,
    LIMIT,
    LIMIT_MAKER,
    MARKET,
    PEG_MARKET,
    PEG_PRIMARY,
    SECOND_NS,
)

Step = tuple[Any, ...]


class LegShape(NamedTuple):
    """What an order of a list is besides; what its type may not be is left out."""

    part_lots: int = 0  # What an iceberg shows; 0: all.
    delta: int = 0  # What a trailing stop follows by; 0: it does not.
    has_stop: bool = True  # Whether a trailing stop has a stop price as well.
    peg: int = 0  # The command's flag.
    offset: int = 0


class WantedList(NamedTuple):
    """A drawn order list."""

    kind: int
    account: int
    key: int
    instrument: int
    stp: int
    side: int  # Of the working order, or of a pair.
    price: int  # The working order's.
    qty: int
    other_side: int  # Of the pending orders.
    up: int  # How far their prices lie above the last one,
    down: int  # and below it.
    above: int  # Their forms.
    below: int
    leg_id: bytes
    own_id: bytes
    shapes: tuple[LegShape, LegShape, LegShape]  # Of the working order, and of the others.
    deadline: int | None
    odd: str  # What is wrong with it.


def _mostly(usual: list[Any], unusual: list[Any], times: int) -> st.SearchStrategy[Any]:
    """Any of the usual values, and once in so many draws any of the others."""
    repeated = usual * max(1, (times - 1) * len(unusual) // len(usual))
    return st.sampled_from(repeated + unusual)


accounts = _mostly([1, 2, 1, 2, 3], [9, 0], 30)
instruments = _mostly([1, 1, 1, 2, 2, 3], [7], 40)
keys = _mostly([0, 0, 0, 0, 0, 1], [2, 3, 4, 5, -1], 25)
sides = _mostly([Side.BUY, Side.SELL], [Side.NONE], 50)
forms = st.sampled_from(
    [(LIMIT, GTC)] * 8
    + [(LIMIT, IOC), (LIMIT, FOK), (LIMIT, FOK), (MARKET, 0), (MARKET, 0), (MARKET, 0)]
    + [(LIMIT_MAKER, 0), (LIMIT_MAKER, GTC)]
    + [(OrderType.STOP_LOSS, 0), (OrderType.TAKE_PROFIT, 0)]
    + [(OrderType.STOP_LOSS_LIMIT, GTC), (OrderType.STOP_LOSS_LIMIT, IOC)]
    + [(OrderType.TAKE_PROFIT_LIMIT, GTC), (OrderType.TAKE_PROFIT_LIMIT, FOK)]
)
forms_with_limit = [(LIMIT, GTC), (LIMIT, IOC), (LIMIT, FOK), (LIMIT_MAKER, GTC)] + [
    (kind, time) for kind in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT) for time in (GTC, GTC, IOC, FOK)
]
odd_forms = st.tuples(st.integers(0, 8), st.integers(0, 4))
preventions = st.sampled_from([0, 0, 1, 2, 3, 4])
odd_preventions = st.integers(-1, 5)
prices = _mostly([100, 101, 99, 102, 98, 103], [1, 50, 150, 4095, 4096, 2**24, 10**9], 12)
lots = _mostly([3, 1, 2, 4, 5, 6, 8, 12], [0, 40, 1_000, 10**8, 4 * 10**9, 2**62, 2**63 - 1, -1], 12)
stops = _mostly([100, 101, 99, 102, 98, 103, 97], [0, 1, 4096, 2**24, 10**9, 10**9 + 1, -1], 15)
deltas = _mostly([0, 0, 0, 100, 200, 150, 300], [1, 2_000, 9_999, 10_000, -1], 12)
quotes = _mostly([999, 1_000, 1_010, 2_345, 5_000, 12_345, 101], [0, 5, 2**63 - 1, -1], 12)
client_ids = _mostly([b"id %d" % i for i in range(9)] + [b"x" * 36, b"x" * 35 + b"y"], [b""], 20)
fresh = st.sampled_from([True, True, False])
times = st.sampled_from(
    [1, 1, 1, 1, 1, 1, 1, 1, 0, SECOND_NS, 20 * SECOND_NS, 60 * SECOND_NS, 300 * SECOND_NS, HORIZON_NS - 1, HORIZON_NS]
)
# How much is shown (0: all); PegPriceType as a flag, and levels from the best.
pegs = [(PEG_PRIMARY, 0), (PEG_PRIMARY, 1), (PEG_MARKET, 0), (PEG_MARKET, 1)]
shapes = _mostly(
    [(0, 0, 0)] * 16 + [(part_lots, 0, 0) for part_lots in (1, 1, 2, 2, 3, 5)] + [(0, *peg) for peg in pegs],
    [(-1, 0, 0), (40, 0, 0), (0, PEG_PRIMARY, 101), (0, PEG_MARKET, -1), (0, PEG_PRIMARY | PEG_MARKET, 0)],
    20,
)
deadlines = _mostly([None, 5 * SECOND_NS, 100 * SECOND_NS, HORIZON_NS, 0], [-1], 20)
picks = st.integers(0, 5)

orders = st.tuples(
    *(accounts, keys, instruments, sides, forms, preventions),
    *(prices, stops, deltas, lots, quotes, client_ids, fresh, deadlines, shapes),
)
odd_orders = st.tuples(
    *(accounts, keys, instruments, sides, odd_forms, odd_preventions),
    *(prices, stops, deltas, lots, quotes, client_ids, fresh, deadlines, shapes),
)
targets = st.tuples(
    _mostly(["id", "client id", "both"], ["other", "none", "unknown"], 6), picks, _mostly([0], [1, 2], 3)
)

# Account, key, target, how many lots fewer than what is open, client id (None: the order's own), deadline.
amendments = st.tuples(
    st.just("amend"),
    accounts,
    keys,
    targets,
    _mostly([1, 2, 1, 3], [0, -1, 1_000, 2**62], 4),
    _mostly([b"fresh", None], [b"id 1", b"id 2", b"a former one", b""], 5),
    deadlines,
)
places = st.tuples(st.just("place"), orders)
odd_places = st.tuples(st.just("place"), odd_orders)
cancels = st.tuples(st.just("cancel"), accounts, keys, targets, deadlines)
cancel_alls = st.tuples(st.just("cancel all"), accounts, keys, st.sampled_from([0, 0, 1, 2, 7]), deadlines)
replaces = st.tuples(st.just("replace"), orders, targets, st.booleans())
# Account, key, instrument, milliseconds.
countdowns = st.tuples(
    st.just("countdown"),
    accounts,
    keys,
    st.sampled_from([0, 0, 0, 1, 1, 2, 3, 7]),
    _mostly([1, 20_000, 1_000, 60_000, 0], [-1, config.COUNTDOWN_MS_MAX, config.COUNTDOWN_MS_MAX + 1, 2**63 - 1], 8),
    deadlines,
)
ticks = st.tuples(st.just("tick"), st.booleans())  # Whether it comes when the next timer runs out.
# Instrument, key, how long each mode lasts; and whether it is called off.
stages = _mostly([0, 1, SECOND_NS, 20 * SECOND_NS], [-1, config.STAGE_SECONDS_MAX * SECOND_NS + 1, 2**63 - 1], 12)
reopenings = st.tuples(
    *(st.just("reopening"), instruments, _mostly([b"r1", b"r2", b"fresh", b"fresh"], [b""], 10)),
    *(stages, stages, stages, st.sampled_from([False, False, True])),
)
# Instrument, orders, others of the commands that may come meanwhile, and the modes that end it.
auctions = st.tuples(
    st.just("auction"),
    st.sampled_from(INSTRUMENTS[:2]),
    st.lists(st.one_of(places, places, places, cancels, amendments, replaces), min_size=3, max_size=14),
    st.sampled_from([(4,), (4,), (4,), (3, 4), (2, 4), (0, 4), (1, 4), (0, 5, 4)]),
)
# Market, lots of each order, price step, which side is the longer one: enough orders for several of the engine's steps.
crowds = st.tuples(st.just("crowd"), st.integers(1, 3), st.integers(0, 2), sides, st.booleans())
# Side, type, delta, stop price (0: none) and limit (0: none) of some trailing stops, each as an offset from 2,000; and
# at which prices the market trades meanwhile: a price alone, or a sweep from one to the other.
trails = st.tuples(
    st.just("trails"),
    st.lists(
        st.tuples(
            st.sampled_from([Side.BUY, Side.SELL]),
            st.booleans(),
            st.sampled_from([100, 100, 100, 50, 200, 25, 300]),
            st.sampled_from([0, 0, 0, 10, -10, 20, -20, 45]),
            st.sampled_from([0, 0, 60, -60, 5]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.tuples(st.integers(-45, 45), st.integers(-45, 45), st.booleans()), min_size=2, max_size=10),
)
cascades = st.tuples(
    st.just("cascade"), sides, st.integers(2, 30), st.sampled_from([1, 2, 3]), st.sampled_from(["", "limit", "peg"])
)
icebergs = st.tuples(st.just("icebergs"), sides, st.integers(2, 4), st.integers(1, 2), st.integers(20, 60), preventions)
pegged = st.tuples(
    sides,
    st.sampled_from(forms_with_limit),
    st.sampled_from(pegs),
    st.sampled_from([3, 1, 6]),
    st.sampled_from([0, 0, 1]),
)
pegging = st.tuples(st.just("pegging"), st.integers(0, 2), st.lists(pegged, min_size=1, max_size=5), sides)
leg_shapes = _mostly(
    [LegShape()] * 12
    + [LegShape(part_lots=part) for part in (1, 2, 3)]
    + [LegShape(peg=peg, offset=offset) for peg, offset in pegs]
    + [LegShape(delta=delta, has_stop=has_stop) for delta in (100, 200) for has_stop in (True, False)]
    + [LegShape(part_lots=2, delta=100, has_stop=False, peg=PEG_MARKET)],
    [
        *(LegShape(part_lots=-1), LegShape(part_lots=40), LegShape(delta=9_999), LegShape(delta=-1, has_stop=False)),
        *(LegShape(peg=PEG_PRIMARY, offset=101), LegShape(peg=PEG_PRIMARY | PEG_MARKET)),
    ],
    30,
)
ODDITIES = ["one leg", "four legs", "lots", "type", "same ids", "account", "late", "working", "quote"]
lists = st.tuples(
    st.just("list"),
    st.builds(
        WantedList,
        kind=_mostly([1, 2, 3, 4, 5, 1], [0, 6, -1], 40),
        account=_mostly([1, 2], [3, 9], 20),
        key=_mostly([0], [1, 2, 4], 20),
        instrument=_mostly([1, 1, 1, 2, 2, 3], [7], 60),
        stp=preventions,
        side=sides,
        price=prices,
        qty=lots,
        other_side=sides,
        up=_mostly([1, 2, 3], [0, -1, 60], 12),
        down=_mostly([1, 2, 3], [0, -1, 60], 12),
        above=st.integers(0, 3),
        below=st.integers(0, 3),
        leg_id=_mostly([b"fresh"], [b"id 1", b"id 2"], 12),
        own_id=_mostly([b"fresh"], [b"list 1", b"list 2", b"list 3", b""], 4),
        shapes=st.tuples(leg_shapes, leg_shapes, leg_shapes),
        deadline=_mostly([None, 5 * SECOND_NS, 100 * SECOND_NS, HORIZON_NS], [0, -1], 20),
        odd=_mostly([""], ODDITIES, 40),
    ),
)
# A list, and trades around its prices: how far from the last one each of them is, who takes, and how many lots.
stories = st.tuples(
    st.just("story"),
    lists,
    st.lists(
        st.tuples(st.integers(-4, 4), st.sampled_from([1, 2, 3]), sides, st.sampled_from([1, 2, 3, 5, 12])),
        min_size=2,
        max_size=7,
    ),
)
list_cancels = st.tuples(st.just("cancel list"), accounts, keys, targets, deadlines)
ladders = st.tuples(st.just("ladder"), st.sampled_from(ACCOUNTS[:2]), sides, st.integers(30, 45), st.integers(1, 3))

# Kind, account, asset, amount, receiver, key, reference.
amounts = _mostly([100, 3_000, 20_000, 1], [0, -1, config.SUPPLY_MAX, 2**63 - 1], 4)
money = st.tuples(
    st.just("money"),
    st.sampled_from(
        [CommandKind.DEPOSIT, CommandKind.REQUEST_WITHDRAWAL, CommandKind.TRANSFER, CommandKind.WITHDRAW_FEES]
    ),
    accounts,
    _mostly([1, 2, 3], [9], 15),
    amounts,
    accounts,
    keys,
    _mostly([b"a", b"b", b"c", b"d", b"opening 1"], [b""], 20),
)


def _simple(kinds: list[int], account: Any, instrument: Any, value: Any, about: Any = None) -> st.SearchStrategy[Step]:
    """A command of a few plain fields; what is None is 0."""
    drawn = [st.just(0) if field is None else field for field in (account, instrument, value, about)]
    return st.tuples(st.just("simple"), st.sampled_from(kinds), *drawn)


withdrawal_steps = _simple(
    [CommandKind.APPROVE_WITHDRAWAL, CommandKind.SEND_WITHDRAWAL, CommandKind.REFUSE_WITHDRAWAL],
    None,
    None,
    None,
    _mostly([1, 2, 3], [0, 9], 10),
)
modes = _simple([CommandKind.SET_TRADING_MODE], None, instruments, _mostly([0, 1, 2, 3, 4, 5], [6, -1], 8))
freezes = _simple(
    [CommandKind.SET_ACCOUNT_FROZEN, CommandKind.KILL_ACCOUNT], accounts, None, _mostly([1, 0], [-1, 2], 8)
)
fees = _simple(
    [CommandKind.SET_ACCOUNT_FEES], accounts, _mostly([0, -1, 500], [100_001], 6), _mostly([-1, 0, 100_000], [-2], 6)
)
kill_switches = _simple([CommandKind.SET_VENUE_KILLED], None, None, _mostly([1, 0], [2], 8))
limits = _simple(
    [CommandKind.SET_LIMIT],
    None,
    None,
    _mostly([3, 8, 1, 0, 2, 5, 60 * SECOND_NS, HORIZON_NS], [-1], 15),
    st.sampled_from([*range(15), 8, 8, 9, 10, 10, 11, 11, 12, 12]),
)
names = st.tuples(
    st.just("name"),
    st.sampled_from(
        [CommandKind.ADD_ASSET, CommandKind.ADD_INSTRUMENT, CommandKind.CREATE_ACCOUNT, CommandKind.CREATE_KEY]
    ),
    _mostly([1, 2, 3], [9], 10),
    _mostly([1, 2, 3], [9], 10),
    st.sampled_from([10**7, 10**6, 1, 0, 2**63 - 1]),
    st.sampled_from([0, 3, 10, 8, 9, -1, 2**62]),
    _mostly([0, 1], [9], 10),
    _mostly([b"AAA", b"DDD", b"AAABBB", b"EEEFFF", b"%032x" % 1, b"key 1 7"], [b""], 20),
)
rarities = _simple(
    [CommandKind.REVOKE_KEY, CommandKind.ACTIVATE_RULES, CommandKind.REWRAP_SECRETS, 99, 127, 0, 31],
    accounts,
    None,
    st.integers(0, 2),
    st.integers(0, 5),
)
REFERENCES = [
    (InstrumentParameter.BID_LIMIT_UP_PPM, 1_000_000),
    (InstrumentParameter.BID_LIMIT_UP_PPM, 1_010_000),
    (InstrumentParameter.BID_LIMIT_DOWN_PPM, 995_000),
    (InstrumentParameter.ASK_LIMIT_UP_PPM, 1_005_000),
    (InstrumentParameter.ASK_LIMIT_DOWN_PPM, 990_000),
    (InstrumentParameter.ASK_LIMIT_DOWN_PPM, 10**9 + 1),
    (InstrumentParameter.REFERENCE_PRICE_TICKS, 100),
    (InstrumentParameter.REFERENCE_PRICE_TICKS, 101),
    (InstrumentParameter.REFERENCE_BUCKETS, 63),
    (InstrumentParameter.REFERENCE_BUCKETS, 2),
    (InstrumentParameter.REFERENCE_BUCKETS, 64),
    (InstrumentParameter.REFERENCE_BUCKET_MS, 7_000),
    (InstrumentParameter.REFERENCE_BUCKET_MS, 30_000),
    (InstrumentParameter.REFERENCE_BUCKET_MS, config.REFERENCE_BUCKET_MS_MAX),
]
# Filters that bite at the prices and quantities above, and values that are refused.
parameters = st.tuples(
    st.just("parameter"),
    instruments,
    st.sampled_from(
        [
            (InstrumentParameter.PRICE_TICKS_MIN, 99),
            (InstrumentParameter.PRICE_TICKS_MAX, 102),
            (InstrumentParameter.PRICE_TICKS_MAX, 0),
            (InstrumentParameter.QTY_LOTS_MIN, 3),
            (InstrumentParameter.QTY_LOTS_MAX, 5),
            (InstrumentParameter.QTY_LOTS_MAX, 4 * 10**9 + 1),
            (InstrumentParameter.MARKET_QTY_LOTS_MIN, 3),
            (InstrumentParameter.MARKET_QTY_LOTS_MAX, 6),
            (InstrumentParameter.NOTIONAL_MIN, 3_030),
            (InstrumentParameter.NOTIONAL_MAX, 5_000),
            (InstrumentParameter.NOTIONAL_MIN_APPLIES_TO_MARKET, 1),
            (InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET, 1),
            (InstrumentParameter.NOTIONAL_MAX_APPLIES_TO_MARKET, 2),
            (InstrumentParameter.BID_MULTIPLIER_UP_PPM, 1_010_000),
            (InstrumentParameter.BID_MULTIPLIER_DOWN_PPM, 990_000),
            (InstrumentParameter.ASK_MULTIPLIER_UP_PPM, 1_020_000),
            (InstrumentParameter.ASK_MULTIPLIER_DOWN_PPM, 1_000_000),
            (InstrumentParameter.BID_MULTIPLIER_UP_PPM, 10**9 + 1),
            (InstrumentParameter.ORDERS_MAX, 2),
            (InstrumentParameter.ALGO_ORDERS_MAX, 2),
            (InstrumentParameter.ALGO_ORDERS_MAX, 1),
            (InstrumentParameter.ORDER_LISTS_MAX, 1),
            (InstrumentParameter.ORDER_LISTS_MAX, 2),
            (InstrumentParameter.POSITION_MAX, 6_050),
            (InstrumentParameter.TRAILING_ABOVE_BIPS_MAX, 100),
            (InstrumentParameter.TRAILING_ABOVE_BIPS_MIN, 150),
            (InstrumentParameter.TRAILING_BELOW_BIPS_MAX, 150),
            (InstrumentParameter.TRAILING_BELOW_BIPS_MIN, 200),
            (InstrumentParameter.TRAILING_BELOW_BIPS_MAX, 10_000),
            (InstrumentParameter.MAKER_FEE_PPM, 100_000),
            (InstrumentParameter.TAKER_FEE_PPM, 100_001),
            (InstrumentParameter.ICEBERG_PARTS_MAX, 2),
            (InstrumentParameter.ICEBERG_PARTS_MAX, config.ICEBERG_PARTS_MAX + 1),
            (InstrumentParameter.ICEBERG_ORDERS_MAX, 1),
            (InstrumentParameter.ICEBERG_ORDERS_MAX, 2),
            (InstrumentParameter.ORDER_AMENDS_MAX, 1),
            (InstrumentParameter.ORDER_AMENDS_MAX, 2),
            (InstrumentParameter.ORDER_AMENDS_MAX, config.ORDER_AMENDS_MAX + 1),
            (InstrumentParameter.BAND_PPM, 10_000),
            (InstrumentParameter.BAND_PPM, 5_000),
            (InstrumentParameter.BAND_PPM, 0),
            (InstrumentParameter.BAND_PPM, 10**9 + 1),
            (InstrumentParameter.BAND_AUCTION_SECONDS, 1),
            (InstrumentParameter.BAND_AUCTION_SECONDS, config.STAGE_SECONDS_MAX + 1),
            (InstrumentParameter.NONE, 1),
            *REFERENCES,
            *REFERENCES,
            (31, 1),
        ]
    ),
)


def _weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of the strategies, each as often as its weight says; `one_of` would count their branches instead."""
    return st.sampled_from([one for weight, one in choices for _ in range(weight)]).flatmap(lambda one: one)


trading = _weighted(
    *((12, places), (1, odd_places), (3, cancels), (4, replaces), (4, amendments)),
    *((2, countdowns), (2, ticks), (4, lists), (3, stories), (1, list_cancels)),
)
settings = _weighted((2, modes), (1, freezes), (1, kill_switches), (5, limits), (9, parameters))
# A reference price by hand or as a mean, and a price range around it, while some trade.
ranges = st.tuples(
    st.just("range"),
    instruments,
    st.sampled_from([(0, 0, 100), (0, 0, 101), (2, 7_000, 0), (10, 1_000, 0), (63, 1, 0)]),
    st.lists(st.sampled_from([0, 980_000, 995_000, 1_000_000, 1_005_000, 1_020_000]), min_size=4, max_size=4),
    st.lists(trading, min_size=3, max_size=12),
)
interludes = st.tuples(
    st.just("interlude"),
    st.lists(settings, min_size=1, max_size=3),
    st.lists(trading, min_size=2, max_size=10),
    _mostly([True], [False], 15),  # Whether things are put right again.
)
operating = _weighted((2, cancel_alls), (4, money), (2, withdrawal_steps), (1, fees), (1, names), (1, rarities))
rarely = _weighted(
    *((1, ladders), (1, cascades), (4, auctions), (2, reopenings), (1, crowds)),
    *((3, trails), (2, icebergs), (2, pegging), (5, ranges)),
)
steps = st.tuples(times, _weighted((30, trading), (12, interludes), (6, operating), (17, rarely)))
