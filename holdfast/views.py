"""What readers are shown: one shape for an order whether it comes from the engine, an event or the history.

Gateways format these; nothing here knows where they came from.
"""

from typing import NamedTuple

from holdfast.codes import OrderEventKind
from holdfast.events import OrderEvent, OrderListEvent


class Order(NamedTuple):
    """An order as it stands. Prices in ticks, quantities in lots, quote amounts in units of the quote asset."""

    order_id: int
    client_id: str
    account_id: int
    instrument_id: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    status: int
    is_working: int
    price_ticks: int
    qty_lots: int
    executed_lots: int
    executed_quote_units: int
    quote_units: int
    prevented_lots: int
    created_ts_ns: int
    updated_ts_ns: int
    updated_seq: int
    stop_price_ticks: int  # 0: none.
    working_ts_ns: int  # When the stop price was reached, or an order of a list placed; 0: not yet, or neither.
    order_list_id: int  # 0: in none.
    iceberg_lots: int  # How much is shown at a time; 0: all of it.
    trailing_delta_bips: int  # 0: none.
    trailing_ts_ns: int  # When it began to follow the price; 0: not yet, or it does not.
    peg_price_type: int  # PegPriceType
    peg_offset_levels: int
    expiry_reason: int = 0  # ExpiryReason; 0: it did not expire.

    @classmethod
    def from_event(cls, event: OrderEvent) -> "Order":
        """The order as the event left it."""
        return cls(
            event.order_id,
            event.client_id.decode("ascii"),
            event.account_id,
            event.instrument_id,
            event.side,
            event.order_type,
            event.time_in_force,
            event.self_trade_prevention,
            event.status,
            event.is_working,
            event.price_ticks,
            event.qty_lots,
            event.executed_lots,
            event.executed_quote_units,
            event.quote_units,
            event.prevented_lots,
            event.created_ts_ns,
            event.ts_ns,
            event.seq,
            event.stop_price_ticks,
            event.working_ts_ns,
            event.order_list_id,
            event.iceberg_lots,
            event.trailing_delta_bips,
            event.trailing_ts_ns,
            event.peg_price_type,
            event.peg_offset_levels,
            event.reason if event.kind == OrderEventKind.ORDER_EXPIRED else 0,
        )


class OrderList(NamedTuple):
    """An order list as it stands, with its orders as `OrderListKind` lists them; what is not there is 0 and empty."""

    order_list_id: int
    client_id: str
    account_id: int
    instrument_id: int
    contingency: int  # ContingencyType
    list_status_type: int  # ListStatusType
    list_order_status: int  # ListOrderStatus
    leg_count: int
    order_id_1: int
    order_id_2: int
    order_id_3: int
    client_id_1: str
    client_id_2: str
    client_id_3: str
    created_ts_ns: int
    updated_ts_ns: int
    updated_seq: int

    @classmethod
    def from_event(cls, event: OrderListEvent) -> "OrderList":
        """The list as the event left it."""
        return cls(
            event.order_list_id,
            event.client_id.decode("ascii"),
            event.account_id,
            event.instrument_id,
            event.contingency,
            event.list_status_type,
            event.list_order_status,
            event.leg_count,
            event.order_id_1,
            event.order_id_2,
            event.order_id_3,
            event.client_id_1.decode("ascii"),
            event.client_id_2.decode("ascii"),
            event.client_id_3.decode("ascii"),
            event.created_ts_ns,
            event.ts_ns,
            event.seq,
        )


class Fill(NamedTuple):
    """One side of a trade, as its account sees it."""

    trade_id: int
    aggregate_trade_id: int
    instrument_id: int
    account_id: int
    order_id: int
    counter_order_id: int
    side: int
    is_maker: int
    price_ticks: int
    lots: int
    quote_units: int
    fee_units: int
    fee_is_base: int
    ts_ns: int
    seq: int
    order_list_id: int  # 0: in none.

    @classmethod
    def from_event(cls, event: OrderEvent) -> "Fill":
        """The fill of a TRADE event."""
        return cls(
            event.trade_id,
            event.aggregate_trade_id,
            event.instrument_id,
            event.account_id,
            event.order_id,
            event.counter_order_id,
            event.side,
            event.is_maker,
            event.last_price_ticks,
            event.last_lots,
            event.last_quote_units,
            event.fee_units,
            event.fee_is_base,
            event.ts_ns,
            event.seq,
            event.order_list_id,
        )


class Amendment(NamedTuple):
    """An order was made smaller, and may have been given another client id."""

    execution_id: int  # The number of its event within the account.
    order_id: int
    account_id: int
    instrument_id: int
    former_client_id: str
    client_id: str
    former_qty_lots: int
    qty_lots: int
    ts_ns: int
    seq: int


class PreventedMatch(NamedTuple):
    """Two orders of one account that were kept from trading, and how much of either was taken away."""

    prevented_match_id: int
    instrument_id: int
    account_id: int
    taker_order_id: int
    maker_order_id: int
    self_trade_prevention: int  # The taker's, which decides.
    price_ticks: int
    taker_lots: int
    maker_lots: int
    ts_ns: int
    seq: int


class Balance(NamedTuple):
    """An account's holding of one asset, in the asset's units."""

    asset_id: int
    free: int
    locked: int
    in_transit: int


class Account(NamedTuple):
    account_id: int
    parent_id: int
    is_frozen: bool
    maker_fee_ppm: int  # -1: as the instrument says
    taker_fee_ppm: int
    created_ts_ns: int
    event_number: int


class Withdrawal(NamedTuple):
    withdrawal_id: int
    account_id: int
    asset_id: int
    amount: int
    status: int
    reference: str
    requested_ts_ns: int
    updated_ts_ns: int


class AssetTotals(NamedTuple):
    """Double entry: deposited - withdrawn = holdings + fees, where holdings include what is in transit."""

    asset_id: int
    deposited: int
    withdrawn: int
    holdings: int
    in_transit: int
    fees: int


class Auction(NamedTuple):
    """What an auction would come to if it ended now."""

    price_ticks: int  # 0: nothing would trade.
    lots: int
    surplus_lots: int  # Wanted at that price and not served: positive of buyers, negative of sellers.
