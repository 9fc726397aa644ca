"""A directory with a journal of its own: records go in as the replica hands them over, and can be replayed."""

from pathlib import Path

import numpy as np

from holdfast.codes import CommandKind, ControlEventKind, KeyType
from holdfast.commands import COMMAND_BYTES, Command, command_dtype, encode, payload_piece
from holdfast.directory.directory import Directory
from holdfast.directory.issuing import key_record
from holdfast.directory.keys import Key
from holdfast.directory.master_key import MasterKeys
from holdfast.directory.people import People
from holdfast.events import ControlEvent


class World:
    """What a venue does with its directory, with the engine's numbering and a list for a journal."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        self.data.mkdir(exist_ok=True)
        self.master_path = root / "master.key"
        self.journal: list[bytes] = []
        self.directory = Directory()
        self.directory.unlock(
            MasterKeys.open_or_create(self.master_path, self.data), People(self.data / "people.sqlite")
        )

    def submit(self, records: bytes) -> int:
        """Journal a group and apply it; returns what it made."""
        self.journal.append(records)
        (self.data / "journal").write_bytes(b"".join(self.journal))
        return apply_group(self.directory, records, seq=len(self.journal))

    def create_account(self, name: str) -> int:
        person = self.directory.people.reserve(name, f"create-{name}")
        return self.submit(encode(Command(kind=CommandKind.CREATE_ACCOUNT, client_id=person.uid.encode())))

    def create_key(
        self, account_id: int, key_type: KeyType = KeyType.HMAC, permissions: int = 3, **more: object
    ) -> Key:
        number = len(self.journal)
        record = key_record(self.directory.master, account_id, key_type, permissions, f"key-{number}", **more)  # type: ignore[arg-type]
        key = self.directory.key_by_id(self.submit(record))
        assert key is not None
        return key

    def revoke(self, key_id: int) -> None:
        self.submit(encode(Command(kind=CommandKind.REVOKE_KEY, order_id=key_id)))

    def replayed(self) -> Directory:
        """A directory that was led through the whole journal, still locked."""
        directory = Directory()
        for seq, records in enumerate(self.journal, start=1):
            apply_group(directory, records, seq)
        return directory

    def reopened(self) -> Directory:
        """What a restart makes of the journal and the files."""
        directory = self.replayed()
        directory.unlock(MasterKeys.open(self.master_path, self.data), self.directory.people)
        return directory


def apply_group(directory: Directory, records: bytes, seq: int) -> int:
    """Hand one group to a directory as the replica does, numbering as the engine does; returns the number."""
    rows = np.frombuffer(records, command_dtype)
    command = Command._make(rows[0].tolist())._replace(seq=seq, ts_ns=seq * 1000)
    made = 0
    if command.kind == CommandKind.CREATE_ACCOUNT:
        made = len(directory.accounts(0, 10**9)) + 1
    elif command.kind == CommandKind.CREATE_KEY:
        made = 1 + max((row.key_id for row in directory.key_rows()), default=0)
    payload = b"".join(
        payload_piece(records[i : i + COMMAND_BYTES]) for i in range(COMMAND_BYTES, len(records), COMMAND_BYTES)
    )
    control = ControlEvent(
        seq, seq * 1000, 0, ControlEventKind.COMMAND_DONE, command.kind, 0, command.account_id, 0, 0, 0, made, 0, 0
    )
    directory.apply(command, payload, control)
    return made
