"""What a venue has acknowledged is there after whatever happens to its process, and to files that can be made anew."""

from pathlib import Path

import pytest

from tests.support.rest import Rest
from tests.support.venue import VenueProcess
from tests.venue.traded import Traded, contents, place, seen

pytestmark = pytest.mark.slow


def snapshots_of(venue: VenueProcess) -> list[Path]:
    return sorted((venue.data / "snapshots").glob("*.snapshot"))


def damage(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_everything_acknowledged_is_there_after_a_kill(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    with venue:
        assert seen(venue, traded.keys) == traded.seen


def test_deleted_history_is_written_anew_from_the_journal(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    for path in venue.data.glob("history.sqlite*"):
        path.unlink()
    with venue:
        assert seen(venue, traded.keys) == traded.seen


def test_damaged_newest_snapshot_is_passed_over_for_an_older_one(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    newest = snapshots_of(venue)[-1]
    damage(newest, newest.stat().st_size // 2)
    with venue:
        assert seen(venue, traded.keys) == traded.seen


def test_without_any_snapshot_the_journal_is_enough(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    for path in snapshots_of(venue):
        path.unlink()
    with venue:
        assert seen(venue, traded.keys) == traded.seen


def test_verify_says_whether_a_byte_was_flipped(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    done = venue.command("verify", str(venue.data))
    assert "All is well." in done.stdout
    first_segment = min((venue.data / "journal").glob("*.seg"))
    damage(first_segment, 20_000)
    done = venue.command("verify", str(venue.data), check=False)
    assert done.returncode == 1
    assert "The journal is damaged" in done.stderr
    assert first_segment.name in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_finds_a_damaged_snapshot(traded: Traded, tmp_path: Path) -> None:
    venue = traded.copy(tmp_path / "copy")
    newest = snapshots_of(venue)[-1]
    damage(newest, newest.stat().st_size // 2)
    done = venue.command("verify", str(venue.data), check=False)
    assert done.returncode == 1
    assert newest.name in (done.stdout + done.stderr).replace("\n", "")
    assert "Traceback" not in done.stderr


def test_backup_of_a_running_venue_is_restored_whole(traded: Traded, tmp_path: Path) -> None:
    with traded.copy(tmp_path / "copy") as venue:
        venue.command("backup", str(venue.data), str(tmp_path / "backup"))
        before = contents(tmp_path / "backup")
    other = VenueProcess(tmp_path / "other", *venue.options)
    other.directory.mkdir()
    other.environment["HOLDFAST_MASTER_KEY_FILE"] = venue.environment["HOLDFAST_MASTER_KEY_FILE"]
    other.command("restore", str(tmp_path / "backup"), str(other.data))
    other.command("verify", str(other.data))
    with other:
        assert seen(other, traded.keys) == traded.seen
        with Rest(other.port, traded.keys["alice"]) as rest:
            place(rest, "SELL", "41000")
    assert contents(tmp_path / "backup") == before, "the restored venue wrote into the backup"


def test_data_directory_holds_no_secret(traded: Traded) -> None:
    for name, content in contents(traded.directory / "data").items():
        for account, key in traded.keys.items():
            assert key["secretKey"].encode() not in content, f"the secret of {account} is in {name}"
