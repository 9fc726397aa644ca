"""The oracle must find what is wrong: here it is lied to, and a harness that saw nothing then would prove nothing."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.crash.harness import Harness
from tests.crash.oracle import AccountOracle
from tests.crash.records import Sent, Withdrawal
from tests.crash.traders import RestTrader
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
        harness.venue.kill()


def trade(harness: Harness, account: AccountOracle) -> None:
    """Some orders of one account, all told; the last ones rest or are canceled."""
    stop = threading.Event()
    trader = RestTrader(account.record, harness.venue.port, 1, stop)
    trader.start()
    wait_until(lambda: trader.acknowledged >= 50, what="acknowledged orders")
    stop.set()
    trader.join()
    assert trader.failure is None


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
        (pretend_a_deposit, "an acknowledged deposit is lost"),
        (pretend_a_withdrawal, "a withdrawal was doubled"),
        (make_money, "has .* USDT, not"),
    ],
)
def test_oracle_finds_the_lie(harness: Harness, lie: Callable[[AccountOracle, Operator], None], finding: str) -> None:
    account = harness.fresh_account()
    trade(harness, account)
    with (
        Rest(harness.venue.port, account.record.key) as rest,
        Operator(harness.venue.port, harness.venue.data) as operator,
    ):
        lie(account, operator)
        with pytest.raises(AssertionError, match=finding):
            account.check(rest, operator)
