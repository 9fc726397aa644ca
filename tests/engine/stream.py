"""Random but reproducible commands of every kind that change much: what several tests let engines agree on."""

import random
from typing import Any

import numpy as np

from holdfast.codes import (
    CommandFlag,
    CommandKind,
    InstrumentParameter,
    Limit,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, command_dtype, encode

ACCOUNTS = 6
ASSETS = 3
INSTRUMENTS = 2
FIRST_AMOUNT = 10_000_000
_STEP_NS = 50_000_000  # So that some thousand commands pass several minutes and a short horizon.


class Stream:
    """Numbers and stamps commands, and remembers the client ids that it gave out."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._records: list[bytes] = []
        self._names: list[bytes] = [b"none"]

    def commands(self, count: int) -> np.ndarray:
        """A venue with its accounts and money, then `count` random commands."""
        self._set_up()
        for _ in range(count):
            self._add_random()
        return np.frombuffer(b"".join(self._records), command_dtype)

    def _add(self, kind: CommandKind, **fields: Any) -> None:
        seq = len(self._records) + 1
        now_ns = 1_700_000_000 * 10**9 + seq * _STEP_NS
        stamps = {"seq": seq, "ts_ns": now_ns, "clock_ts_ns": now_ns + self._random.randint(-5, 5)}
        if self._random.random() < 0.5 and kind < CommandKind.DEPOSIT:
            stamps["deadline_ts_ns"] = now_ns + self._random.randint(-1, 30) * _STEP_NS
        self._records.append(encode(Command(**{**stamps, "kind": int(kind), **fields})))

    def _set_up(self) -> None:
        for code in (b"BTC", b"ETH", b"USDT"):
            self._add(CommandKind.ADD_ASSET, client_id=code, qty_lots=2)
        for base, symbol in enumerate((b"BTCUSDT", b"ETHUSDT"), start=1):
            fields = {"account_id": base, "instrument_id": ASSETS, "price_ticks": 10**6, "qty_lots": 100}
            self._add(CommandKind.ADD_INSTRUMENT, client_id=symbol, **fields)
            self._set_parameter(base, InstrumentParameter.MAKER_FEE_PPM, 1_000)
            self._set_parameter(base, InstrumentParameter.TAKER_FEE_PPM, 2_500)
            self._set_parameter(base, InstrumentParameter.BID_MULTIPLIER_UP_PPM, 1_500_000)
            self._set_parameter(base, InstrumentParameter.ORDERS_MAX, 60)
            self._add(CommandKind.SET_TRADING_MODE, instrument_id=base, qty_lots=TradingMode.TRADING)
        for account_id in range(1, ACCOUNTS + 1):
            self._add(CommandKind.CREATE_ACCOUNT, client_id=b"account %d" % account_id)
            for asset_id in range(1, ASSETS + 1):
                fields = {"account_id": account_id, "instrument_id": asset_id, "qty_lots": FIRST_AMOUNT}
                self._add(CommandKind.DEPOSIT, client_id=b"first %d" % asset_id, **fields)
        self._add(CommandKind.SET_LIMIT, order_id=Limit.CLIENT_ID_HORIZON_NS, qty_lots=300 * _STEP_NS)

    def _set_parameter(self, instrument_id: int, which: InstrumentParameter, value: int) -> None:
        fields = {"instrument_id": instrument_id, "order_id": which, "qty_lots": value}
        self._add(CommandKind.SET_INSTRUMENT_PARAMETER, **fields)

    def _add_random(self) -> None:
        choose = self._random
        where = {"account_id": choose.randint(1, ACCOUNTS), "instrument_id": choose.randint(1, INSTRUMENTS)}
        dice = choose.random()
        if dice < 0.62:
            self._add(CommandKind.PLACE_ORDER, **where, **self._order())
        elif dice < 0.80:
            self._add(CommandKind.CANCEL_ORDER, **where, **self._target())
        elif dice < 0.88:
            flags = choose.choice((0, int(CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS)))
            self._add(CommandKind.REPLACE_ORDER, **where, **self._order(), **self._target(), flags=flags)
        elif dice < 0.90:
            self._add(CommandKind.CANCEL_ALL, **{**where, "instrument_id": choose.randint(0, INSTRUMENTS)})
        else:
            self._add_operation(where)

    def _add_operation(self, where: dict[str, int]) -> None:
        choose = self._random
        reference = b"ref %d" % choose.randint(1, 300)
        money = {
            "instrument_id": choose.randint(1, ASSETS),
            "qty_lots": choose.randint(0, 5_000),
            "client_id": reference,
        }
        account_id = where["account_id"]
        kind = choose.choice(
            (
                CommandKind.DEPOSIT,
                CommandKind.REQUEST_WITHDRAWAL,
                CommandKind.TRANSFER,
                CommandKind.WITHDRAW_FEES,
                CommandKind.APPROVE_WITHDRAWAL,
                CommandKind.SEND_WITHDRAWAL,
                CommandKind.REFUSE_WITHDRAWAL,
                CommandKind.SET_TRADING_MODE,
                CommandKind.SET_ACCOUNT_FROZEN,
                CommandKind.SET_VENUE_KILLED,
                CommandKind.KILL_ACCOUNT,
                CommandKind.SET_LIMIT,
            )
        )
        if kind is CommandKind.TRANSFER:
            self._add(kind, account_id=account_id, order_id=choose.randint(1, ACCOUNTS + 1), **money)
        elif kind in (CommandKind.DEPOSIT, CommandKind.REQUEST_WITHDRAWAL):
            self._add(kind, account_id=account_id, **money)
        elif kind is CommandKind.WITHDRAW_FEES:
            self._add(kind, **money)
        elif kind is CommandKind.SET_TRADING_MODE:
            self._add(kind, instrument_id=where["instrument_id"], qty_lots=choose.choice((0, 1, 2, 3, *(4,) * 16)))
        elif kind is CommandKind.SET_ACCOUNT_FROZEN:
            self._add(kind, account_id=account_id, qty_lots=0)
        elif kind is CommandKind.SET_VENUE_KILLED:
            self._add(kind, qty_lots=choose.choice((0, 0, 1)))
            self._add(kind, qty_lots=0)
        elif kind is CommandKind.KILL_ACCOUNT:
            self._add(kind, account_id=account_id)
            self._add(CommandKind.SET_ACCOUNT_FROZEN, account_id=account_id, qty_lots=0)
        elif kind is CommandKind.SET_LIMIT:
            self._add(kind, order_id=Limit.CLIENT_IDS_MAX, qty_lots=choose.randint(20, 200))
        else:
            self._add(kind, order_id=choose.randint(1, 12))

    def _order(self) -> dict[str, Any]:
        choose = self._random
        name = choose.choice(self._names) if choose.random() < 0.03 else b"order %d" % len(self._records)
        self._names.append(name)
        side = choose.choice((Side.BUY, Side.SELL))
        fields: dict[str, Any] = {
            "client_id": name,
            "side": side,
            "order_type": OrderType.LIMIT,
            "time_in_force": choose.choice((TimeInForce.GTC,) * 6 + (TimeInForce.IOC, TimeInForce.FOK)),
            "self_trade_prevention": choose.choice(tuple(SelfTradePrevention)),
            "qty_lots": choose.randint(1, 60),
        }
        dice = choose.random()
        if dice < 0.15:
            fields |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.NONE}
            if choose.random() < 0.5:
                fields |= {"qty_lots": 0, "quote_units": choose.randint(1, 400_000)}
            return fields
        if dice < 0.25:
            fields |= {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.NONE}
        elif dice < 0.40:
            fields["stop_price_ticks"] = 100 + choose.randint(-15, 15)
            fields["order_type"] = choose.choice((OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT))
        elif dice < 0.45:
            fields["stop_price_ticks"] = 100 + choose.randint(-15, 15)
            order_type = choose.choice((OrderType.STOP_LOSS, OrderType.TAKE_PROFIT))
            return fields | {"order_type": order_type, "time_in_force": TimeInForce.NONE}
        near = round(choose.gauss(0, 12))
        fields["price_ticks"] = 100 + near + (-4 if side == Side.BUY else 4)
        return fields

    def _target(self) -> dict[str, Any]:
        choose = self._random
        restriction = choose.choice((0, 0, 0, 1, 2))
        if choose.random() < 0.3:
            return {"order_id": choose.randint(1, len(self._names)), "cancel_restriction": restriction}
        return {"target_client_id": choose.choice(self._names[-40:]), "cancel_restriction": restriction}
