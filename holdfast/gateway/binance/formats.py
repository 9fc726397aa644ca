"""Formats: orders, fills and balances as Binance's JSON, in its field order.

Prices, quantities and amounts are texts with 8 decimals; ids and times are integers. `Binance` names differ from ours
only here.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

from holdfast.codes import (
    ExpiryReason,
    OrderEventKind,
    OrderStatus,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from holdfast.config import PPM
from holdfast.events import BalanceEvent, ControlEvent, OrderEvent
from holdfast.gateway.binance.shapes import own_price, peg_of_report, shape_of_reply
from holdfast.instruments import Instrument, Reference, format_decimal
from holdfast.views import Amendment, Balance, Fill, Order, PreventedMatch

Shown = dict[str, Any]

ZERO = "0.00000000"
NO_ORDER_LIST = -1
NO_TRADE_GROUP = -1


class ResponseType(IntEnum):
    """How much of a new order its reply shows."""

    ACK = 1
    RESULT = 2
    FULL = 3


# Enumerations as Binance names them, by our number; a look-up here costs a tenth of `Side(number).name`.
SIDES = {member.value: member.name for member in Side}
TYPES = {member.value: member.name for member in OrderType}
STATUSES = {member.value: member.name for member in OrderStatus}
PREVENTIONS = {member.value: member.name for member in SelfTradePrevention}
TIMES_IN_FORCE: dict[int, str] = {
    TimeInForce.NONE: "GTC",  # MARKET and LIMIT_MAKER have none of their own; this is what Binance shows.
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
REJECT_REASONS: dict[int, str] = {
    RejectReason.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    RejectReason.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
    RejectReason.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    RejectReason.OCO_PRICES: "OCO_BAD_PRICES",
}
NOT_WORKING = -1  # The working time of an order that waits for its price, or for another order.
NOT_TRAILING = -1  # The trailing time of a trailing stop that does not follow the price yet.


def rate(ppm: int) -> str:
    """A fee rate in millionths as a decimal: 1000 is "0.00100000"."""
    return format_decimal(ppm * (10**8 // PPM))


def list_id(order: Order | OrderEvent | Fill) -> int:
    """The list that the order is part of."""
    return order.order_list_id or NO_ORDER_LIST


def ordered_qty(instrument: Instrument, order: Order | OrderEvent) -> str:
    """The ordered quantity; an order by quote quantity has none but what it has executed."""
    return instrument.format_qty(order.qty_lots or order.executed_lots)


def has_to_wait(order: Order | OrderEvent) -> bool:
    """Whether the order's type waits for its price."""
    return order.order_type >= OrderType.STOP_LOSS


def conditional(instrument: Instrument, order: Order | OrderEvent, unit_ns: int, prevented_match_id: int = 0) -> Shown:
    """Fields that an order has only in some states; `prevented_match_id` is that of its newest one, if it is known."""
    shown: Shown = {}
    if has_to_wait(order) and isinstance(order, OrderEvent):  # Queries show it of each order.
        shown["stopPrice"] = instrument.format_price(order.stop_price_ticks)
    if order.trailing_delta_bips:
        shown["trailingDelta"] = order.trailing_delta_bips
        shown["trailingTime"] = order.trailing_ts_ns // unit_ns if order.trailing_ts_ns else NOT_TRAILING
    if order.iceberg_lots or order.peg_price_type:
        shown.update(shape_of_reply(instrument, order))
    if prevented_match_id:
        shown["preventedMatchId"] = prevented_match_id
    if order.prevented_lots:
        shown["preventedQuantity"] = instrument.format_qty(order.prevented_lots)
    if order.status == OrderStatus.EXPIRED:
        shown["expiryReason"] = expiry_reason(order)
    return shown


def working_time(order: Order | OrderEvent, unit_ns: int) -> int:
    """Since when the order is, or was, on the book or matched."""
    if order.working_ts_ns:
        return order.working_ts_ns // unit_ns
    if has_to_wait(order) or order.order_list_id:
        return NOT_WORKING
    return order.created_ts_ns // unit_ns


def is_prevention(event: OrderEvent) -> bool:
    """Whether self-trade prevention took something of the order away."""
    return event.kind == OrderEventKind.TRADE_PREVENTED or (
        event.kind == OrderEventKind.ORDER_EXPIRED and event.reason == ExpiryReason.SELF_TRADE
    )


# Why orders of status EXPIRED did; Binance has no other names.
EXPIRY_REASONS: dict[int, str] = {
    ExpiryReason.NONE: "NONE",
    ExpiryReason.IMMEDIATE_OR_CANCEL: "UNFILLED_IOC_QUANTITY_EXPIRED",
    ExpiryReason.FILL_OR_KILL: "UNFILLED_FOK_ORDER_EXPIRED",
    ExpiryReason.NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY",
    ExpiryReason.FUNDS_EXHAUSTED: "INSUFFICIENT_LIQUIDITY",
    ExpiryReason.PAGES_FULL: "INSUFFICIENT_LIQUIDITY",
    ExpiryReason.OTHER_LEG: "OCO_TRIGGER",
    ExpiryReason.WORKING_ORDER_ENDED: "OTO_PHASE_ONE_EXPIRED",
    ExpiryReason.PEG_PRICE: "INSUFFICIENT_LIQUIDITY",
    ExpiryReason.PRICE_BAND: "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
    ExpiryReason.PRICE_RANGE: "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
    ExpiryReason.PLACING_REFUSED: "REJECTED",
}


def expiry_reason(order: Order | OrderEvent) -> str:
    """Why an order of status EXPIRED did."""
    return EXPIRY_REASONS[order.expiry_reason if isinstance(order, Order) else order.reason]


# Replies to orders.


def order_placed(
    instrument: Instrument,
    events: Sequence[OrderEvent],
    response: ResponseType,
    unit_ns: int,
    prevented: Sequence[OrderEvent] = (),
) -> Shown:
    """The reply to a new order; `events` are this order's, from its acceptance on, `prevented` what self-trade
    prevention did to it and to its makers."""
    last = events[-1]
    transact_time = last.ts_ns // unit_ns
    shown: Shown = {
        "symbol": instrument.symbol,
        "orderId": last.order_id,
        "orderListId": list_id(last),
        "clientOrderId": last.client_id.decode(),
        "transactTime": transact_time,
    }
    if response == ResponseType.ACK:
        return shown
    shown["price"] = own_price(instrument, last)
    if last.qty_lots or last.status != OrderStatus.PENDING_NEW:  # Of OPO the quantity is still to be bought.
        shown["origQty"] = ordered_qty(instrument, last)
    shown["executedQty"] = instrument.format_qty(last.executed_lots)
    shown["origQuoteOrderQty"] = instrument.quote.format(last.quote_units)
    shown["cummulativeQuoteQty"] = instrument.quote.format(last.executed_quote_units)
    shown["status"] = STATUSES[last.status]
    shown["timeInForce"] = TIMES_IN_FORCE[last.time_in_force]
    shown["type"] = TYPES[last.order_type]
    shown["side"] = SIDES[last.side]
    shown["workingTime"] = working_time(last, unit_ns)
    if response == ResponseType.FULL:
        shown["fills"] = [fill_of_reply(instrument, event) for event in events if event.kind == OrderEventKind.TRADE]
        if prevented:
            shown["preventedMatches"] = prevented_matches_of_reply(instrument, prevented)
    shown["selfTradePreventionMode"] = PREVENTIONS[last.self_trade_prevention]
    is_special = has_to_wait(last) or last.iceberg_lots or last.peg_price_type
    if is_special or last.prevented_lots or last.status == OrderStatus.EXPIRED:
        ids = [event.trade_id for event in prevented if not event.is_maker]
        shown.update(conditional(instrument, last, unit_ns, ids[-1] if ids else 0))
    return shown


def prevented_matches_of_reply(instrument: Instrument, prevented: Iterable[OrderEvent]) -> list[Shown]:
    """The matches that the new order was kept from, each with what it took of either side."""
    matches: dict[int, Shown] = {}
    for event in prevented:
        match = matches.setdefault(
            event.trade_id,
            {
                "preventedMatchId": event.trade_id,
                "makerSymbol": instrument.symbol,
                "makerOrderId": event.order_id if event.is_maker else event.counter_order_id,
                "price": instrument.format_price(event.last_price_ticks),
            },
        )
        side = "makerPreventedQuantity" if event.is_maker else "takerPreventedQuantity"
        match[side] = instrument.format_qty(event.last_lots)
    return list(matches.values())


def fill_of_reply(instrument: Instrument, event: OrderEvent) -> Shown:
    fee_asset = instrument.base if event.fee_is_base else instrument.quote
    return {
        "price": instrument.format_price(event.last_price_ticks),
        "qty": instrument.format_qty(event.last_lots),
        "commission": fee_asset.format(event.fee_units),
        "commissionAsset": fee_asset.code,
        "tradeId": event.trade_id,
    }


def order_canceled(instrument: Instrument, event: OrderEvent, cancel_id: str, unit_ns: int) -> Shown:
    """The reply to a cancel; `cancel_id` is the cancel's own client id."""
    shown: Shown = {
        "symbol": instrument.symbol,
        "origClientOrderId": event.client_id.decode(),
        "orderId": event.order_id,
        "orderListId": list_id(event),
        "clientOrderId": cancel_id,
        "transactTime": event.ts_ns // unit_ns,
        "price": own_price(instrument, event),
        "origQty": ordered_qty(instrument, event),
        "executedQty": instrument.format_qty(event.executed_lots),
        "origQuoteOrderQty": instrument.quote.format(event.quote_units),
        "cummulativeQuoteQty": instrument.quote.format(event.executed_quote_units),
        "status": STATUSES[event.status],
        "timeInForce": TIMES_IN_FORCE[event.time_in_force],
        "type": TYPES[event.order_type],
        "side": SIDES[event.side],
        "selfTradePreventionMode": PREVENTIONS[event.self_trade_prevention],
    }
    shown.update(conditional(instrument, event, unit_ns))
    return shown


def order_amended(instrument: Instrument, event: OrderEvent, client_id: str, unit_ns: int) -> Shown:
    """The reply to an amendment; `client_id` is the one that the order has from now on."""
    working = {"workingTime": working_time(event, unit_ns)} if event.status != OrderStatus.PENDING_NEW else {}
    return {
        "transactTime": event.ts_ns // unit_ns,
        "executionId": event.account_event,
        "amendedOrder": {
            "symbol": instrument.symbol,
            "orderId": event.order_id,
            "orderListId": list_id(event),
            "origClientOrderId": event.client_id.decode(),
            "clientOrderId": client_id,
            "price": own_price(instrument, event),
            "qty": instrument.format_qty(event.qty_lots),
            "executedQty": instrument.format_qty(event.executed_lots),
            "preventedQty": instrument.format_qty(event.prevented_lots),
            "quoteOrderQty": instrument.quote.format(event.quote_units),
            "cumulativeQuoteQty": instrument.quote.format(event.executed_quote_units),
            "status": STATUSES[event.status],
            "timeInForce": TIMES_IN_FORCE[event.time_in_force],
            "type": TYPES[event.order_type],
            "side": SIDES[event.side],
            **working,
            "selfTradePreventionMode": PREVENTIONS[event.self_trade_prevention],
            **conditional(instrument, event, unit_ns),
        },
    }


# Queries.


def order_shown(instrument: Instrument, order: Order, unit_ns: int, prevented_match_id: int = 0) -> Shown:
    """An order as queries show it."""
    created = order.created_ts_ns // unit_ns
    shown: Shown = {
        "symbol": instrument.symbol,
        "orderId": order.order_id,
        "orderListId": list_id(order),
        "clientOrderId": order.client_id,
        "price": own_price(instrument, order),
        "origQty": ordered_qty(instrument, order),
        "executedQty": instrument.format_qty(order.executed_lots),
        "cummulativeQuoteQty": instrument.quote.format(order.executed_quote_units),
        "status": STATUSES[order.status],
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "type": TYPES[order.order_type],
        "side": SIDES[order.side],
        "stopPrice": instrument.format_price(order.stop_price_ticks),
        "icebergQty": instrument.format_qty(order.iceberg_lots),
        "time": created,
        "updateTime": order.updated_ts_ns // unit_ns,
        "isWorking": working_time(order, unit_ns) != NOT_WORKING,  # Binance's word for "was triggered".
        "workingTime": working_time(order, unit_ns),
        "origQuoteOrderQty": instrument.quote.format(order.quote_units),
        "selfTradePreventionMode": PREVENTIONS[order.self_trade_prevention],
    }
    shown.update(conditional(instrument, order, unit_ns, prevented_match_id))
    return shown


def fill_shown(instrument: Instrument, fill: Fill, unit_ns: int) -> Shown:
    """A trade as its account sees it."""
    fee_asset = instrument.base if fill.fee_is_base else instrument.quote
    return {
        "symbol": instrument.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": list_id(fill),
        "price": instrument.format_price(fill.price_ticks),
        "qty": instrument.format_qty(fill.lots),
        "quoteQty": instrument.quote.format(fill.quote_units),
        "commission": fee_asset.format(fill.fee_units),
        "commissionAsset": fee_asset.code,
        "time": fill.ts_ns // unit_ns,
        "isBuyer": fill.side == Side.BUY,
        "isMaker": bool(fill.is_maker),
        "isBestMatch": True,
    }


def amendment_shown(instrument: Instrument, amendment: Amendment, unit_ns: int) -> Shown:
    return {
        "symbol": instrument.symbol,
        "orderId": amendment.order_id,
        "executionId": amendment.execution_id,
        "origClientOrderId": amendment.former_client_id,
        "newClientOrderId": amendment.client_id,
        "origQty": instrument.format_qty(amendment.former_qty_lots),
        "newQty": instrument.format_qty(amendment.qty_lots),
        "time": amendment.ts_ns // unit_ns,
    }


def prevented_match_shown(instrument: Instrument, match: PreventedMatch, unit_ns: int) -> Shown:
    """A prevented match with the quantity of each order that lost some."""
    shown: Shown = {
        "symbol": instrument.symbol,
        "preventedMatchId": match.prevented_match_id,
        "takerOrderId": match.taker_order_id,
        "makerSymbol": instrument.symbol,
        "makerOrderId": match.maker_order_id,
        "tradeGroupId": NO_TRADE_GROUP,
        "selfTradePreventionMode": PREVENTIONS[match.self_trade_prevention],
        "price": instrument.format_price(match.price_ticks),
    }
    if match.taker_lots:
        shown["takerPreventedQuantity"] = instrument.format_qty(match.taker_lots)
    if match.maker_lots:
        shown["makerPreventedQuantity"] = instrument.format_qty(match.maker_lots)
    shown["transactTime"] = match.ts_ns // unit_ns
    return shown


def balances_shown(reference: Reference, balances: Iterable[Balance], omit_zero: bool) -> list[Shown]:
    """All assets of the venue, or those of which the account holds something.

    What is held for a withdrawal counts as locked: it is the account's until it is sent.
    """
    held = {balance.asset_id: balance for balance in balances}
    shown = []
    for asset in reference.assets.values():
        balance = held.get(asset.asset_id, Balance(asset.asset_id, 0, 0, 0))
        locked = balance.locked + balance.in_transit
        if omit_zero and not balance.free and not locked:
            continue
        shown.append({"asset": asset.code, "free": asset.format(balance.free), "locked": asset.format(locked)})
    return shown


# The user data stream.

_EXECUTION_TYPES: dict[int, str] = {
    OrderEventKind.ORDER_ACCEPTED: "NEW",
    OrderEventKind.ORDER_REJECTED: "REJECTED",
    OrderEventKind.TRADE: "TRADE",
    OrderEventKind.ORDER_CANCELED: "CANCELED",
    OrderEventKind.ORDER_EXPIRED: "EXPIRED",
    OrderEventKind.TRADE_PREVENTED: "TRADE_PREVENTION",
    OrderEventKind.ORDER_TRIGGERED: "NEW",  # Once more, as Binance tells it: working now.
    OrderEventKind.ORDER_AMENDED: "REPLACED",
}


def execution_report(instrument: Instrument, event: OrderEvent, new_id: str, unit_ns: int) -> Shown:
    """What happened to an order; `new_id` is the cancel's own client id for a canceled order, and for an amended one
    the id that it has from now on."""
    is_trade = event.kind == OrderEventKind.TRADE
    has_new_id = event.kind == OrderEventKind.ORDER_CANCELED or event.kind == OrderEventKind.ORDER_AMENDED
    is_prevented = is_prevention(event)
    is_rejected = event.kind == OrderEventKind.ORDER_REJECTED
    time = event.ts_ns // unit_ns
    created = (event.created_ts_ns or event.ts_ns) // unit_ns  # A rejected order was never made.
    client_id = event.client_id.decode()
    fee_asset = instrument.base if event.fee_is_base else instrument.quote
    shown: Shown = {
        "e": "executionReport",
        "E": time,
        "s": instrument.symbol,
        "c": new_id if has_new_id else client_id,
        "S": SIDES[event.side],
        "o": TYPES[event.order_type],
        "f": TIMES_IN_FORCE[event.time_in_force],
        "q": ordered_qty(instrument, event),
        "p": own_price(instrument, event),
        "P": instrument.format_price(event.stop_price_ticks),
        "F": instrument.format_qty(event.iceberg_lots),
        "g": list_id(event),
        "C": client_id if has_new_id else "",
        "x": "TRADE_PREVENTION" if is_prevented else _EXECUTION_TYPES[event.kind],
        "X": STATUSES[event.status],
        "r": REJECT_REASONS.get(event.reason, "NONE") if is_rejected else "NONE",
        "i": event.order_id,
        "l": instrument.format_qty(event.last_lots) if is_trade else ZERO,
        "z": instrument.format_qty(event.executed_lots),
        "L": instrument.format_price(event.last_price_ticks) if is_trade else ZERO,
        "n": fee_asset.format(event.fee_units) if is_trade else "0",
        "N": fee_asset.code if is_trade else None,
        "T": time,
        "t": event.trade_id if is_trade else -1,
        "I": event.account_event,
        "w": bool(event.is_working),
        "m": bool(event.is_maker),
        "M": False,
        "O": created,
        "Z": instrument.quote.format(event.executed_quote_units),
        "Y": instrument.quote.format(event.last_quote_units) if is_trade else ZERO,
        "Q": instrument.quote.format(event.quote_units),
        "W": working_time(event, unit_ns) if event.created_ts_ns else time,
        "V": PREVENTIONS[event.self_trade_prevention],
    }
    if shown["W"] == NOT_WORKING:
        del shown["W"]
    if event.trailing_delta_bips:
        shown["d"] = event.trailing_delta_bips
        if event.trailing_ts_ns:
            shown["D"] = event.trailing_ts_ns // unit_ns
    if is_prevented:
        shown["v"] = event.trade_id
    if event.prevented_lots:
        shown["A"] = instrument.format_qty(event.prevented_lots)
    if is_prevented:
        shown["B"] = instrument.format_qty(event.last_lots)
        shown["u"] = NO_TRADE_GROUP
        shown["U"] = event.counter_order_id
        shown["Cs"] = instrument.symbol
        shown["pl"] = instrument.format_qty(_lots_kept_from_trading(instrument, event))
        shown["pL"] = instrument.format_price(event.last_price_ticks)
        shown["pY"] = instrument.quote.format(event.last_quote_units)
    if event.peg_price_type:
        shown.update(peg_of_report(instrument, event))
    if event.status == OrderStatus.EXPIRED:
        shown["eR"] = expiry_reason(event)
    return shown


def _lots_kept_from_trading(instrument: Instrument, event: OrderEvent) -> int:
    """What the two orders would have traded: what both wanted, which may be less than what one of them lost."""
    return event.last_quote_units // instrument.quote_of(event.last_price_ticks, 1)


def account_position(reference: Reference, events: Iterable[BalanceEvent], ts_ns: int, unit_ns: int) -> Shown:
    """The balances that one command changed."""
    time = ts_ns // unit_ns
    balances = []
    for event in events:
        asset = reference.assets[event.asset_id]
        locked = asset.format(event.locked + event.in_transit)
        balances.append({"a": asset.code, "f": asset.format(event.free), "l": locked})
    return {"e": "outboundAccountPosition", "E": time, "u": time, "B": balances}


def balance_update(reference: Reference, event: BalanceEvent, unit_ns: int) -> Shown:
    """A deposit, a withdrawal that was sent, or a transfer."""
    asset = reference.assets[event.asset_id]
    time = event.ts_ns // unit_ns
    return {"e": "balanceUpdate", "E": time, "a": asset.code, "d": asset.format(event.change), "T": time}


def countdown_ran_out(reference: Reference, event: ControlEvent, unit_ns: int) -> Shown:
    """The announcement before a dead man's timer's cancels."""
    named = event.instrument_id and reference.instruments[event.instrument_id].symbol
    return {
        "e": "countdownCancelAll",
        "E": event.ts_ns // unit_ns,
        "s": named or "",  # All symbols.
        "c": str(event.value),
        "T": event.id // unit_ns,
    }
