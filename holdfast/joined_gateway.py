"""A joined gateway, put together: everything that `holdfast gateway --join DIR` starts, and how it stops.

    join the venue → kernels → recovery (read only) → replica that follows → REST, WebSocket API, streams

It is the venue's program with other doors: the same engine, readers and gateway, over a journal that another process
writes. It writes nothing into the data directory. When the venue goes, it answers reads and refuses new orders; when
the venue is back, it goes on where it stopped. When it cannot (what it has to read next was removed while it was held;
the venue has other rate limits, or another history, or set its clock), it lets its clients go and starts over from the
newest snapshot, on the same port.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog
import uvloop

from holdfast import __version__, logs
from holdfast.accounts.history import History
from holdfast.accounts.schema import HistoryError
from holdfast.auditing import Auditor
from holdfast.client_face import ClientFace
from holdfast.clock import Clock
from holdfast.directory.master_key import MasterKeys, master_key_path
from holdfast.engine.engine import Engine
from holdfast.errors import StartError
from holdfast.gateway.operator.app import MOUNTS
from holdfast.gateway.operator.joined import GatewayHealth, create_app
from holdfast.gateway.operator.metrics import AppliedCounts, Metrics, Value
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.server import Server, ServerStartError, check_address
from holdfast.gateway.watches import LOOK_SECONDS
from holdfast.joined_replica import JoinedReplica
from holdfast.journal.data_directory import read_venue_id
from holdfast.journal.interface import JournalError, JournalGoneError
from holdfast.journal.joined_journal import JoinedJournal
from holdfast.journal.joining import Here, Welcome
from holdfast.journal.writer_link import RETRY_SECONDS, WriterLink
from holdfast.memory_ahead import MemoryAhead
from holdfast.process import HOUSEKEEPING_SECONDS, IMAGE_SECONDS, STOP_SECONDS_MAX, settle, tls_of, warm_up
from holdfast.progress import Progress
from holdfast.recovery import Journaled, State, recover
from holdfast.replica import SuspectMachineError
from holdfast.services import server_metrics
from holdfast.settings import JoinOptions

log = structlog.get_logger()

FOLLOW_SECONDS = 0.02  # While the venue is away: what it could not tell any more may still be in the files.
HERE_SECONDS = 1.0
RECOVERIES_MAX = 5
CLOCK_JUMP_NS_MAX = 1_000_000_000
STOPPING = "This gateway is stopping; no new orders are taken."


class StartOverError(Exception):
    """This replica cannot follow any more, and a new one in its place can. The text says why."""


def run(options: JoinOptions) -> int:
    """Run a gateway until it is told to stop; the exit code. Raises StartError with a sentence when it cannot."""
    logs.configure_stderr()
    starts = 0
    while True:
        with Progress() as progress:
            gateway = JoinedGateway(options, is_patient=starts > 0)
            starts += 1
            try:
                return uvloop.run(_run(gateway, progress))
            except StartOverError as why:
                log.warning("starting over", why=str(why))
                options = options._replace(port=gateway.port)
            except (HistoryError, JournalError, SuspectMachineError) as error:
                raise StartError(str(error)) from error
        del gateway
        gc.unfreeze()
        gc.collect()  # Before there is a second engine.


async def _run(gateway: "JoinedGateway", progress: Progress) -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.end)
    try:
        await gateway.start(progress)
        await gateway.serve()
    finally:
        await gateway.stop()
    return 0


class JoinedGateway:
    """The parts of a joined gateway, and the loop's tasks that keep them going."""

    def __init__(self, options: JoinOptions, is_patient: bool) -> None:
        """`is_patient`: wait for the venue if it is not there."""
        self.port = options.port  # The real one once it listens.
        self._options = options
        self._is_patient = is_patient
        self._data = options.data
        self._closing: list[Callable[[], object]] = []  # In the order of opening; closed backwards.
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[None]
        self._is_serving = False

    def end(self) -> None:
        """Let `serve` return. While it still starts, nothing is in hand and a compiler may run for minutes: leave."""
        if not self._is_serving:
            os._exit(0)
        if not self._ended.done():
            self._ended.set_result(None)

    def _fail(self, failure: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(failure)

    @property
    def _has_failed(self) -> bool:
        return self._ended.done() and self._ended.exception() is not None

    async def start(self, progress: Progress) -> None:
        """Join and bring everything up. Raises StartError, JournalError or HistoryError."""
        self._ended = asyncio.get_running_loop().create_future()
        venue_id = str(read_venue_id(self._data))
        try:
            check_address(self._options.host, self._options.port)
        except ServerStartError as error:
            raise StartError(str(error)) from error
        progress.step("Joining the venue")
        welcome = await self._join(venue_id)
        progress.step("Compiling the engine (the first time a minute or two)")
        await asyncio.to_thread(warm_up)
        progress.step("Reading the journal")
        history, state = await asyncio.to_thread(self._recover, progress)
        self._closing.append(history.close)
        state.directory.open_keys(MasterKeys.open(master_key_path(venue_id), self._data))
        self._follow(state, history)
        progress.step("Opening the front door")
        await self._open_front_door(welcome, venue_id, state)
        progress.done()
        log.info("listening", url=self._server.url, seq=state.seq)
        progress.banner(self._server.url, [], self._replica.reference, {}, Path())

    async def _join(self, venue_id: str) -> Welcome:
        self._link = WriterLink(self._data, venue_id, __version__, Engine.RULES_VERSION)
        try:
            await self._connect()
        except TimeoutError as error:
            raise StartError(f"The venue on {self._data} runs but does not answer; try again.") from error
        except OSError as error:
            raise StartError(
                f"No venue is running on {self._data}: start one with `holdfast run`, then the gateway."
            ) from error
        self._tasks.append(asyncio.create_task(self._link.keep()))
        welcome = self._link.welcome
        assert welcome is not None
        self._clock = Clock(wall_ns=self._link.venue_now_ns)  # The writer's, since it judges deadlines.
        return welcome

    async def _connect(self) -> None:
        while True:
            try:
                await self._link.connect()
                return
            except OSError:
                if not self._is_patient:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    def _recover(self, progress: Progress) -> tuple[History, State]:
        """Retention may remove what is just being read; then there is a newer snapshot, and the history is further."""
        attempts = 0
        while True:
            history = History(self._data / "history.sqlite", is_guest=True)
            try:
                return history, recover(self._data, history, progress.reached)
            except BaseException as failure:
                history.close()
                attempts += 1
                if not isinstance(failure, JournalGoneError) or attempts == RECOVERIES_MAX:
                    raise
                log.warning("reading the journal again", why=str(failure))

    def _follow(self, state: State, history: History) -> None:
        loop = asyncio.get_running_loop()
        journal = JoinedJournal(
            Journaled(self._data).journal,
            state.seq + 1,
            state.chain_hash,
            self._link,
            self._on_committed,
            loop.call_soon,
        )
        self._closing.append(journal.close)
        self._journal = journal
        self._history_file = (self._data / "history.sqlite").stat().st_ino
        self._replica = JoinedReplica(
            journal,
            state.engine,
            state.directory,
            history,
            self._clock,
            Journaled(self._data).rebuild,
            self._on_committed,
            self._fail,
        )
        self._replica.add_reader(state.market_data.on_applied)
        self._replica.add_reader(history.on_applied)
        self._auditor = Auditor(lambda: self._replica.engine)
        self._memory_ahead = MemoryAhead(lambda: self._replica.engine)

    async def _open_front_door(self, welcome: Welcome, venue_id: str, state: State) -> None:
        options, routes = self._options, Routes()
        self._face = ClientFace(routes, self._replica, state.market_data, welcome.rate_limits, self._is_elsewhere)
        self._counts = AppliedCounts()
        self._replica.add_reader(self._counts.on_applied)
        tls, self._certificate_expires_ts_s = tls_of(options, venue_id)
        app = create_app(self._health, Metrics(self._read_metrics).text)
        for prefix in MOUNTS:
            routes.mount(prefix, app)
        self._server = Server(routes, options.host, options.port, tls, now_ns=self._clock.now_ns)
        self._welcome = welcome
        self._link.listener = _Watch(self._replica, self._on_joined)
        if self._link.welcome is not None:  # Perhaps another than at the beginning.
            self._link.listener.on_joined(self._link.welcome)
        else:
            self._link.listener.on_parted(None)
        try:
            await self._server.start()
        except ServerStartError as error:
            raise StartError(str(error)) from error
        self.port = self._server.port

    def _is_elsewhere(self, gateway_ids: np.ndarray) -> np.ndarray:
        return gateway_ids != self._replica.gateway_id  # type: ignore[no-any-return]

    async def serve(self) -> None:
        """Go on until `end`. Raises StartOverError, or whatever else this replica cannot go on after."""
        self._is_serving = True
        settle()
        self._every(IMAGE_SECONDS, self._show)
        self._every(HOUSEKEEPING_SECONDS, self._keep_house)
        self._every(FOLLOW_SECONDS, self._follow_alone)
        self._every(HERE_SECONDS, self._tell_where)
        self._every(LOOK_SECONDS, self._face.gateway.watches.look)
        await self._ended
        log.info("stopping")

    async def stop(self) -> None:
        """Announce, take no new orders, let what is in hand finish, leave."""
        if hasattr(self, "_replica"):
            self._replica.stopping = STOPPING
        if hasattr(self, "_server"):
            await self._server.stop(STOP_SECONDS_MAX, self._face.announce_shutdown)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_link"):
            self._link.close()
        if hasattr(self, "_memory_ahead"):
            self._memory_ahead.stop()
        for close in reversed(self._closing):
            await asyncio.to_thread(close)

    # What goes on beside the requests.

    def _on_committed(self) -> None:
        """Follow the journal. After a failure there is no going on: this replica would not be what the journal says."""
        if self._has_failed:
            return
        try:
            self._replica.on_committed()
        except JournalGoneError as gone:
            self._fail(StartOverError(str(gone)))
        except Exception as failure:
            log.critical("this replica cannot go on", why=str(failure), exc_info=True)
            self._fail(failure)

    def _on_joined(self, welcome: Welcome) -> None:
        """The venue is back; perhaps not as it was."""
        jump_ns = self._link.venue_now_ns() - self._clock.now_ns()
        if welcome.rate_limits != self._welcome.rate_limits:
            self._fail(StartOverError("The venue has other rate limits than before."))
        elif abs(jump_ns) > CLOCK_JUMP_NS_MAX:
            self._fail(StartOverError(f"The venue's clock is {jump_ns / 1e9:.1f} s from this gateway's."))
        elif (self._data / "history.sqlite").stat().st_ino != self._history_file:
            self._fail(StartOverError("The venue has made its account history anew."))
        self._welcome = welcome

    def _follow_alone(self) -> None:
        if not self._link.is_open:
            self._on_committed()

    def _show(self) -> None:
        try:
            self._face.streams.tick(self._clock.now_ns())
        except AssertionError as bug:
            self._fail(bug)  # Market data is not what the journal says, and nothing would mend it.

    def _keep_house(self) -> None:
        self._memory_ahead.tick()
        self._auditor.tick()
        self._replica.halted = self._auditor.finding

    def _tell_where(self) -> None:
        self._link.tell(Here(self._server.url, self._replica.applied_seq))

    def _every(self, seconds: float, do: Callable[[], object]) -> None:
        async def repeat() -> None:
            while True:
                try:
                    do()
                except Exception:
                    # One failed turn must not end the gateway; it is a bug, and the log says where.
                    log.exception("a periodic task failed")
                await asyncio.sleep(seconds)

        self._tasks.append(asyncio.create_task(repeat()))

    # How it is.

    def _health(self) -> GatewayHealth:
        refusal = self._replica.refusal
        behind_seq, behind_ns = self._journal.behind()
        return GatewayHealth(
            not refusal,
            refusal,
            self._replica.gateway_id,
            self._welcome.url,
            self._replica.applied_seq,
            behind_seq,
            behind_ns // 1_000_000,
        )

    def _read_metrics(self) -> dict[str, Value]:
        used, history = self._replica.engine.used(), self._replica.history
        behind_seq, behind_ns = self._journal.behind()
        values: dict[str, Value] = {
            "info": {(__version__, str(Engine.RULES_VERSION)): 1.0},
            "accepting": int(self._replica.accepting),
            "pending_commands": self._replica.pending_count,
            "queue_length": {"history": history.lag_events, "broadcast": self._face.streams.counts()["waiting_sends"]},
            "reader_lag_events": {"history": history.lag_events},
            "behind_commands": behind_seq,
            "behind_seconds": behind_ns / 1e9,
            "pool_used": {name: rows for name, (rows, _limit) in used.items()},
            "pool_limit": {name: limit for name, (_rows, limit) in used.items()},
            "audit_passes": self._auditor.passes,
            "audit_mismatches": self._auditor.mismatches,
            **self._counts.read(),
            "applied_seq": self._replica.applied_seq,
            **server_metrics(self._server, None),
        }
        if self._certificate_expires_ts_s:
            values["certificate_expiry_timestamp_seconds"] = self._certificate_expires_ts_s
        return values


class _Watch:
    """The link's listener: the replica, and before it whoever looks at what the venue is now."""

    def __init__(self, replica: JoinedReplica, on_joined: Callable[[Welcome], None]) -> None:
        self._on_joined = on_joined
        self._replica = replica
        self.on_parted = replica.on_parted
        self.on_durable = replica.on_durable
        self.on_refused = replica.on_refused
        self.on_dismissed = replica.on_dismissed

    def on_joined(self, welcome: Welcome) -> None:
        self._on_joined(welcome)
        self._replica.on_joined(welcome)
