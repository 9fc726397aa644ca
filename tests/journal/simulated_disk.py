"""A disk in memory that fails as disks do, in an order that a seed decides.

Each file has two contents: what the kernel shows (`cached`) and what would be there after a power cut (`durable`). A
write that fails or is cut short leaves any sectors of it on the disk; a failed sync makes the kernel forget that they
differ, as Linux does. Names are durable after their directory was synced. A mapped file may be on the disk as of any
moment since it was last flushed, sector by sector.
"""

import errno
import itertools
import random
from pathlib import Path

from holdfast.journal.file_operations import FileOperations, Mapped
from holdfast.journal.record_format import Bytes

SECTOR_BYTES = 512


class SimulatedCrash(BaseException):
    """The process or the machine stops here. Nothing in the journal may catch it."""


class SimulatedFile:
    def __init__(self, cached: bytes = b"", durable: bytes | None = None) -> None:
        self.cached = bytearray(cached)
        self.durable = bytearray(cached if durable is None else durable)
        self.history: list[bytes] = []  # What a mapping showed since it was flushed.


class SimulatedMapping:
    def __init__(self, disk: "SimulatedDisk", file: SimulatedFile) -> None:
        self._disk = disk
        self._file = file

    def __getitem__(self, where: slice) -> bytes:
        return bytes(self._file.cached[where])

    def __setitem__(self, where: slice, value: bytes) -> None:
        file = self._file
        assert where.stop - where.start == len(value)
        if self._disk.crashes_now():
            cut = self._disk.rng.randrange(len(value) + 1)
            file.cached[where.start : where.start + cut] = value[:cut]
            raise SimulatedCrash
        file.history.append(bytes(file.cached))
        file.cached[where] = value

    def __len__(self) -> int:
        return len(self._file.cached)

    def flush(self) -> None:
        self._disk.step()
        self._file.durable[:] = self._file.cached
        self._file.history.clear()

    def close(self) -> None:
        pass


class SimulatedDisk(FileOperations):
    """Files by path. `operations_left` counts down to a crash; `failures` says which write fails next, and how."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.files: dict[Path, SimulatedFile] = {}
        self.durable_names: dict[Path, SimulatedFile] = {}
        self.unsynced: list[tuple[Path | None, Path | None, SimulatedFile]] = []  # (old name, new name, file)
        self.operations_left = -1  # Negative: no crash.
        self.fail_probability = 0.0
        self.failure = 0  # While not 0, every write and sync fails with this errno.
        self.byte_capacity = 2**62
        self._handles: dict[int, SimulatedFile] = {}
        self._numbers = itertools.count(3)

    # What may go wrong.

    def crashes_now(self) -> bool:
        self.operations_left -= 1
        return self.operations_left == 0

    def step(self) -> None:
        if self.crashes_now():
            raise SimulatedCrash
        if self.failure or self.rng.random() < self.fail_probability:
            raise OSError(self.failure or self.rng.choice([errno.EIO, errno.ENOSPC]), "simulated")

    def after_kill(self) -> "SimulatedDisk":
        """The same disk for the next process: all that the kernel was given is there."""
        return self._successor(self.files)

    def after_power_cut(self) -> "SimulatedDisk":
        """The same disk after the machine lost its memory."""
        names = dict(self.durable_names)
        for old, new, file in self.unsynced[: self.rng.randrange(len(self.unsynced) + 1)]:
            _apply(names, old, new, file)
        for file in names.values():
            for start in range(0, len(file.durable) if file.history else 0, SECTOR_BYTES):
                version = self.rng.choice([*file.history, bytes(file.cached)])
                file.durable[start : start + SECTOR_BYTES] = version[start : start + SECTOR_BYTES]
            file.history.clear()
            file.cached[:] = file.durable
        return self._successor(names)

    def _successor(self, names: dict[Path, SimulatedFile]) -> "SimulatedDisk":
        disk = SimulatedDisk(self.rng.randrange(2**60))
        disk.files = dict(names)
        disk.durable_names = dict(self.durable_names) if names is self.files else dict(names)
        disk.unsynced = list(self.unsynced) if names is self.files else []
        return disk

    def _store_some_sectors(self, file: SimulatedFile, data: bytes, offset: int) -> None:
        end = offset + len(data)
        file.durable.extend(bytes(max(0, end - len(file.durable))))
        start = offset
        while start < end:
            stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
            if self.rng.random() < 0.5:
                file.durable[start:stop] = data[start - offset : stop - offset]
            start = stop

    # FileOperations.

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in self.files if path.parent == directory)

    def open(self, path: Path, *, is_writable: bool = False) -> int:  # noqa: ARG002
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "simulated", str(path))
        handle = next(self._numbers)
        self._handles[handle] = self.files[path]
        return handle

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def byte_count(self, handle: int) -> int:
        return len(self._handles[handle].cached)

    def read_into(self, handle: int, buffer: memoryview, offset: int) -> int:
        data = self._handles[handle].cached[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def write_durable(self, handle: int, data: Bytes, offset: int) -> None:
        file, whole = self._handles[handle], bytes(data)
        try:
            self.step()
        except (OSError, SimulatedCrash):
            shown = self.rng.choice([0, self.rng.randrange(len(whole) + 1), len(whole)])
            _put(file.cached, whole[:shown], offset)
            self._store_some_sectors(file, whole[:shown], offset)  # Bytes reach the disk through the kernel.
            raise
        _put(file.cached, whole, offset)
        _put(file.durable, whole, offset)

    def create(self, path: Path, byte_count: int) -> None:
        self._name(None, path, SimulatedFile())
        try:
            self.step()
            if sum(len(file.cached) for file in self.files.values()) + byte_count > self.byte_capacity:
                raise OSError(errno.ENOSPC, "simulated")
        except (OSError, SimulatedCrash):
            self.files[path].cached.extend(bytes(self.rng.randrange(byte_count)))
            raise
        self.files[path].cached.extend(bytes(byte_count))
        self.files[path].durable.extend(bytes(byte_count))

    def rename(self, source: Path, target: Path) -> None:
        self.step()
        self._name(source, target, self.files[source])

    def remove(self, path: Path) -> None:
        self.step()
        if path in self.files:
            self._name(path, None, self.files[path])

    def sync_directory(self, directory: Path) -> None:  # noqa: ARG002
        self.step()
        self.durable_names = dict(self.files)
        self.unsynced.clear()

    def map(self, path: Path, *, is_writable: bool = False) -> Mapped:  # noqa: ARG002
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "simulated", str(path))
        if not self.files[path].cached:
            raise ValueError("cannot mmap an empty file")
        return SimulatedMapping(self, self.files[path])

    def _name(self, old: Path | None, new: Path | None, file: SimulatedFile) -> None:
        _apply(self.files, old, new, file)
        self.unsynced.append((old, new, file))


def _apply(names: dict[Path, SimulatedFile], old: Path | None, new: Path | None, file: SimulatedFile) -> None:
    if old is not None:
        names.pop(old, None)
    if new is not None:
        names[new] = file


def _put(content: bytearray, data: bytes, offset: int) -> None:
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data
