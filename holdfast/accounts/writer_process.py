"""The process that writes the history's file for a venue:  python -m holdfast.accounts.writer_process PATH CLAIM

history: events → tail (memory) → writer → pieces → remote file → pipe → WRITER PROCESS → history file

Tails come through stdin, one at a time, and each is answered on stdout when it is committed or has failed; see
`pieces`. CLAIM is the open file whose lock says that this process may write; it is never closed here.

The end of stdin is the end of this process, however the venue ended: a tail that came whole is still committed, one
that did not is rolled back. Signals to stop are for the venue, which has something left to write.

It imports as little as it can: no kernels, no logging. What goes to stderr ends up in the venue's log.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from holdfast.accounts.claim import say_who
from holdfast.accounts.history_file import HistoryFile
from holdfast.accounts.pieces import ANSWER, END, EVENTS, HEAD, PIECE, Piece
from holdfast.accounts.schema import HistoryError
from holdfast.events import order_event_dtype

NICE = 10  # Where the processor does not suffice for all, orders go first: the lag is bounded, and catches up.


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    path, claim = sys.argv[1:]
    os.nice(NICE)
    os.set_inheritable(int(claim), False)
    say_who(int(claim))
    file = HistoryFile(Path(path))
    with contextlib.suppress(EOFError, BrokenPipeError):
        serve(file, sys.stdin.buffer, sys.stdout.buffer)
    file.close()


def serve(file: HistoryFile, source: BinaryIO, sink: BinaryIO) -> None:
    """Write tail after tail, until EOFError or BrokenPipeError says that the venue has gone."""
    while True:
        after_seq, last_seq = HEAD.unpack(_read(source, HEAD.size))
        pieces, failure = _pieces(source), ""
        try:
            file.write(after_seq, last_seq, pieces)
        except HistoryError as error:
            failure = str(error)
        for _ in pieces:
            pass  # What was not wanted any more.
        answer = failure.encode()
        sink.write(ANSWER.pack(len(answer)) + answer)
        sink.flush()


def _pieces(source: BinaryIO) -> Iterator[Piece]:
    while True:
        kind, length = PIECE.unpack(_read(source, PIECE.size))
        if kind == END:
            return
        data = _read(source, length)
        yield np.frombuffer(data, order_event_dtype) if kind == EVENTS else json.loads(data)


def _read(source: BinaryIO, length: int) -> bytes:
    """So many bytes. Raises EOFError when they do not come any more."""
    data = source.read(length)
    if len(data) < length:
        raise EOFError
    return data


if __name__ == "__main__":
    main()
