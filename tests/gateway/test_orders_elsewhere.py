"""An account's order limits hold over all processes, since each counts what the others' clients have placed."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from holdfast.codes import CommandKind
from holdfast.commands import Command, command_dtype, encode
from holdfast.gateway.binance.orders_elsewhere import LATE_NS_MAX, OrdersElsewhere
from holdfast.gateway.binance.rate_limits import Limits, RateLimits

NOW_NS = 1_700_000_000_000_000_000
OWN, OTHER = 16, 17


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(Limits(orders_per_10_seconds=3))


def see(limits: RateLimits, *commands: Command, late_ns: int = 0) -> None:
    records = b"".join(encode(command._replace(ts_ns=NOW_NS - late_ns)) for command in commands)
    applied: Any = SimpleNamespace(commands=np.frombuffer(records, command_dtype))
    OrdersElsewhere(limits, lambda ids: ids != OWN, lambda: NOW_NS).on_applied(applied)


def order(account_id: int, gateway_id: int = OTHER, kind: CommandKind = CommandKind.PLACE_ORDER) -> Command:
    return Command(kind=kind, gateway_id=gateway_id, account_id=account_id)


def counts(limits: RateLimits, account_id: int) -> tuple[int, int]:
    used = limits.used("", account_id, NOW_NS)
    return used.orders_10s, used.orders_1d


def test_orders_of_others_count_and_ones_own_do_not_again(limits: RateLimits) -> None:
    see(limits, order(1), order(2, OWN), order(1), order(3, kind=CommandKind.REPLACE_ORDER), order(1, OWN))
    assert [counts(limits, account_id) for account_id in (1, 2, 3)] == [(2, 2), (0, 0), (1, 1)]


def test_other_commands_do_not_count(limits: RateLimits) -> None:
    see(limits, order(1, kind=CommandKind.CANCEL_ORDER), order(1, kind=CommandKind.DEPOSIT))
    assert counts(limits, 1) == (0, 0)


def test_account_that_used_its_limit_elsewhere_has_none_here(limits: RateLimits) -> None:
    see(limits, order(1), order(1), order(1))
    assert limits.charge_some_orders(1, 1, NOW_NS) == 0
    assert limits.charge_some_orders(2, 1, NOW_NS) == 1


def test_what_is_read_late_is_of_an_interval_gone_by(limits: RateLimits) -> None:
    see(limits, order(1), late_ns=LATE_NS_MAX + 1)
    assert counts(limits, 1) == (0, 0)
