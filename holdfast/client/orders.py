"""Commands as a client writes them: decimal text in, the line's records out.

your values → ORDERS → records → core → venue

Prices and quantities are decimal text ("41250.5"), Decimals or whole numbers; never floats, which are not exact. Each
function raises ValueError where a value is not a number, or not a whole number of ticks or lots.
"""

import secrets
from decimal import Decimal

from holdfast.codes import (
    CancelRestriction,
    CommandFlag,
    CommandKind,
    OrderType,
    PegPriceType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from holdfast.commands import Command, encode
from holdfast.instruments import SHOWN_DECIMALS, Instrument, parse_decimal

Number = str | Decimal | int
_PEG_FLAGS = {
    PegPriceType.NONE: 0,
    PegPriceType.PRIMARY: CommandFlag.PEG_PRIMARY,
    PegPriceType.MARKET: CommandFlag.PEG_MARKET,
}
_NEED_TIME_IN_FORCE = (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


def new_client_id() -> str:
    """A unique id of 22 characters."""
    return secrets.token_urlsafe(16)


def new_order(
    instrument: Instrument,
    side: Side,
    quantity: Number | None = None,
    price: Number | None = None,
    *,
    quote_quantity: Number | None = None,
    order_type: OrderType | None = None,
    time_in_force: TimeInForce | None = None,
    client_id: str = "",
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    stop_price: Number | None = None,
    trailing_delta_bips: int = 0,
    iceberg_quantity: Number | None = None,
    peg: PegPriceType = PegPriceType.NONE,
    peg_offset_levels: int = 0,
    deadline_ts_ns: int = 0,
) -> bytes:
    """A new order: LIMIT with a price or a peg, MARKET without, unless `order_type` says another. Those that wait need
    a `stop_price`, a `trailing_delta_bips` (ten-thousandths), or both.

    With an `iceberg_quantity` the book shows so much of it at a time. A `peg` takes the price from the book instead of
    `price`: that of the best level of its own side (PRIMARY) or of the other (MARKET), or so many levels from it.

    `deadline_ts_ns`, since 1970: the venue refuses the order when it has not been decided by then; 0: 10 s.
    """
    return encode(
        _order(
            instrument, side, quantity, price, quote_quantity, order_type, time_in_force, client_id,
            self_trade_prevention, stop_price, trailing_delta_bips, iceberg_quantity, peg, peg_offset_levels,
            deadline_ts_ns,
        )
    )  # fmt: skip


def cancel_order(
    instrument: Instrument,
    order_id: int = 0,
    target_client_id: str = "",
    *,
    client_id: str = "",
    restriction: CancelRestriction = CancelRestriction.NONE,
    deadline_ts_ns: int = 0,
) -> bytes:
    """Cancel an open order, named by its id, its client id, or both; `client_id` is the cancel's own."""
    return encode(
        Command(
            kind=CommandKind.CANCEL_ORDER,
            instrument_id=instrument.instrument_id,
            order_id=order_id,
            target_client_id=target_client_id.encode("ascii"),
            client_id=(client_id or new_client_id()).encode("ascii"),
            cancel_restriction=restriction,
            deadline_ts_ns=deadline_ts_ns,
        )
    )


def replace_order(
    instrument: Instrument,
    side: Side,
    quantity: Number | None = None,
    price: Number | None = None,
    *,
    order_id: int = 0,
    target_client_id: str = "",
    even_if_cancel_fails: bool = False,
    restriction: CancelRestriction = CancelRestriction.NONE,
    quote_quantity: Number | None = None,
    order_type: OrderType | None = None,
    time_in_force: TimeInForce | None = None,
    client_id: str = "",
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.NONE,
    stop_price: Number | None = None,
    trailing_delta_bips: int = 0,
    iceberg_quantity: Number | None = None,
    peg: PegPriceType = PegPriceType.NONE,
    peg_offset_levels: int = 0,
    deadline_ts_ns: int = 0,
) -> bytes:
    """Cancel an order as `cancel_order` and place another as `new_order`, in one step."""
    order = _order(
        instrument, side, quantity, price, quote_quantity, order_type, time_in_force, client_id,
        self_trade_prevention, stop_price, trailing_delta_bips, iceberg_quantity, peg, peg_offset_levels,
        deadline_ts_ns,
    )  # fmt: skip
    return encode(
        order._replace(
            kind=CommandKind.REPLACE_ORDER,
            order_id=order_id,
            target_client_id=target_client_id.encode("ascii"),
            cancel_restriction=restriction,
            flags=order.flags | (CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS if even_if_cancel_fails else 0),
        )
    )


def amend_order(
    instrument: Instrument,
    quantity: Number,
    order_id: int = 0,
    target_client_id: str = "",
    *,
    client_id: str = "",
    deadline_ts_ns: int = 0,
) -> bytes:
    """Make an open order smaller, to `quantity` in all; it keeps its place in the queue. `client_id` is the order's
    from now on."""
    return encode(
        Command(
            kind=CommandKind.AMEND_ORDER,
            instrument_id=instrument.instrument_id,
            qty_lots=_lots(instrument, quantity),
            order_id=order_id,
            target_client_id=target_client_id.encode("ascii"),
            client_id=(client_id or new_client_id()).encode("ascii"),
            deadline_ts_ns=deadline_ts_ns,
        )
    )


def cancel_all(instrument: Instrument | None = None, *, client_id: str = "", deadline_ts_ns: int = 0) -> bytes:
    """Cancel all open orders of the account, in one instrument or in all."""
    return encode(
        Command(
            kind=CommandKind.CANCEL_ALL,
            instrument_id=0 if instrument is None else instrument.instrument_id,
            client_id=(client_id or new_client_id()).encode("ascii"),
            deadline_ts_ns=deadline_ts_ns,
        )
    )


def set_countdown(
    countdown_ms: int, instrument: Instrument | None = None, *, client_id: str = "", deadline_ts_ns: int = 0
) -> bytes:
    """Set the dead man's timer of the account, in one instrument or in all, which are timers of their own: all open
    orders there are canceled unless it is set again within so many milliseconds (to 7 days). 0 stops it."""
    return encode(
        Command(
            kind=CommandKind.SET_COUNTDOWN,
            instrument_id=0 if instrument is None else instrument.instrument_id,
            qty_lots=countdown_ms,
            client_id=(client_id or new_client_id()).encode("ascii"),
            deadline_ts_ns=deadline_ts_ns,
        )
    )


def _order(
    instrument: Instrument,
    side: Side,
    quantity: Number | None,
    price: Number | None,
    quote_quantity: Number | None,
    order_type: OrderType | None,
    time_in_force: TimeInForce | None,
    client_id: str,
    self_trade_prevention: SelfTradePrevention,
    stop_price: Number | None,
    trailing_delta_bips: int,
    iceberg_quantity: Number | None,
    peg: PegPriceType,
    peg_offset_levels: int,
    deadline_ts_ns: int,
) -> Command:
    if order_type is None:
        order_type = OrderType.MARKET if price is None and not peg else OrderType.LIMIT
    if time_in_force is None:
        time_in_force = TimeInForce.GTC if order_type in _NEED_TIME_IN_FORCE else TimeInForce.NONE
    if peg and price is not None:
        raise ValueError("A pegged order takes its price from the book and has none of its own.")
    price_ticks = _ticks(instrument, price) if price is not None else peg_offset_levels
    iceberg_lots = _lots(instrument, iceberg_quantity) if iceberg_quantity is not None else 0
    stop_price_ticks = _ticks(instrument, stop_price) if stop_price is not None else 0
    qty_lots = _lots(instrument, quantity) if quantity is not None else 0
    quote_units = parse_decimal(str(quote_quantity), instrument.quote.decimals) if quote_quantity is not None else 0
    return Command(
        kind=CommandKind.PLACE_ORDER,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        self_trade_prevention=self_trade_prevention,
        instrument_id=instrument.instrument_id,
        price_ticks=price_ticks,
        qty_lots=qty_lots,
        quote_units=quote_units,
        client_id=(client_id or new_client_id()).encode("ascii"),
        deadline_ts_ns=deadline_ts_ns,
        stop_price_ticks=stop_price_ticks,
        trailing_delta_bips=trailing_delta_bips,
        iceberg_lots=iceberg_lots,
        flags=_PEG_FLAGS[peg],
    )


def _ticks(instrument: Instrument, price: Number) -> int:
    ticks = instrument.price_ticks(_e8(price))
    if ticks is None:
        raise ValueError(f"{price} is not a whole number of ticks of {instrument.format_price(1)}.")
    return ticks


def _lots(instrument: Instrument, quantity: Number) -> int:
    lots = instrument.qty_lots(_e8(quantity))
    if lots is None:
        raise ValueError(f"{quantity} is not a whole number of lots of {instrument.format_qty(1)}.")
    return lots


def _e8(number: Number) -> int:
    text = format(number, "f") if isinstance(number, Decimal) else str(number)
    return parse_decimal(text, SHOWN_DECIMALS)
