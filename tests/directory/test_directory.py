"""The directory is a function of the journal: whoever replays it knows the same accounts and keys, and no secret."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.codes import KeyPermission, KeyType
from holdfast.directory.directory import Directory
from holdfast.directory.issuing import key_record
from holdfast.directory.master_key import MasterKeyError, MasterKeys
from tests.directory.world import World, apply_group


def test_account_is_found_by_its_name_and_named_by_its_id(world: World) -> None:
    alice = world.create_account("alice")
    assert world.directory.account_of_name("alice") == alice
    assert world.directory.name_of(alice) == "alice"
    assert world.directory.account_of_name("bob") is None


def test_key_is_found_by_its_api_key_until_and_after_revocation(world: World) -> None:
    key = world.create_key(world.create_account("alice"))
    held_by_a_session = world.directory.key(key.api_key)
    assert held_by_a_session is not None
    assert not held_by_a_session.revoked
    world.revoke(key.key_id)
    assert held_by_a_session.revoked
    assert [k.revoked for k in world.reopened().keys(key.account_id)] == [True]


def test_secret_is_shown_for_hmac_keys_only(world: World) -> None:
    from tests.directory.test_signatures import ED25519, pem

    account = world.create_account("alice")
    hmac_key = world.create_key(account)
    secret = world.directory.secret_of(hmac_key.key_id)
    assert secret is not None
    assert len(secret) == 64
    ed25519_key = world.create_key(account, KeyType.ED25519, public_key=pem(ED25519))
    assert world.directory.secret_of(ed25519_key.key_id) is None


def test_locked_directory_knows_no_key(world: World) -> None:
    key = world.create_key(world.create_account("alice"))
    assert world.replayed().key(key.api_key) is None


def test_copying_the_data_directory_reveals_no_secret_and_no_api_key(world: World) -> None:
    key = world.create_key(world.create_account("alice"), label="market maker", allow_ips=["203.0.113.7"])
    secret = world.directory.secret_of(key.key_id)
    assert secret is not None
    (world.data / "snapshot").write_bytes(world.directory.dump())
    copied = b"".join(path.read_bytes() for path in world.data.rglob("*") if path.is_file())
    for private in (secret, key.api_key, "market maker", "203.0.113.7"):
        assert private.encode() not in copied
        assert private.encode().hex().encode() not in copied


def test_name_leaves_the_files_when_it_is_forgotten(world: World) -> None:
    account_id = world.create_account("Ada Lovelace")
    row = world.directory.account(account_id)
    assert row is not None
    assert world.directory.people.forget(row.uid)
    assert world.directory.name_of(account_id) is None
    copied = b"".join(path.read_bytes() for path in world.data.rglob("*") if path.is_file())
    assert b"Lovelace" not in copied


def test_retry_after_a_crash_between_name_and_command_reuses_the_number(world: World) -> None:
    reserved = world.directory.people.reserve("alice", "first try")
    account_id = world.create_account("alice")
    row = world.directory.account(account_id)
    assert row is not None
    assert row.uid == reserved.uid


def test_sealed_document_cannot_be_moved_to_another_account(world: World) -> None:
    alice, mallory = world.create_account("alice"), world.create_account("mallory")
    group = key_record(world.directory.master, alice, KeyType.HMAC, 3, "key")
    moved = bytearray(group)
    moved[60:64] = mallory.to_bytes(4, "little")
    world.submit(bytes(moved))
    assert world.directory.keys(mallory) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"permissions": KeyPermission.TRADE}, "needs the permission read"),
        ({"permissions": KeyPermission.READ | KeyPermission.WITHDRAW}, "list of addresses"),
        ({"allow_ips": ["10.0.0.300"]}, "write an address or a network"),
        ({"allow_ips": ["10.0.0.0/8"] * 31}, "at most 30"),
        ({"public_key": "x"}, "no public key"),
        ({"key_type": KeyType.ED25519}, "needs its public key"),
        ({"label": "x" * 65}, "at most 64"),
    ],
)
def test_key_that_cannot_be_is_refused_with_a_sentence(
    world: World, arguments: dict[str, object], sentence: str
) -> None:
    fields: dict[str, object] = {"key_type": KeyType.HMAC, "permissions": KeyPermission.READ, **arguments}
    with pytest.raises(ValueError, match=sentence):
        key_record(world.directory.master, 1, idempotency_key="k", **fields)  # type: ignore[arg-type]


# Replay, snapshots and rotation.

steps = st.lists(st.sampled_from(["account", "key", "revoke", "rotate", "crash in rotation", "restart"]), max_size=25)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, cut=st.integers(0, 25))
def test_replay_and_snapshot_lead_to_the_same_state_with_every_secret(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], cut: int
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    secrets: dict[str, str | None] = {}
    names = 0
    for step in steps:
        keys = [
            key for account in world.directory.accounts(0, 1000) for key in world.directory.keys(account.account_id)
        ]
        if step == "account":
            names += 1
            world.create_account(f"name {names}")
        elif step == "key" and names:
            key = world.create_key(names)
            secrets[key.api_key] = world.directory.secret_of(key.key_id)
        elif step == "revoke" and keys:
            world.revoke(keys[0].key_id)
        elif step == "rotate":
            rotate(world, finish=True)
        elif step == "crash in rotation":
            rotate(world, finish=False)
            world.directory = world.reopened()
        elif step == "restart":
            world.directory = world.reopened()

    from_snapshot = Directory()
    for seq, records in enumerate(world.journal[:cut], start=1):
        apply_group(from_snapshot, records, seq)
    loaded = Directory()
    loaded.load(from_snapshot.dump())
    for seq, records in enumerate(world.journal[cut:], start=cut + 1):
        apply_group(loaded, records, seq)
    assert loaded.dump() == world.replayed().dump() == world.directory.dump()

    reopened = world.reopened()
    for api_key, secret in secrets.items():
        found = reopened.key(api_key)
        assert found is not None
        assert reopened.secret_of(found.key_id) == secret
    world.directory.people.close()


def rotate(world: World, finish: bool) -> None:
    """As the operator's interface does it; without `finish`, a crash after the first group."""
    world.directory.master.begin_rotation()
    for records in world.directory.rewrap_records():
        world.submit(records)
        if not finish:
            return
    if finish:
        world.directory.master.finish_rotation()


def test_after_a_rotation_the_old_master_key_opens_nothing(world: World) -> None:
    key = world.create_key(world.create_account("alice"))
    old = world.master_path.read_bytes()
    rotate(world, finish=True)
    kept, world.master_path = world.master_path, world.master_path.with_name("old.key")
    world.master_path.write_bytes(old)
    world.master_path.chmod(0o600)
    with pytest.raises(MasterKeyError, match="1 of 1 API keys are sealed under another one"):
        world.reopened()
    world.master_path = kept
    assert world.reopened().key(key.api_key) is not None


def test_crash_before_anything_is_sealed_anew_leaves_both_keys_and_a_restart_opens_all(world: World) -> None:
    key = world.create_key(world.create_account("alice"))
    world.directory.master.begin_rotation()
    reopened = world.reopened()
    assert reopened.key(key.api_key) is not None
    assert reopened.master.is_rotating
    assert reopened.stale_key_ids() == [key.key_id]


def test_crash_after_everything_is_sealed_anew_ends_with_one_key(world: World) -> None:
    world.create_key(world.create_account("alice"))
    world.directory.master.begin_rotation()
    for records in world.directory.rewrap_records():
        world.submit(records)
    assert not world.reopened().master.is_rotating
    assert len(MasterKeys.open(world.master_path, world.data)._keys) == 1


def test_key_that_was_on_its_way_when_a_rotation_began_is_caught_by_its_second_round(world: World) -> None:
    account = world.create_account("alice")
    on_its_way = key_record(world.directory.master, account, KeyType.HMAC, 3, "late")
    world.directory.master.begin_rotation()
    first_round = world.directory.rewrap_records()
    world.submit(on_its_way)
    for records in first_round:
        world.submit(records)
    assert len(world.directory.stale_key_ids()) == 1
    for records in world.directory.rewrap_records():
        world.submit(records)
    assert world.directory.stale_key_ids() == []


def test_people_file_is_its_owners_alone(world: World) -> None:
    assert (world.data / "people.sqlite").stat().st_mode & 0o077 == 0


def test_file_of_people_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    import sqlite3

    from holdfast.directory.people import People
    from holdfast.errors import StartError

    connection = sqlite3.connect(tmp_path / "people.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StartError, match="newer version"):
        People(tmp_path / "people.sqlite")


def test_garbage_in_place_of_the_table_of_people_is_refused(tmp_path: Path) -> None:
    from holdfast.directory.people import People
    from holdfast.errors import StartError

    (tmp_path / "people.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(StartError, match="cannot be used"):
        People(tmp_path / "people.sqlite")


def test_joined_gateway_opens_keys_that_come_under_a_master_key_made_meanwhile(tmp_path: Path) -> None:
    world = World(tmp_path)
    account_id = world.create_account("alice")
    old = world.create_key(account_id)
    gateway = world.replayed()
    gateway.open_keys(MasterKeys.open(world.master_path, world.data))
    world.directory.master.begin_rotation()
    before = world.master_path.read_bytes()
    new = world.create_key(account_id)
    apply_group(gateway, world.journal[-1], len(world.journal))
    for key in (old, new):
        known = gateway.key(key.api_key)
        assert known is not None
        assert known.key_id == key.key_id
    assert world.master_path.read_bytes() == before, "the rotation is the venue's to finish"
