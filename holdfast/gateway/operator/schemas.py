"""Schemas: what requests and answers look like. Strict: an unknown field is refused, and so is a wrong type.

Amounts are decimal text. Times are ISO 8601 in UTC with nanoseconds. The OpenAPI document is made from these classes.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.config import (
    FEE_PPM_MAX,
    ICEBERG_PARTS_MAX,
    ORDER_AMENDS_MAX,
    REFERENCE_BUCKET_MS_MAX,
    REFERENCE_BUCKETS_MAX,
    STAGE_SECONDS_MAX,
    TRAILING_DELTA_BIPS_MAX,
)

Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,20}(\.[0-9]{1,8})?$", description="Decimal text, as 0.015")]
AssetCode = Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,20}$", description="As BTC")]
Symbol = Annotated[str, Meta(pattern=r"^[A-Z0-9_.-]{1,36}$", description="As BTCUSDT")]
Time = Annotated[str, Meta(description="ISO 8601, UTC, nanoseconds, as 2026-01-31T12:00:00.000000000Z")]
Name = Annotated[str, Meta(min_length=1, max_length=64, description="Printable text that is not a number")]
AccountRef = Annotated[str, Meta(min_length=1, max_length=64, description="An account's name, or its id")]
FeePpm = Annotated[int, Meta(ge=0, le=FEE_PPM_MAX, description="Millionths")]
Bips = Annotated[int, Meta(ge=0, le=TRAILING_DELTA_BIPS_MAX, description="Ten-thousandths")]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Permission = Literal["read", "trade", "withdraw"]
KeyTypeName = Literal["hmac", "ed25519", "rsa"]
ModeName = Literal["HALT", "CANCEL_ONLY", "POST_ONLY", "LIMIT_ONLY", "TRADING", "AUCTION"]
StatusName = Literal["REQUESTED", "APPROVED", "SENT", "REFUSED"]
LimitName = Literal[
    "orders_max",
    "client_ids_max",
    "client_id_horizon_ns",
    "pages_max",
    "operator_keys_max",
    "balances_max",
    "accounts_max",
    "exchange_orders_max",
    "exchange_algo_orders_max",
    "exchange_iceberg_orders_max",
    "exchange_order_lists_max",
    "countdowns_max",
    "order_lists_max",
]


class Asked(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A request's body or query."""


class Told(msgspec.Struct, rename="camel"):
    """An answer."""


# Accounts.


class CreateAccount(Asked):
    name: Name
    parent: AccountRef | None = None


class Account(Told):
    account_id: int
    uid: str
    name: str | None
    """None when it was deleted."""
    parent_id: int | None
    created_at: Time


class Accounts(Told):
    accounts: list[Account]
    next_after: int | None
    """Ask again with after=… for more; None: that was all."""


class Balance(Told):
    asset: str
    free: str
    locked: str
    in_transit: str


class AccountState(Account):
    is_frozen: bool
    maker_fee_ppm: int | None
    taker_fee_ppm: int | None
    open_orders: int
    balances: list[Balance]


class SetFrozen(Asked):
    frozen: bool


class SetFees(Asked):
    """None: as the instrument says."""

    maker_fee_ppm: FeePpm | None
    taker_fee_ppm: FeePpm | None


class Done(Told):
    """A command took effect. `repeated`: it had before, and nothing was done again."""

    seq: int
    repeated: bool


class Canceled(Done):
    canceled_orders: int


class Forgotten(Told):
    forgotten: bool


# Keys.


class CreateKey(Asked):
    type: KeyTypeName
    permissions: Annotated[list[Permission], Meta(min_length=1, max_length=3)] = msgspec.field(
        default_factory=lambda: ["read", "trade"]
    )
    public_key: Annotated[str, Meta(max_length=4096, description="PEM, for ed25519 and rsa")] = ""
    allow_ips: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=30)] = []
    label: Annotated[str, Meta(max_length=64)] = ""


class Key(Told):
    key_id: int
    account_id: int
    api_key: str
    type: KeyTypeName
    permissions: list[Permission]
    allow_ips: list[str]
    label: str
    is_revoked: bool
    created_at: Time


class NewKey(Key):
    secret_key: str | None
    """The HMAC secret, shown now and when the same request is repeated; None for the other types."""


class Keys(Told):
    keys: list[Key]


# Funds.


class Move(Asked):
    asset: AssetCode
    amount: Amount


class TransferFunds(Asked):
    from_account: AccountRef
    to_account: AccountRef
    asset: AssetCode
    amount: Amount


class Moved(Done):
    account_id: int
    asset: str
    amount: str
    reference: str
    """The idempotency key, which is kept for good."""


class Transferred(Moved):
    to_account_id: int


class Withdrawal(Told):
    withdrawal_id: int
    account_id: int
    asset: str
    amount: str
    status: StatusName
    reference: str
    requested_at: Time
    updated_at: Time


class Withdrawals(Told):
    withdrawals: list[Withdrawal]


class AssetFees(Told):
    asset: str
    collected: str


class Fees(Told):
    fees: list[AssetFees]


# Markets.


class AddAsset(Asked):
    code: AssetCode
    decimals: Annotated[int, Meta(ge=0, le=8)]


class Asset(Told):
    asset_id: int
    code: str
    decimals: int


class Assets(Told):
    assets: list[Asset]


class Parameters(Asked):
    """What may be set of an instrument; what is absent stays as it is. docs/operations.md explains each."""

    price_min: Amount | UnsetType = UNSET
    price_max: Amount | UnsetType = UNSET
    qty_min: Amount | UnsetType = UNSET
    qty_max: Amount | UnsetType = UNSET
    market_qty_min: Amount | UnsetType = UNSET
    market_qty_max: Amount | UnsetType = UNSET
    notional_min: Amount | UnsetType = UNSET
    notional_max: Amount | UnsetType = UNSET
    notional_min_applies_to_market: bool | UnsetType = UNSET
    notional_max_applies_to_market: bool | UnsetType = UNSET
    bid_multiplier_up: Amount | UnsetType = UNSET
    bid_multiplier_down: Amount | UnsetType = UNSET
    ask_multiplier_up: Amount | UnsetType = UNSET
    ask_multiplier_down: Amount | UnsetType = UNSET
    orders_max: Count | UnsetType = UNSET
    algo_orders_max: Count | UnsetType = UNSET
    order_lists_max: Count | UnsetType = UNSET
    position_max: Amount | UnsetType = UNSET
    maker_fee_ppm: FeePpm | UnsetType = UNSET
    taker_fee_ppm: FeePpm | UnsetType = UNSET
    order_amends_max: Annotated[int, Meta(ge=0, le=ORDER_AMENDS_MAX)] | UnsetType = UNSET
    trailing_above_bips_min: Bips | UnsetType = UNSET
    trailing_above_bips_max: Bips | UnsetType = UNSET
    trailing_below_bips_min: Bips | UnsetType = UNSET
    trailing_below_bips_max: Bips | UnsetType = UNSET
    iceberg_parts_max: Annotated[int, Meta(ge=0, le=ICEBERG_PARTS_MAX)] | UnsetType = UNSET
    iceberg_orders_max: Count | UnsetType = UNSET
    bid_limit_up: Amount | UnsetType = UNSET
    bid_limit_down: Amount | UnsetType = UNSET
    ask_limit_up: Amount | UnsetType = UNSET
    ask_limit_down: Amount | UnsetType = UNSET
    reference_buckets: Annotated[int, Meta(ge=0, le=REFERENCE_BUCKETS_MAX)] | UnsetType = UNSET
    reference_bucket_ms: Annotated[int, Meta(ge=0, le=REFERENCE_BUCKET_MS_MAX)] | UnsetType = UNSET
    reference_price: Amount | UnsetType = UNSET
    price_band: Amount | UnsetType = UNSET
    price_band_auction_seconds: Annotated[int, Meta(ge=0, le=STAGE_SECONDS_MAX)] | UnsetType = UNSET


class AddInstrument(Asked):
    symbol: Symbol
    base: AssetCode
    quote: AssetCode
    tick_size: Amount
    lot_size: Amount


class Stage(Told):
    mode: ModeName
    at: Time


class Auction(Told):
    price: str
    """0 when nothing would trade."""
    quantity: str
    surplus: str
    """Wanted at that price and not served; of sellers it is negative."""


class Instrument(Told):
    instrument_id: int
    symbol: str
    base: str
    quote: str
    tick_size: str
    lot_size: str
    mode: ModeName
    parameters: Parameters
    stages: list[Stage]
    """The modes that it is going to by itself, the next one first."""
    auction: Auction
    """What an auction would come to if it ended now."""


class Instruments(Told):
    instruments: list[Instrument]


class SetMode(Asked):
    mode: ModeName


Seconds = Annotated[int, Meta(ge=0, le=STAGE_SECONDS_MAX)]


class ScheduleReopening(Asked):
    """How long each mode lasts before TRADING; 0: it is left out."""

    halt_seconds: Seconds = 0
    cancel_only_seconds: Seconds = 0
    auction_seconds: Seconds = 0


class Reopening(Told):
    seq: int
    """Of the command that scheduled it."""
    repeated: bool
    mode: ModeName
    stages: list[Stage]


# The venue.


class JournalState(Told):
    is_accepting: bool
    reason: str
    committed_seq: int
    pending_records: int
    batches: int
    bytes_written: int
    failures: int


class ReaderState(Told):
    name: str
    lag_events: int
    lag_events_max: int
    is_behind: bool
    failure: str


class GatewayState(Told):
    """A gateway in a process of its own that has joined."""

    gateway_id: int
    pid: int
    url: str
    applied_seq: int
    """Up to where it had applied the journal, at most a second ago."""


class SnapshotState(Told):
    seq: int
    bytes: int
    created_at: Time


class PoolState(Told):
    used: int
    limit: int


class VenueState(Told):
    venue_id: str
    version: str
    rules_version: int
    started_at: Time
    now: Time
    is_accepting: bool
    refusal: str
    is_killed: bool
    applied_seq: int
    """Empty when it is too dear to compute now."""
    journal: JournalState
    readers: list[ReaderState]
    gateways: list[GatewayState]
    snapshots: list[SnapshotState]
    pools: dict[str, PoolState]
    limits: dict[str, int]
    skipped_seqs: list[int]


class SetKilled(Asked):
    killed: bool


class SetLimit(Asked):
    value: Count


class Rotated(Told):
    fingerprint: str
    """Of the master key that seals now."""
    commands: int
    """REWRAP_SECRETS commands that it took."""
