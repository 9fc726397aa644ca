"""What Prometheus reads: every metric is in the table, and the table is in the manual."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from holdfast.codes import CommandKind, ControlEventKind, OrderEventKind, RejectReason
from holdfast.commands import command_dtype
from holdfast.events import (
    ControlEvent,
    Events,
    balance_event_dtype,
    book_event_dtype,
    control_event_dtype,
    list_event_dtype,
    order_event_dtype,
)
from holdfast.gateway.operator.metrics import METRICS, AppliedCounts, Histogram, Metrics

MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"


class Applied(NamedTuple):
    last_seq: int
    commands: Any
    events: Events


def applied_batch() -> Applied:
    commands = np.zeros(3, command_dtype)
    commands["kind"] = [CommandKind.PLACE_ORDER, CommandKind.PLACE_ORDER, CommandKind.DEPOSIT]
    orders = np.zeros(4, order_event_dtype)
    kinds = OrderEventKind.ORDER_ACCEPTED, OrderEventKind.TRADE, OrderEventKind.TRADE, OrderEventKind.ORDER_REJECTED
    orders["kind"] = kinds
    orders["is_maker"] = [0, 1, 0, 0]
    orders["reason"] = [0, 0, 0, RejectReason.LOT_SIZE]
    refused = ControlEvent(
        3, 0, 0, ControlEventKind.COMMAND_REJECTED, CommandKind.DEPOSIT, RejectReason.ASSET_UNKNOWN, 0, 0, 0, 0, 0, 0, 0
    )
    no_balances, no_book = np.zeros(0, balance_event_dtype), np.zeros(0, book_event_dtype)
    controls = np.array([tuple(refused)], control_event_dtype)
    return Applied(3, commands, Events(orders, no_balances, no_book, controls, np.zeros(0, list_event_dtype)))


def test_applied_commands_are_counted_by_kind_and_reason() -> None:
    counts = AppliedCounts()
    counts.on_applied(applied_batch())
    counts.on_applied(applied_batch())
    text = Metrics(counts.read).text().decode()
    for line in (
        "holdfast_applied_seq 3.0",
        "holdfast_trades_total 2.0",
        'holdfast_commands_total{kind="PLACE_ORDER"} 4.0',
        'holdfast_rejects_total{reason="LOT_SIZE"} 2.0',
        'holdfast_rejects_total{reason="ASSET_UNKNOWN"} 2.0',
        'holdfast_batch_commands_bucket{le="2"} 0.0',
        'holdfast_batch_commands_bucket{le="4"} 2.0',
        'holdfast_batch_commands_bucket{le="+Inf"} 2.0',
        "holdfast_batch_commands_sum 6.0",
    ):
        assert line in text.splitlines()


def test_memory_of_the_process_is_there() -> None:
    assert "process_resident_memory_bytes" in Metrics(dict).text().decode()


def test_several_labels_and_plain_numbers() -> None:
    values = {"info": {("1.0", "3"): 1}, "accepting": 0, "queue_length": {"journal": 7}}
    text = Metrics(lambda: values).text().decode()  # type: ignore[arg-type,return-value]
    assert 'holdfast_info{rules_version="3",version="1.0"} 1.0' in text
    assert "holdfast_accepting 0.0" in text
    assert 'holdfast_queue_length{queue="journal"} 7.0' in text


def test_name_that_is_not_in_the_table_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Metrics(lambda: {"acceptin": 1}).text()


def test_histogram_counts_its_bounds_as_inside() -> None:
    histogram = Histogram((1, 10))
    for value in (1, 10, 11):
        histogram.add(value)
    assert histogram.buckets() == [("1", 1), ("10", 2), ("+Inf", 3)]


def test_manual_lists_every_metric_and_no_other() -> None:
    listed = set(re.findall(r"^\| `holdfast_(\w+?)(?:_total)?`", MANUAL.read_text(), re.MULTILINE))
    assert listed == {definition.name for definition in METRICS}
