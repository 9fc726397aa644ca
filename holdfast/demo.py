"""The demo: accounts for the simulated traders and for two people, what they own, and who drives the traders.

Everything here is done the way an operator does it: accounts and keys by journaled commands, money by deposits whose
references make a second start deposit nothing. The traders use the gateway's own endpoints.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from holdfast.codes import CommandKind, KeyPermission, KeyType
from holdfast.commands import Command, encode
from holdfast.directory.directory import Directory
from holdfast.directory.keys import Key
from holdfast.gateway.binance.gateway import BinanceGateway
from holdfast.gateway.binance.inside import InsideSession
from holdfast.market_data.market_data import MarketData
from holdfast.participants.demo import PEOPLE, DemoMarket, account_names, funding
from holdfast.participants.session import Done, Parameters, Reply
from holdfast.private_file import write_private
from holdfast.replica import Outcome, Replica

KEYS_FILE = "demo-keys.json"
KEY_LABEL = "demo"
_MAY_TRADE = KeyPermission.READ | KeyPermission.TRADE


class Demo:
    """The demo market of one venue."""

    def __init__(
        self,
        replica: Replica,
        directory: Directory,
        market_data: MarketData,
        gateway: BinanceGateway,
        data: Path,
        seed: int,
    ) -> None:
        self.keys: dict[str, dict[str, str]] = {}  # By name: {"apiKey": …, "secretKey": …}
        self._replica = replica
        self._directory = directory
        self._market_data = market_data
        self._gateway = gateway
        self._data = data
        self._seed = seed
        self._market: DemoMarket | None = None

    async def start(self) -> None:
        """Make what is missing: accounts, keys, money."""
        accounts = {name: await self._account(name) for name in [*account_names(), *PEOPLE]}
        for given in funding():
            asset = self._replica.reference.asset_by_code[given.asset]
            deposit = Command(
                kind=CommandKind.DEPOSIT,
                account_id=accounts[given.account],
                instrument_id=asset.asset_id,
                qty_lots=asset.parse(given.amount),
                client_id=given.reference.encode(),
            )
            await self._carried_out(encode(deposit))
        for name in PEOPLE:
            self.keys[name] = await self._key(accounts[name])
        write_private(self._data / KEYS_FILE, json.dumps(self.keys, indent=2).encode() + b"\n")
        sessions = {name: self._session(name, accounts[name]) for name in account_names()}
        view = _View(self._replica, self._market_data)
        self._market = DemoMarket(self._seed, self._replica.reference, view, sessions.__getitem__)

    def tick(self) -> None:
        """Let everyone do what is due."""
        if self._market is not None:
            self._market.step(self._replica.clock.now_ns())

    async def _account(self, name: str) -> int:
        people = self._directory.people
        person = await asyncio.to_thread(people.reserve, name, f"demo {name}")
        existing = self._directory.account_of_uid(person.uid)
        if existing is None:
            create = Command(kind=CommandKind.CREATE_ACCOUNT, client_id=person.uid.encode("ascii"))
            existing = (await self._carried_out(encode(create))).controls[0].id
        return existing

    async def _key(self, account_id: int) -> dict[str, str]:
        usable = [k for k in self._directory.keys(account_id) if k.label == KEY_LABEL and not k.revoked]
        if not usable:
            reference = f"demo-{account_id}-{len(self._directory.keys(account_id)) + 1}"
            record = self._directory.key_record(account_id, KeyType.HMAC, _MAY_TRADE, reference, label=KEY_LABEL)
            await self._carried_out(record)
            usable = self._directory.keys(account_id)[-1:]
        secret = self._directory.secret_of(usable[0].key_id)
        assert secret is not None
        return {"apiKey": usable[0].api_key, "secretKey": secret}

    def _carried_out(self, records: bytes) -> "asyncio.Future[Outcome]":
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._replica.submit(records, outcome.set_result)
        return outcome

    def _session(self, name: str, account_id: int) -> "_Session":
        # Key 0 is the venue itself: the engine asks for no key, and the gateway for no signature.
        key = Key(0, account_id, "", KeyType.HMAC, _MAY_TRADE, (), name, "")
        return _Session(InsideSession(self._gateway.methods, key, self._replica.clock, name))


class _Session:
    """A participant's session, as `holdfast.participants.session.TraderSession` says."""

    def __init__(self, session: InsideSession) -> None:
        self._session = session

    def _call(self, method: str, parameters: Parameters, done: Done) -> None:
        def answer(status: int, body: Any) -> None:
            done(Reply(status, body))

        self._session.call(method, parameters, answer)

    def place(self, parameters: Parameters, done: Done) -> None:
        self._call("order.place", parameters, done)

    def cancel(self, parameters: Parameters, done: Done) -> None:
        self._call("order.cancel", parameters, done)

    def cancel_replace(self, parameters: Parameters, done: Done) -> None:
        self._call("order.cancelReplace", parameters, done)

    def open_orders(self, parameters: Parameters, done: Done) -> None:
        self._call("openOrders.status", parameters, done)

    def account(self, done: Done) -> None:
        self._call("account.status", {}, done)


class _View:
    """What participants see of a market, as `holdfast.participants.session.MarketView` says."""

    def __init__(self, replica: Replica, market_data: MarketData) -> None:
        self._replica = replica
        self._market_data = market_data

    def best(self, symbol: str) -> tuple[float | None, float | None]:
        instrument = self._replica.reference.by_symbol[symbol]
        bids, asks, _update_id = self._replica.book(instrument.instrument_id, 1)
        tick = instrument.tick_e8 / 1e8
        return (bids[0][0] * tick if bids else None), (asks[0][0] * tick if asks else None)

    def last_price(self, symbol: str) -> float | None:
        instrument = self._replica.reference.by_symbol[symbol]
        ticks = self._replica.last_price_ticks(instrument.instrument_id)
        return ticks * instrument.tick_e8 / 1e8 if ticks else None
