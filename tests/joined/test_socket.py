"""The socket between a gateway and the venue: each side does the right thing whatever the other says or fails to."""

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast.codes import CommandFlag, CommandKind
from holdfast.commands import Command, command_dtype, encode
from holdfast.errors import JournalUnavailableError
from holdfast.journal import joining
from holdfast.journal.append_server import GATEWAY_ID_FIRST, GATEWAYS_MAX, AppendServer, Identity
from holdfast.journal.joining import GROUP_RECORDS_MAX, GarbageError, Hello, Here, Messages, Said, Welcome
from holdfast.journal.writer_link import AWAY, SILENT, SILENT_SECONDS_MAX, DismissedError, WriterLink

VENUE_ID = "0a" * 16
LIMITS = {"orders_per_day": 7}
IDENTITY = Identity(VENUE_ID, "1.0", 3, LIMITS)
PATIENCE_SECONDS = 20.0


def place(number: int = 1, **fields: Any) -> bytes:
    return encode(Command(request_number=number, kind=CommandKind.PLACE_ORDER, **fields))


class FakeVenue:
    """Appends into a list."""

    def __init__(self) -> None:
        self.refusal = ""
        self.unavailable = ""
        self.appended: list[np.ndarray] = []

    @property
    def appended_seq(self) -> int:
        return sum(map(len, self.appended))

    def now_ns(self) -> int:
        return 5_000

    def append(self, group: bytes) -> None:
        if self.unavailable:
            raise JournalUnavailableError(self.unavailable)
        self.appended.append(np.frombuffer(group, command_dtype))


class Notes:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def on_joined(self, welcome: Welcome) -> None:
        self.told.append(("joined", welcome.gateway_id, welcome.last_seq))

    def on_parted(self, last_seq: int | None) -> None:
        self.told.append(("parted", last_seq))

    def on_durable(self, seq: int, clock_ns: int) -> None:
        self.told.append(("durable", seq, clock_ns))

    def on_refused(self, request_number: int, reason: str) -> None:
        self.told.append(("refused", request_number, reason))

    def on_dismissed(self, error: DismissedError) -> None:
        self.told.append(("dismissed", str(error)))


class World:
    """A venue's socket in a directory, and links to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.venue = FakeVenue()
        self.server = AppendServer(self.venue, IDENTITY)
        self.notes = Notes()
        self.monotonic_s = 0.0

    async def open(self) -> None:
        self.server.url = "http://here"
        await self.server.start(self.directory)

    def link(self, venue_id: str = VENUE_ID, version: str = "1.0", rules: int = 3) -> WriterLink:
        link = WriterLink(self.directory, venue_id, version, rules, lambda: self.monotonic_s)
        link.listener = self.notes
        return link

    def stranger(self) -> socket.socket:
        """Somebody who connects and says whatever it likes."""
        with joining.socket_path(self.directory) as path:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
        return connection


def run(tmp_path: Path, scene: Callable[[World], Awaitable[None]]) -> None:
    async def play() -> None:
        world = World(tmp_path)
        await world.open()
        try:
            await scene(world)
        finally:
            await world.server.stop()

    asyncio.run(play())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0)


def test_group_is_appended_as_it_was_sent_and_says_who_sent_it(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        group = place(1, gateway_id=2, qty_lots=5, flags=CommandFlag.GROUP_CONTINUES) + place(2, gateway_id=2)
        link.send(group)
        link.send(place(3))
        await until(lambda: world.venue.appended_seq == 3)
        assert [len(each) for each in world.venue.appended] == [2, 1]
        sent, taken = np.frombuffer(group, command_dtype).copy(), world.venue.appended[0]
        assert taken["gateway_id"].tolist() == [GATEWAY_ID_FIRST] * 2
        sent["gateway_id"] = GATEWAY_ID_FIRST
        assert taken.tobytes() == sent.tobytes()
        link.close()

    run(tmp_path, scene)


def test_gateway_learns_what_it_needs_when_it_joins(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        world.venue.append(place())
        world.venue.refusal = "Not now."
        world.server.tell_state(is_due=False)
        link = world.link()
        await link.connect()
        assert link.welcome is not None
        assert (link.welcome.last_seq, link.welcome.url, link.welcome.rate_limits) == (1, "http://here", LIMITS)
        await until(lambda: link.refusal == "Not now.")
        assert world.notes.told[0] == ("joined", GATEWAY_ID_FIRST, 1)

    run(tmp_path, scene)


def test_gateways_have_ids_of_their_own_that_are_used_again_late(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        links = [world.link() for _ in range(3)]
        for link in links:
            await link.connect()
        links[0].close()
        await until(lambda: len(world.server.gateways()) == 2)
        again = world.link()
        await again.connect()
        assert [each.gateway_id for each in world.server.gateways()] == [17, 18, 19]
        world.server.last_given_id = 2**15 - 2
        await world.link().connect()
        await world.link().connect()  # The first is free again; the next would not be.
        assert [each.gateway_id for each in world.server.gateways()] == [16, 17, 18, 19, 2**15 - 1]

    run(tmp_path, scene)


def test_durable_and_refusals_and_state_are_told(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        world.venue.unavailable = "The journal's disk is full."
        link.send(place(77))
        await until(lambda: ("refused", 77, "The journal's disk is full.") in world.notes.told)
        world.server.on_durable(12)
        world.server.on_durable(12)  # Nothing new.
        world.venue.refusal = "The disk is full."
        world.server.tell_state(is_due=False)
        await until(lambda: link.refusal == "The disk is full.")
        assert world.notes.told[-1] == ("durable", 12, 5_000)
        world.venue.refusal = ""
        world.server.tell_state(is_due=False)
        await until(lambda: not link.refusal)

    run(tmp_path, scene)


def test_operators_see_where_gateways_are(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        link.tell(Here("http://there", 41))
        await until(lambda: world.server.gateways()[0].applied_seq == 41)
        (gateway,) = world.server.gateways()
        assert (gateway.pid, gateway.url) == (os.getpid(), "http://there")

    run(tmp_path, scene)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"venue_id": "0b" * 16}, "The data directory is another venue's."),
        ({"version": "2.0"}, "The venue runs Holdfast 1.0, and this gateway 2.0: start it with the same version."),
        ({"rules": 4}, "The venue has the trading rules 3, and this gateway 4: start it with the same version."),
    ],
)
def test_who_cannot_join_is_told_why(tmp_path: Path, who: dict[str, Any], why: str) -> None:
    async def scene(world: World) -> None:
        link = world.link(**who)
        with pytest.raises(DismissedError) as refused:
            await link.connect()
        assert str(refused.value) == why
        assert not link.is_open
        assert not world.server.gateways()

    run(tmp_path, scene)


def test_there_are_so_many_gateways_and_no_more(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        links = [world.link() for _ in range(GATEWAYS_MAX)]
        for link in links:
            await link.connect()
        with pytest.raises(DismissedError, match=f"The venue has {GATEWAYS_MAX} gateways already"):
            await world.link().connect()
        links[0].close()
        await until(lambda: len(world.server.gateways()) < GATEWAYS_MAX)
        await world.link().connect()

    run(tmp_path, scene)


def test_older_connection_of_a_process_ends_before_the_new_one_is_welcome(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        await link.connect()  # As after a time in which it could not hear that the first one lives.
        assert len(world.server.gateways()) == 1
        link.send(place())
        await until(lambda: world.venue.appended_seq == 1)
        assert world.venue.appended[0]["gateway_id"][0] == GATEWAY_ID_FIRST + 1

    run(tmp_path, scene)


def test_link_comes_back_when_the_venue_does(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        task = asyncio.create_task(link.keep())
        world.venue.append(place())
        await world.server.stop()
        await until(lambda: not link.is_open)
        assert link.refusal == AWAY
        assert world.notes.told[-1] == ("parted", 1), "a venue that stops in good order says what it has taken"
        world.server = AppendServer(world.venue, IDENTITY)
        await world.open()
        await until(lambda: link.is_open)
        assert [told[0] for told in world.notes.told if told[0] != "durable"] == ["joined", "parted", "joined"]
        await world.server.stop()
        await until(lambda: not link.is_open)
        world.server = AppendServer(world.venue, Identity(VENUE_ID, "1.1", 3, LIMITS))
        await world.open()
        await until(lambda: world.notes.told[-1][0] == "dismissed")
        await task

    run(tmp_path, scene)


def test_connection_that_breaks_parts_without_a_last_seq(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        for connection in list(world.server._connections.values()):
            connection.abort()
        await until(lambda: not link.is_open)
        assert world.notes.told[-1] == ("parted", None)

    run(tmp_path, scene)


def test_venue_that_says_nothing_counts_as_away(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        link = world.link()
        await link.connect()
        await until(lambda: link.refusal == "")
        world.monotonic_s += SILENT_SECONDS_MAX + 0.1
        assert link.refusal == SILENT
        world.server.tell_state(is_due=True)
        await until(lambda: link.refusal == "")

    run(tmp_path, scene)


def test_nobody_there_is_an_os_error(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(tmp_path)
        with pytest.raises(OSError, match="No such file"):
            await world.link().connect()
        await world.open()
        await world.server.stop()
        assert not (tmp_path / joining.SOCKET).exists()

    asyncio.run(play())


def test_socket_of_a_killed_venue_is_replaced_and_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / joining.SOCKET).touch()

    async def scene(world: World) -> None:
        mode = (tmp_path / joining.SOCKET).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        await world.link().connect()

    run(tmp_path, scene)


def test_path_of_the_directory_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200)
    deep.mkdir()

    async def scene(world: World) -> None:
        await world.link().connect()

    run(deep, scene)


HELLO = joining.document(Said.HELLO, Hello(joining.PROTOCOL_VERSION, 3, "1.0", VENUE_ID, "ff" * 16, 1))


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack("<II", 2**32 - 1, Said.HELLO),
        joining.message(Said.HELLO, b"no JSON"),
        joining.message(Said.HELLO, b"{}"),
        joining.message(Said.APPEND, place()),
        HELLO + joining.message(Said.APPEND, b""),
        HELLO + joining.message(Said.APPEND, place()[:-1]),
        HELLO + joining.message(Said.APPEND, place() * (GROUP_RECORDS_MAX + 1)),
        HELLO + joining.message(Said.APPEND, encode(Command(kind=CommandKind.DEPOSIT))),
        HELLO + joining.message(Said.APPEND, encode(Command(kind=0))),
        HELLO + joining.message(Said.APPEND, encode(Command(kind=-1))),
        HELLO + joining.message(Said.APPEND, place(flags=CommandFlag.GROUP_CONTINUES)),
        HELLO + joining.message(Said.HERE, b"[]"),
        HELLO + joining.message(Said.END, bytes(8)),
        HELLO + HELLO,
    ],
)
def test_who_says_what_makes_no_sense_is_cut_off_and_nothing_is_appended(tmp_path: Path, said: bytes) -> None:
    async def scene(world: World) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=world.stranger())
        writer.write(said)
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while await reader.read(65536):
                    pass
            except ConnectionResetError:
                pass
        writer.close()
        assert not world.venue.appended
        await world.link().connect()

    run(tmp_path, scene)


def test_half_a_group_is_never_appended(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        _, writer = await asyncio.open_unix_connection(sock=world.stranger())
        whole = joining.message(Said.APPEND, place())
        writer.write(HELLO + whole + whole[:-1])
        await until(lambda: world.venue.appended_seq == 1)
        writer.transport.abort()
        await until(lambda: not world.server.gateways())
        assert world.venue.appended_seq == 1

    run(tmp_path, scene)


def test_gateway_that_does_not_read_costs_no_memory_and_is_told_the_newest_when_it_does(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        connection = world.stranger()
        connection.sendall(HELLO)
        await until(lambda: len(world.server.gateways()) == 1)
        (transport,) = [each._transport for each in world.server._connections.values()]
        for seq in range(1, 100_000):
            world.server.on_durable(seq)
        assert transport.get_write_buffer_size() < 256 * 1024
        assert not transport.is_reading()
        connection.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        messages, newest = Messages(), 0
        while newest < 99_999:
            async with asyncio.timeout(PATIENCE_SECONDS):
                for kind, body in messages.feed(await reader.read(65536)):
                    newest = joining.read_durable(body)[0] if kind == Said.DURABLE else newest
        assert transport.is_reading()
        writer.close()

    run(tmp_path, scene)


def test_messages_are_cut_wherever_the_bytes_are_split() -> None:
    said = [(Said.APPEND, place()), (Said.HERE, b""), (Said.END, b"12345678")]
    stream = b"".join(joining.message(kind, body) for kind, body in said)
    for split in range(len(stream) + 1):
        messages = Messages()
        assert messages.feed(stream[:split]) + messages.feed(stream[split:]) == said
    with pytest.raises(GarbageError):
        Messages().feed(struct.pack("<II", GROUP_RECORDS_MAX * 192 + 1, Said.APPEND))
