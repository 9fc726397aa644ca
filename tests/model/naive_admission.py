"""Whether the naive exchange lets an order or a cancel in; 0 is no objection. The checks stand in the rules' order."""

from dataclasses import replace

from holdfast.codes import (
    CancelRestriction,
    InstrumentParameter,
    KeyPermission,
    Limit,
    OrderStatus,
    OrderType,
    PegPriceType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command
from holdfast.config import (
    ICEBERG_PARTS_MAX,
    NOTIONAL_MAX,
    ORDER_AMENDS_MAX,
    PPM,
    PRICE_TICKS_MAX,
    TRAILING_DELTA_BIPS_MAX,
)
from tests.model.naive_client_ids import ClientIds
from tests.model.naive_state import STOPS, Instrument, Order

Page = tuple[int, str, int, int]  # Instrument, ladder, level of pages, number.

ALLOWED = {
    TradingMode.HALT: (),
    TradingMode.CANCEL_ONLY: (),
    TradingMode.POST_ONLY: (OrderType.LIMIT_MAKER,),
    TradingMode.LIMIT_ONLY: (OrderType.LIMIT_MAKER, OrderType.LIMIT),
    TradingMode.TRADING: (OrderType.LIMIT_MAKER, OrderType.LIMIT, OrderType.MARKET, *STOPS),
    TradingMode.AUCTION: (OrderType.LIMIT_MAKER, OrderType.LIMIT, *STOPS),
}


class Admission(ClientIds):
    # Who asks.

    def judge_asker(self, command: Command, permission: int) -> int:
        if command.deadline_ts_ns and command.clock_ts_ns > command.deadline_ts_ns:
            return RejectReason.DEADLINE_PASSED
        if command.account_id not in self.accounts:
            return RejectReason.ACCOUNT_UNKNOWN
        if command.key_id:
            key = self.keys.get(command.key_id)
            if key is None or key.is_revoked or key.account_id != command.account_id:
                return RejectReason.KEY_INVALID
            if not key.permissions & permission:
                return RejectReason.KEY_LACKS_PERMISSION
        return 0

    def judge_trader(self, command: Command) -> int:
        return self.judge_asker(command, KeyPermission.TRADE)

    def judge_instrument(self, command: Command) -> int:
        return 0 if command.instrument_id in self.instruments else RejectReason.INSTRUMENT_UNKNOWN

    def judge_cancel(self, command: Command) -> int:
        reason = self.judge_trader(command) or self.judge_instrument(command)
        if not reason and self.instruments[command.instrument_id].mode == TradingMode.HALT:
            return RejectReason.MODE_FORBIDS
        return reason

    def judge_target(self, command: Command) -> int:
        if not self.targets(command):
            return RejectReason.ORDER_UNKNOWN
        status = self.target(command).status
        restriction = command.cancel_restriction
        if restriction == CancelRestriction.ONLY_NEW and status != OrderStatus.NEW:
            return RejectReason.CANCEL_RESTRICTED
        if restriction == CancelRestriction.ONLY_PARTIALLY_FILLED and status != OrderStatus.PARTIALLY_FILLED:
            return RejectReason.CANCEL_RESTRICTED
        return 0

    def targets(self, command: Command) -> list[Order]:
        """The open order that the command names, if there is one that fits all that it says."""
        if not command.order_id and not command.target_client_id:
            return []
        orders = self.open_orders(command.account_id, command.instrument_id)
        if command.order_id:
            orders = [o for o in orders if o.order_id == command.order_id]
        if command.target_client_id:
            orders = [o for o in orders if o.client_id == command.target_client_id]
        return orders

    def target(self, command: Command) -> Order:
        (order,) = self.targets(command)
        return order

    # Whether the order may be made smaller.

    def judge_amendment(self, command: Command) -> int:
        if command.qty_lots <= 0 or not command.client_id:
            return RejectReason.MALFORMED
        if not self.targets(command):
            return RejectReason.ORDER_UNKNOWN
        order = self.target(command)
        reason = self.judge_moment(order) or self.judge_new_id(order, command)
        if not reason and self.is_unsized(order):
            return RejectReason.AMEND_PENDING_OPO
        reason = reason or self.judge_new_qty(order, command)
        partner = self.partner(order)
        return self.judge_new_qty(partner, command) if partner and not reason else reason

    def judge_moment(self, order: Order) -> int:
        if self.is_killed:
            return RejectReason.VENUE_KILLED
        if self.accounts[order.account_id].is_frozen:
            return RejectReason.ACCOUNT_FROZEN
        is_closing = self.instruments[order.instrument_id].mode == TradingMode.CANCEL_ONLY
        return RejectReason.MODE_FORBIDS if is_closing else 0

    def judge_new_id(self, order: Order, command: Command) -> int:
        if command.client_id == order.client_id:
            return 0
        if self.first_of(order.account_id, command.client_id):
            return RejectReason.DUPLICATE_CLIENT_ID
        is_full = sum(len(one.former_ids) for one in self.open) >= self.limits[Limit.CLIENT_IDS_MAX]
        return RejectReason.CLIENT_IDS_FULL if is_full else 0

    def judge_new_qty(self, order: Order, command: Command) -> int:
        qty = command.qty_lots
        if qty == order.qty_lots:
            return RejectReason.AMEND_CHANGES_NOTHING
        if qty > order.qty_lots:
            return RejectReason.AMEND_INCREASES
        if order.leaves_lots <= order.qty_lots - qty:
            return RejectReason.AMEND_LEAVES_NOTHING
        value = self.instruments[order.instrument_id].parameter
        which = InstrumentParameter
        if not value(which.QTY_LOTS_MIN) <= qty <= value(which.QTY_LOTS_MAX):
            return RejectReason.LOT_SIZE
        is_unpriced = order.peg_price_type and not order.price_ticks
        if not is_unpriced and not self.is_notional_right(replace(order, qty_lots=qty)):
            return RejectReason.NOTIONAL
        if order.amendments >= (value(which.ORDER_AMENDS_MAX) or ORDER_AMENDS_MAX):
            return RejectReason.MAX_NUM_ORDER_AMENDS
        return 0

    # Whether the order may be placed.

    def judge_order(self, order: Order) -> int:
        return (
            self.judge_form(order)
            or self.judge_client_id(order)
            or self.judge_permission(order)
            or self.judge_peg(order)
            or self.judge_filters(order)
            or self.judge_room(order)
            or self.judge_funds(order)
        )

    def judge_form(self, order: Order) -> int:
        qty, quote, price = order.qty_lots, order.quote_units, order.price_ticks or order.peg_price_type
        if order.order_type in (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
            is_right = price > 0 and qty > 0 and quote == 0
            is_right = is_right and order.time_in_force in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
        elif order.order_type == OrderType.LIMIT_MAKER:
            is_right = price > 0 and qty > 0 and quote == 0
            is_right = is_right and order.time_in_force in (TimeInForce.NONE, TimeInForce.GTC)
        elif order.order_type == OrderType.MARKET:
            has_one = (qty > 0 and quote == 0) or (qty == 0 and quote > 0)
            is_right = price == 0 and has_one and order.time_in_force == TimeInForce.NONE
        elif order.order_type in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
            is_right = price == 0 and qty > 0 and quote == 0 and order.time_in_force == TimeInForce.NONE
        else:
            is_right = False
        stop, delta = order.stop_price_ticks, order.trailing_delta_bips
        is_right = is_right and 0 <= stop <= PRICE_TICKS_MAX and 0 <= delta <= TRAILING_DELTA_BIPS_MAX
        is_right = is_right and order.is_stop == bool(stop or delta)
        is_right = is_right and (not order.iceberg_lots or self.may_be_iceberg(order))
        is_right = is_right and (not order.peg_price_type or self.may_be_pegged(order))
        is_right = is_right and order.side in (Side.BUY, Side.SELL)
        is_right = is_right and 0 <= order.self_trade_prevention <= SelfTradePrevention.DECREMENT
        return 0 if is_right and order.client_id else RejectReason.MALFORMED

    def may_be_iceberg(self, order: Order) -> bool:
        stays = order.time_in_force == TimeInForce.GTC or order.order_type == OrderType.LIMIT_MAKER
        return stays and 0 < order.iceberg_lots <= order.qty_lots

    def may_be_pegged(self, order: Order) -> bool:
        """What Binance's page on pegged orders allows."""
        if order.peg_price_type not in (PegPriceType.PRIMARY, PegPriceType.MARKET) or order.peg_offset_levels < 0:
            return False
        if order.order_type == OrderType.LIMIT_MAKER:
            return order.peg_price_type == PegPriceType.PRIMARY
        if order.order_type == OrderType.LIMIT:
            return order.peg_price_type == PegPriceType.MARKET or order.time_in_force == TimeInForce.GTC
        return not order.is_market

    def judge_client_id(self, order: Order) -> int:
        """A refusal names the first order."""
        first = self.first_of(order.account_id, order.client_id)
        if first is None:
            return 0
        order.order_id, order.status = first
        return RejectReason.DUPLICATE_CLIENT_ID

    def judge_permission(self, order: Order) -> int:
        if self.is_killed:
            return RejectReason.VENUE_KILLED
        if self.accounts[order.account_id].is_frozen:
            return RejectReason.ACCOUNT_FROZEN
        if order.order_type not in ALLOWED[TradingMode(self.instruments[order.instrument_id].mode)]:
            return RejectReason.MODE_FORBIDS
        is_in_auction = self.instruments[order.instrument_id].mode == TradingMode.AUCTION
        if is_in_auction and not order.is_stop and order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return RejectReason.MODE_FORBIDS
        return 0

    def judge_peg(self, order: Order) -> int:
        """A pegged order takes its price, unless it does so when its stop price is reached."""
        if not order.peg_price_type or order.is_stop:
            return 0
        order.price_ticks = self.peg_price(order)
        return 0 if order.price_ticks else RejectReason.NO_PEG_PRICE

    def peg_price(self, order: Order) -> int:
        """The price of the level that a pegged order is pegged to now; 0: there is none."""
        side = order.side
        if order.peg_price_type == PegPriceType.MARKET:
            side = Side.SELL if side == Side.BUY else Side.BUY
        prices = list(dict.fromkeys(one.price_ticks for one in self.queue(order.instrument_id, side)))
        return prices[order.peg_offset_levels] if order.peg_offset_levels < len(prices) else 0

    def judge_price(self, order: Order) -> int:
        value = self.instruments[order.instrument_id].parameter
        for each in (order.price_ticks, order.stop_price_ticks):
            low, high = value(InstrumentParameter.PRICE_TICKS_MIN), value(InstrumentParameter.PRICE_TICKS_MAX)
            if each and not low <= each <= high:
                return RejectReason.PRICE_FILTER
        return 0

    def judge_filters(self, order: Order) -> int:
        instrument = self.instruments[order.instrument_id]
        value = instrument.parameter
        is_market = order.is_market
        qty = order.qty_lots
        which = InstrumentParameter
        if reason := self.judge_price(order):
            return reason
        if qty and not value(which.QTY_LOTS_MIN) <= qty <= value(which.QTY_LOTS_MAX):
            return RejectReason.LOT_SIZE
        if is_market and qty and not self.is_between(instrument, which.MARKET_QTY_LOTS_MIN, qty):
            return RejectReason.MARKET_LOT_SIZE
        is_unpriced = order.peg_price_type and not order.price_ticks  # Until its stop price is reached.
        if not is_market and not is_unpriced and not self.is_price_near(order):
            return RejectReason.PERCENT_PRICE_BY_SIDE
        if not is_unpriced and not self.is_notional_right(order):
            return RejectReason.NOTIONAL
        orders = self.open_orders(order.account_id, order.instrument_id)
        if (order.is_stop or not is_market) and value(which.ORDERS_MAX) and len(orders) >= value(which.ORDERS_MAX):
            return RejectReason.MAX_NUM_ORDERS
        waiting = sum(one.is_waiting for one in orders)
        if order.is_stop and value(which.ALGO_ORDERS_MAX) and waiting >= value(which.ALGO_ORDERS_MAX):
            return RejectReason.MAX_NUM_ALGO_ORDERS
        if order.trailing_delta_bips and not self.is_delta_allowed(order):
            return RejectReason.TRAILING_DELTA
        if order.iceberg_lots and (reason := self.judge_iceberg(order)):
            return reason
        if order.side == Side.BUY and qty and value(which.POSITION_MAX):
            holding = self.holding(order.account_id, instrument.base)
            mine = self.open_orders(order.account_id, order.instrument_id)
            lots = qty + sum(o.leaves_lots for o in mine if o.side == Side.BUY)
            if holding.free + holding.locked + lots * instrument.lot_units > value(which.POSITION_MAX):
                return RejectReason.MAX_POSITION
        return self.judge_exchange_filters(order)

    def judge_exchange_filters(self, order: Order) -> int:
        """Of what the account has open in all markets together. An order that never rests counts for nothing."""
        mine = [one for one in self.open if one.account_id == order.account_id]
        orders_max, algo_orders_max = (
            self.limits[which] for which in (Limit.EXCHANGE_ORDERS_MAX, Limit.EXCHANGE_ALGO_ORDERS_MAX)
        )
        if order.is_market and not order.is_stop:
            return 0
        if orders_max and len(mine) >= orders_max:
            return RejectReason.EXCHANGE_MAX_NUM_ORDERS
        if order.is_stop and algo_orders_max and sum(one.is_waiting for one in mine) >= algo_orders_max:
            return RejectReason.EXCHANGE_MAX_NUM_ALGO_ORDERS
        return 0

    def is_delta_allowed(self, order: Order) -> bool:
        which = InstrumentParameter
        lowest, highest = which.TRAILING_BELOW_BIPS_MIN, which.TRAILING_BELOW_BIPS_MAX
        if order.waits_for_rise:
            lowest, highest = which.TRAILING_ABOVE_BIPS_MIN, which.TRAILING_ABOVE_BIPS_MAX
        value = self.instruments[order.instrument_id].parameter
        return value(lowest) <= order.trailing_delta_bips <= value(highest)

    def judge_iceberg(self, order: Order) -> int:
        value = self.instruments[order.instrument_id].parameter
        if order.iceberg_lots < value(InstrumentParameter.QTY_LOTS_MIN):
            return RejectReason.LOT_SIZE
        parts = -(-order.qty_lots // order.iceberg_lots)
        if parts > (value(InstrumentParameter.ICEBERG_PARTS_MAX) or ICEBERG_PARTS_MAX):
            return RejectReason.ICEBERG_PARTS
        icebergs = [one for one in self.open_orders(order.account_id, order.instrument_id) if one.iceberg_lots]
        most = value(InstrumentParameter.ICEBERG_ORDERS_MAX)
        if most and len(icebergs) >= most:
            return RejectReason.MAX_NUM_ICEBERG_ORDERS
        everywhere = [one for one in self.open if one.account_id == order.account_id and one.iceberg_lots]
        most = self.limits[Limit.EXCHANGE_ICEBERG_ORDERS_MAX]
        return RejectReason.EXCHANGE_MAX_NUM_ICEBERG_ORDERS if most and len(everywhere) >= most else 0

    def is_between(self, instrument: Instrument, minimum: InstrumentParameter, value: int) -> bool:
        """The maximum's parameter follows the minimum's; 0 is none."""
        maximum = instrument.parameter(InstrumentParameter(minimum + 1))
        return instrument.parameter(minimum) <= value and (maximum == 0 or value <= maximum)

    def is_price_near(self, order: Order) -> bool:
        instrument = self.instruments[order.instrument_id]
        middle = self.filter_price(instrument)
        which = InstrumentParameter
        up, down = which.BID_MULTIPLIER_UP_PPM, which.BID_MULTIPLIER_DOWN_PPM
        if order.side == Side.SELL:
            up, down = which.ASK_MULTIPLIER_UP_PPM, which.ASK_MULTIPLIER_DOWN_PPM
        highest, lowest = middle * instrument.parameter(up), middle * instrument.parameter(down)
        return not middle or (
            (highest == 0 or order.price_ticks * PPM <= highest) and (lowest == 0 or order.price_ticks * PPM >= lowest)
        )

    def is_notional_right(self, order: Order) -> bool:
        instrument = self.instruments[order.instrument_id]
        is_market = order.is_market
        if order.quote_units:
            notional = order.quote_units
        elif is_market:
            notional = self.filter_price(instrument) * order.qty_lots * instrument.unit
            if not notional:
                return True
        else:
            notional = order.price_ticks * order.qty_lots * instrument.unit
            if notional > NOTIONAL_MAX:
                return False
        which = InstrumentParameter
        minimum, maximum = instrument.parameter(which.NOTIONAL_MIN), instrument.parameter(which.NOTIONAL_MAX)
        if is_market and not instrument.parameter(which.NOTIONAL_MIN_APPLIES_TO_MARKET):
            minimum = 0
        if is_market and not instrument.parameter(which.NOTIONAL_MAX_APPLIES_TO_MARKET):
            maximum = 0
        return minimum <= notional and (maximum == 0 or notional <= maximum)

    def judge_room(self, order: Order) -> int:
        instrument = self.instruments[order.instrument_id]
        if len(self.open) >= self.limits[Limit.ORDERS_MAX]:
            return RejectReason.ORDERS_FULL
        missing = {(order.account_id, asset) for asset in (instrument.base, instrument.quote)} - set(self.holdings)
        if missing and len(self.holdings) + len(missing) > self.limits[Limit.BALANCES_MAX]:
            return RejectReason.BALANCES_FULL
        if order.price_ticks and self.may_rest(order) and not self.have_room(self.pages_of(order)):
            return RejectReason.PAGES_FULL
        if order.is_stop and not self.have_room(self.pages_while_waiting(order)):
            return RejectReason.PAGES_FULL
        if len(self.refused_ids) >= self.limits[Limit.CLIENT_IDS_MAX]:
            return RejectReason.CLIENT_IDS_FULL
        return 0

    def may_rest(self, order: Order) -> bool:
        return order.order_type == OrderType.LIMIT_MAKER or order.time_in_force == TimeInForce.GTC

    def have_room(self, pages: list[Page]) -> bool:
        in_use = self.pages_in_use()
        more = set(pages) - in_use
        return not more or len(in_use) + len(more) <= self.limits[Limit.PAGES_MAX]

    def pages_in_use(self) -> set[Page]:
        in_use: set[Page] = set()
        for one in self.open:
            if one.is_pending:
                in_use |= set(self.pages_while_pending(one))
            else:
                in_use |= set(self.pages_while_waiting(one) if one.is_waiting else self.pages_of(one))
        return in_use

    def pages_while_pending(self, order: Order) -> list[Page]:
        """They all wait at one place."""
        return [(order.instrument_id, "pending", bits, 0) for bits in (12, 24)]

    def pages_of(self, order: Order) -> list[Page]:
        """A price's page of 4,096 prices, and the page over 4,096 of those; bids count down from 2^30 - 1."""
        key = order.price_ticks if order.side == Side.SELL else 2**30 - 1 - order.price_ticks
        return [(order.instrument_id, Side(order.side).name, bits, key >> bits) for bits in (12, 24)]

    def pages_while_waiting(self, order: Order) -> list[Page]:
        """Those of stop prices; of falls they count down. Who trails has one of its delta."""
        if order.trailing_ts_ns or self.trails_at_once(order):
            return self.pages_of_trail(order)
        if order.trailing_delta_bips:
            key = order.stop_price_ticks if order.starts_on_rise else 2**30 - 1 - order.stop_price_ticks
            direction = "start on a rise" if order.starts_on_rise else "start on a fall"
            return [(order.instrument_id, direction, bits, key >> bits) for bits in (12, 24)]
        key = order.stop_price_ticks if order.waits_for_rise else 2**30 - 1 - order.stop_price_ticks
        direction = "rise" if order.waits_for_rise else "fall"
        return [(order.instrument_id, direction, bits, key >> bits) for bits in (12, 24)]

    def trails_at_once(self, order: Order) -> bool:
        """A new trailing stop without a stop price; in a market that never traded it waits for the first trade."""
        is_free = bool(order.trailing_delta_bips) and not order.stop_price_ticks
        return is_free and bool(self.instruments[order.instrument_id].last_price)

    def pages_of_trail(self, order: Order) -> list[Page]:
        direction = "trail until a rise" if order.side == Side.BUY else "trail until a fall"
        return [(order.instrument_id, direction, bits, order.trailing_delta_bips >> bits) for bits in (12, 24)]

    def judge_funds(self, order: Order) -> int:
        instrument = self.instruments[order.instrument_id]
        opposite = self.opposite(order)
        if order.order_type == OrderType.LIMIT_MAKER and opposite and self.crosses(order, opposite[0]):
            return RejectReason.WOULD_TAKE
        if order.stop_price_ticks and instrument.last_price and self.is_reached(order, [instrument.last_price]):
            return RejectReason.WOULD_TRIGGER
        pays_quote = order.side == Side.BUY
        asset = instrument.quote if pays_quote else instrument.base
        is_covered = self.cost(order) <= self.holding(order.account_id, asset).free
        return 0 if is_covered else RejectReason.INSUFFICIENT_BALANCE

    def is_reached(self, order: Order, prices: list[int]) -> bool:
        """Whether one of the prices is the stop price or beyond it."""
        if order.waits_for_rise:
            return max(prices) >= order.stop_price_ticks
        return min(prices) <= order.stop_price_ticks

    def cost(self, order: Order) -> int:
        """What the order needs of the asset that it pays with, in that asset's units."""
        instrument = self.instruments[order.instrument_id]
        if order.side == Side.BUY and order.is_stop and order.is_market:
            return 0
        if order.side == Side.BUY and not order.is_market:
            return order.price_ticks * order.qty_lots * instrument.unit
        if order.side == Side.BUY and order.quote_units:
            return order.quote_units
        if order.side == Side.SELL and order.qty_lots:
            return order.qty_lots * instrument.lot_units
        lots, units = 0, 0
        for maker in self.opposite(order):
            price = maker.price_ticks * instrument.unit
            if order.side == Side.BUY:
                taken = min(maker.leaves_lots, order.qty_lots - lots)
            else:
                taken = min(maker.leaves_lots, (order.quote_units - units) // price)
            lots += taken
            units += taken * price
            if taken < maker.leaves_lots:
                break
        return units if order.side == Side.BUY else lots * instrument.lot_units

    def opposite(self, order: Order) -> list[Order]:
        return self.queue(order.instrument_id, Side.SELL if order.side == Side.BUY else Side.BUY)

    def crosses(self, order: Order, maker: Order) -> bool:
        if order.is_market:
            return True
        if order.side == Side.BUY:
            return order.price_ticks >= maker.price_ticks
        return order.price_ticks <= maker.price_ticks
