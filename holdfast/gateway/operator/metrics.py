"""Metrics: plain counters as Prometheus reads them.

    stages count in plain integers → the venue's `read()` → METRICS (name, type, labels) → /metrics

Counting costs an addition where it happens; everything else is done when somebody asks. `read` returns by a metric's
name a number, or numbers by label value (a tuple for several labels); what it leaves out is not shown.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from holdfast.codes import CommandKind, ControlEventKind, OrderEventKind, RejectReason
from holdfast.events import Events


class Definition(NamedTuple):
    name: str  # After "holdfast_"; a counter's gets "_total".
    kind: str  # "gauge", "counter" or "histogram"
    labels: tuple[str, ...]
    help: str


class Histogram:
    """Counts by size. `bounds` are inclusive upper ends; what is larger falls into the last bucket."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> list[tuple[str, float]]:
        names = [*(f"{bound:g}" for bound in self._bounds), "+Inf"]
        return list(zip(names, accumulate(self._counts), strict=True))

    @property
    def sum(self) -> float:
        return self._sum


METRICS = [
    Definition("info", "gauge", ("version", "rules_version"), "Always 1; the labels say what runs."),
    Definition("accepting", "gauge", (), "1 while new orders are taken."),
    Definition("applied_seq", "gauge", (), "The last command that was applied."),
    Definition("pending_commands", "gauge", (), "Commands submitted and not yet answered."),
    Definition("queue_length", "gauge", ("queue",), "What waits in a queue inside the venue."),
    Definition("commands", "counter", ("kind",), "Commands applied."),
    Definition("rejects", "counter", ("reason",), "Commands refused where they were applied."),
    Definition("trades", "counter", (), "Trades."),
    Definition("batch_commands", "histogram", (), "Commands in one applied batch."),
    Definition("journal_batches", "counter", (), "Batches made durable since the start."),
    Definition("journal_bytes", "counter", (), "Bytes written since the start."),
    Definition("journal_failures", "counter", (), "Writes that failed and were done again."),
    Definition("journal_write_seconds", "counter", (), "Time spent writing batches and making them durable."),
    Definition("journal_write_seconds_last", "gauge", (), "The same of the newest batch."),
    Definition("journal_write_seconds_max", "gauge", (), "The same of the slowest batch since the start."),
    Definition("reader_lag_events", "gauge", ("reader",), "Events that a reader has not processed yet."),
    Definition("behind_commands", "gauge", (), "Of a joined gateway: durable commands that are not applied here yet."),
    Definition("behind_seconds", "gauge", (), "Of a joined gateway: how long the first of them has been durable."),
    Definition("snapshot_seq", "gauge", (), "The newest snapshot."),
    Definition("pool_used", "gauge", ("pool",), "Rows in use of a table of the engine."),
    Definition("pool_limit", "gauge", ("pool",), "Rows that it may have."),
    Definition("client_id_horizon_seconds", "gauge", (), "How far back client order ids are remembered now."),
    Definition("audit_passes", "counter", (), "Finished passes of the running audit of balances."),
    Definition("audit_mismatches", "counter", (), "What the audit found wrong; anything above 0 is an alarm."),
    Definition("connections", "gauge", ("kind",), "Open connections: http (all), websocket, line."),
    Definition("requests", "counter", (), "HTTP requests."),
    Definition("responses", "counter", ("status",), "HTTP responses."),
    Definition("connection_drops", "counter", ("reason",), "Connections ended or refused by the server."),
    Definition("handler_errors", "counter", (), "Requests that failed inside the venue; anything above 0 is a bug."),
    Definition("websocket_messages", "counter", ("direction",), "WebSocket messages, in and out."),
    Definition("certificate_expiry_timestamp_seconds", "gauge", (), "When the TLS certificate expires."),
]
_BY_NAME = {definition.name: definition for definition in METRICS}

Value = float | Histogram | Mapping[str, float] | Mapping[tuple[str, str], float]


class Metrics:
    """The text for Prometheus. The process's own memory, processor time and files are in it."""

    def __init__(self, read: Callable[[], Mapping[str, Value]]) -> None:
        self._read = read
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing: so that registering reads nothing."""
        return ()

    def collect(self) -> Iterable[Metric]:
        for name, value in self._read().items():
            yield _family(_BY_NAME[name], value)


def _family(definition: Definition, value: Value) -> Metric:
    name = f"holdfast_{definition.name}"
    if isinstance(value, Histogram):
        assert definition.kind == "histogram"
        histogram = HistogramMetricFamily(name, definition.help)
        histogram.add_metric([], value.buckets(), value.sum)
        return histogram
    assert definition.kind in ("gauge", "counter")
    of_kind = GaugeMetricFamily if definition.kind == "gauge" else CounterMetricFamily
    family = of_kind(name, definition.help, labels=definition.labels)
    numbers = value if isinstance(value, Mapping) else {(): value}
    for labels, number in numbers.items():
        family.add_metric([labels] if isinstance(labels, str) else list(labels), number)
    return family


class AppliedBatch(Protocol):
    @property
    def last_seq(self) -> int: ...
    @property
    def commands(self) -> np.ndarray: ...
    @property
    def events(self) -> Events: ...


_KINDS = {kind.value: kind.name for kind in CommandKind}
_KINDS_MAX = max(_KINDS) + 1
_REASONS = {reason.value: reason.name for reason in RejectReason}
_TRADE = int(OrderEventKind.TRADE)
_REFUSALS = (int(OrderEventKind.ORDER_REJECTED), int(OrderEventKind.CANCEL_REJECTED))


class AppliedCounts:
    """A reader that counts what is applied."""

    def __init__(self) -> None:
        self.applied_seq = 0
        self.trades = 0
        self.batch_commands = Histogram((1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096))
        self._commands = np.zeros(_KINDS_MAX, np.int64)
        self._rejects: Counter[int] = Counter()

    def on_applied(self, applied: AppliedBatch) -> None:
        commands, orders, controls = applied.commands, applied.events.orders, applied.events.controls
        self.applied_seq = applied.last_seq
        self.batch_commands.add(len(commands))
        self._commands += np.bincount(commands["kind"], minlength=_KINDS_MAX)
        kinds = orders["kind"].tobytes()
        self.trades += kinds.count(_TRADE) // 2  # Its maker's event and its taker's.
        for kind in _REFUSALS:
            if kind in kinds:
                self._rejects.update(orders["reason"][orders["kind"] == kind].tolist())
        if len(controls):
            self._rejects.update(controls["reason"][controls["kind"] == ControlEventKind.COMMAND_REJECTED].tolist())

    def read(self) -> dict[str, Value]:
        """Its part of what `Metrics` reads."""
        return {
            "applied_seq": self.applied_seq,
            "trades": self.trades,
            "batch_commands": self.batch_commands,
            "commands": {_KINDS[kind]: count for kind, count in enumerate(self._commands.tolist()) if count},
            "rejects": {_REASONS[reason]: count for reason, count in self._rejects.items()},
        }
