"""A running venue, put together: everything that `holdfast run` starts, and how it stops.

    lock → kernels → journal → recovery → replica and its readers → settings → front door, door for gateways → (demo)

Start: each step says what it does; what cannot start says why in one sentence and touches nothing. Stop (SIGTERM,
SIGINT): announce, refuse new orders, finish what is in hand, make it durable, leave.
"""

import asyncio
import contextlib
import os
import signal
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import structlog
import uvloop

from holdfast import __version__, logs
from holdfast.accounts.history import History
from holdfast.accounts.schema import HistoryError
from holdfast.auditing import Auditor
from holdfast.client_face import ClientFace
from holdfast.clock import Clock
from holdfast.demo import KEYS_FILE, Demo
from holdfast.directory.master_key import MasterKeys, master_key_path
from holdfast.directory.people import FILE_NAME as PEOPLE_FILE
from holdfast.directory.people import People
from holdfast.engine.engine import Engine
from holdfast.errors import StartError
from holdfast.gateway.line.server import LineServer, check_socket_path
from holdfast.gateway.operator.app import MOUNTS, create_app
from holdfast.gateway.operator.token import new_token
from holdfast.gateway.server.routes import Routes
from holdfast.gateway.server.server import Server, ServerStartError, check_address
from holdfast.gateway.watches import LOOK_SECONDS
from holdfast.journal import retention
from holdfast.journal.append_server import AppendServer, Identity, is_of_a_joined_gateway
from holdfast.journal.batch_writer import JournalSettings
from holdfast.journal.data_directory import LINE_SOCKET, DataDirectory
from holdfast.journal.file_journal import FileJournal
from holdfast.journal.interface import JournalError
from holdfast.journal.joining import STATE_SECONDS
from holdfast.line_past import Past
from holdfast.memory_ahead import MemoryAhead
from holdfast.participants.demo import STEP_INTERVAL_S
from holdfast.process import HOUSEKEEPING_SECONDS, IMAGE_SECONDS, STOP_SECONDS_MAX, settle, tls_of, warm_up
from holdfast.progress import Progress
from holdfast.reconcile import changes, remarks
from holdfast.recovery import Journaled, State, recover
from holdfast.replica import Applied, Outcome, Replica, SuspectMachineError
from holdfast.services import VenueServices
from holdfast.settings import RunOptions, Settings, load
from holdfast.snapshotting import SnapshotWriter
from holdfast.ticking import TICK_SECONDS, Ticker

log = structlog.get_logger()

STOPPING = "The venue is stopping; no new orders are taken."


def run(options: RunOptions) -> int:
    """Run a venue until it is told to stop; the exit code. Raises StartError with a sentence when it cannot start."""
    logs.configure(options.data)
    settings = load(options.config)
    with Progress() as progress, _opened(options.data) as data:
        try:
            return uvloop.run(_run(options, settings, data, progress))
        except (HistoryError, JournalError, SuspectMachineError) as error:
            raise StartError(str(error)) from error


def _opened(path: Path) -> DataDirectory:
    try:
        return DataDirectory.open(path)
    except OSError as error:
        raise StartError(f"The data directory {path} cannot be used: {error.strerror}.") from error


async def _run(options: RunOptions, settings: Settings, data: DataDirectory, progress: Progress) -> int:
    venue = Venue(options, settings, data)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, venue.end)
    try:
        await venue.unless_failed(venue.start(progress))
        await venue.unless_failed(venue.serve())
    finally:
        await venue.stop()
    return 0


class _Appending:
    """What joined gateways get of the venue: their commands go the way of its own."""

    def __init__(self, replica: Replica, journal: FileJournal) -> None:
        self._replica = replica
        self._journal = journal

    @property
    def refusal(self) -> str:
        return self._replica.refusal

    @property
    def appended_seq(self) -> int:
        return self._journal.appended_seq

    def now_ns(self) -> int:
        return self._replica.clock.now_ns()

    def append(self, group: bytes) -> None:
        self._replica.submit_run(group, None)


class Venue:
    """The parts of a venue, and the loop's tasks that keep them going."""

    def __init__(self, options: RunOptions, settings: Settings, data: DataDirectory) -> None:
        self._options = options
        self._settings = settings
        self._data = data
        self._clock = Clock()
        self._closing: list[Callable[[], object]] = []  # In the order of opening; closed backwards.
        self._tasks: list[asyncio.Task[None]] = []
        self._demo: Demo | None = None
        self._is_serving = False
        self._ended = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        """Let `serve` return. While it still starts, nothing is in hand and a compiler may run for minutes: leave."""
        if not self._is_serving:
            os._exit(0)
        self._ended.set()

    async def unless_failed(self, work: Coroutine[None, None, None]) -> None:
        """Do `work`, and give it up with the reason when this replica must not go on."""
        task = asyncio.ensure_future(work)
        await asyncio.wait({task, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            task.cancel()
            self._failed.result()
        await task

    async def start(self, progress: Progress) -> None:
        """Bring everything up. Raises StartError or JournalError."""
        try:
            check_address(self._options.host, self._options.port)
            if self._options.line_port is not None:
                check_address(self._options.host, self._options.line_port)
            if self._options.line_socket:
                check_socket_path(self._data.path / LINE_SOCKET)
        except ServerStartError as error:
            raise StartError(str(error)) from error
        progress.step("Compiling the engine (the first time a minute or two)")
        await asyncio.to_thread(warm_up)
        progress.step("Reading the journal")
        # First of all: opening it makes its end whole, and only then does reading it show all that will ever count.
        journal = self._open_journal()
        # It may wait for the process that still writes for a venue that was killed.
        history = await asyncio.to_thread(History, self._data.path / "history.sqlite")
        self._closing.append(history.close)
        state = await asyncio.to_thread(recover, self._data.path, history, progress.reached)
        self._unlock(state)
        self._follow(journal, state, history)
        progress.step("Comparing the settings with the state")
        await self._reconcile(progress)
        progress.step("Opening the front door")
        await self._open_front_door(state, history)
        await self._open_to_gateways()
        if self._options.demo:
            progress.step("Letting the simulated traders in")
            self._demo = Demo(
                self._replica, state.directory, state.market_data, self._gateway, self._data.path, self._options.seed
            )
            await self._demo.start()
        self._data.set_url(self._server.url)
        progress.done()
        log.info("listening", url=self._server.url, seq=self._replica.engine.last_seq)
        keys = self._demo.keys if self._demo else {}
        progress.banner(
            self._server.url, self._line_addresses(), self._replica.reference, keys, self._data.path / KEYS_FILE
        )

    async def serve(self) -> None:
        """Go on until `end`."""
        self._is_serving = True
        settle()
        self._every(IMAGE_SECONDS, self._show)
        self._every(HOUSEKEEPING_SECONDS, self._keep_house)
        self._every(TICK_SECONDS, Ticker(self._replica).look)
        self._every(LOOK_SECONDS, self._gateway.watches.look)
        self._every(STATE_SECONDS, lambda: self._appends.tell_state(is_due=True))
        if self._demo is not None:
            self._every(STEP_INTERVAL_S, self._demo.tick)
        await self._ended.wait()
        log.info("stopping")

    async def stop(self) -> None:
        """Announce, take no new orders, let what is in hand finish, make it durable."""
        if hasattr(self, "_replica"):
            self._replica.stopping = STOPPING
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_appends"):
            await self._appends.stop()
        if hasattr(self, "_line"):
            await self._line.stop(STOP_SECONDS_MAX)
        if hasattr(self, "_server"):
            await self._server.stop(STOP_SECONDS_MAX, self._face.announce_shutdown)
        if hasattr(self, "_snapshots"):
            await self._snapshots.stop()
        if hasattr(self, "_memory_ahead"):
            self._memory_ahead.stop()
        for close in reversed(self._closing):
            await asyncio.to_thread(close)

    def _unlock(self, state: State) -> None:
        path = master_key_path(str(self._data.venue_id))
        is_new = state.seq == 0
        master = (MasterKeys.open_or_create if is_new else MasterKeys.open)(path, self._data.path)
        people = People(self._data.path / PEOPLE_FILE)
        self._closing.append(people.close)
        state.directory.unlock(master, people)

    def _open_journal(self) -> FileJournal:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._on_committed)

        journal = FileJournal(
            self._data.journal,
            self._clock,
            wake,
            venue_id=self._data.venue_id.bytes,
            rules_version=Engine.RULES_VERSION,
            settings=JournalSettings.of_segments(self._settings.journal.segment_bytes),
            soon=loop.call_soon,
        )
        self._closing.append(journal.close)
        self._journal = journal
        return journal

    def _on_committed(self) -> None:
        """Follow the journal. After a failure there is no going on: this replica would not be what the journal says."""
        if self._failed.done():
            return
        try:
            self._appends.on_durable(self._journal.committed_seq)  # First: gateways then work at the same time.
            self._replica.on_committed()
        except Exception as failure:
            self._fail(failure)

    def _fail(self, failure: Exception) -> None:
        if not self._failed.done():
            log.critical("this replica cannot go on", why=str(failure), exc_info=True)
            self._failed.set_exception(failure)

    def _follow(self, journal: FileJournal, state: State, history: History) -> None:
        """The replica that follows the journal, and its readers in the order in which they see events."""
        self._closing.append(journal.close)  # Again: once all goes well it closes before those who read from it.
        assert journal.status().next_seq == state.seq + 1
        rebuild = Journaled(self._data.path).rebuild
        self._replica = Replica(journal, state.engine, state.directory, history, self._clock, rebuild)
        self._replica.add_reader(state.market_data.on_applied)
        self._replica.add_reader(history.on_applied)
        due = self._settings.journal
        self._snapshots = SnapshotWriter(
            self._data.path, due.snapshot_commands, due.snapshot_seconds, state.seq, lambda: self._retain(history)
        )
        self._replica.add_reader(self._remember_hash)
        self._auditor = Auditor(lambda: self._replica.engine)
        self._memory_ahead = MemoryAhead(lambda: self._replica.engine)
        limits = self._settings.rate_limits._asdict()
        identity = Identity(str(self._data.venue_id), __version__, Engine.RULES_VERSION, limits)
        self._appends = AppendServer(_Appending(self._replica, journal), identity)

    def _remember_hash(self, applied: Applied) -> None:
        self._snapshots.on_applied(applied.last_seq, self._replica.engine.events_hash)

    async def _reconcile(self, progress: Progress) -> None:
        """Journal what the settings say and the state does not, in rounds; see `holdfast.reconcile`."""
        while found := changes(self._settings, self._replica.reference, self._replica.engine.limits()):
            for change in found:
                progress.say(change.sentence)
            for outcome in await asyncio.gather(*(self._carried_out(change.records) for change in found)):
                refused = [event for event in outcome.controls if event.reason]
                if refused:
                    raise StartError(f"The engine refused what the settings say (reason {refused[0].reason}).")
        for remark in remarks(self._settings, self._replica.reference):
            progress.say(remark)

    def _carried_out(self, records: bytes) -> Awaitable[Outcome]:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._replica.submit(records, outcome.set_result)
        return outcome

    async def _open_front_door(self, state: State, history: History) -> None:
        options, routes = self._options, Routes()
        limits = self._settings.rate_limits._asdict()
        self._face = ClientFace(routes, self._replica, state.market_data, limits, is_of_a_joined_gateway)
        self._gateway, self._streams = self._face.gateway, self._face.streams
        tls, expires = tls_of(options, str(self._data.venue_id))
        services = VenueServices(
            venue_id=str(self._data.venue_id),
            data=self._data.path,
            replica=self._replica,
            directory=state.directory,
            history=history,
            snapshot_writer=self._snapshots,
            auditor=self._auditor,
            streams=self._streams,
            appends=self._appends,
            operator_token=new_token(self._data.path),
            allow_remote_operator=options.allow_remote_operator,
            certificate_expires_ts_s=expires,
        )
        app = create_app(services)
        for prefix in MOUNTS:
            routes.mount(prefix, app)
        self._server = Server(routes, options.host, options.port, tls, now_ns=self._clock.now_ns)
        services.server = self._server
        try:
            await self._server.start()
            await self._open_line(state, tls)
        except ServerStartError as error:
            raise StartError(str(error)) from error
        services.line = self._line

    async def _open_line(self, state: State, tls: ssl.SSLContext | None) -> None:
        """The binary line, where it was asked for. The last reader: a report leaves after all others have seen it."""
        options, loop = self._options, asyncio.get_running_loop()
        past, numbers = Past(self._data.path), state.line_numbers.last
        limits, watches = self._gateway.rate_limits, self._gateway.watches
        self._line = LineServer(
            self._replica,
            limits,
            numbers,
            past.read,
            loop.call_soon,
            loop.call_later,
            watches,
            now_ns=self._clock.now_ns,
        )
        self._line.start()
        if options.line_port is not None:
            await self._line.listen_tcp(options.host, options.line_port, tls)
        if options.line_socket:
            await self._line.listen_unix(self._data.path / LINE_SOCKET)

    async def _open_to_gateways(self) -> None:
        """Let gateways of other processes in; see `holdfast.journal.append_server`."""
        self._appends.url = self._server.url
        try:
            await self._appends.start(self._data.path)
        except OSError as error:
            raise StartError(f"Gateways cannot join {self._data.path}: {error.strerror}.") from error

    def _line_addresses(self) -> list[str]:
        options = self._options
        addresses = [] if options.line_port is None else [f"{options.host} port {self._line.port}"]
        return addresses + ([str(self._data.path / LINE_SOCKET)] if options.line_socket else [])

    # What goes on beside the requests.

    def _every(self, seconds: float, do: Callable[[], object]) -> None:
        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    do()
                except Exception:
                    # One failed turn must not end the venue; it is a bug, and the log says where.
                    log.exception("a periodic task failed")

        self._tasks.append(asyncio.create_task(repeat()))

    def _show(self) -> None:
        try:
            self._streams.tick(self._clock.now_ns())
        except AssertionError as bug:
            self._fail(bug)  # Market data is not what the journal says, and nothing would mend it.

    def _keep_house(self) -> None:
        self._memory_ahead.tick()
        self._auditor.tick()
        self._snapshots.tick(self._replica.engine.last_seq, time.monotonic())
        self._replica.halted = self._auditor.finding or self._snapshots.mismatch
        self._appends.tell_state(is_due=False)

    def _retain(self, history: History) -> None:
        kept = self._settings.retention
        policy = retention.RetentionPolicy(kept.max_age_days * 86_400 * 10**9, kept.max_bytes)
        cursor_seq = history.cursor_seq

        async def apply() -> None:
            with contextlib.suppress(OSError, JournalError):  # Tried again after the next snapshot.
                await asyncio.to_thread(
                    retention.apply, self._data.journal, self._data.snapshots, policy, cursor_seq, self._clock.now_ns()
                )

        self._tasks.append(asyncio.create_task(apply()))
