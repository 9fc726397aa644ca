"""The lane: collects what one turn of the loop brings, and takes its ordinary orders to the journal as one run.

requests → LANE → kernel reads → run of commands → replica … outcome → kernel writes → replies
              └→ the general way, for everything that is not an ordinary order

Invariants: what is collected is done in the order of its arrival, ordinary or not; an order is counted against the
limits before it is submitted, once; each request gets exactly one reply.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, ParamSpec, Protocol

import msgspec
import numpy as np
import structlog

from holdfast.clock import Clock
from holdfast.commands import COMMAND_BYTES, Command, command_dtype
from holdfast.errors import JournalUnavailableError
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.authentication import Key
from holdfast.gateway.binance.endpoints import Call
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import ResponseType
from holdfast.gateway.binance.lane import replies, requests
from holdfast.gateway.binance.orders import GATEWAY_ID, NewOrder, RequestNumbers, placed
from holdfast.gateway.binance.pending import ANSWER_WITHIN_NS, Pending, tell_pending
from holdfast.gateway.binance.rate_limits import RateLimits, Sender, Used
from holdfast.instruments import Reference

log = structlog.get_logger()

RUN_MAX = 256  # Requests that are read at once; more are more runs. Each fits into the smallest segment there can be.
REPLY_BYTES = 1_024  # Room for each at first; a call that fills it is followed by another.

# The kernel that reads lays out what the kernel that replies needs. A record's row, its first column, becomes its seq.
_RECORD = replies.SEQ
_LIMITS_SPAN = slice(replies.LIMITS_START, replies.LIMITS_END + 1)
assert requests.READ == replies.COLUMNS
assert requests.read_dtype.names == (
    "record", "form", "response", "unit_ns", "id_start", "id_end", "limits", "limits_end"
)  # fmt: skip
assert (requests.FORM_WEBSOCKET, requests.FORM_REST) == (replies.WEBSOCKET, replies.REST)

_NOBODY: Sender = ("", 0)

Soon = Callable[[Callable[[], None]], object]


class Asked(Protocol):
    """One request that may be an ordinary order, as the way it came by keeps it. One object may stand for many."""

    form: int  # requests.FORM_WEBSOCKET or FORM_REST
    peer_ip: str
    time_unit_ns: int
    shows_limits: bool  # Within the reply.

    @property
    def trading_key(self) -> Key | None:
        """The key that the request is covered by and that may trade now; None: the general way finds out."""

    def go_on(self, text: bytes, received_ts_ns: int) -> None:
        """Do it the general way."""

    def answer(self, written: list[bytes], used: Used) -> None:
        """The replies that the lane wrote, in the order of the requests, and what of the limits has been used."""

    def call(self, request_id: bytes, received_ts_ns: int) -> Call:
        """To answer it the general way, when it was an ordinary order that did not end as one."""


class Applied(Protocol):
    """`holdfast.replica.Applied`."""

    @property
    def events(self) -> Any: ...
    def outcome(self, seq: int) -> Any: ...


class Venue(Protocol):
    """What the lane needs of a replica."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    @property
    def accepting(self) -> bool: ...
    def submit_run(
        self,
        records: bytes,
        done: Callable[[Any, int], None] | None,
        refused: Callable[[str], None] | None = None,
    ) -> int: ...


class Lane:
    """Takes requests by `add`; `soon(do)` runs `do` when the loop has read what there is, like its `call_soon`."""

    def __init__(
        self, venue: Venue, pending: Pending, rate_limits: RateLimits, request_numbers: RequestNumbers, soon: Soon
    ) -> None:
        self.pending = pending
        self.rate_limits = rate_limits
        self.clock = venue.clock
        self._venue = venue
        self._request_numbers = request_numbers
        self._soon = soon
        self._asked: list[Asked] = []
        self._texts: list[bytes] = []
        self._records = np.zeros((RUN_MAX, COMMAND_BYTES), np.uint8)
        self._read = np.zeros((RUN_MAX, requests.READ), np.int64)
        self._out = np.zeros(RUN_MAX * REPLY_BYTES, np.uint8)
        self._learn(venue.reference)

    def add(self, asked: Asked, text: bytes) -> None:
        self._asked.append(asked)
        self._texts.append(text)
        if len(self._asked) == 1:
            self._soon(self._flush)

    def _learn(self, reference: Reference) -> None:
        """Make the kernels' tables of the instruments as they are now."""
        self._reference = reference
        self._markets_read = requests.MarketTable(reference)
        self._markets_shown = replies.Markets(reference)

    def _flush(self) -> None:
        asked, texts = self._asked, self._texts
        self._asked, self._texts = [], []
        if self._venue.reference is not self._reference:
            self._learn(self._venue.reference)
        for begin in range(0, len(asked), RUN_MAX):
            self._take(asked[begin : begin + RUN_MAX], texts[begin : begin + RUN_MAX])

    def _take(self, asked: list[Asked], texts: list[bytes]) -> None:
        """Read some requests, and do them in their order: runs of ordinary orders at once, the others one by one."""
        now_ns = self.clock.now_ns()
        keys, whose, text, count = self._read_orders(asked, texts, now_ns)
        reading = self._read[: len(asked)].copy()
        whole = _Run(self, asked, whose, texts, text, reading, self._records[:count].tobytes(), now_ns)
        if count == len(asked):
            self._submit(whole)
            return
        begin = 0
        for i, record in enumerate([*reading[:, _RECORD].tolist(), -1]):
            if record >= 0 and asked[i].trading_key is keys[i]:  # What came before it may have ended its session.
                continue
            if begin < i:
                self._submit(whole.part(begin, i))
            if i < len(asked):
                _by_itself(asked[i].go_on, texts[i], now_ns)
            begin = i + 1

    def _read_orders(
        self, asked: list[Asked], texts: list[bytes], now_ns: int
    ) -> tuple[list[Key | None], list[Sender], bytes, int]:
        """Each request's key and sender; what the kernel read from, in which what has no key is left out; and how many
        ordinary orders it found."""
        keys: list[Key | None] = []
        whose: list[Sender] = []
        pieces: list[bytes] = []
        facts: list[int] = []
        numbers: dict[Sender, int] = {}  # Of the limits to show, from 1.
        end = 0
        for each, text in zip(asked, texts, strict=True):
            key = each.trading_key
            keys.append(key)
            if key is None:
                whose.append(_NOBODY)
                facts += (each.form, end, 0, 0, now_ns, 0, 0)
                continue
            account_id = key.account_id
            who = (each.peer_ip, account_id)
            whose.append(who)
            pieces.append(text)
            end += len(text)
            limits = numbers.setdefault(who, len(numbers) + 1) if each.shows_limits else 0
            facts += (each.form, end, account_id, key.key_id, now_ns, each.time_unit_ns, limits)
        joined = b"".join(pieces)
        count = requests.read_orders(
            np.frombuffer(joined, np.uint8),
            np.array(facts, np.int64).reshape(len(asked), requests.FACTS),
            self._markets_read.slots,
            GATEWAY_ID,
            self._request_numbers.reserve(len(asked)),
            now_ns,
            self._records,
            self._read,
        )
        return keys, whose, joined, int(count)

    def _submit(self, run: "_Run") -> None:
        if not self._venue.accepting:
            run.go_on()
            return
        refused = self.rate_limits.charge_orders(Counter(run.whose), run.received_ts_ns)
        if not refused:
            self._hand_over(run)
            return
        for is_refused, part in run.parts(refused):
            if is_refused:
                part.go_on()
            else:
                self._hand_over(part)

    def _hand_over(self, run: "_Run") -> None:
        try:
            self._venue.submit_run(run.records, run.done, run.refused)
        except JournalUnavailableError as error:
            run.fail(ApiError(errors.UNAVAILABLE, error.reason))
        else:
            self.pending.begin(run)

    # Replies.

    def write(self, wanted: np.ndarray, text: bytes, limits_text: bytes, events: Any) -> list[bytes]:
        """The replies that `wanted` asks for; empty ones are left to the general way."""
        ends = np.empty(len(wanted), np.int64)
        written: list[bytes] = []
        while len(written) < len(wanted):
            start = len(written)
            stop = replies.write_replies(
                events.orders, wanted, text, limits_text, self._markets_shown, self._out, ends, start
            )
            out = self._out[: ends[stop - 1]].tobytes()
            begin = 0
            for end in ends[start:stop].tolist():
                written.append(out[begin:end])
                begin = end
        return written

    def new_order(self, command: Command, response: int) -> NewOrder:
        """The order of a record, as the general way knows it."""
        return NewOrder(
            self._venue.reference.instruments[command.instrument_id],
            command.side,
            command.order_type,
            command.time_in_force,
            command.self_trade_prevention,
            command.price_ticks,
            command.qty_lots,
            command.quote_units,
            command.client_id.decode("ascii"),
            ResponseType(response),
        )


class _Run:
    """Ordinary orders that were submitted together, and what is needed to answer them."""

    def __init__(
        self,
        lane: Lane,
        asked: list[Asked],
        whose: list[Sender],
        texts: list[bytes],
        text: bytes,
        reading: np.ndarray,
        records: bytes,
        received_ts_ns: int,
    ) -> None:
        """`reading` and `records` are what the kernel made of `texts`; its spans are of `text`."""
        self.text = text
        self.records = records
        self.received_ts_ns = received_ts_ns
        self.due_ts_ns = received_ts_ns + ANSWER_WITHIN_NS
        self._lane = lane
        self._asked = asked
        self.whose = whose
        self._texts = texts
        self._reading = reading
        self._is_answered = False  # As pending, a while ago.

    def part(self, begin: int, end: int) -> "_Run":
        """Some of its orders that follow each other. A first request that is none has no record before theirs."""
        own = slice(begin, end)
        before = int(self._reading[begin, _RECORD]) - max(int(self._reading[0, _RECORD]), 0)
        records = self.records[before * COMMAND_BYTES : (before + end - begin) * COMMAND_BYTES]
        asked, whose, texts, reading = self._asked[own], self.whose[own], self._texts[own], self._reading[own]
        return _Run(self._lane, asked, whose, texts, self.text, reading, records, self.received_ts_ns)

    def parts(self, refused: set[Sender]) -> Iterator[tuple[bool, "_Run"]]:
        """The same in pieces, in order: whether they are of those refused, and as many as follow each other."""
        begin = 0
        for is_refused, group in groupby(self.whose, refused.__contains__):
            end = begin + len(list(group))
            yield is_refused, self.part(begin, end)
            begin = end

    def go_on(self) -> None:
        """The general way, one by one."""
        for asked, text in zip(self._asked, self._texts, strict=True):
            _by_itself(asked.go_on, text, self.received_ts_ns)

    def fail(self, error: ApiError) -> None:
        """Answer all with an error."""
        for i in range(len(self._asked)):
            _by_itself(self._fail, i, error)

    def time_out(self) -> None:
        self._is_answered = True
        for i in range(len(self._asked)):
            _by_itself(self._tell_pending, i)

    def refused(self, reason: str) -> None:
        """Nothing of them was or will be done."""
        self._lane.pending.end(self)
        if not self._is_answered:
            self.fail(ApiError(errors.UNAVAILABLE, reason))

    def done(self, applied: Applied, first_seq: int) -> None:
        """All are durable and applied."""
        self._lane.pending.end(self)
        if self._is_answered:
            return
        used, limits_text, wanted = self._want(first_seq)
        written = self._lane.write(wanted, self.text, limits_text, applied.events)
        answers: dict[Asked, tuple[Sender, list[bytes]]] = {}  # A session's together: each write to a socket is dear.
        for asked, who, reply in zip(self._asked, self.whose, written, strict=True):
            if asked in answers:
                answers[asked][1].append(reply)
            else:
                answers[asked] = who, [reply]
        for asked, (who, own) in answers.items():
            if any(own):
                _by_itself(asked.answer, [reply for reply in own if reply], used[who])
        if not all(written):
            for i, reply in enumerate(written):
                if not reply:
                    _by_itself(self._answer_generally, i, applied.outcome(first_seq + i))

    def _want(self, first_seq: int) -> tuple[dict[Sender, Used], bytes, np.ndarray]:
        """What of the limits has been used, the same as JSON one after the other, and a row for each reply."""
        limits = self._lane.rate_limits
        now_ns = self._lane.clock.now_ns()
        # Headers tell of the intervals in which the requests were read. First, since asking about now may begin others.
        used = {who: limits.used(*who, self.received_ts_ns) for who in dict.fromkeys(self.whose)}
        spans = np.zeros((int(self._reading[:, replies.LIMITS_START].max()) + 1, 2), np.int64)
        shown = b""
        for who, number in dict.fromkeys(zip(self.whose, self._reading[:, replies.LIMITS_START].tolist(), strict=True)):
            begin = len(shown)
            shown += limits.usage(*who, now_ns)
            spans[number] = begin, len(shown)
        spans[0] = 0  # None shown.
        wanted = self._reading
        wanted[:, replies.SEQ] += first_seq - int(wanted[0, _RECORD])
        wanted[:, _LIMITS_SPAN] = spans[wanted[:, replies.LIMITS_START]]
        return used, shown, wanted

    def _fail(self, i: int, error: ApiError) -> None:
        self._call(i, self._command(i)).fail(error)

    def _tell_pending(self, i: int) -> None:
        command = self._command(i)
        tell_pending(self._call(i, command), command.client_id.decode("ascii"), command.deadline_ts_ns)

    def _answer_generally(self, i: int, outcome: Any) -> None:
        command = self._command(i)
        order = self._lane.new_order(command, int(self._reading[i, replies.RESPONSE]))
        unit_ns = self._asked[i].time_unit_ns
        self._call(i, command).attempt(lambda _: msgspec.json.encode(placed(order, outcome, unit_ns)))

    def _call(self, i: int, command: Command) -> Call:
        start, end = self._reading[i, [replies.ID_START, replies.ID_END]].tolist()
        call = self._asked[i].call(self.text[start:end], self.received_ts_ns)
        call.account_id, call.key_id = command.account_id, command.key_id
        return call

    def _command(self, i: int) -> Command:
        (row,) = np.frombuffer(self.records, command_dtype, 1, i * COMMAND_BYTES).tolist()
        return Command._make(row)


P = ParamSpec("P")


def _by_itself(do: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
    """What concerns one request of many: a fault in it must not stop the others."""
    try:
        do(*arguments, **named)
    except Exception:
        log.exception("a request of a run failed")
