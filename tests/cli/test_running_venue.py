"""What scripts rely on: fixed forms, JSON on stdout, one sentence on stderr and exit code 1."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from holdfast.directory.keys import Key
from tests.cli.conftest import CommandLine


def market(holdfast: CommandLine) -> None:
    holdfast.json("asset", "add", "BTC")
    holdfast.json("asset", "add", "USDT", "--decimals", "8")
    holdfast.json(
        "instrument",
        "add",
        "BTCUSDT",
        "--base",
        "BTC",
        "--quote",
        "USDT",
        "--tick-size",
        "0.01",
        "--lot-size",
        "0.00001",
    )


def opened(holdfast: CommandLine, printed: dict[str, str]) -> Key:
    key = holdfast.services.directory.key(printed["apiKey"])
    assert key is not None
    return key


def test_account_is_created_listed_and_shown(holdfast: CommandLine) -> None:
    assert holdfast.json("account", "create", "alice")["name"] == "alice"
    assert holdfast.json("account", "create", "desk", "--parent", "alice")["parentId"] == 1
    assert [account["name"] for account in holdfast.json("account", "list")] == ["alice", "desk"]
    assert holdfast.json("account", "show", "alice")["balances"] == []


def test_account_may_have_any_printable_name(holdfast: CommandLine) -> None:
    for name in ("Zoë & Söhne", "50% + more?", "../..", "#1"):
        if "/" in name:
            assert "slash" in holdfast.refusal("account", "create", name)
            continue
        holdfast.json("account", "create", name)
        assert holdfast.json("account", "show", name)["name"] == name


def test_account_is_frozen_killed_given_fees_and_forgotten(holdfast: CommandLine) -> None:
    holdfast.json("account", "create", "alice")
    holdfast.json("account", "freeze", "alice")
    assert holdfast.json("account", "show", "alice")["isFrozen"]
    holdfast.json("account", "unfreeze", "alice")
    holdfast.json("account", "fees", "alice", "--maker-ppm", "0")
    shown = holdfast.json("account", "show", "alice")
    assert (shown["isFrozen"], shown["makerFeePpm"], shown["takerFeePpm"]) == (False, 0, None)
    assert holdfast.json("account", "kill", "alice")["canceledOrders"] == 3
    holdfast.json("account", "forget", "alice")
    assert "no such account" in holdfast.refusal("account", "show", "alice")


def test_command_repeated_with_its_idempotency_key_is_done_once(holdfast: CommandLine) -> None:
    first = holdfast.json("account", "create", "alice", "--idempotency-key", "k")
    assert holdfast.json("account", "create", "alice", "--idempotency-key", "k") == first
    assert "of that name already" in holdfast.refusal("account", "create", "alice")


def test_hmac_key_prints_api_key_and_secret_and_nothing_else(holdfast: CommandLine) -> None:
    holdfast.json("account", "create", "alice")
    printed = holdfast.json("key", "create", "alice", "--type", "hmac", "--permissions", "read,trade")
    assert set(printed) == {"apiKey", "secretKey"}
    assert opened(holdfast, printed).permissions == 3


@pytest.mark.parametrize("key_type", ["ed25519", "rsa"])
def test_key_pair_is_made_here_and_its_private_half_signs(holdfast: CommandLine, key_type: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    holdfast.json("account", "create", "alice")
    printed = holdfast.json("key", "create", "alice", "--type", key_type)
    private = load_pem_private_key(printed["secretKey"].encode(), None)
    options = () if key_type == "ed25519" else (PKCS1v15(), SHA256())
    signature = private.sign(b"payload", *options)  # type: ignore[union-attr,call-arg,arg-type]
    assert opened(holdfast, printed).verify(b"payload", base64.b64encode(signature).decode())


def test_public_key_of_ones_own_is_taken_and_no_secret_printed(holdfast: CommandLine, tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    file = tmp_path / "public.pem"
    file.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    holdfast.json("account", "create", "alice")
    printed = holdfast.json("key", "create", "alice", "--type", "ed25519", "--public-key", str(file))
    assert printed["secretKey"] is None
    assert opened(holdfast, printed).verify(b"x", base64.b64encode(private.sign(b"x")).decode())
    assert "cannot be read" in holdfast.refusal("key", "create", "alice", "--type", "rsa", "--public-key", "/nothing")


def test_key_is_limited_to_addresses_listed_and_revoked_by_either_name(holdfast: CommandLine) -> None:
    holdfast.json("account", "create", "alice")
    words = ("key", "create", "alice", "--type", "hmac", "--permissions", "read,trade,withdraw")
    assert "list of addresses" in holdfast.refusal(*words)
    first = holdfast.json(*words, "--allow-ip", "203.0.113.7", "--allow-ip", "10.0.0.0/8")
    second = holdfast.json(*words, "--allow-ip", "203.0.113.7,10.0.0.0/8")
    listed = holdfast.json("key", "list", "alice")
    assert [key["allowIps"] for key in listed] == [["203.0.113.7/32", "10.0.0.0/8"]] * 2
    assert first["secretKey"] not in str(listed)
    holdfast.json("key", "revoke", "1")
    holdfast.json("key", "revoke", second["apiKey"])
    assert [key["isRevoked"] for key in holdfast.json("key", "list", "alice")] == [True, True]
    assert "no such key" in holdfast.refusal("key", "revoke", "nothing")


def test_deposit_is_credited_once_per_reference(holdfast: CommandLine) -> None:
    market(holdfast)
    holdfast.json("account", "create", "alice")
    words = ("deposit", "alice", "BTC", "1.5", "--reference", "wire-1")
    assert not holdfast.json(*words)["repeated"]
    assert holdfast.json(*words)["repeated"]
    assert holdfast.json("account", "show", "alice")["balances"][0]["free"] == "1.50000000"
    assert "used for something else" in holdfast.refusal("deposit", "alice", "BTC", "2", "--reference", "wire-1")
    assert "no such account" in holdfast.refusal("deposit", "bob", "BTC", "2", "--reference", "wire-2")
    assert "1 to 36" in holdfast.refusal("deposit", "alice", "BTC", "2", "--reference", "w" * 37)
    assert "no asset XRP" in holdfast.refusal("deposit", "alice", "XRP", "2", "--reference", "wire-3")


def test_withdrawals_transfers_and_fees(holdfast: CommandLine) -> None:
    market(holdfast)
    for name in ("alice", "bob"):
        holdfast.json("account", "create", name)
    holdfast.json("deposit", "alice", "BTC", "3", "--reference", "d")
    holdfast.json("transfer", "alice", "bob", "BTC", "1", "--reference", "t")
    for number in (1, 2):
        holdfast.json("withdrawal", "request", "alice", "BTC", "1", "--reference", f"w{number}")
    assert holdfast.json("withdrawal", "approve", "1")["status"] == "APPROVED"
    assert holdfast.json("withdrawal", "send", "1")["status"] == "SENT"
    assert holdfast.json("withdrawal", "refuse", "2")["status"] == "REFUSED"
    assert "not in a state" in holdfast.refusal("withdrawal", "send", "2")
    listed = holdfast.json("withdrawal", "list", "--account", "alice", "--status", "SENT")
    assert [withdrawal["withdrawalId"] for withdrawal in listed] == [1]
    assert holdfast.json("fees", "list")[0]["collected"] == "0.00000000"
    assert "not enough" in holdfast.refusal("fees", "withdraw", "BTC", "1", "--reference", "f")


def test_instruments_are_listed_set_and_opened(holdfast: CommandLine) -> None:
    market(holdfast)
    holdfast.json(
        "instrument", "set", "BTCUSDT", "notional_min=10", "taker_fee_ppm=750", "notional_min_applies_to_market=true"
    )
    holdfast.json("instrument", "mode", "BTCUSDT", "TRADING")
    (listed,) = holdfast.json("instrument", "list")
    assert listed["mode"] == "TRADING"
    assert listed["parameters"]["notionalMin"] == "10.00000000"
    assert listed["parameters"]["takerFeePpm"] == 750
    assert "no parameter" in holdfast.refusal("instrument", "set", "BTCUSDT", "speed=10")
    assert "whole number" in holdfast.refusal("instrument", "set", "BTCUSDT", "orders_max=many")
    assert holdfast.type("instrument", "mode", "BTCUSDT", "OPEN").exit_code == 2


def test_history_goes_into_a_file_whole_or_not_at_all(holdfast: CommandLine, tmp_path: Path) -> None:
    holdfast.json("account", "create", "alice")
    target = tmp_path / "orders.csv"
    holdfast.json("history", "export", "alice", "--what", "orders", "--out", str(target))
    assert target.read_text().startswith("account,what")
    missing = tmp_path / "missing.csv"
    holdfast.refusal("history", "export", "bob", "--what", "orders", "--out", str(missing))
    assert sorted(path.suffix for path in tmp_path.glob("*.csv*")) == [".csv"]
    assert "cannot be written" in holdfast.refusal(
        "history", "export", "alice", "--what", "orders", "--out", str(tmp_path / "no" / "x.csv")
    )


def test_venue_as_a_whole(holdfast: CommandLine) -> None:
    assert holdfast.json("status")["isAccepting"]
    assert holdfast.json("venue", "kill")["canceledOrders"] == 3
    holdfast.json("venue", "resume")
    holdfast.json("venue", "limit", "orders_max", "7")
    assert holdfast.json("snapshot")["seq"] == 3
    before = holdfast.services.directory.master.current.hex()
    assert holdfast.json("master-key", "rotate")["fingerprint"] != before


def test_what_the_venue_refuses_is_one_sentence_with_its_reason(holdfast: CommandLine) -> None:
    holdfast.services.replica.unavailable = "The disk is full."
    assert holdfast.refusal("venue", "kill").startswith("The disk is full.")


def test_old_token_is_refused(holdfast: CommandLine) -> None:
    (holdfast.data / "operator.token").write_text("old")
    assert "token" in holdfast.refusal("status")


@pytest.mark.parametrize(
    ("lock", "sentence"),
    [("4711\n\n", "still starting"), ("4711\nhttp://127.0.0.1:9\n", "does not answer")],
)
def test_venue_that_cannot_be_asked_is_one_sentence(holdfast: CommandLine, lock: str, sentence: str) -> None:
    (holdfast.data / "lock").write_text(lock)
    assert sentence in holdfast.refusal("status")


def test_directory_without_a_venue_is_one_sentence(holdfast: CommandLine, tmp_path: Path) -> None:
    holdfast.data = tmp_path / "elsewhere"
    assert "No venue is running on" in holdfast.refusal("status")


def test_asking_a_venue_loads_neither_numpy_nor_kernels() -> None:
    program = "import sys, holdfast.cli; print(*sorted({'numpy', 'numba', 'cryptography'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "\n"


def test_market_is_stopped_reopened_and_the_reopening_called_off(holdfast: CommandLine) -> None:
    market(holdfast)
    words = ("instrument", "reopen", "BTCUSDT", "--halt", "60", "--auction", "300", "--idempotency-key", "monday")
    told = holdfast.json(*words)
    assert (told["mode"], [stage["mode"] for stage in told["stages"]][-2:]) == ("HALT", ["AUCTION", "TRADING"])
    assert holdfast.json(*words)["repeated"]
    assert holdfast.json("instrument", "list")[0]["stages"] == told["stages"]
    holdfast.json("instrument", "cancel-reopening", "BTCUSDT")
    assert holdfast.json("instrument", "list")[0]["stages"] == []
    holdfast.json("instrument", "mode", "BTCUSDT", "AUCTION")
    holdfast.json("instrument", "set", "BTCUSDT", "price_band=0.1", "price_band_auction_seconds=120")
