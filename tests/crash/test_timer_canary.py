"""The oracle of timers must find what is wrong, as the others must (`test_canary`): here it is lied to."""

import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from holdfast.client import OrderEventKind, Report
from holdfast.line import ServerKind
from tests.crash.harness import Harness
from tests.crash.oracle import AccountOracle
from tests.crash.records import SYMBOL, Sent, SentCountdown, Watch
from tests.crash.timer_oracle import TimerOracle
from tests.crash.timers import Timers
from tests.crash.traders import RestTrader, scope_of
from tests.support.rest import Rest

pytestmark = pytest.mark.slow

TERMS = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": "30000"}


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("canary"), 1)
    try:
        harness.venue.start()
        yield harness
    finally:
        harness.close()


class Scene(NamedTuple):
    """What is lied about: one account after a round in which all went well."""

    account: AccountOracle
    oracle: TimerOracle
    timers: Timers
    left: Sent  # The order that is open in the end.

    @property
    def reports(self) -> list[Report]:
        return self.oracle.drop_copy.reports

    def of_kind(self, kind: int) -> list[Report]:
        return [report for report in self.reports if report.kind == kind]


class ScriptedTrader(RestTrader):
    """Does what it is told, which is answered. A context manager."""

    def __enter__(self) -> "ScriptedTrader":
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def rest(self, client_id: str) -> Sent:
        """An order that nobody meets."""
        sent = self.record.orders[client_id] = Sent(client_id, TERMS)
        self._take(sent, *self.call("place", **TERMS, newOrderRespType="FULL", newClientOrderId=client_id))
        return sent

    def count_down(self, symbol: str, countdown_ms: int) -> None:
        sent = SentCountdown(symbol, countdown_ms)
        self.record.countdowns.append(sent)
        self._take_countdown(sent, *self.call("countdown", countdownTime=countdown_ms, **scope_of(symbol)))


def play(harness: Harness) -> Scene:
    """A countdown that cancels an order, a connection whose end cancels another one, a countdown that was stopped, and
    one of a market without orders; and the order that none of these is about."""
    harness.timers.settle()
    harness.timers.begin_round()
    account = harness.fresh_account()
    with ScriptedTrader(account.record, harness.venue.port, 1, threading.Event()) as trader:
        trader.rest("counted-down")
        trader.count_down(SYMBOL, 100)
        harness.timers.settle()
        watch = Watch(SYMBOL, harness.venue.port)
        account.record.watches.append(watch)
        trader.begin_watch(watch)
        watch.covered.append(trader.rest("watched"))
        trader.cut_watch(watch)
        harness.timers.settle()
        left = trader.rest("left")
        trader.count_down("", 60_000)
        trader.count_down("", 0)
        trader.count_down("ETHUSDT", 100)
        harness.timers.settle()
    oracle = harness.timer_oracles[account]
    oracle.drop_copy.catch_up()
    with Rest(harness.venue.port, account.record.key) as rest:
        account.check(rest)
    return Scene(account, oracle, harness.timers, left)


def check(scene: Scene) -> None:
    scene.oracle.check(scene.timers, scene.account.open_ids, lambda _watch: True)


def test_what_went_well_is_found_good_and_counted(harness: Harness) -> None:
    scene = play(harness)
    check(scene)
    assert scene.oracle.counts["countdowns that ran out"] == 3
    assert scene.oracle.counts["orders that countdowns canceled"] == 2
    assert scene.oracle.counts["disconnects"] == 1


# Lies.


def pretend_a_countdown(scene: Scene) -> None:
    scene.account.record.countdowns.append(SentCountdown(SYMBOL, 77, {"countdownTime": "77"}))


def set_a_countdown_twice(scene: Scene) -> None:
    scene.timers.settings.append([each for each in scene.timers.settings if each.key_id][-1])


def tell_another_time(scene: Scene) -> None:
    reply = scene.account.record.countdowns[0].reply
    assert reply is not None
    reply["triggerTime"] += 1


def set_a_timer_unasked(scene: Scene) -> None:
    own = [each for each in scene.timers.settings if not each.key_id]
    scene.timers.settings.append(own[-1]._replace(instrument_id=0))


def do_not_run_out(scene: Scene) -> None:
    scene.reports.remove(scene.of_kind(ServerKind.COUNTDOWN_RAN_OUT)[0])


def run_out_though_stopped(scene: Scene) -> None:
    told = scene.of_kind(ServerKind.COUNTDOWN_RAN_OUT)[-1]
    scene.reports.append(told._replace(instrument_id=0, qty_lots=60_000))


def run_out_twice(scene: Scene) -> None:
    scene.reports.append(scene.of_kind(ServerKind.COUNTDOWN_RAN_OUT)[-1])


def leave_an_order(scene: Scene) -> None:
    scene.reports.remove(scene.of_kind(OrderEventKind.ORDER_CANCELED)[0])


def cancel_twice(scene: Scene) -> None:
    first = scene.of_kind(OrderEventKind.ORDER_CANCELED)[0]
    scene.reports.insert(scene.reports.index(first), first)


def cancel_in_another_market(scene: Scene) -> None:
    """At the last TICK, which is of the market without orders."""
    assert scene.left.reply is not None
    order_id, seq = scene.left.reply["orderId"], scene.timers.ran_out[-1].seq
    scene.reports.append(scene.of_kind(OrderEventKind.ORDER_CANCELED)[0]._replace(order_id=order_id, seq=seq))


def cancel_for_another_account(scene: Scene) -> None:
    """At a TICK at which no timer of this account ran out."""
    last = scene.timers.ran_out[-1]
    scene.timers.ran_out[-1] = last._replace(scope=last.scope._replace(account_id=10**6))
    scene.reports.remove(scene.of_kind(ServerKind.COUNTDOWN_RAN_OUT)[-1])
    cancel_in_another_market(scene)


def keep_what_rest_does_not_have(scene: Scene) -> None:
    last = scene.of_kind(OrderEventKind.ORDER_ACCEPTED)[-1]
    scene.reports.append(last._replace(order_id=10**6))


def outlive_the_connection(scene: Scene) -> None:
    scene.account.record.watches[0].covered.append(scene.left)


def do_not_see_the_end(scene: Scene) -> None:
    """The timer ran out all the same, half a minute later."""
    of = next(i for i, each in enumerate(scene.timers.ran_out) if each.countdown_ms == 1)
    scene.timers.ran_out[of] = scene.timers.ran_out[of]._replace(countdown_ms=30_000)
    told = next(report for report in scene.of_kind(ServerKind.COUNTDOWN_RAN_OUT) if report.qty_lots == 1)
    scene.reports[scene.reports.index(told)] = told._replace(qty_lots=30_000)


def end_what_was_switched_off(scene: Scene) -> None:
    scene.account.record.watches[0].is_off = True


def forget_a_watch(scene: Scene) -> None:
    """What the venue should have ended, and did not."""
    scene.account.record.watches.append(Watch("", 0, is_told=True))


@pytest.mark.parametrize(
    ("lie", "finding"),
    [
        (pretend_a_countdown, "an acknowledged countdown is lost"),
        (set_a_countdown_twice, "or that were set twice"),
        (tell_another_time, "runs out at"),
        (set_a_timer_unasked, "the venue set a timer that nobody asked for"),
        (do_not_run_out, "did not run out though they were due"),
        (run_out_though_stopped, "ran out though they were not due"),
        (run_out_twice, "ran out though they were not due, or twice"),
        (leave_an_order, "were not canceled though a countdown ran out"),
        (cancel_twice, "was canceled that was not open"),
        (cancel_in_another_market, "was canceled though nothing was to cancel it"),
        (cancel_for_another_account, "was canceled though nothing was to cancel it"),
        (keep_what_rest_does_not_have, "told to be open"),
        (outlive_the_connection, "have outlived the connection"),
        (do_not_see_the_end, "nobody saw that a connection ended"),
        (end_what_was_switched_off, "that was not watched any more, and the venue cancels"),
        (forget_a_watch, "and nothing followed"),
    ],
)
def test_oracle_of_timers_finds_the_lie(harness: Harness, lie: Callable[[Scene], None], finding: str) -> None:
    scene = play(harness)
    lie(scene)
    with pytest.raises(AssertionError, match=finding):
        check(scene)
