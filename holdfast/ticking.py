"""Ticking: a TICK goes into the journal when something in the engine is due by the clock.

clock + engine (next_due_ts_ns) → TICKER → journal → engine (TICK)

The engine has no clock and does nothing by itself. The venue asks every `TICK_SECONDS` whether something is due, which
is one comparison, and journals a TICK if so; in a quiet venue nothing is written. What became due while the venue was
down, or while the journal took nothing, is due still and is done as soon as that is over.
"""

from typing import TYPE_CHECKING

from holdfast.codes import CommandKind
from holdfast.commands import Command, encode
from holdfast.errors import JournalUnavailableError

if TYPE_CHECKING:
    from holdfast.replica import Outcome, Replica

TICK_SECONDS = 0.02  # So much later than the clock says a thing happens, and one sync.

_TICK = encode(Command(kind=CommandKind.TICK))


class Ticker:
    """At most one TICK is on its way: it does all that is due when it arrives."""

    def __init__(self, replica: "Replica") -> None:
        self._replica = replica
        self._is_on_its_way = False

    def look(self) -> None:
        """Journal a TICK if something is due; also while new orders are not taken, since what it does is cancels."""
        due_ts_ns = self._replica.engine.next_due_ts_ns()
        if not due_ts_ns or self._is_on_its_way or due_ts_ns > self._replica.clock.now_ns():
            return
        try:
            self._replica.submit(_TICK, self._arrived)
        except JournalUnavailableError:
            return  # It says why itself, and the next look is soon.
        self._is_on_its_way = True

    def _arrived(self, _outcome: "Outcome") -> None:
        self._is_on_its_way = False
