"""A tiny exchange with Binance's names: price-time matching on exact integers, balances, refusals when told to.

Small enough to be obviously right about what the participants see. Replies come at once, or (`is_slow`) at `deliver`.
"""

from bisect import insort
from typing import Any, NamedTuple

from holdfast.codes import InstrumentParameter, TradingMode
from holdfast.instruments import Asset, Instrument, Reference, parse_decimal, units_per_tick_lot
from holdfast.participants.demo import funding
from holdfast.participants.session import Done, Parameters, Reply

_assets = {code: Asset(i, code, 8) for i, code in enumerate(("BTC", "ETH", "SOL", "USDT"), start=1)}
_GRIDS = (  # symbol, base, quote, tick in 1e-8, lot in base units, smallest notional: as a new venue has them
    ("BTCUSDT", "BTC", "USDT", 10**6, 10**3, 5 * 10**8),
    ("ETHUSDT", "ETH", "USDT", 10**6, 10**4, 5 * 10**8),
    ("ETHBTC", "ETH", "BTC", 10**3, 10**5, 10**4),
    ("SOLUSDT", "SOL", "USDT", 10**6, 10**5, 5 * 10**8),
)


def _instrument(number: int, grid: tuple[str, str, str, int, int, int]) -> Instrument:
    symbol, base, quote, tick_e8, lot_units, notional_min = grid
    unit = units_per_tick_lot(tick_e8, lot_units, 8, 8)
    assert unit is not None
    parameters = {InstrumentParameter.NOTIONAL_MIN: notional_min, InstrumentParameter.QTY_LOTS_MIN: 1}
    return Instrument(
        number, symbol, _assets[base], _assets[quote], tick_e8, lot_units, unit, TradingMode.TRADING, parameters
    )


REFERENCE = Reference(_assets.values(), [_instrument(i, grid) for i, grid in enumerate(_GRIDS, start=1)])


class Resting(NamedTuple):
    sort_key: tuple[int, int]  # Best first: mirrored price, then order id.
    order: dict[str, Any]


class Trade(NamedTuple):
    ts_ns: int
    price_ticks: int
    lots: int


class FakeVenue:
    def __init__(self) -> None:
        self.now_ns = 0
        self.is_slow = False
        self.refusal: Reply | None = None  # What every order and cancel gets.
        self.read_refusal: Reply | None = None
        self.loses_replies = False
        self.log: list[tuple[str, str, dict[str, str]]] = []
        self.errors: list[Any] = []
        self.trades: dict[str, list[Trade]] = {symbol: [] for symbol in REFERENCE.by_symbol}
        self.books: dict[tuple[str, str], list[Resting]] = {
            (symbol, side): [] for symbol in REFERENCE.by_symbol for side in ("BUY", "SELL")
        }
        self.open: dict[tuple[str, str], dict[str, Resting]] = {}
        self.free: dict[tuple[str, str], int] = {}
        self._order_count = 0
        self._undelivered: list[tuple[Done, Reply]] = []
        for deposit in funding():
            key = (deposit.account, deposit.asset)
            self.free[key] = self.free.get(key, 0) + _assets[deposit.asset].parse(deposit.amount)

    # The market's view.

    def best(self, symbol: str) -> tuple[float | None, float | None]:
        bids, asks = self.books[symbol, "BUY"], self.books[symbol, "SELL"]
        tick = REFERENCE.by_symbol[symbol].tick_e8 / 1e8
        return (
            bids[0].order["ticks"] * tick if bids else None,
            asks[0].order["ticks"] * tick if asks else None,
        )

    def last_price(self, symbol: str) -> float | None:
        trades = self.trades[symbol]
        return trades[-1].price_ticks * REFERENCE.by_symbol[symbol].tick_e8 / 1e8 if trades else None

    def session(self, account: str) -> "FakeSession":
        return FakeSession(self, account)

    def levels(self, symbol: str, side: str, within: float) -> int:
        book = self.books[symbol, side]
        best = book[0].order["ticks"] if book else 0
        return len({r.order["ticks"] for r in book if abs(r.order["ticks"] - best) <= within * best})

    def open_count(self) -> int:
        return sum(len(orders) for orders in self.open.values())

    # Requests.

    def answer(self, done: Done, reply: Reply) -> None:
        if not reply.is_ok:
            self.errors.append(reply.body)
        if self.loses_replies:
            return
        if self.is_slow:
            self._undelivered.append((done, reply))
        else:
            done(reply)

    def deliver(self) -> None:
        waiting, self._undelivered = self._undelivered, []
        for done, reply in waiting:
            done(reply)

    def place(self, account: str, p: Parameters) -> Reply:
        instrument = REFERENCE.by_symbol[p["symbol"]]
        self._order_count += 1
        order: dict[str, Any] = {"account": account, "symbol": p["symbol"], "side": p["side"], "id": self._order_count}
        order["client_id"] = p["newClientOrderId"]
        assert len(order["client_id"]) <= 36
        is_market = p["type"] == "MARKET"
        ticks = None if is_market else instrument.price_ticks(parse_decimal(p["price"]))
        assert is_market or ticks, p
        order["ticks"] = ticks if not is_market else (2**60 if p["side"] == "BUY" else 1)
        if "quoteOrderQty" in p:
            best = self.best(p["symbol"])[p["side"] == "BUY"]
            assert best is not None
            quantity = parse_decimal(p["quoteOrderQty"]) / best
            lots = int(quantity // instrument.lot_units)
        else:
            found = instrument.qty_lots(parse_decimal(p["quantity"]))
            assert found, p
            lots = found
        order["lots"] = lots
        if not is_market:
            notional = instrument.quote_of(order["ticks"], lots)
            assert notional >= instrument.parameters[InstrumentParameter.NOTIONAL_MIN]
        if p["type"] == "LIMIT_MAKER" and self._crosses(order):
            return Reply(400, {"code": -2010, "msg": "Order would immediately match and take."})
        if not self._can_pay(account, order, instrument):
            return Reply(400, {"code": -2010, "msg": "Account has insufficient balance for requested action."})
        self._match(order, instrument)
        if p["type"] == "LIMIT_MAKER" and order["lots"]:
            self._rest(order)
        return Reply(200, {"symbol": p["symbol"], "orderId": order["id"], "clientOrderId": order["client_id"]})

    def _can_pay(self, account: str, order: dict[str, Any], instrument: Instrument) -> bool:
        """Holds are not modelled; what is rich enough at the moment of the order is."""
        if order["side"] == "SELL":
            return self.free[account, instrument.base.code] >= order["lots"] * instrument.lot_units
        ticks = min(order["ticks"], 2 * round((self.best(order["symbol"])[1] or 0) * 1e8 / instrument.tick_e8) or 2**50)
        return self.free[account, instrument.quote.code] >= instrument.quote_of(ticks, order["lots"])

    def _crosses(self, order: dict[str, Any]) -> bool:
        book = self.books[order["symbol"], "SELL" if order["side"] == "BUY" else "BUY"]
        if not book:
            return False
        ticks = book[0].order["ticks"]
        return ticks <= order["ticks"] if order["side"] == "BUY" else ticks >= order["ticks"]

    def _match(self, order: dict[str, Any], instrument: Instrument) -> None:
        while order["lots"] and self._crosses(order):
            maker = self.books[order["symbol"], "SELL" if order["side"] == "BUY" else "BUY"][0].order
            lots = min(order["lots"], maker["lots"])
            self.trades[order["symbol"]].append(Trade(self.now_ns, maker["ticks"], lots))
            buyer, seller = (order, maker) if order["side"] == "BUY" else (maker, order)
            base, quote = lots * instrument.lot_units, instrument.quote_of(maker["ticks"], lots)
            self.free[buyer["account"], instrument.base.code] += base - base // 1000
            self.free[buyer["account"], instrument.quote.code] -= quote
            self.free[seller["account"], instrument.base.code] -= base
            self.free[seller["account"], instrument.quote.code] += quote - quote // 1000
            order["lots"] -= lots
            maker["lots"] -= lots
            if not maker["lots"]:
                self._remove(maker)

    def _rest(self, order: dict[str, Any]) -> None:
        mirrored = -order["ticks"] if order["side"] == "BUY" else order["ticks"]
        resting = Resting((mirrored, order["id"]), order)
        insort(self.books[order["symbol"], order["side"]], resting, key=lambda r: r.sort_key)
        self.open.setdefault((order["account"], order["symbol"]), {})[order["client_id"]] = resting

    def _remove(self, order: dict[str, Any]) -> None:
        resting = self.open[order["account"], order["symbol"]].pop(order["client_id"])
        self.books[order["symbol"], order["side"]].remove(resting)

    def cancel(self, account: str, p: Parameters) -> Reply:
        mine = self.open.get((account, p["symbol"]), {})
        for client_id, resting in mine.items():
            if client_id == p.get("origClientOrderId") or str(resting.order["id"]) == p.get("orderId"):
                self._remove(resting.order)
                return Reply(200, {})
        return Reply(400, {"code": -2011, "msg": "Unknown order sent."})


class FakeSession:
    def __init__(self, venue: FakeVenue, account: str) -> None:
        self._venue = venue
        self._account = account

    def place(self, parameters: Parameters, done: Done) -> None:
        self._log("place", parameters)
        self._venue.answer(done, self._venue.refusal or self._venue.place(self._account, parameters))

    def cancel(self, parameters: Parameters, done: Done) -> None:
        self._log("cancel", parameters)
        self._venue.answer(done, self._venue.refusal or self._venue.cancel(self._account, parameters))

    def cancel_replace(self, parameters: Parameters, done: Done) -> None:
        self._log("cancel_replace", parameters)
        venue = self._venue
        target = {"symbol": parameters["symbol"], "origClientOrderId": parameters["cancelOrigClientOrderId"]}
        if venue.refusal:
            reply = venue.refusal
        elif not venue.cancel(self._account, target).is_ok:
            reply = Reply(400, {"code": -2022, "msg": "Order cancel-replace failed."})
        else:
            placed = venue.place(self._account, parameters)
            reply = placed if placed.is_ok else Reply(409, {"code": -2021, "msg": "…", "data": placed.body})
        venue.answer(done, reply)

    def open_orders(self, parameters: Parameters, done: Done) -> None:
        instrument = REFERENCE.by_symbol[parameters["symbol"]]
        mine = self._venue.open.get((self._account, instrument.symbol), {})
        body = [
            {"clientOrderId": c, "orderId": r.order["id"], "price": instrument.format_price(r.order["ticks"])}
            for c, r in mine.items()
        ]
        self._venue.answer(done, self._venue.read_refusal or Reply(200, body))

    def account(self, done: Done) -> None:
        balances = [
            {"asset": asset, "free": _assets[asset].format(units), "locked": "0.00000000"}
            for (account, asset), units in self._venue.free.items()
            if account == self._account
        ]
        self._venue.answer(done, self._venue.read_refusal or Reply(200, {"balances": balances}))

    def _log(self, request: str, parameters: Parameters) -> None:
        self._venue.log.append((self._account, request, dict(parameters)))
