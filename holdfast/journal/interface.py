"""What the rest of the venue knows of a journal, whichever it is.

gateway → replica → append → JOURNAL → take_committed → replica → engine

Invariants: what `take_committed` returns is durable, is returned once, and comes in the order of its numbers, which is
the order of `append`. A group is committed whole or not at all.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from holdfast.errors import JournalUnavailableError as JournalUnavailableError


class JournalError(Exception):
    """The journal's files cannot be used; the message is a sentence for people."""


class CorruptJournalError(JournalError):
    """Bytes that were durable are not what was written."""

    def __init__(self, path: Path, offset: int, problem: str) -> None:
        super().__init__(f"The journal is damaged: {path}, byte {offset}: {problem}.")
        self.path = path
        self.offset = offset
        self.problem = problem


class JournalGoneError(JournalError):
    """What is to be read was removed by retention; a newer snapshot holds what it led to."""


class NewerFormatError(JournalError):
    """A later version of the program wrote this."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(
            f"{path} was written by a later version of Holdfast (format {found}; this program knows up to {known})."
        )


class Committed(NamedTuple):
    """Commands that are durable, in order."""

    first_seq: int
    records: npt.NDArray[np.void]  # command_dtype; seq, ts_ns and clock_ts_ns are filled; the memory is its own.
    chain_hash: bytes = b""  # After the last of these records; empty from a journal without a chain.


class JournalStatus(NamedTuple):
    """How the journal is, for people and metrics. Counts are since it was opened."""

    is_accepting: bool
    reason: str  # Why it does not accept; empty when it does.
    next_seq: int  # What the next append will get.
    committed_seq: int  # Everything up to it is durable.
    pending_records: int  # Appended and not yet taken back.
    batches: int
    bytes_written: int
    write_ns_last: int  # Writing one batch and making it durable.
    write_ns_sum: int
    write_ns_max: int
    failures: int  # Writes that failed and were done again.


class Journal(Protocol):
    """One total order of commands."""

    @property
    def refusal(self) -> str:
        """Why nothing can be appended now, as a sentence; empty when it can. `status` says the same and more."""

    def append(self, records: bytes) -> int:
        """Hand over one atomic group of n x 192 bytes; returns the first seq it gets, at once (0: that shows later).

        Raises JournalUnavailableError at once when it cannot be taken; then nothing of it was.
        """

    def take_committed(self) -> list[Committed]:
        """What has become durable since the last call, in order. Never blocks."""

    def status(self) -> JournalStatus:
        """How it is."""

    def close(self) -> None:
        """Make durable what was appended, if that is possible, and stop."""
