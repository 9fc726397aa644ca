"""What keeps a venue from starting is one clear sentence and exit code 1, and nothing is touched."""

import json
import socket
import sqlite3
from pathlib import Path

import pytest

from holdfast.journal.record_format import HEADER_BYTES, pack_segment_header, unpack_segment_header
from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.venue.traded import Traded, contents, why_not_started

pytestmark = pytest.mark.slow


def test_second_process_on_the_same_data(traded: Traded, tmp_path: Path) -> None:
    with traded.copy(tmp_path / "copy") as venue:
        before = contents(venue.data)
        sentence = why_not_started(venue.directory)
        assert sentence.startswith(f"Another venue (process {venue.pid}) is running on {venue.data}")
        assert venue.url in sentence
        assert contents(venue.data) == before
        with Rest(venue.port) as rest:
            assert rest.call("GET", "/api/v3/ping") == (200, {})


def test_data_directory_of_a_newer_version(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    file = venue.data / "venue.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 99}))
    before = contents(venue.data)
    assert "was written by a later version of Holdfast (format 99" in why_not_started(venue.directory)
    assert contents(venue.data) == before


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("letter.txt", b"Dear all,", "is not a data directory of Holdfast"),
        ("venue.json", b"\xff\x00", "is damaged: it does not say which venue this is"),
        ("venue.json", b"[]", "is damaged: it does not say which venue this is"),
        ("venue.json", b'{"format_version": 1, "venue_id": "x"}', "its venue id is not a UUID"),
    ],
)
def test_garbage_for_a_data_directory(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    before = contents(tmp_path / "data")
    assert sentence in why_not_started(tmp_path)
    assert contents(tmp_path / "data") == before


def test_file_for_a_data_directory(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert "is not a directory" in why_not_started(tmp_path)


def test_garbage_in_the_middle_of_the_journal(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    segment = min((venue.data / "journal").glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[20_000:20_100] = b"\xaa" * 100
    segment.write_bytes(data)
    for snapshot in (venue.data / "snapshots").iterdir():
        snapshot.unlink()
    assert f"The journal is damaged: {segment}" in why_not_started(venue.directory, *venue.options)
    assert segment.read_bytes() == data


def test_journal_of_other_trading_rules(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    newest = max((venue.data / "journal").glob("*.seg"))
    header = unpack_segment_header(newest.read_bytes()[:HEADER_BYTES], newest)
    written = pack_segment_header(header._replace(rules_version=77)) + newest.read_bytes()[HEADER_BYTES:]
    newest.write_bytes(written)
    assert f"{newest} was written under the trading rules 77" in why_not_started(venue.directory, *venue.options)
    assert newest.read_bytes() == written
    done = venue.command("verify", str(venue.data), check=False)
    assert done.returncode == 1
    assert "was written under the trading rules 77" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("name", ["history.sqlite", "people.sqlite"])
def test_garbage_for_a_database(traded: Traded, tmp_path: Path, name: str) -> None:
    venue = traded.copy(tmp_path / "copy")
    for path in venue.data.glob(f"{name}*"):
        path.unlink()
    (venue.data / name).write_bytes(b"not a database " * 1000)
    sentence = why_not_started(venue.directory, *venue.options)
    assert name in sentence
    assert (venue.data / name).read_bytes() == b"not a database " * 1000


def test_history_of_another_schema(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    with sqlite3.connect(venue.data / "history.sqlite") as connection:
        connection.execute("UPDATE progress SET schema_version = 99")
    connection.close()
    assert "has schema 99" in why_not_started(venue.directory, *venue.options)


def test_history_that_the_journal_does_not_continue(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    newest = max((venue.data / "snapshots").glob("*.snapshot"))
    segments = sorted((venue.data / "journal").glob("*.seg"))
    needed = [path for path in segments if int(path.stem.partition("-")[2]) <= int(newest.stem) + 1][-1]
    for path in [*segments[: segments.index(needed)], *(venue.data / "snapshots").glob("*.snapshot")]:
        if path != newest:
            path.unlink()
    with sqlite3.connect(venue.data / "history.sqlite") as connection:
        connection.execute("UPDATE progress SET cursor_seq = 1")
    connection.close()
    sentence = why_not_started(venue.directory, *venue.options)
    assert sentence.startswith(
        "The account history ends at command 1, and of what comes after it the journal has nothing"
    )
    assert "delete history.sqlite" in sentence


def test_port_in_use(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = why_not_started(venue.directory, *venue.options, port=port)
    assert sentence.startswith(f"Port {port} on 127.0.0.1 is in use by another program")


def test_missing_garbage_and_unsafe_master_key(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    key = venue.directory / "master.key"
    kept = key.read_bytes()
    key.unlink()
    assert "The master key of this venue is missing" in why_not_started(venue.directory)
    key.write_bytes(b"garbage")
    key.chmod(0o600)
    assert str(key) in why_not_started(venue.directory)
    key.write_bytes(kept)
    key.chmod(0o644)
    assert str(key) in why_not_started(venue.directory)


def test_master_key_of_another_venue(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    other = VenueProcess(tmp_path / "other")
    other.directory.mkdir()
    with other:
        pass
    sentence = why_not_started(
        venue.directory, environment={"HOLDFAST_MASTER_KEY_FILE": other.environment["HOLDFAST_MASTER_KEY_FILE"]}
    )
    assert "master key" in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[assets]\nBTC = { decimals = 99 }\n", "line 2: assets.BTC.decimals is not between"),
        ("[assets\n", "are not TOML"),
        ("surprise = 1\n", "line 1: surprise is not a key that is known here"),
        (
            "[assets]\nBTC = { decimals = 6 }\n",
            "The settings give BTC 6 decimals, but it has 8, and that cannot change",
        ),
    ],
)
def test_wrong_settings(traded: Traded, tmp_path: Path, text: str, sentence: str) -> None:
    venue = traded.copy(tmp_path / "copy")
    config = tmp_path / "venue.toml"
    config.write_text(text)
    assert sentence in why_not_started(venue.directory, "--config", str(config))


def test_missing_settings(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in why_not_started(tmp_path, "--config", str(tmp_path / "nothing.toml"))
    assert not (tmp_path / "data").exists()
