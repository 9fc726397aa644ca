"""What an operator wishes becomes one journaled command, and the answer says what came of it."""

import asyncio

import pytest

from holdfast.codes import CommandKind, InstrumentParameter, RejectReason
from holdfast.gateway.operator import commands
from holdfast.gateway.operator.problems import REFUSALS
from tests.operator.conftest import Operator
from tests.operator.fake import FakeServices


async def test_account_is_created_found_by_name_and_listed(operator: Operator) -> None:
    created = (await operator.ask("POST", "/accounts", {"name": "Zoë & Co"}, status=201)).json()
    assert created["name"] == "Zoë & Co"
    assert len(created["uid"]) == 32
    shown = (await operator.ask("GET", "/accounts/Zo%C3%AB%20&%20Co", status=200)).json()
    assert shown["accountId"] == created["accountId"] == 1
    assert (await operator.ask("GET", "/accounts")).json() == {"accounts": [created], "nextAfter": None}


async def test_no_name_reaches_the_journal(services: FakeServices, operator: Operator) -> None:
    await operator.account("alice")
    assert all(b"alice" not in command.client_id for command in services.replica.commands)


async def test_accounts_are_listed_in_pages(operator: Operator) -> None:
    for i in range(5):
        await operator.account(f"name {i}")
    first = (await operator.ask("GET", "/accounts", limit=3)).json()
    second = (await operator.ask("GET", "/accounts", limit=3, after=first["nextAfter"])).json()
    assert [a["accountId"] for a in first["accounts"] + second["accounts"]] == [1, 2, 3, 4, 5]
    assert second["nextAfter"] is None


async def test_second_account_of_a_name_is_refused_but_a_repeated_request_is_not(
    services: FakeServices, operator: Operator
) -> None:
    first = await operator.ask("POST", "/accounts", {"name": "alice"}, key="k", status=201)
    again = await operator.ask("POST", "/accounts", {"name": "alice"}, key="k", status=201)
    assert again.json() == first.json()
    journaled = len(services.replica.commands)
    other = await operator.ask("POST", "/accounts", {"name": "alice"}, status=409)
    assert len(services.replica.commands) == journaled
    assert other.json()["reason"] == "NAME_TAKEN"


async def test_two_requests_for_one_name_at_once_make_one_account(operator: Operator) -> None:
    both = await asyncio.gather(*(operator.ask("POST", "/accounts", {"name": "alice"}) for _ in range(2)))
    assert sorted(response.status_code for response in both) == [201, 409]


async def test_sub_account_knows_its_parent(operator: Operator) -> None:
    await operator.account("fund")
    sub = (await operator.ask("POST", "/accounts", {"name": "desk", "parent": "fund"}, status=201)).json()
    assert sub["parentId"] == 1


@pytest.mark.parametrize(
    ("name", "status"), [("", 400), ("x" * 65, 400), ("12", 409), (" a", 409), ("a/b", 409), ("a\nb", 409)]
)
async def test_text_that_cannot_be_a_name_is_refused(
    services: FakeServices, operator: Operator, name: str, status: int
) -> None:
    await operator.ask("POST", "/accounts", {"name": name}, status=status)
    assert services.replica.commands == []


async def test_forgotten_name_is_gone_and_the_account_stays(operator: Operator) -> None:
    await operator.account("alice")
    assert (await operator.ask("DELETE", "/accounts/alice/name")).json() == {"forgotten": True}
    await operator.ask("GET", "/accounts/alice", status=404)
    assert (await operator.ask("GET", "/accounts/1", status=200)).json()["name"] is None


async def test_account_is_frozen_killed_and_given_fees(services: FakeServices, operator: Operator) -> None:
    await operator.account("alice")
    await operator.ask("PUT", "/accounts/alice/frozen", {"frozen": True}, status=200)
    await operator.ask("PUT", "/accounts/alice/fees", {"makerFeePpm": 0, "takerFeePpm": None}, status=200)
    shown = (await operator.ask("GET", "/accounts/alice")).json()
    assert (shown["isFrozen"], shown["makerFeePpm"], shown["takerFeePpm"]) == (True, 0, None)
    killed = (await operator.ask("POST", "/accounts/alice/kill", status=200)).json()
    assert killed["canceledOrders"] == 3
    assert services.replica.commands[-1].kind == CommandKind.KILL_ACCOUNT


async def test_key_is_shown_with_its_secret_once_and_again_to_the_same_request(operator: Operator) -> None:
    await operator.account("alice")
    body = {"type": "hmac", "permissions": ["read", "trade"], "label": "bot"}
    first = (await operator.ask("POST", "/accounts/alice/keys", body, key="k", status=201)).json()
    assert len(first["apiKey"]) == len(first["secretKey"]) == 64
    assert (await operator.ask("POST", "/accounts/alice/keys", body, key="k", status=201)).json() == first
    listed = (await operator.ask("GET", "/accounts/alice/keys")).json()["keys"]
    assert [key["apiKey"] for key in listed] == [first["apiKey"]]
    assert first["secretKey"] not in str(listed)


async def test_key_request_repeated_for_another_account_is_told_so(operator: Operator) -> None:
    await operator.account("alice")
    await operator.account("bob")
    body = {"type": "hmac", "permissions": ["read"]}
    await operator.ask("POST", "/accounts/alice/keys", body, key="k", status=201)
    problem = (await operator.ask("POST", "/accounts/bob/keys", body, key="k", status=409)).json()
    assert problem["reason"] == "IDEMPOTENCY_CONFLICT"


async def test_revoked_key_is_listed_as_such_and_its_secret_is_not_shown_again(operator: Operator) -> None:
    await operator.account("alice")
    await operator.ask("POST", "/accounts/alice/keys", {"type": "hmac"}, key="k", status=201)
    await operator.ask("DELETE", "/keys/1", status=200)
    assert (await operator.ask("GET", "/accounts/alice/keys")).json()["keys"][0]["isRevoked"]
    await operator.ask("POST", "/accounts/alice/keys", {"type": "hmac"}, key="k", status=409)
    await operator.ask("DELETE", "/keys/2", status=404)


async def test_key_that_may_withdraw_needs_addresses(operator: Operator) -> None:
    await operator.account("alice")
    body: dict[str, object] = {"type": "hmac", "permissions": ["read", "withdraw"]}
    refused = await operator.ask("POST", "/accounts/alice/keys", body, status=400)
    assert "list of addresses" in refused.json()["detail"]
    await operator.ask("POST", "/accounts/alice/keys", {**body, "allowIps": ["203.0.113.7"]}, status=201)


async def test_deposit_is_credited_once_however_often_it_is_sent(operator: Operator) -> None:
    await operator.market()
    await operator.account("alice")
    move = {"asset": "BTC", "amount": "1.5"}
    first = (await operator.ask("POST", "/accounts/alice/deposits", move, key="wire-1", status=201)).json()
    again = (await operator.ask("POST", "/accounts/alice/deposits", move, key="wire-1", status=201)).json()
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["seq"] == first["seq"]
    assert (await operator.ask("GET", "/accounts/alice")).json()["balances"] == [
        {"asset": "BTC", "free": "1.50000000", "locked": "0.00000000", "inTransit": "0.00000000"}
    ]
    other = await operator.ask("POST", "/accounts/alice/deposits", {**move, "amount": "2"}, key="wire-1", status=409)
    assert other.json()["reason"] == "IDEMPOTENCY_CONFLICT"


@pytest.mark.parametrize(
    ("move", "status"),
    [
        ({"asset": "BTC", "amount": "0"}, 409),
        ({"asset": "BTC", "amount": "99999999999999999999"}, 409),
        ({"asset": "XRP", "amount": "1"}, 404),
        ({"asset": "BTC", "amount": "-1"}, 400),
        ({"asset": "BTC", "amount": "1e3"}, 400),
        ({"asset": "BTC", "amount": 1}, 400),
        ({"asset": "BTC"}, 400),
        ({"asset": "BTC", "amount": "1", "more": 1}, 400),
    ],
)
async def test_deposit_that_cannot_be_is_refused_without_a_command(
    services: FakeServices, operator: Operator, move: dict[str, object], status: int
) -> None:
    await operator.market()
    await operator.account("alice")
    before = len(services.replica.commands)
    await operator.ask("POST", "/accounts/alice/deposits", move, status=status)
    assert len(services.replica.commands) == before


async def test_withdrawal_goes_its_way_and_no_other(operator: Operator) -> None:
    await operator.market()
    await operator.account("alice")
    move = {"asset": "BTC", "amount": "1"}
    await operator.ask("POST", "/accounts/alice/withdrawals", move, status=409)
    await operator.ask("POST", "/accounts/alice/deposits", move, status=201)
    requested = (await operator.ask("POST", "/accounts/alice/withdrawals", move, status=201)).json()
    assert requested["status"] == "REQUESTED"
    await operator.ask("POST", "/withdrawals/1/send", status=409)
    assert (await operator.ask("POST", "/withdrawals/1/approve")).json()["status"] == "APPROVED"
    assert (await operator.ask("POST", "/withdrawals/1/send")).json()["status"] == "SENT"
    refused = await operator.ask("POST", "/withdrawals/1/refuse", status=409)
    assert refused.json()["reason"] == "WITHDRAWAL_NOT_OPEN"
    assert refused.json()["action"]
    listed = (await operator.ask("GET", "/withdrawals", account="alice", status_="x", status=400)).json()
    assert "status_" in listed["detail"]
    listed = (await operator.client.get("/withdrawals", params={"account": "alice", "status": "SENT"})).json()
    assert [withdrawal["withdrawalId"] for withdrawal in listed["withdrawals"]] == [1]


async def test_transfer_moves_and_collected_fees_are_shown(services: FakeServices, operator: Operator) -> None:
    await operator.market()
    await operator.account("alice")
    await operator.account("bob")
    await operator.ask("POST", "/accounts/alice/deposits", {"asset": "USDT", "amount": "10"}, status=201)
    wish = {"fromAccount": "alice", "toAccount": "bob", "asset": "USDT", "amount": "4"}
    await operator.ask("POST", "/transfers", wish, status=201)
    assert (await operator.ask("GET", "/accounts/bob")).json()["balances"][0]["free"] == "4.00000000"
    services.replica.fees[2] = 10**8
    assert (await operator.ask("GET", "/fees")).json()["fees"][1] == {"asset": "USDT", "collected": "1.00000000"}
    await operator.ask("POST", "/fees/withdrawals", {"asset": "USDT", "amount": "1"}, status=201)
    await operator.ask("POST", "/fees/withdrawals", {"asset": "USDT", "amount": "2"}, status=409)


async def test_instrument_is_added_in_halt_and_given_parameters_and_a_mode(
    services: FakeServices, operator: Operator
) -> None:
    await operator.market()
    added = (await operator.ask("GET", "/instruments/BTCUSDT")).json()
    assert (added["mode"], added["tickSize"], added["lotSize"]) == ("HALT", "0.01000000", "0.00001000")
    wish = {"priceMin": "1.5", "notionalMinAppliesToMarket": True, "bidMultiplierUp": "1.2", "ordersMax": 20}
    told = (await operator.ask("PATCH", "/instruments/BTCUSDT", wish, status=200)).json()["parameters"]
    assert (told["priceMin"], told["notionalMinAppliesToMarket"]) == ("1.50000000", True)
    assert (told["bidMultiplierUp"], told["ordersMax"]) == ("1.200000", 20)
    parameters = services.replica.reference.by_symbol["BTCUSDT"].parameters
    assert parameters[InstrumentParameter.PRICE_TICKS_MIN] == 150
    assert parameters[InstrumentParameter.BID_MULTIPLIER_UP_PPM] == 1_200_000
    await operator.ask("PATCH", "/instruments/BTCUSDT", {"priceMin": "1.505"}, status=409)
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "TRADING"}, status=200)
    assert (await operator.ask("GET", "/instruments")).json()["instruments"][0]["mode"] == "TRADING"
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "AUCTION"}, status=200)
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "CLOSED"}, status=400)
    await operator.ask("PUT", "/instruments/XYZ/mode", {"mode": "HALT"}, status=404)


async def test_reopening_is_scheduled_once_shown_and_called_off(services: FakeServices, operator: Operator) -> None:
    await operator.market()
    wish = {"haltSeconds": 60, "cancelOnlySeconds": 300, "auctionSeconds": 120}
    path = "/instruments/BTCUSDT/reopening"
    told = (await operator.ask("POST", path, wish, key="monday", status=200)).json()
    assert (told["mode"], told["repeated"]) == ("HALT", False)
    assert [stage["mode"] for stage in told["stages"]] == ["CANCEL_ONLY", "AUCTION", "TRADING"]
    command = services.replica.commands[-1]
    assert (command.kind, command.client_id) == (CommandKind.SCHEDULE_REOPENING, b"monday")
    assert (command.price_ticks, command.qty_lots, command.order_id) == (60 * 10**9, 300 * 10**9, 120 * 10**9)
    again = (await operator.ask("POST", path, wish, key="monday", status=200)).json()
    assert (again["seq"], again["repeated"]) == (told["seq"], True)
    shown = (await operator.ask("GET", "/instruments/BTCUSDT")).json()
    assert shown["stages"] == told["stages"]
    assert shown["auction"] == {"price": "20000.00000000", "quantity": "0.00003000", "surplus": "-0.00001000"}
    for wrong in ({"haltSeconds": -1}, {"auctionSeconds": 604_801}, {"auctionSeconds": 1.5}, {"seconds": 1}):
        await operator.ask("POST", path, wrong, status=400)
    await operator.ask("DELETE", path, status=200)
    assert (await operator.ask("GET", "/instruments/BTCUSDT")).json()["stages"] == []
    await operator.ask("POST", "/instruments/XYZ/reopening", wish, status=404)


async def test_bounds_are_moved_in_an_order_in_which_none_is_in_the_way(
    services: FakeServices, operator: Operator
) -> None:
    await operator.market()
    await operator.ask("PATCH", "/instruments/BTCUSDT", {"priceMin": "20000", "priceMax": "30000"}, status=200)
    moved = [command.order_id for command in services.replica.commands[-2:]]
    assert moved == [InstrumentParameter.PRICE_TICKS_MAX, InstrumentParameter.PRICE_TICKS_MIN]


async def test_venue_is_killed_limited_and_photographed(services: FakeServices, operator: Operator) -> None:
    assert (await operator.ask("PUT", "/venue/killed", {"killed": True})).json()["canceledOrders"] == 3
    await operator.ask("PUT", "/venue/limits/orders_max", {"value": 7}, status=200)
    await operator.ask("PUT", "/venue/limits/nothing", {"value": 7}, status=404)
    assert (await operator.ask("GET", "/venue", status=200)).json()["appliedSeq"] == 2
    assert (await operator.ask("POST", "/venue/snapshots", status=201)).json()["seq"] == 2
    services.snapshot_problem = "There is no room for a snapshot."
    assert (await operator.ask("POST", "/venue/snapshots", status=503)).json()["detail"] == services.snapshot_problem


async def test_master_key_is_rotated_and_every_key_still_works(services: FakeServices, operator: Operator) -> None:
    await operator.account("alice")
    created = (await operator.ask("POST", "/accounts/alice/keys", {"type": "hmac"}, status=201)).json()
    before = services.directory.master.current
    rotated = (await operator.ask("POST", "/venue/master-key", status=201)).json()
    assert rotated["fingerprint"] == services.directory.master.current.hex() != before.hex()
    assert not services.directory.master.is_rotating
    assert services.directory.secret_of(created["keyId"]) == created["secretKey"]


async def test_rotation_that_the_journal_stops_is_completed_by_asking_again(
    services: FakeServices, operator: Operator
) -> None:
    await operator.account("alice")
    await operator.ask("POST", "/accounts/alice/keys", {"type": "hmac"}, status=201)
    services.replica.unavailable = "The disk is full."
    await operator.ask("POST", "/venue/master-key", status=503)
    assert services.directory.master.is_rotating
    services.replica.unavailable = ""
    await operator.ask("POST", "/venue/master-key", status=201)
    assert not services.directory.master.is_rotating


async def test_history_is_streamed_as_csv_between_two_times(operator: Operator) -> None:
    await operator.account("alice")
    response = await operator.client.get("/accounts/alice/history/orders", params={"start": "2026-01-01T00:00:00Z"})
    assert response.headers["content-type"].startswith("text/csv")
    assert response.text == "account,what,start,end\r\n1,orders,1767225600000000000,0\r\n"
    assert (await operator.client.get("/accounts/alice/history/secrets")).status_code == 404
    assert (await operator.client.get("/accounts/alice/history/orders?start=yesterday")).status_code == 400


async def test_setting_something_twice_with_one_key_is_done_once(services: FakeServices, operator: Operator) -> None:
    await operator.market()
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "HALT"}, key="k", status=200)
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "TRADING"}, status=200)
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "HALT"}, key="k", status=200)
    assert services.replica.reference.by_symbol["BTCUSDT"].mode.name == "TRADING"
    await operator.ask("PUT", "/instruments/BTCUSDT/mode", {"mode": "TRADING"}, key="k", status=409)


async def test_journal_that_takes_nothing_is_a_503_with_its_reason_and_can_be_tried_again(
    services: FakeServices, operator: Operator
) -> None:
    await operator.account("alice")
    services.replica.unavailable = "The disk is full."
    refused = await operator.ask("PUT", "/accounts/alice/frozen", {"frozen": True}, key="k", status=503)
    assert refused.json()["detail"] == "The disk is full."
    assert refused.headers["retry-after"] == "1"
    services.replica.unavailable = ""
    await operator.ask("PUT", "/accounts/alice/frozen", {"frozen": True}, key="k", status=200)


async def test_command_that_is_not_decided_in_time_is_told_as_pending(
    services: FakeServices, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "DECISION_SECONDS_MAX", 0.0)
    services.replica.is_stuck = True
    pending = await operator.ask("PUT", "/venue/killed", {"killed": True}, status=504)
    assert "same Idempotency-Key" in pending.json()["action"]


def test_every_refusal_of_operators_commands_says_what_to_do() -> None:
    of_operators = {reason for reason in RejectReason if reason >= RejectReason.ASSET_UNKNOWN}
    assert of_operators <= set(REFUSALS)
    for status, detail, action in REFUSALS.values():
        assert status in (404, 409)
        assert detail.endswith(".")
        assert action.endswith(".")
