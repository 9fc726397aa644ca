"""Records: what clients keep of what they sent and what they were told, while the venue is killed.

traders ──fill──▶ RECORDS ──▶ oracle

Nothing in here comes from asking the venue what it thinks happened; only the oracle adds what it found.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

SYMBOL = "BTCUSDT"
SCOPES = (SYMBOL, "", "ETHUSDT")  # Of timers: the market of all orders, all markets, and one without orders.
NS_PER_MS = 1_000_000

Row = dict[str, Any]


class Amendment(NamedTuple):
    """What an order is to be from now on."""

    client_id: str
    quantity: str


@dataclass(eq=False)
class Sent:
    """One order that was sent, or is open from an earlier round. `reply` is None while nobody knows."""

    client_id: str
    terms: dict[str, str] = field(default_factory=dict)
    reply: Row | None = None
    refused: bool = False
    canceled: Row | None = None  # The reply to its cancel.
    amending: Amendment | None = None  # On its way when the connection broke: done, or not.
    amended: list[Decimal] = field(default_factory=list)  # To what, by amendments of this round that are known to be.
    pair: list[Decimal] | None = None  # To what the two orders of a pair were amended so far, which are always alike.
    list_client_id: str = ""  # Of the list that it is an order of; of this round.
    is_selling_bought: bool = False  # Its quantity is what the working order of its list bought.
    row: Row | None = None  # What the oracle found of it.

    def amend(self, amendment: Amendment) -> None:
        """It is known that it was amended."""
        self.client_id = amendment.client_id
        self.terms = self.terms | {"quantity": amendment.quantity}
        self.amended.append(Decimal(amendment.quantity))
        if self.pair is not None:
            self.pair.append(Decimal(amendment.quantity))

    def may_have(self, quantity: Decimal) -> bool:
        """Whether it may be of that quantity: the other order of a pair shares it as long as neither has traded."""
        return quantity == Decimal(self.terms["quantity"]) or quantity in (self.pair or ())


@dataclass(eq=False)
class SentList:
    """One order list that was sent in this round, as `Sent`; its orders stand among the orders too."""

    client_id: str
    kind: str
    legs: list[Sent]
    reply: Row | None = None
    refused: bool = False


@dataclass(eq=False)
class SentCountdown:
    """One setting of a dead man's timer, as `Sent`; the first of a watch is one too."""

    symbol: str  # One of SCOPES.
    countdown_ms: int  # 0: stop it.
    reply: Row | None = None
    refused: bool = False


@dataclass(eq=False)
class Watch:
    """One connection that lets orders be canceled when it ends. When the round is over it has ended."""

    symbol: str  # One of SCOPES.
    port: int  # Of the process at its other end.
    is_told: bool = False  # That it holds; while it is being switched off, nobody knows.
    is_off: bool = False  # Told to hold no longer, before its connection ended.
    covered: list[Sent] = field(default_factory=list)  # What was known to be open when it ended.


@dataclass
class Withdrawal:
    """One withdrawal that was requested, with the last step that was acknowledged."""

    reference: str
    withdrawal_id: int = 0
    status: str = ""


@dataclass
class Record:
    """What one account sent in this round, in order, and its orders that were open at the beginning."""

    account: str
    key: dict[str, str]
    orders: dict[str, Sent] = field(default_factory=dict)  # By the client id that each has now.
    lists: list[SentList] = field(default_factory=list)
    countdowns: list[SentCountdown] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    deposits: dict[str, bool] = field(default_factory=dict)  # Reference → acknowledged.
    withdrawals: dict[str, Withdrawal] = field(default_factory=dict)
