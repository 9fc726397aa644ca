"""A data directory is taken whole or refused in one sentence, with nothing in it touched."""

import json
import uuid
from pathlib import Path

import pytest

from holdfast.errors import StartError
from holdfast.journal.data_directory import DataDirectory, DataDirectoryError, read_venue_id, running_venue


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_new_directory_gets_an_id_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "venue"
    with DataDirectory.open(path) as directory:
        venue_id = directory.venue_id
        assert directory.journal.is_dir()
        assert directory.snapshots.is_dir()
        assert path.stat().st_mode & 0o077 == 0
    with DataDirectory.open(path) as directory:
        assert directory.venue_id == venue_id == read_venue_id(path)


def test_an_empty_directory_and_one_left_by_a_crash_while_making_it_are_fresh(tmp_path: Path) -> None:
    for leftovers in ([], ["lock"], ["lock", "venue.json.part"]):
        path = tmp_path / str(len(leftovers))
        path.mkdir()
        for name in leftovers:
            (path / name).write_bytes(b"x")
        DataDirectory.open(path).close()


def test_the_address_is_told_while_the_venue_runs(tmp_path: Path) -> None:
    assert running_venue(tmp_path) is None
    with DataDirectory.open(tmp_path) as directory:
        starting = running_venue(tmp_path)
        assert starting is not None
        assert starting.url == ""
        directory.set_url("http://127.0.0.1:80")
        running = running_venue(tmp_path)
        assert running is not None
        assert running.url == "http://127.0.0.1:80"
        with pytest.raises(DataDirectoryError, match=r"running on .* at http://127\.0\.0\.1:80"):
            DataDirectory.open(tmp_path)
    assert running_venue(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"notes.txt": b"hello"}, "is not a data directory of Holdfast"),
        ({"venue.json": b"\x00\xff"}, "is damaged"),
        ({"venue.json": b"[]"}, "is damaged"),
        ({"venue.json": b'{"format_version": 1}'}, "is damaged"),
        ({"venue.json": b'{"format_version": 1, "venue_id": "me"}'}, "is damaged"),
        ({"venue.json": json.dumps({"format_version": 2, "venue_id": str(uuid.uuid4())}).encode()}, "later version"),
    ],
)
def test_what_is_not_ours_is_refused_and_not_touched(tmp_path: Path, content: dict[str, bytes], sentence: str) -> None:
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    before = tree(tmp_path)
    with pytest.raises(StartError, match=sentence) as refused:
        DataDirectory.open(tmp_path)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert tree(tmp_path) == before


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(StartError, match="is not a directory"):
        DataDirectory.open(path)
