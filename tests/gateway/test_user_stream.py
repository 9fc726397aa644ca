"""User data streams: an account's clients see all that happens to it, in order, and nobody else's."""

from typing import Any

import pytest

from holdfast.codes import CommandKind, ExpiryReason, OrderEventKind, OrderStatus, RejectReason, TradingMode
from holdfast.gateway.binance import ws_api
from holdfast.instruments import Reference, Stage
from tests.gateway.fakes import ACCOUNT_ID, API_KEY, BTC, READ, START_NS, USDT, World, instrument, limit_order
from tests.gateway.websockets import Client

MS = START_NS // 10**6

# Of strict clients: each must be there in every report.
BASE_FIELDS = [*"eEscSofqpPFgCxXrilzLnNTtIwmMOZYQWV"]


@pytest.fixture
def client(world: World) -> Client:
    """One that listens."""
    client = Client(world)
    assert client.ask_signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    return client


def events(client: Client) -> list[dict[str, Any]]:
    return [frame["event"] for frame in client.frames if "event" in frame]


def reports(client: Client) -> list[dict[str, Any]]:
    return [event for event in events(client) if event["e"] == "executionReport"]


def test_new_order_is_reported_with_every_base_field(client: Client) -> None:
    client.world.order(newClientOrderId="mine")
    (frame,) = client.frames[1:]
    assert frame["subscriptionId"] == 0
    assert list(frame["event"])[: len(BASE_FIELDS)] == BASE_FIELDS
    assert frame["event"] == {
        "e": "executionReport",
        "E": MS,
        "s": "BTCUSDT",
        "c": "mine",
        "S": "BUY",
        "o": "LIMIT",
        "f": "GTC",
        "q": "0.00100000",
        "p": "25000.00000000",
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": "",
        "x": "NEW",
        "X": "NEW",
        "r": "NONE",
        "i": 1,
        "l": "0.00000000",
        "z": "0.00000000",
        "L": "0.00000000",
        "n": "0",
        "N": None,
        "T": MS,
        "t": -1,
        "I": 1,
        "w": True,
        "m": False,
        "M": False,
        "O": MS,
        "Z": "0.00000000",
        "Y": "0.00000000",
        "Q": "0.00000000",
        "W": MS,
        "V": "NONE",
    }


def test_trade_comes_after_new_and_names_its_fee(client: Client) -> None:
    client.world.order(type="MARKET", price=None, timeInForce=None)
    new, trade = reports(client)
    assert (new["x"], trade["x"]) == ("NEW", "TRADE")
    assert trade["X"] == "FILLED"
    assert (trade["l"], trade["L"], trade["Y"]) == ("0.00100000", "25000.00000000", "25.00000000")
    assert (trade["z"], trade["Z"]) == ("0.00100000", "25.00000000")
    assert (trade["n"], trade["N"], trade["t"]) == ("0.00000200", "BTC", 1)
    assert (trade["m"], trade["w"]) == (False, False)
    assert trade["I"] > new["I"]


def test_maker_is_told_of_its_fill_and_then_of_its_balances(client: Client) -> None:
    client.world.order()
    client.world.replica.fill(1, 40)
    kinds = [event["e"] for event in events(client)]
    assert kinds == ["executionReport", "executionReport", "outboundAccountPosition"]
    trade = reports(client)[1]
    assert (trade["X"], trade["m"], trade["w"]) == ("PARTIALLY_FILLED", True, True)
    assert events(client)[2]["B"] == [{"a": "USDT", "f": "1000000.00000005", "l": "0.00000000"}]


def test_canceled_order_names_the_cancel_and_the_original(client: Client) -> None:
    client.world.order(newClientOrderId="mine")
    client.world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1, newClientOrderId="cancel")
    report = reports(client)[1]
    assert (report["x"], report["X"], report["c"], report["C"]) == ("CANCELED", "CANCELED", "cancel", "mine")
    assert report["w"] is False


def test_replaced_order_names_the_cancel_that_was_sent(client: Client) -> None:
    client.world.order(newClientOrderId="old")
    of = limit_order(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1, cancelNewClientOrderId="cancel")
    client.world.signed("POST", "/api/v3/order/cancelReplace", newClientOrderId="new", **of)
    canceled, new = reports(client)[1:]
    assert (canceled["x"], canceled["c"], canceled["C"]) == ("CANCELED", "cancel", "old")
    assert (new["x"], new["c"]) == ("NEW", "new")


def test_order_canceled_by_the_venue_has_a_cancel_id_too(client: Client) -> None:
    client.world.order(newClientOrderId="mine")
    replica = client.world.replica
    canceled = replica._end(replica._open[1], OrderEventKind.ORDER_CANCELED)
    replica.publish([], [canceled._replace(seq=replica._seq + 1)], CommandKind.KILL_ACCOUNT)
    report = reports(client)[1]
    assert (report["c"], report["C"]) == ("cancel-2", "mine")


def test_refused_order_is_told_only_where_its_predecessor_is_gone(client: Client) -> None:
    client.world.replica.refuse_next = RejectReason.WOULD_TAKE
    client.world.order()
    assert events(client) == []
    client.world.order()
    client.world.replica.refuse_next = RejectReason.WOULD_TAKE
    of = limit_order(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=1)
    client.world.signed("POST", "/api/v3/order/cancelReplace", **of)
    _, canceled, rejected = reports(client)
    assert canceled["x"] == "CANCELED"
    assert (rejected["x"], rejected["X"], rejected["r"]) == ("REJECTED", "REJECTED", "WOULD_MATCH_IMMEDIATELY")


def test_refused_cancel_is_told_to_nobody(client: Client) -> None:
    client.world.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=9)
    assert events(client) == []


def test_expired_order_says_why(client: Client) -> None:
    client.world.order(timeInForce="IOC")
    report = reports(client)[1]
    assert (report["x"], report["X"], report["eR"]) == ("EXPIRED", "EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")


def test_prevented_trade_shows_what_was_prevented(client: Client) -> None:
    client.world.order()
    replica = client.world.replica
    prevented = replica._next(
        replica._open[1],
        kind=OrderEventKind.ORDER_EXPIRED,
        status=OrderStatus.EXPIRED_IN_MATCH,
        reason=ExpiryReason.SELF_TRADE,
        prevented_lots=100,
        last_lots=100,
        last_price_ticks=2_500_000,
        last_quote_units=2_500_000 * 40 * 10,  # The other order wanted 40 of the 100 lots.
        trade_id=3,
        counter_order_id=5,
    )
    replica.publish([], [prevented._replace(seq=replica._seq + 1)])
    report = reports(client)[1]
    assert (report["x"], report["X"]) == ("TRADE_PREVENTION", "EXPIRED_IN_MATCH")
    shown = {name: report[name] for name in ("v", "A", "B", "u", "U", "Cs", "pl", "pL", "pY")}
    assert shown == {
        "v": 3,
        "A": "0.00100000",
        "B": "0.00100000",
        "u": -1,
        "U": 5,
        "Cs": "BTCUSDT",
        "pl": "0.00040000",
        "pL": "25000.00000000",
        "pY": "10.00000000",
    }
    assert (report["l"], report["t"]) == ("0.00000000", -1)


def test_deposit_is_a_position_and_a_balance_update(client: Client) -> None:
    replica = client.world.replica
    replica.publish([replica.balance_event(BTC, 10**8, CommandKind.DEPOSIT)], kind=CommandKind.DEPOSIT)
    position, update = events(client)
    assert position == {
        "e": "outboundAccountPosition",
        "E": MS,
        "u": MS,
        "B": [{"a": "BTC", "f": "11.00000000", "l": "0.00000000"}],
    }
    assert update == {"e": "balanceUpdate", "E": MS, "a": "BTC", "d": "1.00000000", "T": MS}


def test_requested_withdrawal_locks_and_the_sent_one_leaves(client: Client) -> None:
    replica = client.world.replica
    requested = replica.balance_event(USDT, -5, CommandKind.REQUEST_WITHDRAWAL)._replace(in_transit=5, change=0)
    replica.publish([requested], kind=CommandKind.REQUEST_WITHDRAWAL)
    assert [event["e"] for event in events(client)] == ["outboundAccountPosition"]
    assert events(client)[0]["B"][0]["l"] == "0.00000005"
    sent = replica.balance_event(USDT, 0, CommandKind.SEND_WITHDRAWAL)._replace(change=-5)
    replica.publish([sent], kind=CommandKind.SEND_WITHDRAWAL)
    assert events(client)[-1]["d"] == "-0.00000005"


def test_position_shows_each_asset_once_as_it_is_after_the_command(client: Client) -> None:
    replica = client.world.replica
    changes = [replica.balance_event(BTC, 1), replica.balance_event(USDT, -1), replica.balance_event(BTC, 1)]
    replica.publish(changes)
    (position,) = events(client)
    assert [balance["f"] for balance in position["B"]] == ["10.00000002", "999999.99999999"]


def test_others_see_nothing(world: World) -> None:
    world.replica.directory.add("o" * 64, "secret", account_id=ACCOUNT_ID + 1)
    other = Client(world)
    other.ask_signed("userDataStream.subscribe.signature", "o" * 64, "secret")
    world.order()
    assert events(other) == []


def test_account_without_subscribers_is_not_even_formatted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("holdfast.gateway.binance.formats.execution_report", never)
    world.order()
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    client.session.on_close("client")
    world.order()


def test_events_come_before_the_reply_to_the_order_on_the_same_connection(client: Client) -> None:
    client.ask_signed("order.place", **limit_order())
    assert ["event" in frame for frame in client.frames[1:]] == [True, False]


def test_reply_to_the_subscription_is_the_first_frame(world: World) -> None:
    """An order on its way when the client subscribes shows up after the reply."""
    query, headers = world.sign(limit_order())
    world.send("POST", "/api/v3/order", query, headers=headers, commit=False)
    client = Client(world)
    client.ask_signed("userDataStream.subscribe.signature")
    first, second = client.frames
    assert (first["status"], first["result"]) == (200, {"subscriptionId": 0})
    assert second["event"]["x"] == "NEW"
    assert "status" not in second


def test_times_are_in_microseconds_where_the_connection_asks_for_it(world: World) -> None:
    micro, milli = Client(world, "timeUnit=MICROSECOND"), Client(world)
    for client in (micro, milli):
        client.ask_signed("userDataStream.subscribe.signature")
    world.order()
    assert (reports(micro)[0]["E"], reports(milli)[0]["E"]) == (START_NS // 1000, MS)


# Subscriptions.


def test_logged_on_session_subscribes_without_a_signature(world: World) -> None:
    client = Client(world)
    assert client.ask("userDataStream.subscribe")["status"] == 401
    client.log_on()
    assert client.ask("userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert client.ask("session.status")["result"]["userDataStream"] is True
    assert client.ask("session.subscriptions", {})["result"] == [{"subscriptionId": 0}]


def test_unsigned_subscription_by_signature_works_on_a_logged_on_session(world: World) -> None:
    client = Client(world)
    params = {"timestamp": world.clock.ms}
    assert client.ask("userDataStream.subscribe.signature", params)["error"]["code"] == -1102
    client.log_on()
    assert client.ask("userDataStream.subscribe.signature", params)["result"] == {"subscriptionId": 0}


def test_second_subscription_to_an_account_is_refused(client: Client) -> None:
    reply = client.ask_signed("userDataStream.subscribe.signature")
    assert reply["error"] == {"code": -2035, "msg": "User Data Stream subscription already active."}


def test_one_connection_listens_to_several_accounts(client: Client) -> None:
    client.world.replica.directory.add("o" * 64, "secret", account_id=ACCOUNT_ID + 1)
    reply = client.ask_signed("userDataStream.subscribe.signature", "o" * 64, "secret")
    assert reply["result"] == {"subscriptionId": 1}
    assert client.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}, {"subscriptionId": 1}]


@pytest.mark.parametrize("params", [None, {"subscriptionId": 0}, {"subscriptionId": "0"}])
def test_ended_subscription_says_so_after_the_reply(client: Client, params: dict[str, Any] | None) -> None:
    assert client.ask("userDataStream.unsubscribe", params)["result"] == {}
    assert client.frames[-1] == {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": MS}}
    client.world.order()
    assert reports(client) == []
    assert client.ask("session.subscriptions")["result"] == []


@pytest.mark.parametrize("subscription_id", [7, -1, "x"])
def test_unknown_subscription_cannot_be_ended(client: Client, subscription_id: object) -> None:
    reply = client.ask("userDataStream.unsubscribe", {"subscriptionId": subscription_id})
    assert reply["error"]["code"] in (-2036, -1100)
    client.world.order()
    assert len(reports(client)) == 1


def test_logging_out_ends_only_the_subscription_of_the_logon(world: World) -> None:
    world.replica.directory.add("o" * 64, "secret", account_id=ACCOUNT_ID + 1)
    client = Client(world)
    client.log_on()
    client.ask("userDataStream.subscribe")
    client.ask_signed("userDataStream.subscribe.signature", "o" * 64, "secret")
    client.ask("session.logout")
    assert client.frames[-1]["event"]["e"] == "eventStreamTerminated"
    assert client.ask("session.subscriptions")["result"] == [{"subscriptionId": 1}]


def test_ids_are_never_given_away_twice_and_end_some_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_api, "SUBSCRIPTION_IDS_MAX", 2)
    client = Client(world)
    for expected in (0, 1):
        assert client.ask_signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": expected}
        client.ask("userDataStream.unsubscribe")
    assert client.ask_signed("userDataStream.subscribe.signature")["error"]["code"] == -2042


def test_too_many_subscriptions_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_api, "SUBSCRIPTIONS_MAX", 1)
    client.world.replica.directory.add("o" * 64, "secret", account_id=ACCOUNT_ID + 1)
    reply = client.ask_signed("userDataStream.subscribe.signature", "o" * 64, "secret")
    assert reply["error"]["code"] == -1191


def test_key_that_cannot_read_cannot_listen(world: World) -> None:
    world.replica.directory.add("t" * 64, "secret", permissions=2)
    client = Client(world)
    reply = client.ask_signed("userDataStream.subscribe.signature", "t" * 64, "secret")
    assert (reply["status"], reply["error"]["code"]) == (401, -2015)
    client.log_on("t" * 64, "secret")
    assert client.ask("userDataStream.subscribe")["error"]["code"] == -2015


def test_revoked_key_hears_nothing_more(client: Client) -> None:
    client.world.order()
    client.world.key.revoked = True
    client.world.replica.fill(1, 10)
    assert [event["e"] for event in events(client)] == ["executionReport", "eventStreamTerminated"]
    client.world.replica.fill(1, 10)
    assert len(events(client)) == 2


def test_closed_connection_is_forgotten(client: Client) -> None:
    client.session.on_close("client")
    client.world.order()
    assert len(client.frames) == 1
    assert client.world.gateway.user_streams._subscriptions == {}


def test_shutdown_is_announced_on_every_connection(client: Client) -> None:
    quiet = Client(client.world)
    gone = Client(client.world)
    gone.session.on_close("client")
    client.world.gateway.announce_shutdown()
    expected = {"event": {"e": "serverShutdown", "E": MS}}
    assert client.frames[-1] == expected
    assert quiet.frames == [expected]
    assert gone.frames == []


def test_a_market_that_changes_its_mode_is_told_to_all_who_subscribed(client: Client) -> None:
    silent, replica = Client(client.world), client.world.replica
    to_come = (Stage(TradingMode.TRADING, START_NS + 10**9),)
    halted = instrument("ETHUSDT", 2, TradingMode.AUCTION)._replace(stages=to_come)
    replica.reference = Reference([BTC, USDT], [instrument(), halted])
    client.world.order()  # A batch that says so.
    client.world.order()
    told = [event for event in events(client) if event["e"] == "tradingStatus"]
    expected = {"e": "tradingStatus", "s": "ETHUSDT", "m": "AUCTION", "n": [{"m": "TRADING", "T": MS + 1_000}]}
    assert [{name: event[name] for name in expected} for event in told] == [expected]
    assert set(told[0]) == {*expected, "E"}
    assert silent.frames == []


def test_batch_of_several_commands_is_told_command_by_command(client: Client) -> None:
    """What one reader gets at once may hold many commands of many accounts."""
    for number in range(3):
        query, headers = client.world.sign(limit_order(newClientOrderId=f"o{number}"))
        client.world.send("POST", "/api/v3/order", query, headers=headers, commit=False)
    query, headers = client.world.sign({"symbol": "BTCUSDT", "origClientOrderId": "o1", "newClientOrderId": "cancel"})
    client.world.send("DELETE", "/api/v3/order", query, headers=headers, commit=False)
    client.world.replica.commit(at_once=True)
    assert [report["c"] for report in reports(client)] == ["o0", "o1", "o2", "cancel"]
    assert API_KEY not in str(client.socket.sent[1:])


def test_read_only_key_listens(world: World) -> None:
    world.replica.directory.add("r" * 64, "secret", permissions=READ)
    client = Client(world)
    assert client.ask_signed("userDataStream.subscribe.signature", "r" * 64, "secret")["status"] == 200
