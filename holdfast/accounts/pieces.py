"""Pieces: what a tail is cut into to be written, and how it goes through a pipe.

history: events → tail (memory) → writer → PIECES (→ pipe →) history file

A piece is a block of order events as it lies in memory, or some movements with the names of their tables. Through the
pipe goes a HEAD, then for each piece a PIECE and its bytes (events as they are, movements as JSON), and an END. The
answer is a length and that many bytes of UTF-8: why it was not written, or nothing. Both ends are the same release on
the same machine, so there is no version in it.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from holdfast.accounts.movements import ControlAction, Deposit, Transfer, WithdrawalStep
from holdfast.accounts.tail import Tail
from holdfast.views import Amendment, OrderList, PreventedMatch, Withdrawal

Row = tuple[str, Sequence[Any]]  # A table and the values of its columns.
Piece = np.ndarray | list[Row]

HEAD = struct.Struct("<qq")  # After which command the tail begins, and its last one.
PIECE = struct.Struct("<qq")  # EVENTS, MOVEMENTS or END, and how many bytes follow.
ANSWER = struct.Struct("<q")
EVENTS, MOVEMENTS, END = range(3)

MOVEMENTS_MAX = 100  # Encoding them holds Python's lock, for some 0.1 ms then.

_table_of: dict[type, str] = {
    Amendment: "amendments",
    PreventedMatch: "prevented_matches",
    OrderList: "order_lists",
    Deposit: "deposits",
    Transfer: "transfers",
    Withdrawal: "withdrawals",
    WithdrawalStep: "withdrawal_steps",
    ControlAction: "control_actions",
}


def pieces_of(tail: Tail) -> Iterator[Piece]:
    """Of a tail that is settled."""
    for block in tail.blocks:
        yield block.rows
    for start in range(0, len(tail.movements), MOVEMENTS_MAX):
        movements = tail.movements[start : start + MOVEMENTS_MAX]
        yield [(_table_of[type(movement)], movement) for movement in movements]
