"""Snapshots come back as they were written, and appear whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from holdfast.commands import command_dtype
from holdfast.journal import snapshots


def write(directory: Path, seq: int, rows: int = 3) -> Path:
    return snapshots.write(directory, seq, bytes(32), 1, {"rows": np.arange(rows)}, {})


def test_arrays_and_documents_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "records": np.ones(3, command_dtype),
        "matrix": np.arange(6, dtype=np.int32).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "part": np.arange(10)[::3],
        "one": np.array(5, np.int64),
        "empty": np.empty((0, 4), np.int8),
    }
    path = snapshots.write(tmp_path / "made", 42, b"h" * 32, 3, arrays, {"a": b"text", "b": b""})
    found = snapshots.load(path)
    assert (found.seq, found.chain_hash, found.rules_version) == (42, b"h" * 32, 3)
    assert found.documents == {"a": b"text", "b": b""}
    assert list(found.arrays) == list(arrays)
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert np.array_equal(found.arrays[name], array)
        assert found.arrays[name].flags.writeable
        assert found.arrays[name].flags.c_contiguous


def test_available_ones_are_listed_newest_first_with_what_is_wrong(tmp_path: Path) -> None:
    for seq in (5, 100, 20):
        write(tmp_path, seq)
    (tmp_path / f"{30:020d}.snapshot").write_bytes(b"garbage")
    damaged = tmp_path / f"{20:020d}.snapshot"
    content = bytearray(damaged.read_bytes())
    content[-64] ^= 1
    damaged.write_bytes(content)
    found = snapshots.available(tmp_path)
    assert [(one.seq, one.is_valid) for one in found] == [(100, True), (30, False), (20, True), (5, True)]
    assert found[1].problem
    found = snapshots.available(tmp_path, reads_all=True)
    assert [(one.seq, one.is_valid) for one in found] == [(100, True), (30, False), (20, False), (5, True)]
    assert "'rows' does not match its hash" in found[2].problem
    assert snapshots.available(tmp_path / "nowhere") == []


def test_one_under_another_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 5)
    other = tmp_path / f"{6:020d}.snapshot"
    path.rename(other)
    with pytest.raises(snapshots.CorruptSnapshotError, match="another name"):
        snapshots.load(other)


def test_a_failed_write_leaves_the_old_ones_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 5)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="No space"):
            write(tmp_path, 6)
    assert [path.name for path in tmp_path.iterdir()] == [f"{5:020d}.snapshot"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    part = tmp_path / f"{9:020d}.snapshot.{2**22 + 1}.part"  # No process has such a number.
    part.write_bytes(b"half")
    write(tmp_path, 10)
    assert not part.exists()


def test_one_that_was_cut_is_seen_without_reading_it_all(tmp_path: Path) -> None:
    path = write(tmp_path, 5)
    path.write_bytes(path.read_bytes()[:-1])
    [found] = snapshots.available(tmp_path)
    assert not found.is_valid
    assert "size" in found.problem
