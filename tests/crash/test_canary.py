"""The oracles must find what is wrong: here they are lied to; a harness that saw nothing then would prove nothing."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from holdfast.client import OrderEventKind, Report, Side
from holdfast.client.orders import new_order
from tests.crash.harness import Harness
from tests.crash.line_oracle import LineOracle
from tests.crash.line_trader import LineTrader
from tests.crash.oracle import AccountOracle
from tests.crash.records import SYMBOL, Record, Sent, SentList, Withdrawal
from tests.crash.traders import RestTrader, Trader
from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(tmp_path_factory.mktemp("canary"), 1)
    try:
        harness.venue.start()
        yield harness
    finally:
        harness.close()


def trade(harness: Harness, account: AccountOracle) -> None:
    """Some orders of one account, all told, until there is something that each lie can be told of."""
    stop = threading.Event()
    run(RestTrader(account.record, harness.venue.port, 1, stop), stop, lambda: has_all_kinds(account.record))


def run(trader: Trader, stop: threading.Event, has_enough: Callable[[], bool]) -> None:
    trader.start()
    wait_until(
        lambda: (trader.acknowledged >= 80 and has_enough()) or not trader.is_alive(),
        what="acknowledged orders, and what lies can be told of",
    )
    stop.set()
    trader.join()
    assert trader.failure is None


def has_all_kinds(record: Record) -> bool:
    """Which of the drawn orders trade and are amended depends on the moments at which timers and watches run out."""
    orders = list(record.orders.values())  # At once: its trader goes on.
    replies = [sent.reply for sent in orders if sent.reply]
    return (
        any(reply["status"] == "FILLED" and reply["fills"] for reply in replies)
        and any(sent.amended and sent.pair is None for sent in orders)
        and any(sent.reply is not None and sent.kind == "oto" for sent in list(record.lists))
    )


def pretend_an_order(account: AccountOracle, _operator: Operator) -> None:
    account.record.orders["never"] = Sent("never", reply={"orderId": 10**6, "executedQty": "0", "status": "NEW"})


def pretend_a_refusal(account: AccountOracle, _operator: Operator) -> None:
    sent = next(sent for sent in account.record.orders.values() if sent.reply is not None)
    sent.reply, sent.refused = None, True


def pretend_a_cancel(account: AccountOracle, _operator: Operator) -> None:
    sent = next(sent for sent in account.record.orders.values() if sent.reply and sent.reply["status"] == "FILLED")
    sent.canceled = {"executedQty": "0"}


def pretend_a_trade(account: AccountOracle, _operator: Operator) -> None:
    sent = next(sent for sent in account.record.orders.values() if sent.reply and sent.reply["fills"])
    assert sent.reply is not None
    sent.reply["fills"][0]["tradeId"] += 10**6


def forget_an_order(account: AccountOracle, _operator: Operator) -> None:
    del account.record.orders[next(sent.client_id for sent in account.record.orders.values() if sent.reply)]


def an_acknowledged_list(account: AccountOracle) -> SentList:
    return next(sent for sent in account.record.lists if sent.reply is not None)


def pretend_one_more_leg(account: AccountOracle, _operator: Operator) -> None:
    """So one of those that were sent is not there."""
    sent = an_acknowledged_list(account)
    sent.legs.append(Sent("never", {"side": "BUY", "quantity": "1"}))
    account.record.orders["never"] = sent.legs[-1]


def pretend_a_list(account: AccountOracle, _operator: Operator) -> None:
    account.record.lists.append(SentList("never", "oco", [], reply={"orderListId": 10**6}))


def pretend_a_refused_list(account: AccountOracle, _operator: Operator) -> None:
    sent = an_acknowledged_list(account)
    sent.reply, sent.refused = None, True


def forget_a_list(account: AccountOracle, _operator: Operator) -> None:
    account.record.lists.remove(an_acknowledged_list(account))


def pretend_that_what_was_bought_is_sold(account: AccountOracle, _operator: Operator) -> None:
    """Of lists whose pending order has a quantity of its own."""
    for sent in account.record.lists:
        sent.kind = "opo" if sent.kind == "oto" else sent.kind


def pretend_an_amendment(account: AccountOracle, _operator: Operator) -> None:
    sent = next(sent for sent in account.record.orders.values() if sent.reply and not sent.list_client_id)
    sent.amended.append(Decimal("0.00001"))


def forget_an_amendment(account: AccountOracle, _operator: Operator) -> None:
    sent = next(sent for sent in account.record.orders.values() if sent.amended and sent.pair is None)
    sent.terms["quantity"] = "1"


def pretend_a_deposit(account: AccountOracle, _operator: Operator) -> None:
    account.record.deposits["never"] = True


def pretend_a_withdrawal(account: AccountOracle, _operator: Operator) -> None:
    account.record.withdrawals["never"] = Withdrawal("never", 10**6, "SENT")


def make_money(account: AccountOracle, operator: Operator) -> None:
    body = {"asset": "USDT", "amount": "0.00000001"}
    path = f"/accounts/{account.record.account}/deposits"
    assert operator.call("POST", path, body, "made")[0] == 201


@pytest.mark.parametrize(
    ("lie", "finding"),
    [
        (pretend_an_order, "an acknowledged order is lost"),
        (pretend_a_refusal, "a refused order exists"),
        (pretend_a_cancel, "an acknowledged cancel is lost"),
        (pretend_a_trade, "acknowledged trades are lost"),
        (forget_an_order, "orders that nobody sent"),
        (pretend_one_more_leg, "half a list"),
        (pretend_a_list, "an acknowledged list is lost"),
        (pretend_a_refused_list, "a refused list exists"),
        (forget_a_list, "order lists that nobody sent"),
        (pretend_that_what_was_bought_is_sold, "not what was bought is sold"),
        (pretend_an_amendment, "was amended to"),
        (forget_an_amendment, "has not the quantity"),
        (pretend_a_deposit, "an acknowledged deposit is lost"),
        (pretend_a_withdrawal, "a withdrawal was doubled"),
        (make_money, "has .* USDT, not"),
    ],
)
def test_oracle_finds_the_lie(harness: Harness, lie: Callable[[AccountOracle, Operator], None], finding: str) -> None:
    account = harness.fresh_account()
    trade(harness, account)
    harness.timers.settle()
    with (
        Rest(harness.venue.port, account.record.key) as rest,
        Operator(harness.venue.port, harness.venue.data) as operator,
    ):
        lie(account, operator)
        with pytest.raises(AssertionError, match=finding):
            account.settle_money(operator)
            account.check(rest)


# The line.


def place_twice(_account: AccountOracle, line: LineOracle) -> None:
    """What a venue would do that forgot a number: the same order again, and its trader knows of one."""
    market = line.session.line.instrument(SYMBOL)
    copy = new_order(market, Side.BUY, "0.001", "40000", client_id="copy")
    line.session.line.wait(line.session.line.submit(copy))


def double_a_command(_account: AccountOracle, line: LineOracle) -> None:
    """The same command in the journal twice, of which the second was refused for its client id."""
    first = next(report for report in line.session.reports if report.request_number)
    last = line.session.reports[-1]
    line.session.reports.append(last._replace(seq=last.seq + 1, request_number=first.request_number))


def tell_twice(_account: AccountOracle, line: LineOracle) -> None:
    line.session.reports.append(line.session.reports[-1])


def lose_a_trade(_account: AccountOracle, line: LineOracle) -> None:
    line.session.reports.remove(trades_as_maker(line)[0])


def trades_as_maker(line: LineOracle) -> list[Report]:
    reports = list(line.session.reports)  # At once: its trader goes on.
    return [report for report in reports if report.kind == OrderEventKind.TRADE and report.is_maker]


def skip_a_number(_account: AccountOracle, line: LineOracle) -> None:
    line.session.requests.pop(3)


@pytest.mark.parametrize(
    ("lie", "finding"),
    [
        (place_twice, "orders that nobody sent"),
        (double_a_command, "was carried out twice"),
        (tell_twice, "a report is told twice"),
        (lose_a_trade, "trades that were not told"),
        (skip_a_number, "number 5 where 4 was next"),
    ],
)
def test_oracle_of_the_line_finds_the_lie(
    harness: Harness, lie: Callable[[AccountOracle, LineOracle], None], finding: str
) -> None:
    account, line = harness.fresh_line_account(0)
    stop = threading.Event()
    run(LineTrader(account.record, line.session, 1, stop), stop, lambda: bool(trades_as_maker(line)))
    harness.timers.settle()
    line.session.catch_up()
    drop_copy = harness.timer_oracles[account].drop_copy
    drop_copy.catch_up()
    lie(account, line)
    with Rest(harness.venue.port, account.record.key) as rest, pytest.raises(AssertionError, match=finding):
        account.check(rest)
        line.check(account.fills, drop_copy.reports)


def test_oracle_of_the_line_finds_what_a_drop_copy_was_not_told(harness: Harness) -> None:
    account, line = harness.fresh_line_account(0)
    drop_copy = harness.timer_oracles[account].drop_copy
    line.session.catch_up()
    drop_copy.catch_up()
    line.check([], drop_copy.reports)
    line.session.catch_up()
    with pytest.raises(AssertionError, match="a drop copy was told something else"):
        line.check([], drop_copy.reports)
