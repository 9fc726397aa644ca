"""The naive exchange's state: dicts, lists and whole objects; and how it tells what happened.

Nothing is kept twice here and nothing is indexed: best prices, sums and counts are looked for each time they are asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from holdfast import config
from holdfast.codes import InstrumentParameter, Limit, OrderStatus, OrderType, Side, TradingMode
from holdfast.commands import Command
from holdfast.events import BalanceEvent, BookEvent, ControlEvent, OrderEvent, OrderListEvent
from holdfast.views import AssetTotals, Balance
from holdfast.views import Order as OrderView

Event = OrderEvent | BalanceEvent | BookEvent | ControlEvent | OrderListEvent
LIVE = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)
STOPS = (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
MINUTE_NS = 60 * 10**9


@dataclass
class Asset:
    code: bytes
    decimals: int
    deposited: int = 0
    withdrawn: int = 0
    fees: int = 0


@dataclass
class Instrument:
    symbol: bytes
    base: int
    quote: int
    lot_units: int
    unit: int  # Quote units that one lot costs at one tick.
    parameters: dict[int, int]
    mode: int = TradingMode.HALT
    trades: int = 0
    aggregates: int = 0
    updates: int = 0
    prevented: int = 0  # Matches.
    last_price: int = 0
    stages: list[tuple[int, int]] = field(default_factory=list)  # Modes to come, and how long each is to last.
    next_mode_ts_ns: int = 0  # When the first of them is due; 0: there is none.
    referred: dict[int, list[int]] = field(default_factory=dict)  # Bucket -> [trades, prices], both x 10,000.
    traded: dict[int, list[int]] = field(default_factory=dict)  # Minute -> [lots, ticks x lots].

    def parameter(self, which: InstrumentParameter) -> int:
        return self.parameters.get(which, 0)


@dataclass
class Account:
    parent_id: int
    maker_fee_ppm: int = -1
    taker_fee_ppm: int = -1
    is_frozen: int = 0
    events: int = 0
    instruments: list[int] = field(default_factory=list)  # In the order of the first accepted order there.


@dataclass
class Key:
    account_id: int
    permissions: int
    is_revoked: bool = False


@dataclass
class Holding:
    free: int = 0
    locked: int = 0
    in_transit: int = 0


@dataclass(eq=False)
class Order:
    account_id: int
    instrument_id: int
    key_id: int = 0
    client_id: bytes = b""
    order_id: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    self_trade_prevention: int = 0
    price_ticks: int = 0
    qty_lots: int = 0
    quote_units: int = 0
    created_ts_ns: int = 0
    status: int = 0
    executed_lots: int = 0
    executed_quote_units: int = 0
    prevented_lots: int = 0
    remaining_units: int = 0  # MARKET by quote quantity: what is left to spend or to get.
    former_ids: list[bytes] = field(default_factory=list)  # Those it had before it was amended, oldest first.
    amendments: int = 0
    updated_ts_ns: int = 0
    updated_seq: int = 0
    stop_price_ticks: int = 0
    working_ts_ns: int = 0  # When the stop price was reached.
    order_list_id: int = 0
    iceberg_lots: int = 0
    trailing_delta_bips: int = 0
    trailing_ts_ns: int = 0  # When it began to follow the price.
    trail_number: int = 0  # In the order of that.
    best_price: int = 0  # Since then.
    is_called: bool = False  # The price is as far back from there as it takes.
    peg_price_type: int = 0
    peg_offset_levels: int = 0
    part_lots: int = 0  # Of an iceberg on the book: how much of its present part is still there.
    place: int = 0  # In the queue at its price: the lowest is the oldest.

    @property
    def shown_lots(self) -> int:
        return min(self.part_lots, self.leaves_lots) if self.iceberg_lots else self.leaves_lots

    @property
    def leaves_lots(self) -> int:
        return self.qty_lots - self.executed_lots - self.prevented_lots

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_pending(self) -> bool:
        """Not placed before another order is filled."""
        return self.status == OrderStatus.PENDING_NEW

    @property
    def is_hidden(self) -> bool:
        return self.is_waiting or self.is_pending

    @property
    def is_market(self) -> bool:
        return self.order_type in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)

    @property
    def is_stop(self) -> bool:
        return self.order_type in STOPS

    @property
    def is_waiting(self) -> bool:
        return self.is_stop and not self.working_ts_ns

    @property
    def waits_for_rise(self) -> bool:
        if self.side == Side.BUY:
            return self.order_type in (OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT)
        return self.order_type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)

    @property
    def on_book_since_ts_ns(self) -> int:
        return self.working_ts_ns or self.created_ts_ns

    @property
    def starts_on_rise(self) -> bool:
        """Without a stop price, any price will do."""
        return self.waits_for_rise or not self.stop_price_ticks

    @property
    def is_working(self) -> bool:
        return self.is_live and not self.is_market and not self.is_waiting


@dataclass
class RememberedId:
    """The client id of an order that was closed, or refused."""

    account_id: int
    client_id: bytes
    order_id: int
    status: int
    ts_ns: int  # Of the closing; of a refused order its command's deadline.
    is_forgotten: bool = False


@dataclass
class Withdrawal:
    account_id: int
    asset_id: int
    amount: int
    status: int


class State:
    """Everything there is, and the events of the command in hand in the order of their index."""

    def __init__(self) -> None:
        self.command = Command()
        self.events: list[Event] = []
        self.assets: dict[int, Asset] = {}
        self.instruments: dict[int, Instrument] = {}
        self.accounts: dict[int, Account] = {}
        self.keys: dict[int, Key] = {}
        self.holdings: dict[tuple[int, int], Holding] = {}  # (account, asset), in the order of first use.
        self.withdrawals: dict[int, Withdrawal] = {}
        self.open: list[Order] = []  # On the books or waiting for their stop price, in the order of coming there.
        self.traded_prices: list[int] = []  # Of the command in hand.
        self.orders = 0  # The last order id.
        self.trails = 0  # How many orders ever began to follow the price.
        self.places = 0  # The last place in a queue.
        self.closed_ids: list[RememberedId] = []  # In the order of closing.
        self.refused_ids: list[RememberedId] = []
        self.operator_keys: dict[tuple[int, int, bytes], tuple[tuple[int, ...], int, int, int]] = {}
        self.is_killed = 0
        self.limits = {
            Limit.ORDERS_MAX: config.ORDERS_MAX,
            Limit.CLIENT_IDS_MAX: config.CLIENT_IDS_MAX,
            Limit.CLIENT_ID_HORIZON_NS: config.CLIENT_ID_HORIZON_NS,
            Limit.PAGES_MAX: config.PAGES_MAX,
            Limit.OPERATOR_KEYS_MAX: config.OPERATOR_KEYS_MAX,
            Limit.BALANCES_MAX: config.BALANCES_MAX,
            Limit.ACCOUNTS_MAX: config.ACCOUNTS_MAX,
            Limit.EXCHANGE_ORDERS_MAX: 0,
            Limit.EXCHANGE_ALGO_ORDERS_MAX: 0,
            Limit.EXCHANGE_ICEBERG_ORDERS_MAX: 0,
            Limit.EXCHANGE_ORDER_LISTS_MAX: 0,
            Limit.COUNTDOWNS_MAX: config.COUNTDOWNS_MAX,
            Limit.ORDER_LISTS_MAX: config.ORDER_LISTS_MAX,
        }
        self.leg_commands: list[Command] = []
        self.lists: list[Any] = []  # Open order lists, in the order of being placed.
        self.list_count = 0
        self.due: list[Any] = []  # Those whose pending orders are to be placed.

    # What is asked of the state.

    def holding(self, account_id: int, asset_id: int) -> Holding:
        """The holding; an empty one that is not kept where there is none."""
        return self.holdings.get((account_id, asset_id), Holding())

    def make_holding(self, account_id: int, asset_id: int) -> Holding:
        return self.holdings.setdefault((account_id, asset_id), Holding())

    def open_orders(self, account_id: int, instrument_id: int) -> list[Order]:
        """Oldest first."""
        return [o for o in self.open if o.account_id == account_id and o.instrument_id == instrument_id]

    def queue(self, instrument_id: int, side: int) -> list[Order]:
        """One side of a book: best price first, at the same price the oldest first, and of icebergs their parts."""
        here = [o for o in self.open if o.instrument_id == instrument_id and o.side == side and not o.is_hidden]
        return sorted(here, key=lambda o: (o.price_ticks if side == Side.SELL else -o.price_ticks, o.place))

    def level_lots(self, instrument_id: int, side: int, price_ticks: int) -> int:
        return sum(o.shown_lots for o in self.queue(instrument_id, side) if o.price_ticks == price_ticks)

    def average_price(self, instrument: Instrument) -> int:
        now = self.command.ts_ns // MINUTE_NS
        recent = [bucket for minute, bucket in instrument.traded.items() if minute > now - 5]
        lots = sum(bucket[0] for bucket in recent)
        return sum(bucket[1] for bucket in recent) // lots if lots else instrument.last_price

    def reference_price(self, instrument: Instrument) -> int:
        """By hand, or the mean of the trades' prices in the window that ends now; 0: none."""
        which = InstrumentParameter
        width_ns = instrument.parameter(which.REFERENCE_BUCKET_MS) * 10**6
        if by_hand := instrument.parameter(which.REFERENCE_PRICE_TICKS):
            return by_hand
        begin = self.command.ts_ns - instrument.parameter(which.REFERENCE_BUCKETS) * width_ns
        trades = prices = 0
        for number, (count, total) in instrument.referred.items():
            if (number + 1) * width_ns > begin:
                expired = max(0, begin - number * width_ns) * 10_000 // width_ns
                trades += count - count * expired // 10_000
                prices += total - total * expired // 10_000
        return prices // trades if trades else 0

    def filter_price(self, instrument: Instrument) -> int:
        return self.reference_price(instrument) or self.average_price(instrument)

    # What happened.

    def tell_order(self, order: Order, kind: int, reason: int = 0, **more: int) -> None:
        event = OrderEvent(
            **self._stamp(),
            account_id=order.account_id,
            instrument_id=order.instrument_id,
            kind=int(kind),
            reason=int(reason),
            status=int(order.status),
            side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            self_trade_prevention=order.self_trade_prevention,
            is_maker=0,
            is_working=int(order.is_working),
            fee_is_base=0,
            trailing_delta_bips=order.trailing_delta_bips,
            account_event=self._next_account_event(order.account_id),
            order_id=order.order_id,
            price_ticks=order.price_ticks,
            qty_lots=order.qty_lots,
            executed_lots=order.executed_lots,
            executed_quote_units=order.executed_quote_units,
            quote_units=order.quote_units,
            prevented_lots=order.prevented_lots,
            last_lots=0,
            last_price_ticks=0,
            last_quote_units=0,
            fee_units=0,
            trade_id=0,
            aggregate_trade_id=0,
            counter_order_id=0,
            created_ts_ns=order.created_ts_ns,
            stop_price_ticks=order.stop_price_ticks,
            working_ts_ns=order.working_ts_ns,
            order_list_id=order.order_list_id,
            iceberg_lots=order.iceberg_lots,
            trailing_ts_ns=order.trailing_ts_ns,
            peg_price_type=order.peg_price_type,
            peg_offset_levels=order.peg_offset_levels,
            client_id=order.client_id,
            key_id=order.key_id,
        )
        self.events.append(event._replace(**more))  # type: ignore[arg-type]  # Only numbers are more.

    def tell_balance(self, account_id: int, asset_id: int, change: int) -> None:
        holding = self.holdings[account_id, asset_id]
        self.events.append(
            BalanceEvent(
                **self._stamp(),
                account_id=account_id,
                asset_id=asset_id,
                cause=self.command.kind,
                account_event=self._next_account_event(account_id),
                free=holding.free,
                locked=holding.locked,
                in_transit=holding.in_transit,
                change=change,
            )
        )

    def tell_level(self, instrument_id: int, side: int, price_ticks: int) -> None:
        instrument = self.instruments[instrument_id]
        instrument.updates += 1
        lots = self.level_lots(instrument_id, side, price_ticks)
        stamp = self._stamp()
        self.events.append(
            BookEvent(
                **stamp,
                instrument_id=instrument_id,
                update_id=instrument.updates,
                price_ticks=price_ticks,
                lots=lots,
                side=side,
            )
        )

    def tell_control(self, kind: int, reason: int = 0, made: int = 0, value: int = 0, **about: int) -> None:
        """`about` overrides what the command itself says that it is about."""
        event = ControlEvent(
            **self._stamp(),
            kind=int(kind),
            command_kind=self.command.kind,
            reason=int(reason),
            account_id=self.command.account_id,
            asset_id=0,
            instrument_id=self.command.instrument_id,
            key_id=self.command.key_id,
            id=made,
            value=value,
            first_seq=0,
        )
        self.events.append(event._replace(**about))

    @contextmanager
    def acting(self, account_id: int, instrument_id: int) -> Iterator[None]:
        """One step of an account in a market: at its end it is told those of its two balances that changed."""
        instrument = self.instruments[instrument_id]
        before = {asset: self.holding(account_id, asset) for asset in (instrument.base, instrument.quote)}
        before = {asset: Holding(holding.free, holding.locked) for asset, holding in before.items()}
        yield
        for asset, was in before.items():
            now = self.holding(account_id, asset)
            if (now.free, now.locked) != (was.free, was.locked):
                self.tell_balance(account_id, asset, now.free + now.locked - was.free - was.locked)

    def _stamp(self) -> dict[str, int]:
        return {"seq": self.command.seq, "ts_ns": self.command.ts_ns, "index": len(self.events)}

    def _next_account_event(self, account_id: int) -> int:
        if account_id not in self.accounts:
            return 0
        self.accounts[account_id].events += 1
        return self.accounts[account_id].events

    # What is compared with the engine's reads.

    def balances(self, account_id: int) -> list[Balance]:
        return [
            Balance(asset, holding.free, holding.locked, holding.in_transit)
            for (account, asset), holding in self.holdings.items()
            if account == account_id
        ]

    def totals(self) -> list[AssetTotals]:
        return [self._total(asset_id, asset) for asset_id, asset in self.assets.items()]

    def _total(self, asset_id: int, asset: Asset) -> AssetTotals:
        held = [holding for (_, of), holding in self.holdings.items() if of == asset_id]
        in_transit = sum(one.in_transit for one in held)
        holdings = sum(one.free + one.locked for one in held) + in_transit
        return AssetTotals(asset_id, asset.deposited, asset.withdrawn, holdings, in_transit, asset.fees)

    def book(self, instrument_id: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]], int]:
        sides = []
        for side in (Side.BUY, Side.SELL):
            prices = dict.fromkeys(o.price_ticks for o in self.queue(instrument_id, side))
            sides.append([(price, self.level_lots(instrument_id, side, price)) for price in prices])
        return sides[0], sides[1], self.instruments[instrument_id].updates

    def open_views(self, account_id: int) -> list[OrderView]:
        return [
            OrderView(
                order_id=o.order_id,
                client_id=o.client_id.decode(),
                account_id=o.account_id,
                instrument_id=o.instrument_id,
                side=o.side,
                order_type=o.order_type,
                time_in_force=o.time_in_force,
                self_trade_prevention=o.self_trade_prevention,
                status=int(o.status),
                is_working=int(o.is_working),
                price_ticks=o.price_ticks,
                qty_lots=o.qty_lots,
                executed_lots=o.executed_lots,
                executed_quote_units=o.executed_quote_units,
                quote_units=o.quote_units,
                prevented_lots=o.prevented_lots,
                created_ts_ns=o.created_ts_ns,
                updated_ts_ns=o.updated_ts_ns,
                updated_seq=o.updated_seq,
                stop_price_ticks=o.stop_price_ticks,
                working_ts_ns=o.working_ts_ns,
                order_list_id=o.order_list_id,
                iceberg_lots=o.iceberg_lots,
                trailing_delta_bips=o.trailing_delta_bips,
                trailing_ts_ns=o.trailing_ts_ns,
                peg_price_type=o.peg_price_type,
                peg_offset_levels=o.peg_offset_levels,
                expiry_reason=0,
            )
            for o in sorted(self.open, key=lambda o: o.order_id)
            if o.account_id == account_id
        ]
