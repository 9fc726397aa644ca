"""Snapshots: the state at one seq as named arrays and documents, in one file, written whole or not at all.

Header, 128 bytes, little-endian; then the index (JSON); then the blobs, each at a multiple of 64:

    offset  size  field
         0     8  magic "HFSNAPS\\0"
         8     4  CRC-32 of bytes 12..127
        12     4  format version
        16     8  seq of the last command in the state
        24     8  rules version
        32    32  chain hash of the journal after that command
        64     8  size of the index
        72     8  size of the file
        80    32  SHA-256 of the index
       112    16  zeros

The index is a list of [kind, name, dtype, shape, offset, size, SHA-256], kind "array" or "document". Every byte but the
padding between blobs is under a checksum.
"""

import ast
import contextlib
import hashlib
import json
import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from holdfast.journal.file_operations import REAL_DISK
from holdfast.journal.interface import JournalError, NewerFormatError

FORMAT_VERSION = 1
SYNC_BYTES = 1024 * 1024  # At a time: what waits to be written to the disk is what a sync of the journal waits for.
MAGIC = b"HFSNAPS\0"
HEADER_BYTES = 128
ALIGNMENT_BYTES = 64
SUFFIX = ".snapshot"
_header = struct.Struct("<8sIIqq32sqq32s16x")
_CHECKED = 12
_name = re.compile(r"(\d{20})\.snapshot")

assert _header.size == HEADER_BYTES

Array = npt.NDArray[Any]


class CorruptSnapshotError(JournalError):
    """A snapshot is not what was written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"The snapshot {path} cannot be used: {problem}.")
        self.path = path
        self.problem = problem


class Snapshot(NamedTuple):
    """A state, as `load` brings it back. The arrays are the caller's own."""

    seq: int
    chain_hash: bytes
    rules_version: int
    arrays: dict[str, Array]
    documents: dict[str, bytes]


class Found(NamedTuple):
    """A snapshot's file, and whether it looks whole."""

    seq: int
    path: Path
    rules_version: int  # 0 when it is not valid.
    is_valid: bool
    problem: str  # A sentence's end; empty when it is valid.


class _Blob(NamedTuple):
    kind: str
    name: str
    dtype: str
    shape: list[int]
    offset: int
    byte_count: int
    sha256: str


class _Header(NamedTuple):
    seq: int
    rules_version: int
    chain_hash: bytes
    index_bytes: int
    file_bytes: int
    index_sha256: bytes


def write(
    directory: Path,
    seq: int,
    chain_hash: bytes,
    rules_version: int,
    arrays: dict[str, Array],
    documents: dict[str, bytes],
) -> Path:
    """Write a snapshot, durable when this returns; a crash or an OSError leaves it whole or not at all."""
    path = directory / f"{seq:020d}{SUFFIX}"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    _remove_parts(directory)
    directory.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            _write_file(file, seq, chain_hash, rules_version, _blobs(arrays, documents))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    REAL_DISK.sync_directory(directory)
    return path


def available(directory: Path, *, reads_all: bool = False) -> list[Found]:
    """The snapshots in a directory, newest first; each as `inspect` finds it."""
    if not directory.is_dir():
        return []
    names = sorted((entry.name for entry in directory.iterdir() if _name.fullmatch(entry.name)), reverse=True)
    return [inspect(directory / name, reads_all=reads_all) for name in names]


def load(path: Path) -> Snapshot:
    """Read a snapshot and check all of it. Raises CorruptSnapshotError or NewerFormatError, and OSError."""
    arrays: dict[str, Array] = {}
    documents: dict[str, bytes] = {}
    with path.open("rb", buffering=0) as file:
        header, index = _read_index(file, path)
        for blob in index:
            data = _read_blob(file, path, blob)
            if blob.kind == "document":
                documents[blob.name] = bytes(data)
            else:
                arrays[blob.name] = np.frombuffer(data, _dtype(blob.dtype)).reshape(blob.shape)
    return Snapshot(header.seq, header.chain_hash, header.rules_version, arrays, documents)


def inspect(path: Path, *, reads_all: bool) -> Found:
    """Whether a snapshot is valid.

    It has a whole header and index and the right size; with `reads_all` every blob was held against its hash too, which
    costs as much as loading it. `load` always does that.
    """
    seq = int(path.name.removesuffix(SUFFIX))
    try:
        with path.open("rb", buffering=0) as file:
            header, index = _read_index(file, path)
            if reads_all:
                for blob in index:
                    _read_blob(file, path, blob)
    except CorruptSnapshotError as error:
        return Found(seq, path, 0, False, error.problem)
    except (NewerFormatError, OSError) as error:  # A file that went away meanwhile is not valid either.
        return Found(seq, path, 0, False, str(error))
    return Found(seq, path, header.rules_version, True, "")


def _blobs(arrays: dict[str, Array], documents: dict[str, bytes]) -> list[tuple[_Blob, memoryview]]:
    """What is to be written, with offsets counted from the first blob's place."""
    blobs: list[tuple[_Blob, memoryview]] = []
    offset = 0
    contents: list[tuple[str, str, str, list[int], Array]] = []
    for name, array in arrays.items():
        assert not array.dtype.hasobject, "an array of objects has no bytes"
        descr = repr(np.lib.format.dtype_to_descr(array.dtype))
        contents.append(("array", name, descr, list(array.shape), np.ascontiguousarray(array)))
    for name, document in documents.items():
        contents.append(("document", name, "", [], np.frombuffer(document, np.uint8)))
    for kind, name, descr, shape, array in contents:
        data = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        digest = hashlib.sha256(data).hexdigest()
        blobs.append((_Blob(kind, name, descr, shape, offset, data.nbytes, digest), data))
        offset += _padded(data.nbytes)
    return blobs


def _write_file(
    file: BinaryIO, seq: int, chain_hash: bytes, rules_version: int, blobs: list[tuple[_Blob, memoryview]]
) -> None:
    index = json.dumps([blob for blob, _ in blobs]).encode()
    start = HEADER_BYTES + _padded(len(index))
    file_bytes = start + sum(_padded(blob.byte_count) for blob, _ in blobs)
    fields = (seq, rules_version, chain_hash, len(index), file_bytes, hashlib.sha256(index).digest())
    header = bytearray(_header.pack(MAGIC, 0, FORMAT_VERSION, *fields))
    header[8:12] = zlib.crc32(header[_CHECKED:]).to_bytes(4, "little")
    file.write(header)
    file.write(index.ljust(_padded(len(index)), b"\0"))
    for blob, data in blobs:
        for begin in range(0, data.nbytes, SYNC_BYTES):
            file.write(data[begin : begin + SYNC_BYTES])
            file.flush()
            os.fdatasync(file.fileno())
        file.write(bytes(_padded(blob.byte_count) - blob.byte_count))


def _read_index(file: Any, path: Path) -> tuple[_Header, list[_Blob]]:
    data = _read_exactly(file, path, 0, HEADER_BYTES)
    magic, checksum, version, *fields = _header.unpack(data)
    if magic != MAGIC:
        raise CorruptSnapshotError(path, "it is not a snapshot")
    if zlib.crc32(data[_CHECKED:]) != checksum:
        raise CorruptSnapshotError(path, "its header does not match its checksum")
    if version > FORMAT_VERSION:
        raise NewerFormatError(path, version, FORMAT_VERSION)
    header = _Header(*fields)
    if header.file_bytes != os.fstat(file.fileno()).st_size:
        raise CorruptSnapshotError(path, "it has not the size that it should have")
    if path.name != f"{header.seq:020d}{SUFFIX}":
        raise CorruptSnapshotError(path, f"it is of seq {header.seq} and has another name")
    index = _read_exactly(file, path, HEADER_BYTES, header.index_bytes)
    if hashlib.sha256(index).digest() != header.index_sha256:
        raise CorruptSnapshotError(path, "its index does not match its hash")
    start = HEADER_BYTES + _padded(header.index_bytes)
    blobs = [_Blob(*row) for row in json.loads(index)]
    return header, [blob._replace(offset=start + blob.offset) for blob in blobs]


def _read_blob(file: Any, path: Path, blob: _Blob) -> bytearray:
    data = _read_exactly(file, path, blob.offset, blob.byte_count)
    if hashlib.sha256(data).hexdigest() != blob.sha256:
        raise CorruptSnapshotError(path, f"{blob.kind} {blob.name!r} does not match its hash")
    return data


def _read_exactly(file: Any, path: Path, offset: int, byte_count: int) -> bytearray:
    data = bytearray(byte_count)
    if byte_count and REAL_DISK.read_into(file.fileno(), memoryview(data), offset) != byte_count:
        raise CorruptSnapshotError(path, f"it ends before byte {offset + byte_count}")
    return data


def _dtype(descr: str) -> np.dtype[Any]:
    return np.lib.format.descr_to_dtype(ast.literal_eval(descr))


def _padded(byte_count: int) -> int:
    return -(-byte_count // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def _remove_parts(directory: Path) -> None:
    """Remove what a process that was killed while writing left behind."""
    for part in directory.glob(f"*{SUFFIX}.*.part"):
        pid = int(part.name.split(".")[-2])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            continue
        part.unlink(missing_ok=True)
