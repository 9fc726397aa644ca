"""Sessions that anyone can read, run against an engine.

A scenario is a text file. A line at the margin is a command or a check; the indented lines below a command are all that
happened to orders and operators' commands because of it, in order. Not shown: that an order was accepted, or that an
operator's command was done; balances and books are asked for. After every command all invariants are checked.

    # Better price first; at equal price, older first.
    seller sells 5 at 101 as A
    buyer buys 7 at 101 as C
      trade C A 5 at 101                 taker, maker, lots, price
    buyer has 495 USDT free 202 locked
    book: bids 101x2 asks -

Whoever is named for the first time gets an account with 1000 BTC and 100000 USDT. The market is BTC for USDT, both
without decimals, tick and lot are 1. What can be said is in `COMMANDS` and `CHECKS`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from holdfast.codes import (
    CancelRestriction,
    CommandFlag,
    CommandKind,
    ControlEventKind,
    ExpiryReason,
    InstrumentParameter,
    KeyPermission,
    Limit,
    OrderEventKind,
    OrderListKind,
    OrderStatus,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
)
from holdfast.commands import Command, command_dtype, encode, encode_order_list
from holdfast.events import Events

SECOND_NS = 10**9
BTC, USDT, MARKET = 1, 2, 1
ASSETS = {"BTC": BTC, "USDT": USDT}
FIRST_HOLDINGS = {BTC: 1_000, USDT: 100_000}
AMENDED = int(OrderEventKind.ORDER_AMENDED)
PEGS = {"primary-peg": CommandFlag.PEG_PRIMARY, "market-peg": CommandFlag.PEG_MARKET}
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))


class Exchange(Protocol):
    """What a scenario needs of an implementation."""

    def apply(self, commands: np.ndarray) -> Events: ...
    def balance(self, account_id: int, asset_id: int) -> Any: ...
    def book(self, instrument_id: int, depth: int) -> Any: ...
    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Any]: ...
    def auction(self, instrument_id: int) -> Any: ...
    def order_lists(self, account_id: int, instrument_id: int = 0) -> list[Any]: ...
    def check_invariants(self) -> None: ...


class Session:
    """A venue with one market in TRADING, driven by sentences."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.seq = 0
        self.now_ns = 1_000 * SECOND_NS
        self.accounts: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        self.order_names: dict[int, str] = {}
        self.events: Events | None = None
        self.send(CommandKind.ADD_ASSET, client_id=b"BTC", qty_lots=0)
        self.send(CommandKind.ADD_ASSET, client_id=b"USDT", qty_lots=0)
        self.send(
            CommandKind.ADD_INSTRUMENT,
            client_id=b"BTCUSDT",
            account_id=BTC,
            instrument_id=USDT,
            price_ticks=10**8,
            qty_lots=1,
        )
        self.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=TradingMode.TRADING)

    def send(self, kind: CommandKind, **fields: Any) -> list[str]:
        """One command; returns what happened, in words."""
        self.seq += 1
        self.now_ns += 1
        stamps = {"seq": self.seq, "ts_ns": self.now_ns, "clock_ts_ns": self.now_ns}
        return self.apply([Command(**{**stamps, "kind": int(kind), **fields})])

    def send_list(self, kind: OrderListKind, name: str, legs: list[dict[str, Any]]) -> list[str]:
        """The group of an order list; who asks and until when is the first order's."""
        first = Command(**legs[0])
        common = {"account_id": first.account_id, "key_id": first.key_id, "instrument_id": first.instrument_id}
        order_list = Command(**common, client_id=name.encode(), qty_lots=kind, deadline_ts_ns=first.deadline_ts_ns)
        records = np.frombuffer(encode_order_list(order_list, [Command(**leg) for leg in legs]), command_dtype)
        stamped = []
        for record in records.tolist():
            self.seq += 1
            self.now_ns += 1
            stamped.append(Command._make(record)._replace(seq=self.seq, ts_ns=self.now_ns, clock_ts_ns=self.now_ns))
        return self.apply(stamped)

    def apply(self, commands: list[Command]) -> list[str]:
        records = b"".join(map(encode, commands))
        self.events = self.exchange.apply(np.frombuffer(records, command_dtype))
        self.exchange.check_invariants()
        return self.told(self.events)

    def told(self, events: Events) -> list[str]:
        """The events of orders and of control, as sentences in their order."""
        lines: list[tuple[int, str]] = []
        for row in events.orders:
            kind, order_id, name = OrderEventKind(row["kind"]), int(row["order_id"]), row["client_id"].decode()
            if kind is OrderEventKind.ORDER_ACCEPTED:
                self.order_names[order_id] = name
            elif kind is OrderEventKind.ORDER_REJECTED:
                reason = RejectReason(row["reason"])
                status = OrderStatus(row["status"])
                first = f" {status.name}" if reason is RejectReason.DUPLICATE_CLIENT_ID else ""
                lines.append((row["index"], f"rejected {name} {reason.name}{first}"))
            elif kind is OrderEventKind.CANCEL_REJECTED:
                name = name or self.order_names.get(order_id, str(order_id))
                lines.append((row["index"], f"cancel rejected {name} {RejectReason(row['reason']).name}"))
            elif kind is OrderEventKind.ORDER_CANCELED:
                lines.append((row["index"], f"canceled {name}"))
            elif kind is OrderEventKind.ORDER_EXPIRED:
                lines.append((row["index"], f"expired {name} {ExpiryReason(row['reason']).name}"))
            elif kind is OrderEventKind.ORDER_TRIGGERED:
                was_placed = row["order_type"] < OrderType.STOP_LOSS or not row["working_ts_ns"]
                lines.append((row["index"], f"{'placed' if was_placed else 'triggered'} {name}"))
            elif kind is OrderEventKind.ORDER_AMENDED:
                lines.append((row["index"], f"amended {name} to {row['qty_lots']}"))
            elif kind is OrderEventKind.TRADE_PREVENTED:
                lines.append((row["index"], f"prevented {name} {row['last_lots']}"))
            elif not row["is_maker"]:
                maker = self.order_names[int(row["counter_order_id"])]
                full = " filled" if row["status"] == OrderStatus.FILLED else ""
                at = f"{row['last_lots']} at {row['last_price_ticks']}"
                lines.append((row["index"], f"trade {name} {maker} {at}{full}"))
        for row in events.lists:
            what = {1: "refused", 2: "started", 3: "updated", 4: "done"}[int(row["list_status_type"])]
            why = f" {RejectReason(row['reason']).name}" if row["reason"] else ""
            lines.append((row["index"], f"list {row['client_id'].decode()} {what}{why}"))
        for row in events.controls:
            done = ControlEventKind(row["kind"])
            if done is ControlEventKind.COMMAND_REJECTED:
                lines.append((row["index"], f"refused {RejectReason(row['reason']).name}"))
            elif done is ControlEventKind.COMMAND_REPEATED:
                lines.append((row["index"], f"repeated {row['id']}"))
            elif done is ControlEventKind.ORDERS_CANCELED:
                lines.append((row["index"], f"canceled {row['value']} orders"))
            elif done is ControlEventKind.COUNTDOWN_RAN_OUT:
                lines.append((row["index"], f"countdown of {row['value']} ms ran out"))
            elif done is ControlEventKind.AUCTION_UNCROSSED:
                lines.append((row["index"], f"uncrossed {row['value']} at {row['id']}"))
            elif done is ControlEventKind.TRADING_MODE_CHANGED:
                lines.append((row["index"], f"mode {TradingMode(row['value']).name}"))
        return [line for _, line in sorted(lines)]

    def account(self, name: str) -> int:
        """The account's id; a new one gets its first holdings."""
        if name not in self.accounts:
            self.send(CommandKind.CREATE_ACCOUNT, client_id=name.encode())
            self.accounts[name] = len(self.accounts) + 1
            for asset_id, amount in FIRST_HOLDINGS.items():
                fields = {"account_id": self.accounts[name], "instrument_id": asset_id, "qty_lots": amount}
                self.send(CommandKind.DEPOSIT, client_id=b"first %d" % asset_id, **fields)
        return self.accounts[name]

    def order_fields(self, who: str, words: str) -> dict[str, Any]:
        """`buys 5 at 100 as A [options]`, `… at market as B stop 95`, or `for 500 at market` by quote quantity.

        A trailing stop is `… stop 95 trail 500`, or `… stop trail 500` without a stop price; 500 bips are 5 %. A price
        may be pegged: `at primary-peg`, or `at market-peg … deeper 2`; of an iceberg `shows 3` says the part.
        """
        prices = r"market|primary-peg|market-peg|-?\d+"
        match = re.fullmatch(rf"(buys|sells) (for )?(-?\d+) at ({prices})(?: as (\S+))?((?: \S+)*)", words)
        assert match, words
        side, quote, amount, price, name, options = match.groups()
        fields: dict[str, Any] = {
            "account_id": self.account(who),
            "instrument_id": MARKET,
            "side": Side.BUY if side == "buys" else Side.SELL,
            "client_id": (name or "").encode(),
            "quote_units" if quote else "qty_lots": int(amount),
        }
        if price == "market":
            fields["order_type"] = OrderType.MARKET
        else:
            fields |= {"order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC}
            fields |= {"flags": PEGS[price]} if price in PEGS else {"price_ticks": int(price)}
        rest = iter(options.replace("stop trail", "stop 0 trail").replace("take trail", "take 0 trail").split())
        for option in rest:
            if option in ("IOC", "FOK"):
                fields["time_in_force"] = TimeInForce[option]
            elif option in ("stop", "take"):
                name = "STOP_LOSS" if option == "stop" else "TAKE_PROFIT"
                limit = "" if price == "market" else "_LIMIT"
                fields |= {"order_type": OrderType[name + limit], "stop_price_ticks": int(next(rest))}
            elif option == "trail":
                fields["trailing_delta_bips"] = int(next(rest))
            elif option == "maker":
                fields |= {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.NONE}
            elif option == "even-if-cancel-fails":
                fields["flags"] = fields.get("flags", 0) | CommandFlag.REPLACE_EVEN_IF_CANCEL_FAILS
            elif option == "shows":
                fields["iceberg_lots"] = int(next(rest))
            elif option == "deeper":
                fields["price_ticks"] = int(next(rest))
            elif option == "within":
                fields["deadline_ts_ns"] = self.now_ns + int(next(rest)) * SECOND_NS
            elif option == "key":
                fields["key_id"] = self.keys.get(key := next(rest)) or int(key)
            elif option == "instrument":
                fields["instrument_id"] = int(next(rest))
            else:
                fields["self_trade_prevention"] = SelfTradePrevention[option]
        return fields


def place(session: Session, who: str, words: str) -> list[str]:
    return session.send(CommandKind.PLACE_ORDER, **session.order_fields(who, words))


def walk(session: Session, prices: str) -> list[str]:
    """One lot changes hands at each price, within an account of its own; its orders and trades are not told."""
    told = []
    for price in prices.split():
        for way in ("sells {} as market-{}", "buys {} as market-{} IOC"):
            fields = session.order_fields("market", way.format(f"1 at {price}", session.seq))
            told += session.send(CommandKind.PLACE_ORDER, **fields)
    return [line for line in told if "market-" not in line]


def place_list(session: Session, who: str, kind: str, name: str, words: str) -> list[str]:
    """`a lists OCO as L: sells 5 at 110 as A maker + sells 5 at market as B stop 90`."""
    legs = [session.order_fields(who, leg.strip()) for leg in words.split("+")]
    return session.send_list(OrderListKind[kind], name if name != "-" else "", legs)


def cancel_list(session: Session, who: str, target: str) -> list[str]:
    fields: dict[str, Any] = {"account_id": session.account(who), "instrument_id": MARKET}
    if target.startswith("#"):
        return session.send(CommandKind.CANCEL_ORDER_LIST, order_id=int(target[1:]), **fields)
    return session.send(CommandKind.CANCEL_ORDER_LIST, target_client_id=target.encode(), **fields)


def replace(session: Session, who: str, target: str, words: str) -> list[str]:
    fields = session.order_fields(who, words)
    return session.send(CommandKind.REPLACE_ORDER, target_client_id=target.encode(), **fields)


def cancel(session: Session, who: str, target: str, restriction: str | None) -> list[str]:
    fields: dict[str, Any] = {"account_id": session.account(who), "instrument_id": MARKET}
    if target == "all":
        return session.send(CommandKind.CANCEL_ALL, **fields)
    if target == "everything":
        return session.send(CommandKind.CANCEL_ALL, **{**fields, "instrument_id": 0})
    if restriction:
        fields["cancel_restriction"] = CancelRestriction[restriction]
    if target.startswith("#"):
        return session.send(CommandKind.CANCEL_ORDER, order_id=int(target[1:]), **fields)
    return session.send(CommandKind.CANCEL_ORDER, target_client_id=target.encode(), **fields)


def amend(session: Session, who: str, target: str, qty: str, new_name: str | None) -> list[str]:
    """Under the id that it has, unless another is named."""
    fields: dict[str, Any] = {"account_id": session.account(who), "instrument_id": MARKET, "qty_lots": int(qty)}
    name = (new_name or target).encode()
    told = session.send(CommandKind.AMEND_ORDER, client_id=name, target_client_id=target.encode(), **fields)
    assert session.events is not None
    session.order_names |= {
        int(row["order_id"]): name.decode() for row in session.events.orders if row["kind"] == AMENDED
    }
    return told


def set_countdown(session: Session, who: str, countdown_ms: str, is_everywhere: str | None) -> list[str]:
    fields = {"account_id": session.account(who), "instrument_id": 0 if is_everywhere else MARKET}
    return session.send(CommandKind.SET_COUNTDOWN, qty_lots=int(countdown_ms), **fields)


def tick(session: Session) -> list[str]:
    return session.send(CommandKind.TICK)


def set_parameter(session: Session, name: str, value: str) -> list[str]:
    which = InstrumentParameter[name]
    fields = {"instrument_id": MARKET, "order_id": which, "qty_lots": int(value)}
    return session.send(CommandKind.SET_INSTRUMENT_PARAMETER, **fields)


def set_limit(session: Session, name: str, value: str) -> list[str]:
    return session.send(CommandKind.SET_LIMIT, order_id=Limit[name], qty_lots=int(value))


def set_mode(session: Session, mode: str) -> list[str]:
    """What follows from it; that the mode is the one that was asked for is not repeated."""
    told = session.send(CommandKind.SET_TRADING_MODE, instrument_id=MARKET, qty_lots=TradingMode[mode])
    return [line for line in told if line != f"mode {mode}"]


def schedule_reopening(session: Session, halt: str, cancel_only: str, auction: str, name: str) -> list[str]:
    halt_ns, cancel_only_ns, auction_ns = (int(seconds) * SECOND_NS for seconds in (halt, cancel_only, auction))
    lasting = {"price_ticks": halt_ns, "qty_lots": cancel_only_ns, "order_id": auction_ns}
    return session.send(CommandKind.SCHEDULE_REOPENING, instrument_id=MARKET, client_id=name.encode(), **lasting)


def cancel_reopening(session: Session) -> list[str]:
    return session.send(CommandKind.CANCEL_REOPENING, instrument_id=MARKET)


def freeze(session: Session, what: str, who: str) -> list[str]:
    account_id = session.account(who)
    if what == "kills":
        return session.send(CommandKind.KILL_ACCOUNT, account_id=account_id)
    return session.send(CommandKind.SET_ACCOUNT_FROZEN, account_id=account_id, qty_lots=int(what == "freezes"))


def kill_venue(session: Session, what: str) -> list[str]:
    return session.send(CommandKind.SET_VENUE_KILLED, qty_lots=int(what == "stops"))


def set_fees(session: Session, who: str, maker: str, taker: str) -> list[str]:
    fields = {"account_id": session.account(who), "price_ticks": int(maker), "qty_lots": int(taker)}
    return session.send(CommandKind.SET_ACCOUNT_FEES, **fields)


def deposit(session: Session, amount: str, asset: str, who: str, reference: str) -> list[str]:
    fields = {"account_id": session.account(who), "instrument_id": ASSETS.get(asset, 99), "qty_lots": int(amount)}
    return session.send(CommandKind.DEPOSIT, client_id=reference.encode(), **fields)


def request_withdrawal(
    session: Session, who: str, amount: str, asset: str, reference: str, key: str | None
) -> list[str]:
    fields = {"account_id": session.account(who), "instrument_id": ASSETS[asset], "qty_lots": int(amount)}
    key_id = session.keys[key] if key else 0
    return session.send(CommandKind.REQUEST_WITHDRAWAL, client_id=reference.encode(), key_id=key_id, **fields)


def step_withdrawal(session: Session, what: str, withdrawal_id: str) -> list[str]:
    kind = CommandKind[f"{what.upper().rstrip('S')}_WITHDRAWAL" if what != "approves" else "APPROVE_WITHDRAWAL"]
    return session.send(kind, order_id=int(withdrawal_id))


def transfer(session: Session, amount: str, asset: str, payer: str, receiver: str, reference: str) -> list[str]:
    fields = {"instrument_id": ASSETS[asset], "qty_lots": int(amount), "client_id": reference.encode()}
    both = {"account_id": session.account(payer), "order_id": session.account(receiver)}
    return session.send(CommandKind.TRANSFER, **fields, **both)


def withdraw_fees(session: Session, amount: str, asset: str, reference: str) -> list[str]:
    fields = {"instrument_id": ASSETS[asset], "qty_lots": int(amount), "client_id": reference.encode()}
    return session.send(CommandKind.WITHDRAW_FEES, **fields)


def create_key(session: Session, name: str, who: str, permissions: str) -> list[str]:
    bits = 0 if permissions == "nothing" else sum(KeyPermission[word.upper()] for word in permissions.split(","))
    told = session.send(
        CommandKind.CREATE_KEY, account_id=session.account(who), qty_lots=bits, order_id=1, client_id=name.encode()
    )
    assert session.events is not None
    session.keys[name] = int(session.events.controls[0]["id"])
    return told


def revoke_key(session: Session, name: str) -> list[str]:
    return session.send(CommandKind.REVOKE_KEY, order_id=session.keys[name])


def wait(session: Session, seconds: str) -> list[str]:
    session.now_ns += int(seconds) * SECOND_NS
    return []


def check_balance(session: Session, who: str, asset: str, words: str) -> None:
    holding = session.exchange.balance(session.account(who), ASSETS[asset])
    said = {name: int(amount) for amount, name in re.findall(r"(\d+) (free|locked|in-transit)", words)}
    found = {"free": holding.free, "locked": holding.locked, "in-transit": holding.in_transit}
    assert {name: found[name] for name in said} == said, f"{who} {asset}: {found}"


def check_book(session: Session, bids: str, asks: str) -> None:
    found = session.exchange.book(MARKET, 100)[:2]
    shown = [" ".join(f"{price}x{lots}" for price, lots in side) or "-" for side in found]
    assert shown == [bids, asks]


def check_auction(session: Session, lots: str, price: str, surplus: str) -> None:
    found = session.exchange.auction(MARKET)
    assert found == (int(price), int(lots), int(surplus)), found


def check_open(session: Session, who: str, names: str) -> None:
    found = [order.client_id for order in session.exchange.open_orders(session.account(who), MARKET)]
    assert found == names.replace("-", "").split()


def check_price(session: Session, who: str, name: str, price: str) -> None:
    (order,) = (each for each in session.exchange.open_orders(session.account(who), MARKET) if each.client_id == name)
    assert order.price_ticks == int(price)


def check_left(session: Session, who: str, name: str, lots: str) -> None:
    (order,) = (each for each in session.exchange.open_orders(session.account(who), MARKET) if each.client_id == name)
    assert order.qty_lots - order.executed_lots - order.prevented_lots == int(lots)


def check_reference_price(session: Session, price_ticks: str) -> None:
    found = session.exchange.reference_price_ticks(MARKET, session.now_ns)  # type: ignore[attr-defined]
    assert found == int(price_ticks), found


def check_lists(session: Session, who: str, names: str) -> None:
    found = [one.client_id for one in session.exchange.order_lists(session.account(who), MARKET)]
    assert found == names.replace("-", "").split()


def check_fees(session: Session, amount: str, asset: str) -> None:
    totals = session.exchange.totals()  # type: ignore[attr-defined]
    assert totals[ASSETS[asset] - 1].fees == int(amount)


COMMANDS: list[tuple[str, Callable[..., list[str]]]] = [
    (r"(\w+) ((?:buys|sells) .*)", place),
    (r"market trades at ([\d ]+)", walk),
    (r"(\w+) replaces (\S+): (.*)", replace),
    (r"(\w+) lists (\w+) as (\S+): (.*)", place_list),
    (r"(\w+) cancels list (\S+)", cancel_list),
    (r"(\w+) cancels (\S+)(?: if (\w+))?", cancel),
    (r"(\w+) withdraws (-?\d+) (\w+) as (\S+)(?: key (\w+))?", request_withdrawal),
    (r"(\w+) amends (\S+) to (-?\d+)(?: as (\S+))?", amend),
    (r"(\w+) sets a countdown of (-?\d+) ms( everywhere)?", set_countdown),
    (r"tick", tick),
    (r"venue sets (\w+) to (-?\d+)", set_parameter),
    (r"venue limits (\w+) to (-?\d+)", set_limit),
    (r"venue goes to (\w+)", set_mode),
    (r"venue reopens after (\d+), (\d+) and (\d+) seconds as (\S+)", schedule_reopening),
    (r"venue calls off the reopening", cancel_reopening),
    (r"venue (freezes|unfreezes|kills) (\w+)", freeze),
    (r"venue (stops|resumes)", kill_venue),
    (r"venue charges (\w+) (-?\d+) and (-?\d+) ppm", set_fees),
    (r"venue deposits (-?\d+) (\w+) to (\w+) as (\S+)", deposit),
    (r"venue (approves|sends|refuses) withdrawal (\d+)", step_withdrawal),
    (r"venue transfers (-?\d+) (\w+) from (\w+) to (\w+) as (\S+)", transfer),
    (r"venue collects (-?\d+) (\w+) of fees as (\S+)", withdraw_fees),
    (r"venue gives key (\w+) to (\w+) for (\S+)", create_key),
    (r"venue revokes key (\w+)", revoke_key),
    (r"wait (\d+) seconds", wait),
]

CHECKS: list[tuple[str, Callable[..., None]]] = [
    (r"(\w+) has (BTC|USDT): (.*)", check_balance),
    (r"book: bids (.*) asks (.*)", check_book),
    (r"auction: (\d+) at (\d+) surplus (-?\d+)", check_auction),
    (r"open of (\w+): (.*)", check_open),
    (r"(\w+)'s (\S+) is at (\d+)", check_price),
    (r"(\w+)'s (\S+) has (\d+) left", check_left),
    (r"lists of (\w+): (.*)", check_lists),
    (r"fees: (\d+) (\w+)", check_fees),
    (r"reference price: (\d+)", check_reference_price),
]


def run_scenario(exchange: Exchange, path: Path) -> None:
    """Run a file from its first line to its last, on one exchange."""
    session = Session(exchange)
    lines = path.read_text().splitlines()
    number = 0
    while number < len(lines):
        line = lines[number].split("#")[0] if not re.search(r"cancels (list )?#", lines[number]) else lines[number]
        number += 1
        if not line.strip():
            continue
        expected = []
        while number < len(lines) and lines[number].startswith("  "):
            expected.append(lines[number].strip())
            number += 1
        where = f"{path.name}:{number - len(expected)}: {line}"
        for pattern, check in CHECKS:
            if match := re.fullmatch(pattern, line.strip()):
                try:
                    check(session, *match.groups())
                except AssertionError as error:
                    raise AssertionError(f"{where}: {error}") from error
                break
        else:
            command, match = next((c, m) for p, c in COMMANDS if (m := re.fullmatch(p, line.strip())))
            told = command(session, *match.groups())
            assert told == expected, f"{where}: {told}"
