"""The demo market: who takes part, what they are given, and one `step` that drives them all.

The composition of the venue makes the accounts, deposits what `funding` says (each reference is an idempotency key, so
a second start deposits nothing), and calls `DemoMarket.step` from a timer. Everything follows from the seed, the times
given to `step` and the venue's replies.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from holdfast.instruments import Reference
from holdfast.participants.conduct import Budget, Wallet
from holdfast.participants.maker import LADDER_SLOTS, Maker
from holdfast.participants.market import Market
from holdfast.participants.prices import ASSETS, ReferencePrices
from holdfast.participants.session import MarketView, TraderSession
from holdfast.participants.taker import Arbitrageur, Taker, TrendFollower, Triangle

MARKETS = (("BTC", "USDT"), ("ETH", "USDT"), ("ETH", "BTC"), ("SOL", "USDT"))
PEOPLE = ("demo-alice", "demo-bob")
STEP_INTERVAL_S = 0.1
_MAKERS_PER_MARKET = 3
_MAKER_COMMANDS_PER_S = 9.0  # Of a market's makers together.
_MAKER_COMMANDS_SAVED = 60.0
_TRADERS = ("demo-taker", "demo-trend", "demo-arbitrage")
_ENDOWMENT_VALUE = 20_000_000.0  # Of each asset that a participant trades: fees and losses of years.


class Funding(NamedTuple):
    """A deposit to make once; `amount` is decimal text."""

    account: str
    asset: str
    amount: str
    reference: str


def maker_names(base: str, quote: str) -> list[str]:
    return [f"demo-maker-{base}{quote}-{number}".lower() for number in range(1, _MAKERS_PER_MARKET + 1)]


def account_names() -> list[str]:
    """The participants' accounts: those that need a session."""
    makers = [name for base, quote in MARKETS for name in maker_names(base, quote)]
    return [*makers, *_TRADERS]


def funding() -> list[Funding]:
    """What every account is given, the participants' and the two for people."""
    given: dict[str, list[str]] = {name: [base, quote] for base, quote in MARKETS for name in maker_names(base, quote)}
    given |= {name: ["USDT", *ASSETS] for name in _TRADERS}
    amounts = [(name, asset, str(round(_endowment(asset)))) for name, assets in given.items() for asset in assets]
    for name in PEOPLE:
        amounts += [(name, "USDT", "100000"), (name, "BTC", "1"), (name, "ETH", "20"), (name, "SOL", "200")]
    return [Funding(name, asset, amount, f"demo-{asset.lower()}-1") for name, asset, amount in amounts]


def _endowment(asset: str) -> float:
    return round(_ENDOWMENT_VALUE / ASSETS[asset].price if asset in ASSETS else _ENDOWMENT_VALUE)


class DemoMarket:
    """All participants. `session` gives the session of an account of `account_names()`."""

    def __init__(
        self, seed: int, reference: Reference, view: MarketView, session: Callable[[str], TraderSession]
    ) -> None:
        self._seed = seed
        self._view = view
        self._session = session
        self._markets = {(base, quote): Market(reference.by_symbol[base + quote]) for base, quote in MARKETS}
        self._prices = ReferencePrices(self._rng("prices"), self._begin())
        self._budgets: list[Budget] = []
        self._makers = [maker for base, quote in MARKETS for maker in self._make_makers(base, quote)]
        self._traders = self._make_traders()

    def step(self, now_ns: int) -> None:
        """Let everyone do what is due at `now_ns`; call it every `STEP_INTERVAL_S` or so."""
        self._prices.step(now_ns)
        for budget in self._budgets:
            budget.step(now_ns)
        for maker in self._makers:
            maker.step(now_ns, self._prices, self._view)
        for trader in self._traders:
            trader.step(now_ns, self._prices, self._view)

    def _rng(self, name: str) -> random.Random:
        """Everyone's own: one more draw by one changes nothing for the others."""
        return random.Random(f"{self._seed}/{name}")

    def _begin(self) -> dict[str, float]:
        """Where the markets were when the venue stopped; without trades yet, the process knows where to begin."""
        last = {base: self._view.last_price(base + quote) for base, quote in MARKETS if quote == "USDT"}
        return {base: price for base, price in last.items() if price is not None}

    def _make_makers(self, base: str, quote: str) -> list[Maker]:
        """A market's makers take the ladder's slots in turn, and share one budget of commands."""
        budget = Budget(_MAKER_COMMANDS_PER_S, _MAKER_COMMANDS_SAVED)
        self._budgets.append(budget)
        makers = []
        for number, name in enumerate(maker_names(base, quote)):
            session = self._session(name)
            wallet = Wallet(session, {base: _endowment(base), quote: _endowment(quote)})
            ranks = range(number, LADDER_SLOTS, _MAKERS_PER_MARKET)
            prefix = f"m{number + 1}"
            makers.append(Maker(prefix, self._markets[base, quote], ranks, session, wallet, budget, self._rng(name)))
        return makers

    def _make_traders(self) -> list[Taker | TrendFollower | Arbitrageur]:
        targets = {asset: _endowment(asset) for asset in ("USDT", *ASSETS)}
        sessions = [self._session(name) for name in _TRADERS]
        wallets = [Wallet(session, targets) for session in sessions]
        traders: list[Taker | TrendFollower | Arbitrageur] = []
        for market in self._markets.values():
            rng = self._rng(f"taker {market.symbol}")
            traders.append(Taker(f"t-{market.symbol}", market, sessions[0], wallets[0], rng))
            rng = self._rng(f"trend {market.symbol}")
            traders.append(TrendFollower(f"f-{market.symbol}", market, sessions[1], wallets[1], rng))
        triangle = Triangle(self._markets["ETH", "BTC"], self._markets["ETH", "USDT"], self._markets["BTC", "USDT"])
        traders.append(Arbitrageur("a", triangle, sessions[2], wallets[2], self._rng("arbitrage")))
        return traders
