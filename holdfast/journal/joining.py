"""Joining: what a gateway in another process and the venue say to each other, byte by byte.

gateway (`joined_journal`) ── groups of commands ──▶ JOINING ──▶ venue (`append_server`) → journal
gateway ◀── "durable up to …" ── venue; the commands themselves are read from the journal's files

Over a Unix socket in the data directory, for the venue's own user alone. A message is a header of eight bytes (the
body's length and its kind, two little-endian 32-bit numbers) and the body:

    from the gateway
       1 HELLO     JSON: Hello. The first message
       2 APPEND    one atomic group of commands, n x 192 bytes
       3 HERE      JSON: Here. When that has changed, every second at most
    from the venue
      65 WELCOME   JSON: Welcome. The first message
      66 NO        text: why this process cannot join. The last message
      67 DURABLE   two int64: everything up to this seq can be read from the files; the venue's clock in ns
      68 REFUSED   int64 and text: the request number of a group's first command, of which nothing was appended, and why
      69 STATE     two int64 and text: the venue's clock and the machine's steady clock at the same moment, both in ns;
                   why new orders are not taken now (empty: they are). On change, and every second
      70 END       int64: the venue stops; of this connection's commands nothing is appended that has no seq up to this

Groups of one connection are appended in the order in which they were sent, each whole or not at all. There is no answer
to a group that was taken: its sender finds it in the journal by gateway id and request number.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec

from holdfast.commands import COMMAND_BYTES, command_dtype

SOCKET = "append.sock"
PROTOCOL_VERSION = 1
GROUP_RECORDS_MAX = 256  # Fits into the smallest segment there can be.
STATE_SECONDS = 1.0

_header = Struct("<II")
_seq = Struct("<q")
_two = Struct("<qq")
_BODY_BYTES_MAX = GROUP_RECORDS_MAX * COMMAND_BYTES  # And no text or JSON is longer.

assert command_dtype.fields is not None
KIND_OFFSET = command_dtype.fields["kind"][1]
FLAGS_OFFSET = command_dtype.fields["flags"][1]
GATEWAY_ID_OFFSET = command_dtype.fields["gateway_id"][1]
_REQUEST_NUMBER = slice(command_dtype.fields["request_number"][1], command_dtype.fields["request_number"][1] + 8)


class Said(IntEnum):
    """Kinds of messages."""

    HELLO = 1
    APPEND = 2
    HERE = 3
    WELCOME = 65
    NO = 66
    DURABLE = 67
    REFUSED = 68
    STATE = 69
    END = 70


class Hello(msgspec.Struct, rename="camel"):
    """Who wants to join."""

    protocol_version: int
    rules_version: int
    program_version: str
    venue_id: str
    process: str  # 32 random hexadecimal digits, the same for all connections of one process.
    pid: int


class Here(msgspec.Struct, rename="camel", frozen=True):
    """How a gateway is, for operators."""

    url: str  # Where it listens; empty until it does.
    applied_seq: int


class Welcome(msgspec.Struct, rename="camel"):
    """What a gateway is told when it has joined."""

    gateway_id: int  # Of the commands that come by this connection.
    last_seq: int  # Nothing that this process sent by an earlier connection is or will be appended behind it.
    clock_ns: int
    steady_ns: int
    url: str  # Where the venue itself listens.
    rate_limits: dict[str, int]


class GarbageError(Exception):
    """The other side does not keep to this; its connection ends."""


class Clocks(NamedTuple):
    """The venue's clock and the machine's steady one at the same moment."""

    clock_ns: int
    steady_ns: int


def message(kind: Said, body: bytes) -> bytes:
    return _header.pack(len(body), kind) + body


def text(kind: Said, sentence: str) -> bytes:
    return message(kind, sentence.encode())


def document(kind: Said, content: Hello | Here | Welcome) -> bytes:
    return message(kind, msgspec.json.encode(content))


def number(kind: Said, seq: int) -> bytes:
    return message(kind, _seq.pack(seq))


def durable(seq: int, clock_ns: int) -> bytes:
    return message(Said.DURABLE, _two.pack(seq, clock_ns))


def refused(request_number: int, reason: str) -> bytes:
    return message(Said.REFUSED, _seq.pack(request_number) + reason.encode())


def state(clocks: Clocks, refusal: str) -> bytes:
    return message(Said.STATE, _two.pack(*clocks) + refusal.encode())


def read_number(body: bytes) -> int:
    return int(_seq.unpack_from(body)[0])


def read_durable(body: bytes) -> tuple[int, int]:
    """A seq, and the venue's clock when it was told."""
    seq, clock_ns = _two.unpack(body)
    return seq, clock_ns


def read_refused(body: bytes) -> tuple[int, str]:
    """A request number, and why nothing of its group was appended."""
    return read_number(body), body[_seq.size :].decode()


def read_state(body: bytes) -> tuple[Clocks, str]:
    """The clocks, and why new orders are not taken."""
    return Clocks(*_two.unpack_from(body)), body[_two.size :].decode()


def request_number(group: bytes | bytearray) -> int:
    """That of a group's first command, which names the group."""
    return int.from_bytes(group[_REQUEST_NUMBER], "little", signed=True)


def with_request_number(group: bytes, number: int) -> bytes:
    """The group with another one in its first command."""
    return group[: _REQUEST_NUMBER.start] + number.to_bytes(8, "little", signed=True) + group[_REQUEST_NUMBER.stop :]


class Messages:
    """Cuts what a socket brings into messages."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The kinds and bodies that are whole now. Raises GarbageError."""
        data = self._held + data if self._held else data
        found = []
        at = 0
        while len(data) - at >= _header.size:
            length, kind = _header.unpack_from(data, at)
            if length > _BODY_BYTES_MAX:
                raise GarbageError(f"a message of {length} bytes")
            end = at + _header.size + length
            if end > len(data):
                break
            found.append((kind, data[at + _header.size : end]))
            at = end
        self._held = data[at:]
        return found


@contextmanager
def socket_path(directory: Path) -> Iterator[str]:
    """Where a directory's socket lies, within the 107 bytes that the kernel takes however long the path is."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)
