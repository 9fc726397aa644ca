"""The master key file is refused whenever it does not protect: missing, readable by others, in the data directory."""

from pathlib import Path

import pytest

from holdfast.directory.master_key import MasterKeyError, MasterKeys, master_key_path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "venue.key"


def test_new_venue_gets_a_key_that_only_its_owner_can_read(path: Path, data: Path) -> None:
    first = MasterKeys.open_or_create(path, data)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert MasterKeys.open_or_create(path, data).current == first.current


def test_missing_file_is_one_clear_sentence(path: Path, data: Path) -> None:
    with pytest.raises(MasterKeyError, match=r"is missing: .*venue\.key\. Put it back"):
        MasterKeys.open(path, data)
    assert not path.exists()


def test_file_that_others_can_read_is_refused_with_the_command_that_helps(path: Path, data: Path) -> None:
    MasterKeys.open_or_create(path, data)
    path.chmod(0o640)
    with pytest.raises(MasterKeyError, match=r"mode 0640.*chmod 600"):
        MasterKeys.open(path, data)


def test_file_inside_the_data_directory_is_refused_also_through_a_link(tmp_path: Path, data: Path) -> None:
    with pytest.raises(MasterKeyError, match="inside the data directory"):
        MasterKeys.open_or_create(data / "venue.key", data)
    (tmp_path / "link").symlink_to(data)
    with pytest.raises(MasterKeyError, match="inside the data directory"):
        MasterKeys.open_or_create(tmp_path / "link" / "venue.key", data)


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "nonsense\n", "holdfast-master-key-1:AAAA\n", "holdfast-master-key-1:%\n", "é"]
)
def test_damaged_file_is_refused_and_not_shown(path: Path, data: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(MasterKeyError) as caught:
        MasterKeys.open(path, data)
    assert "AAAA" not in str(caught.value)


def test_directory_in_place_of_the_file_is_refused(path: Path, data: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(MasterKeyError, match="is not a file"):
        MasterKeys.open(path, data)


def test_sealed_secret_opens_only_unchanged_and_in_its_context(path: Path, data: Path) -> None:
    master = MasterKeys.open_or_create(path, data)
    sealed = master.seal(b"hush", b"key 1")
    assert master.unseal(sealed, b"key 1") == b"hush"
    assert master.unseal(sealed, b"key 2") is None
    for i in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[i] ^= 1
        assert master.unseal(bytes(flipped), b"key 1") is None
        assert master.unseal(sealed[:i], b"key 1") is None


def test_rotation_that_cannot_be_written_changes_nothing(
    path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = MasterKeys.open_or_create(path, data)
    before = master.current

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("holdfast.directory.master_key.write_private", full)
    with pytest.raises(OSError, match="No space"):
        master.begin_rotation()
    assert master.current == before
    assert not master.is_rotating


def test_place_of_the_file_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_MASTER_KEY_FILE", "/run/secrets/holdfast")
    assert master_key_path("id") == Path("/run/secrets/holdfast")
    monkeypatch.delenv("HOLDFAST_MASTER_KEY_FILE")
    assert master_key_path("id").parts[-3:] == (".config", "holdfast", "id.key")
