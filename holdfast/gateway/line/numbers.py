"""Numbers: up to where each session's commands have reached the journal.

journal → command records → NUMBERS → sign-on ("the next number is …")

A function of the journal alone, so it is the same after any crash: what is not in it was never taken, and what is in it
is never taken again. It is part of snapshots, since the journal's beginning may be gone.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from holdfast.line import GATEWAY_ID, NUMBER_BITS, NUMBER_MAX

_DUMP_VERSION = 1


class SessionName(NamedTuple):
    """Whose numbers: an API key's, and which of its sessions."""

    key_id: int
    session: int


class _Dump(msgspec.Struct, array_like=True):
    version: int
    numbers: list[tuple[int, int, int]]  # Key, session, the last number; sorted.


class SessionNumbers:
    """The last number of every session that ever sent a command."""

    def __init__(self) -> None:
        self.last: dict[SessionName, int] = {}

    def feed(self, commands: np.ndarray) -> None:
        """Take committed commands; those of other gateways are passed over."""
        mine = np.flatnonzero(commands["gateway_id"] == GATEWAY_ID)
        if not len(mine):
            return
        numbers = commands["request_number"][mine]
        names = (commands["key_id"][mine].astype(np.int64) << NUMBER_BITS) | (numbers >> NUMBER_BITS)
        # A session's numbers rise, so its last command has the greatest. Reversed, that one is met first.
        _, newest = np.unique(names[::-1], return_index=True)
        for place in (len(mine) - 1 - newest).tolist():
            number, name = int(numbers[place]), int(names[place])
            self.last[SessionName(name >> NUMBER_BITS, name & NUMBER_MAX)] = number & NUMBER_MAX

    def dump(self) -> bytes:
        """The state for a snapshot; equal states give equal bytes."""
        return msgspec.msgpack.encode(_Dump(_DUMP_VERSION, sorted((*name, last) for name, last in self.last.items())))

    def load(self, data: bytes) -> None:
        """Become what was dumped."""
        dump = msgspec.msgpack.decode(data, type=_Dump)
        assert dump.version == _DUMP_VERSION
        self.last = {SessionName(key_id, session): last for key_id, session, last in dump.numbers}
