"""The bytes of a segment: a header, then batches, then zeros. Little-endian; everything begins at a multiple of 64.

Segment header, 128 bytes:

    offset  size  field
         0     8  magic "HFSEGMT\\0"
         8     4  CRC-32 of bytes 12..127
        12     4  format version
        16    16  venue id
        32    32  chain hash before the first batch
        64     8  number of the segment, rising
        72     8  seq of the first record it holds or will hold
        80     8  rules version when it was begun
        88     8  its size in bytes when it was made
        96     8  ts_ns of the record before the first
       104    24  zeros

Batch header, 128 bytes, followed by `count` records of 192 bytes:

    offset  size  field
         0     8  magic "HFBATCH\\0"
         8     4  CRC-32 of bytes 12..127
        12     4  zeros
        16    32  chain hash: SHA-256 of bytes 48..127 and the records
        48    32  chain hash before this batch
        80     8  seq of the first record
        88     8  count of records
        96     8  ts_ns of the first record; each further one is 1 ns later
       104     8  clock_ts_ns of all of them
       112    16  zeros

The CRC says that a header is whole before its count is trusted; the chain hash says so of everything before it.
"""

import hashlib
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from holdfast.commands import COMMAND_BYTES
from holdfast.journal.interface import CorruptJournalError, NewerFormatError

FORMAT_VERSION = 1
HEADER_BYTES = 128  # Of a segment and of a batch alike.
ALIGNMENT_BYTES = 64

SEGMENT_MAGIC = b"HFSEGMT\0"
BATCH_MAGIC = b"HFBATCH\0"
NO_MAGIC = bytes(8)

_segment_header = struct.Struct("<8sII16s32sqqqqq24x")
_batch_header = struct.Struct("<8sI4x32s32sqqqq16x")
_CHECKED = 12  # The checksum covers a header from here on.
_CHAINED = 48  # The chain hash covers a batch from here on.

assert _segment_header.size == HEADER_BYTES
assert _batch_header.size == HEADER_BYTES
assert COMMAND_BYTES % ALIGNMENT_BYTES == 0

Bytes = bytes | bytearray | memoryview


class SegmentHeader(NamedTuple):
    """What a segment says of itself."""

    venue_id: bytes
    chain_hash: bytes
    number: int
    first_seq: int
    rules_version: int
    byte_count: int
    last_ts_ns: int


class Chain(NamedTuple):
    """Where the order of records stands between two batches."""

    next_seq: int
    chain_hash: bytes
    last_ts_ns: int


class Walked(NamedTuple):
    """What `walk` found: records, where it stopped, and why."""

    pieces: list[memoryview]
    offset: int
    chain: Chain
    problem: str  # Empty: whole so far. NEED_MORE, END, or a sentence's end on what is damaged.


NEED_MORE = "the batch is cut off"
END = "there is no batch"


def genesis_hash(venue_id: bytes) -> bytes:
    """The chain hash before the first batch of a venue, so that two venues never share a chain."""
    return hashlib.sha256(b"holdfast journal " + venue_id).digest()


def pack_segment_header(header: SegmentHeader) -> bytes:
    """The 128 bytes of a segment's header."""
    packed = bytearray(_segment_header.pack(SEGMENT_MAGIC, 0, FORMAT_VERSION, *header))
    packed[8:12] = zlib.crc32(packed[_CHECKED:]).to_bytes(4, "little")
    return bytes(packed)


def unpack_segment_header(data: Bytes, path: Path) -> SegmentHeader:
    """The header. Raises CorruptJournalError or NewerFormatError (later versions keep what bytes 0..15 mean)."""
    if len(data) < HEADER_BYTES:
        raise CorruptJournalError(path, 0, "the segment's header is cut off")
    magic, checksum, version, *fields = _segment_header.unpack_from(data)
    if magic != SEGMENT_MAGIC:
        raise CorruptJournalError(path, 0, "this is not a segment of a journal")
    if zlib.crc32(data[_CHECKED:HEADER_BYTES]) != checksum:
        raise CorruptJournalError(path, 0, "the segment's header does not match its checksum")
    if version > FORMAT_VERSION:
        raise NewerFormatError(path, version, FORMAT_VERSION)
    return SegmentHeader(*fields)


def seal_batch(batch: bytearray, chain: Chain, clock_ts_ns: int) -> Chain:
    """Fill the header of a batch whose stamped records stand at byte 128; returns the chain after it."""
    count = (len(batch) - HEADER_BYTES) // COMMAND_BYTES
    first_ts_ns = int.from_bytes(batch[HEADER_BYTES + 8 : HEADER_BYTES + 16], "little")
    fields = (chain.chain_hash, chain.next_seq, count, first_ts_ns, clock_ts_ns)
    _batch_header.pack_into(batch, 0, BATCH_MAGIC, 0, NO_HASH, *fields)
    with memoryview(batch) as view:
        digest = hashlib.sha256(view[_CHAINED:]).digest()
    batch[16:48] = digest
    batch[8:12] = zlib.crc32(batch[_CHECKED:HEADER_BYTES]).to_bytes(4, "little")
    return Chain(chain.next_seq + count, digest, first_ts_ns + count - 1)


NO_HASH = bytes(32)


def walk(view: memoryview, offset: int, chain: Chain, seq_end: int, records_max: int) -> Walked:
    """Take whole, valid batches that continue the chain, from `offset` on.

    Stops when it has reached the seq `seq_end` or taken `records_max` records (a batch is never split), where the
    bytes end (NEED_MORE), where no batch begins (END), or at damage. This loop runs once a batch when a journal of
    single commands is replayed, so it is kept short: about 2.5 µs.
    """
    next_seq, chain_hash, last_ts_ns = chain
    pieces: list[memoryview] = []
    taken = 0
    problem = ""
    length = len(view)
    sha256, crc32, unpack_from = hashlib.sha256, zlib.crc32, _batch_header.unpack_from
    while next_seq < seq_end and taken < records_max:
        if length - offset < HEADER_BYTES:
            problem = NEED_MORE
            break
        magic, checksum, digest, previous, first_seq, count, ts_ns, _ = unpack_from(view, offset)
        if magic != BATCH_MAGIC:
            problem = END if magic == NO_MAGIC else "no batch begins here"
            break
        if crc32(view[offset + _CHECKED : offset + HEADER_BYTES]) != checksum:
            problem = "the batch's header does not match its checksum"
            break
        if previous != chain_hash or first_seq != next_seq or count < 1:
            problem = f"the batch does not continue the chain at seq {next_seq}"
            break
        end = offset + HEADER_BYTES + count * COMMAND_BYTES
        if end > length:
            problem = NEED_MORE
            break
        if sha256(view[offset + _CHAINED : end]).digest() != digest:
            problem = "the batch does not match its hash"
            break
        pieces.append(view[offset + HEADER_BYTES : end])
        offset, chain_hash = end, digest
        next_seq += count
        taken += count
        last_ts_ns = ts_ns + count - 1
    return Walked(pieces, offset, Chain(next_seq, chain_hash, last_ts_ns), problem)


def find_whole_batch(data: bytearray, start: int) -> int:
    """The offset at or after `start` at which a whole batch stands, whatever it continues; -1: nowhere."""
    offset = data.find(BATCH_MAGIC, start)
    with memoryview(data) as view:
        while offset != -1:
            if offset % ALIGNMENT_BYTES == 0 and _is_whole(view, offset):
                return offset
            offset = data.find(BATCH_MAGIC, offset + 1)
    return -1


def _is_whole(view: memoryview, offset: int) -> bool:
    if len(view) - offset < HEADER_BYTES:
        return False
    _, _, _, previous, first_seq, count, _, _ = _batch_header.unpack_from(view, offset)
    before = Chain(first_seq, previous, 0)
    return walk(view, offset, before, first_seq + max(count, 1), 1).problem == ""
