"""Directory: the state that accounts' and keys' commands lead to.

journal → engine (is it valid?) → DIRECTORY → gateways

The engine numbers accounts and keys and decides whether a command takes effect; the directory keeps what the engine has
no use for. Its rows are a function of the journal alone and hold ciphertext: a replica that only checks or writes
snapshots needs no master key. `unlock` adds what a gateway needs: the opened keys, and people's names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import structlog

from holdfast.codes import CommandKind, KeyType
from holdfast.commands import Command, encode_with_payload
from holdfast.directory.issuing import KeyDocument, context, key_record
from holdfast.directory.keys import Key
from holdfast.directory.master_key import MasterKeyError, MasterKeys, sealed_under
from holdfast.directory.people import People
from holdfast.events import ControlEvent

log = structlog.get_logger()

_DUMP_VERSION = 1
REWRAP_KEYS_MAX = 256  # Keys in one REWRAP_SECRETS group: about 90 KiB.


class AccountRow(NamedTuple):
    account_id: int
    uid: str  # 32 hexadecimal digits; the name is in the people's table.
    parent_id: int  # 0: not a sub-account.
    created_ts_ns: int


class KeyRow(NamedTuple):
    key_id: int
    account_id: int
    key_type: int
    permissions: int
    idempotency_key: bytes
    sealed: bytes  # A KeyDocument
    revoked: bool
    created_ts_ns: int

    def context(self) -> bytes:
        """What the document is bound to; see `issuing.context`."""
        return context(
            Command(
                account_id=self.account_id,
                order_id=self.key_type,
                qty_lots=self.permissions,
                client_id=self.idempotency_key,
            )
        )


class _Dump(NamedTuple):
    version: int
    accounts: list[AccountRow]
    keys: list[KeyRow]


class _Rewrapped(NamedTuple):
    key_id: int
    sealed: bytes


class Directory:
    """Accounts and keys. One thread only."""

    def __init__(self) -> None:
        self._accounts: dict[int, AccountRow] = {}
        self._account_by_uid: dict[str, int] = {}
        self._rows: dict[int, KeyRow] = {}
        self._key_ids: dict[int, list[int]] = {}  # By account, oldest first.
        self._keys: dict[int, Key] = {}  # The opened ones.
        self._by_api_key: dict[str, Key] = {}
        self._master: MasterKeys | None = None
        self._people: People | None = None

    # What gateways ask.

    def key(self, api_key: str) -> Key | None:
        """The key of that name, revoked or not; None when there is none, or before `unlock`."""
        return self._by_api_key.get(api_key)

    def key_by_id(self, key_id: int) -> Key | None:
        return self._keys.get(key_id)

    def keys(self, account_id: int) -> list[Key]:
        """All keys of an account, revoked ones too, oldest first."""
        return [self._keys[key_id] for key_id in self._key_ids.get(account_id, ()) if key_id in self._keys]

    def key_rows(self) -> list[KeyRow]:
        """All keys as the journal knows them, by rising id; needs no master key."""
        return list(self._rows.values())

    def key_created_ts_ns(self, key_id: int) -> int:
        return self._rows[key_id].created_ts_ns

    def account(self, account_id: int) -> AccountRow | None:
        return self._accounts.get(account_id)

    def accounts(self, after_id: int, limit: int) -> list[AccountRow]:
        """Accounts with rising ids above `after_id`."""
        ids = range(after_id + 1, min(after_id + limit, len(self._accounts)) + 1)
        return [self._accounts[account_id] for account_id in ids]

    def account_of_uid(self, uid: str) -> int | None:
        return self._account_by_uid.get(uid)

    def account_of_name(self, name: str) -> int | None:
        uid = self.people.uid_of(name)
        return None if uid is None else self._account_by_uid.get(uid)

    def name_of(self, account_id: int) -> str | None:
        """The account's name, or None when it was deleted or never known here."""
        row = self._accounts.get(account_id)
        return None if row is None else self.people.names_of([row.uid]).get(row.uid)

    def secret_of(self, key_id: int) -> str | None:
        """The secret of an HMAC key, to be shown to the one who had it issued; None for other types."""
        row = self._rows[key_id]
        document = self._open_document(row)
        return document.material if document is not None and row.key_type == KeyType.HMAC else None

    def key_record(
        self,
        account_id: int,
        key_type: KeyType,
        permissions: int,
        idempotency_key: str,
        public_key: str = "",
        allow_ips: Sequence[str] = (),
        label: str = "",
    ) -> bytes:
        """The group that creates a key; see `issuing.key_record`."""
        return key_record(self.master, account_id, key_type, permissions, idempotency_key, public_key, allow_ips, label)

    # From the journal.

    def apply(self, command: Command, payload: bytes, control: ControlEvent) -> None:
        """Take a control command that took effect. A function of the arguments and the state alone."""
        if command.kind == CommandKind.CREATE_ACCOUNT:
            self._add_account(
                AccountRow(control.id, command.client_id.decode("ascii"), command.order_id, command.ts_ns)
            )
        elif command.kind == CommandKind.CREATE_KEY:
            self._add_key(
                KeyRow(
                    control.id,
                    command.account_id,
                    command.order_id,
                    command.qty_lots,
                    command.client_id,
                    payload,
                    False,
                    command.ts_ns,
                )
            )
        elif command.kind == CommandKind.REVOKE_KEY:
            self._revoke(command.order_id)
        elif command.kind == CommandKind.REWRAP_SECRETS:
            for key_id, sealed in msgspec.msgpack.decode(payload, type=list[_Rewrapped]):
                self._rows[key_id] = self._rows[key_id]._replace(sealed=sealed)

    def dump(self) -> bytes:
        """The state for a snapshot; equal states give equal bytes. Secrets stay sealed."""
        return msgspec.msgpack.encode(_Dump(_DUMP_VERSION, list(self._accounts.values()), list(self._rows.values())))

    def load(self, data: bytes) -> None:
        """Become what was dumped; the directory is fresh."""
        assert not self._accounts
        dump = msgspec.msgpack.decode(data, type=_Dump)
        assert dump.version == _DUMP_VERSION
        for account in dump.accounts:
            self._add_account(account)
        for key in dump.keys:
            self._add_key(key)

    def _add_account(self, row: AccountRow) -> None:
        assert row.account_id == len(self._accounts) + 1, "the engine numbers accounts from 1 without gaps"
        self._accounts[row.account_id] = row
        self._account_by_uid[row.uid] = row.account_id

    def _add_key(self, row: KeyRow) -> None:
        self._rows[row.key_id] = row
        self._key_ids.setdefault(row.account_id, []).append(row.key_id)
        if self._master is not None and not self._open_new(row, self._master):
            log.error("a key does not open under the master key and cannot be used", key_id=row.key_id)

    def _revoke(self, key_id: int) -> None:
        self._rows[key_id] = self._rows[key_id]._replace(revoked=True)
        if key_id in self._keys:
            self._keys[key_id].revoked = True

    # Secrets and names.

    @property
    def people(self) -> People:
        assert self._people is not None, "names are known after unlock"
        return self._people

    @property
    def master(self) -> MasterKeys:
        assert self._master is not None, "secrets are known after unlock"
        return self._master

    def unlock(self, master: MasterKeys, people: People) -> None:
        """Open every key, once, when the journal has been replayed; from then on new ones are opened as they come.

        Completes a rotation of the master key that a crash left with nothing more to seal. Raises MasterKeyError when
        the keys were sealed under another master key.
        """
        self._people = people
        self.open_keys(master)
        if not self.stale_key_ids():
            master.finish_rotation()

    def open_keys(self, master: MasterKeys) -> None:
        """The half of `unlock` that a joined gateway needs, which knows no names and leaves the file alone."""
        self._master = master
        foreign = [row for row in self._rows.values() if not self._open(row)]
        if foreign:
            needed = ", ".join(sorted({sealed_under(row.sealed).hex() for row in foreign}))
            raise MasterKeyError(
                f"{master.path} is not the master key of this venue: {len(foreign)} of {len(self._rows)} API keys are "
                f"sealed under another one (fingerprint {needed})."
            )

    def stale_key_ids(self) -> list[int]:
        """The keys that are not sealed under the newest master key."""
        current = self.master.current
        return [row.key_id for row in self._rows.values() if sealed_under(row.sealed) != current]

    def rewrap_records(self) -> list[bytes]:
        """Groups that bring all stale keys under the newest master key; each can be appended by itself.

        At least one: when it has been applied, every key that was on its way before it is known here.
        """
        stale = self.stale_key_ids()
        chunks = [stale[i : i + REWRAP_KEYS_MAX] for i in range(0, max(len(stale), 1), REWRAP_KEYS_MAX)]
        command = Command(kind=CommandKind.REWRAP_SECRETS)
        return [
            encode_with_payload(command, msgspec.msgpack.encode([self._rewrapped(key_id) for key_id in chunk]))
            for chunk in chunks
        ]

    def _rewrapped(self, key_id: int) -> _Rewrapped:
        row = self._rows[key_id]
        plaintext = self.master.unseal(row.sealed, row.context())
        assert plaintext is not None, "every key was opened at unlock or is refused there"
        return _Rewrapped(key_id, self.master.seal(plaintext, row.context()))

    def _open_new(self, row: KeyRow, master: MasterKeys) -> bool:
        """A key that came while this runs, perhaps sealed under a master key that the venue made meanwhile."""
        return self._open(row) or (master.read_again() and self._open(row))

    def _open(self, row: KeyRow) -> bool:
        document = self._open_document(row)
        if document is None:
            return False
        key = Key(
            row.key_id,
            row.account_id,
            document.api_key,
            KeyType(row.key_type),
            row.permissions,
            document.allow_ips,
            document.label,
            document.material,
            row.revoked,
        )
        self._keys[row.key_id] = self._by_api_key[key.api_key] = key
        return True

    def _open_document(self, row: KeyRow) -> KeyDocument | None:
        plaintext = self.master.unseal(row.sealed, row.context())
        return None if plaintext is None else msgspec.json.decode(plaintext, type=KeyDocument)
