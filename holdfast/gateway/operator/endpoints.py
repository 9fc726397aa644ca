"""Endpoints: the table of everything that can be asked of an operator's interface."""

from typing import Any, NamedTuple

from holdfast.gateway.operator import accounts, funds, keys, markets, schemas, venue
from holdfast.gateway.operator.call import Handler

PREFIX = "/api/holdfast/v1"


class Endpoint(NamedTuple):
    method: str
    path: str  # Below PREFIX.
    handler: Handler
    summary: str
    result: type[Any] | None  # None: CSV.
    body: type[Any] | None = None
    query: type[Any] | None = None
    status: int = 200
    journal_remembers: bool = False  # Its idempotency key is kept for good, by the journal; see `repeats`.

    @property
    def is_mutating(self) -> bool:
        return self.method != "GET"

    @property
    def name(self) -> str:
        """The operation's name in the OpenAPI document, unique: funds_deposit."""
        return f"{self.handler.__module__.rpartition('.')[2]}_{self.handler.__name__}"


ENDPOINTS = [
    Endpoint("GET", "/accounts", accounts.list_all, "List accounts", schemas.Accounts, query=accounts.Page),
    Endpoint("POST", "/accounts", accounts.create, "Create an account or sub-account", schemas.Account,
             body=schemas.CreateAccount, status=201, journal_remembers=True),
    Endpoint("GET", "/accounts/{account}", accounts.show, "Show an account with its balances", schemas.AccountState),
    Endpoint("PUT", "/accounts/{account}/frozen", accounts.set_frozen, "Freeze an account, or lift it", schemas.Done,
             body=schemas.SetFrozen),
    Endpoint("POST", "/accounts/{account}/kill", accounts.kill, "Freeze an account and cancel all its orders",
             schemas.Canceled),
    Endpoint("PUT", "/accounts/{account}/fees", accounts.set_fees, "Set an account's own fees", schemas.Done,
             body=schemas.SetFees),
    Endpoint("DELETE", "/accounts/{account}/name", accounts.forget, "Delete an account's name", schemas.Forgotten),
    Endpoint("GET", "/accounts/{account}/history/{what}", accounts.export, "Export an account's history as CSV", None,
             query=accounts.Period),
    Endpoint("GET", "/accounts/{account}/keys", keys.list_all, "List an account's API keys", schemas.Keys),
    Endpoint("POST", "/accounts/{account}/keys", keys.create, "Create an API key", schemas.NewKey,
             body=schemas.CreateKey, status=201, journal_remembers=True),
    Endpoint("DELETE", "/keys/{key}", keys.revoke, "Revoke an API key", schemas.Done),
    Endpoint("POST", "/accounts/{account}/deposits", funds.deposit, "Credit a deposit", schemas.Moved,
             body=schemas.Move, status=201, journal_remembers=True),
    Endpoint("POST", "/accounts/{account}/withdrawals", funds.request_withdrawal,
             "Request a withdrawal; the funds are held", schemas.Withdrawal, body=schemas.Move, status=201,
             journal_remembers=True),
    Endpoint("GET", "/withdrawals", funds.list_all, "List withdrawals, newest first", schemas.Withdrawals,
             query=funds.Selection),
    Endpoint("GET", "/withdrawals/{withdrawal}", funds.show, "Show a withdrawal", schemas.Withdrawal),
    Endpoint("POST", "/withdrawals/{withdrawal}/approve", funds.approve, "Approve a withdrawal", schemas.Withdrawal,
             journal_remembers=True),
    Endpoint("POST", "/withdrawals/{withdrawal}/send", funds.send, "Record that a withdrawal was sent",
             schemas.Withdrawal, journal_remembers=True),
    Endpoint("POST", "/withdrawals/{withdrawal}/refuse", funds.refuse, "Refuse a withdrawal; the funds are free again",
             schemas.Withdrawal, journal_remembers=True),
    Endpoint("POST", "/transfers", funds.transfer, "Move funds between accounts", schemas.Transferred,
             body=schemas.TransferFunds, status=201, journal_remembers=True),
    Endpoint("GET", "/fees", funds.fees, "Show the collected fees", schemas.Fees),
    Endpoint("POST", "/fees/withdrawals", funds.withdraw_fees, "Withdraw collected fees", schemas.Moved,
             body=schemas.Move, status=201, journal_remembers=True),
    Endpoint("GET", "/assets", markets.list_assets, "List assets", schemas.Assets),
    Endpoint("POST", "/assets", markets.add_asset, "Add an asset", schemas.Asset, body=schemas.AddAsset, status=201),
    Endpoint("GET", "/instruments", markets.list_instruments, "List instruments", schemas.Instruments),
    Endpoint("POST", "/instruments", markets.add_instrument, "Add an instrument, in HALT", schemas.Instrument,
             body=schemas.AddInstrument, status=201),
    Endpoint("GET", "/instruments/{symbol}", markets.show_instrument, "Show an instrument", schemas.Instrument),
    Endpoint("PATCH", "/instruments/{symbol}", markets.set_parameters, "Set parameters of an instrument",
             schemas.Instrument, body=schemas.Parameters),
    Endpoint("PUT", "/instruments/{symbol}/mode", markets.set_mode, "Set an instrument's trading mode", schemas.Done,
             body=schemas.SetMode),
    Endpoint("POST", "/instruments/{symbol}/reopening", markets.schedule_reopening,
             "Stop an instrument and open it again by itself", schemas.Reopening, body=schemas.ScheduleReopening,
             journal_remembers=True),
    Endpoint("DELETE", "/instruments/{symbol}/reopening", markets.cancel_reopening, "Call a reopening off",
             schemas.Done),
    Endpoint("GET", "/venue", venue.show, "Show the venue's state", schemas.VenueState),
    Endpoint("PUT", "/venue/killed", venue.set_killed, "Refuse new orders and cancel all open ones, or lift it",
             schemas.Canceled, body=schemas.SetKilled),
    Endpoint("PUT", "/venue/limits/{limit}", venue.set_limit, "Set a limit", schemas.Done, body=schemas.SetLimit),
    Endpoint("POST", "/venue/snapshots", venue.take_snapshot, "Have a snapshot written", schemas.SnapshotState,
             status=201),
    Endpoint("POST", "/venue/master-key", keys.rotate_master_key, "Make a new master key and seal everything under it",
             schemas.Rotated, status=201),
]  # fmt: skip
