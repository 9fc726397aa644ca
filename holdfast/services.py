"""What operators see and do, put together from the parts of a running venue.

replica, journal, history, snapshots, server ──▶ SERVICES ──▶ operators' interface, metrics
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from holdfast import __version__, views
from holdfast.accounts import export
from holdfast.accounts.history import History
from holdfast.auditing import Auditor
from holdfast.codes import Limit
from holdfast.directory.directory import Directory
from holdfast.engine.engine import Engine
from holdfast.gateway.binance.market_streams import MarketStreams
from holdfast.gateway.line.server import LineServer
from holdfast.gateway.operator import schemas
from holdfast.gateway.operator.metrics import AppliedCounts, Metrics, Value
from holdfast.gateway.server.counters import Counters
from holdfast.gateway.server.server import Server
from holdfast.journal import snapshots
from holdfast.journal.append_server import AppendServer
from holdfast.replica import Replica
from holdfast.snapshotting import SnapshotWriter


class VenueServices:
    """Implements `holdfast.gateway.operator.services.Services`."""

    def __init__(
        self,
        *,
        venue_id: str,
        data: Path,
        replica: Replica,
        directory: Directory,
        history: History,
        snapshot_writer: SnapshotWriter,
        auditor: Auditor,
        streams: MarketStreams,
        appends: AppendServer,
        operator_token: str,
        allow_remote_operator: bool,
        certificate_expires_ts_s: int,
    ) -> None:
        self.replica = replica
        self.directory = directory
        self.operator_token = operator_token
        self.allow_remote_operator = allow_remote_operator
        self.server: Server | None = None  # Set once it listens; its routes need these services first.
        self.line: LineServer | None = None  # Likewise.
        self._venue_id = venue_id
        self._data = data
        self._history = history
        self._snapshots = snapshot_writer
        self._auditor = auditor
        self._streams = streams
        self._appends = appends
        self._certificate_expires_ts_s = certificate_expires_ts_s
        self._started_ts_ns = replica.clock.now_ns()
        self._counts = AppliedCounts()
        replica.add_reader(self._counts.on_applied)
        self._metrics = Metrics(self._read_metrics)

    def withdrawal(self, withdrawal_id: int) -> views.Withdrawal | None:
        return self.replica.engine.withdrawal(withdrawal_id)

    def limits(self) -> Mapping[Limit, int]:
        return self.replica.engine.limits()

    def export_history(self, account_id: int, what: str, start_ts_ns: int, end_ts_ns: int) -> Iterator[str]:
        write = {
            "orders": export.orders,
            "trades": export.fills,
            "deposits": export.deposits,
            "withdrawals": export.withdrawals,
            "transfers": export.transfers,
        }[what]
        return write(self._history, self.replica.reference, account_id, start_ts_ns, end_ts_ns)

    async def take_snapshot(self) -> schemas.SnapshotState:
        if self.replica.engine.last_seq == 0:
            raise ValueError("There is nothing to write a snapshot of yet.")
        written = await self._snapshots.write_now()
        if written is None:
            raise ValueError(f"No snapshot was written: {self._snapshots.last_error}")
        return _snapshot_state(Path(written.path), written.seq)

    def venue_state(self) -> schemas.VenueState:
        engine, status, history = self.replica.engine, self.replica.journal.status(), self._history.status()
        found = snapshots.available(self._data / "snapshots")
        return schemas.VenueState(
            venue_id=self._venue_id,
            version=__version__,
            rules_version=Engine.RULES_VERSION,
            started_at=_time(self._started_ts_ns),
            now=_time(self.replica.clock.now_ns()),
            is_accepting=self.replica.accepting,
            refusal=self.replica.refusal,
            is_killed=engine.is_killed,
            applied_seq=engine.last_seq,
            journal=schemas.JournalState(
                status.is_accepting,
                status.reason,
                status.committed_seq,
                status.pending_records,
                status.batches,
                status.bytes_written,
                status.failures,
            ),
            readers=[
                schemas.ReaderState(
                    "history", history.lag_events, history.lag_events_max, history.is_behind, history.failure
                )
            ],
            gateways=[
                schemas.GatewayState(each.gateway_id, each.pid, each.url, each.applied_seq)
                for each in self._appends.gateways()
            ],
            snapshots=[_snapshot_state(snapshot.path, snapshot.seq) for snapshot in found if snapshot.is_valid],
            pools={name: schemas.PoolState(used, limit) for name, (used, limit) in engine.used().items()},
            limits={limit.name.lower(): value for limit, value in engine.limits().items()},
            skipped_seqs=[seq for seq, _instrument_id in engine.skipped],
        )

    def metrics(self) -> bytes:
        return self._metrics.text()

    def _read_metrics(self) -> dict[str, Value]:
        engine, status = self.replica.engine, self.replica.journal.status()
        used = engine.used()
        values: dict[str, Value] = {
            "info": {(__version__, str(Engine.RULES_VERSION)): 1.0},
            "accepting": int(self.replica.accepting),
            "pending_commands": self.replica.pending_count,
            "queue_length": {
                "journal": status.pending_records,
                "history": self._history.lag_events,
                "broadcast": self._streams.counts()["waiting_sends"],
            },
            "journal_batches": status.batches,
            "journal_bytes": status.bytes_written,
            "journal_failures": status.failures,
            "journal_write_seconds": status.write_ns_sum / 1e9,
            "journal_write_seconds_last": status.write_ns_last / 1e9,
            "journal_write_seconds_max": status.write_ns_max / 1e9,
            "reader_lag_events": {"history": self._history.lag_events},
            "pool_used": {name: rows for name, (rows, _limit) in used.items()},
            "pool_limit": {name: limit for name, (_rows, limit) in used.items()},
            "client_id_horizon_seconds": engine.client_id_horizon_ns()[1] / 1e9,
            "audit_passes": self._auditor.passes,
            "audit_mismatches": self._auditor.mismatches,
            **self._counts.read(),
        }
        if self._snapshots.last is not None:
            values["snapshot_seq"] = self._snapshots.last.seq
        if self._certificate_expires_ts_s:
            values["certificate_expiry_timestamp_seconds"] = self._certificate_expires_ts_s
        if self.server is not None:
            values |= server_metrics(self.server, self.line)
        return values


def server_metrics(server: Server, line: LineServer | None) -> dict[str, Value]:
    """What a front door counts; without a line its figures are 0."""
    counters = server.counters
    lines = Counters() if line is None else line.counters
    return {
        "connections": {
            "http": counters.connections_open,
            "websocket": counters.websockets_open,
            "line": lines.connections_open,
        },
        "requests": counters.requests,
        "responses": {str(status): count for status, count in counters.responses.items()},
        "connection_drops": dict(counters.drops + lines.drops),
        "handler_errors": counters.handler_errors,
        "websocket_messages": {"in": counters.messages_in, "out": counters.messages_out},
    }


def _snapshot_state(path: Path, seq: int) -> schemas.SnapshotState:
    state = path.stat()
    return schemas.SnapshotState(seq, state.st_size, _time(state.st_mtime_ns))


def _time(ts_ns: int) -> str:
    return datetime.fromtimestamp(ts_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
