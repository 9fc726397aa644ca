"""Engine: the state of one replica, and the face that it shows to Python.

journal → replica → ENGINE → events → readers

A pure function of (state, commands) to (state, events): no I/O, no clock, no randomness. Not thread-safe: one thread
applies and reads. Applying releases Python's lock.
"""

from collections.abc import Mapping

import numpy as np

from holdfast.codes import Limit
from holdfast.commands import command_dtype, command_words_dtype
from holdfast.engine import ahead, book, list_reads, pools, reads, snapshot
from holdfast.engine.apply import DONE, POOLS_FULL, STOP_REASONS
from holdfast.engine.apply import apply as apply_kernel
from holdfast.engine.apply import skip as skip_kernel
from holdfast.engine.audit import Audit, AuditResult
from holdfast.engine.event_buffers import EventBuffers
from holdfast.engine.handle import Memory
from holdfast.engine.invariants import check_invariants
from holdfast.engine.state import RULES_VERSION, SKIPPED_MAX
from holdfast.engine.tick import next_due_ts_ns
from holdfast.engine.widen import HASHED, widen, widen_full
from holdfast.events import Events
from holdfast.instruments import Reference
from holdfast.views import Account, AssetTotals, Auction, Balance, Order, OrderList, Withdrawal


class Engine:
    """The exchange: assets, accounts, money, orders and books, changed by commands alone."""

    RULES_VERSION: int = RULES_VERSION

    def __init__(self) -> None:
        self._take(pools.new_memory())

    def _take(self, memory: Memory) -> None:
        self._memory = memory
        self._buffers = EventBuffers(memory)
        self._audit = Audit(memory)

    @classmethod
    def warm_up(cls) -> None:
        """Compile every kernel that a venue needs, or load it from the cache; on a fresh machine it takes a minute."""
        engine = cls()
        command = np.zeros(1, command_dtype)
        command["seq"] = 1
        engine.apply(command)
        while engine.audit_slice(1) is None:
            pass
        engine.balance(1, 1)
        engine.balances(1)
        engine.withdrawals(1)
        engine.open_orders(1)
        engine.open_order(1)
        engine.open_order_by_client_id(1, "x")
        engine.auction(1)
        engine.order_list(1)
        engine.order_list_by_client_id(1, "x")
        engine.order_lists(1)
        widen(engine._memory, HASHED[0])
        book.widen_index(engine._memory)
        cls.from_arrays(engine.arrays())

    def apply(self, commands: np.ndarray, skip_seqs: frozenset[int] = frozenset()) -> Events:
        """Apply commands (`command_dtype`, the next seqs without a gap) and return their events, as the caller's.

        Those of `skip_seqs` are passed over as poison. An AssertionError means a bug, and that this engine is in
        pieces: `last_seq` names the command that met it.
        """
        assert commands.dtype == command_dtype
        self._memory.lend("commands", np.ascontiguousarray(commands).view(command_words_dtype))
        pieces: list[Events] = []
        self._buffers.make_room(len(commands))
        begun = 0
        for stop in [i for i in range(len(commands)) if int(commands[i]["seq"]) in skip_seqs] if skip_seqs else ():
            self._run(begun, stop, pieces)
            skip_kernel(self._memory.handle, stop)
            begun = stop + 1
        self._run(begun, len(commands), pieces)
        pieces.append(self._buffers.hand_out())
        return pieces[0] if len(pieces) == 1 else Events(*map(_joined, zip(*pieces, strict=True)))

    def expect(self, commands: int) -> None:
        """Prepare for so many commands more, as when a journal is replayed. Changes nothing but how fast they are."""
        ahead.expect(self._memory, commands)

    def touch_ahead(self, orders: int = ahead.ROWS_AHEAD) -> None:
        """Have the system give the memory that so many more orders will need: fresh memory costs more than using it.
        For another thread than the one that applies, beside it."""
        ahead.touch_ahead(self._memory, orders)

    def _run(self, begun: int, count: int, pieces: list[Events]) -> None:
        """Call the kernel until it has done the commands before number `count`."""
        while True:
            begun, why = divmod(apply_kernel(self._memory.handle, count, begun), STOP_REASONS)
            if why == DONE:
                return
            if why == POOLS_FULL:
                widen_full(self._memory)
                pools.grow_pools(self._memory)
            else:
                pieces.append(self._buffers.hand_out())
                self._buffers.make_room(count - begun)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that a snapshot needs, as copies of what is in use."""
        return snapshot.save(self._memory)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Engine":
        """An engine with the same state hash and the same future as that of `arrays()`.

        Raises KeyError if one is missing.
        """
        engine = cls.__new__(cls)
        engine._take(snapshot.load(arrays))
        return engine

    def state_hash(self) -> str:
        """Hex; equal exactly when the states are equal, whatever the capacities and the batches were."""
        return snapshot.state_hash(self._memory)

    @property
    def last_seq(self) -> int:
        """Of the last command that was begun; 0 before the first."""
        return int(self._memory["venue"][0]["seq"])

    @property
    def last_ts_ns(self) -> int:
        """Event time of that command."""
        return int(self._memory["venue"][0]["ts_ns"])

    def next_due_ts_ns(self) -> int:
        """From when on a TICK has something to do; 0: nothing will be due."""
        return next_due_ts_ns(self._memory)

    @property
    def events_hash(self) -> int:
        """A rolling hash over all events ever emitted, below 2^62."""
        return int(self._memory["venue"][0]["events_hash"])

    @property
    def skipped(self) -> list[tuple[int, int]]:
        """The first SKIPPED_MAX poison commands as (seq, instrument_id; 0: none)."""
        count = min(int(self._memory["venue"][0]["skipped_count"]), SKIPPED_MAX)
        return [(seq, instrument_id) for seq, instrument_id in self._memory["skipped"][1 : count + 1].tolist()]

    @property
    def is_killed(self) -> bool:
        """Whether the venue refuses all new orders."""
        return bool(self._memory["venue"][0]["is_killed"])

    def audit_slice(self, rows: int) -> AuditResult | None:
        """Let the running audit read about so many rows; the result when it finished a pass."""
        return self._audit.slice(rows)

    def check_invariants(self) -> None:
        """Check everything that must always hold. Slow; asserts."""
        check_invariants(self._memory)

    def reference(self) -> Reference:
        """All assets and instruments as they are now."""
        return reads.reference(self._memory)

    def balances(self, account_id: int) -> list[Balance]:
        """In the order of first use; none for an unknown account."""
        return reads.balances(self._memory, account_id)

    def balance(self, account_id: int, asset_id: int) -> Balance:
        """Zeros where there is none."""
        return reads.balance(self._memory, account_id, asset_id)

    def open_order(self, order_id: int) -> Order | None:
        return reads.open_order(self._memory, order_id)

    def open_order_by_client_id(self, account_id: int, client_id: str) -> Order | None:
        return reads.open_order_by_client_id(self._memory, account_id, client_id)

    def open_orders(self, account_id: int, instrument_id: int = 0) -> list[Order]:
        """Of one instrument or (0) of all, oldest first."""
        return reads.open_orders(self._memory, account_id, instrument_id)

    def order_list(self, order_list_id: int) -> OrderList | None:
        """An open one."""
        return list_reads.order_list(self._memory, order_list_id)

    def order_list_by_client_id(self, account_id: int, client_id: str) -> OrderList | None:
        """An open one, by the id of its own."""
        return list_reads.order_list_by_client_id(self._memory, account_id, client_id)

    def order_lists(self, account_id: int, instrument_id: int = 0) -> list[OrderList]:
        """The open ones in one instrument or (0) in all, oldest first."""
        return list_reads.order_lists(self._memory, account_id, instrument_id)

    def account(self, account_id: int) -> Account | None:
        return reads.account(self._memory, account_id)

    def account_count(self) -> int:
        return int(self._memory["venue"][0]["account_count"])

    def withdrawal(self, withdrawal_id: int) -> Withdrawal | None:
        return reads.withdrawal(self._memory, withdrawal_id)

    def withdrawals(self, account_id: int = 0) -> list[Withdrawal]:
        """Of one account or (0) of all, oldest first."""
        return reads.withdrawals(self._memory, account_id)

    def totals(self) -> list[AssetTotals]:
        return reads.totals(self._memory)

    def book(self, instrument_id: int, depth: int) -> tuple[reads.Levels, reads.Levels, int]:
        """Bids and asks as (price_ticks, lots), best first, at most `depth` each; and the last book update id."""
        return reads.depth(self._memory, instrument_id, depth)

    def average_price_ticks(self, instrument_id: int, ts_ns: int) -> int:
        """As of an instant that is not before the last command's; 0: none yet."""
        return reads.average_price_ticks(self._memory, instrument_id, ts_ns)

    def reference_price_ticks(self, instrument_id: int, ts_ns: int) -> int:
        """Likewise; 0: none."""
        return reads.reference_price_ticks(self._memory, instrument_id, ts_ns)

    def last_price_ticks(self, instrument_id: int) -> int:
        """Of the last trade; 0: none yet."""
        return int(self._memory["instruments"][instrument_id]["last_price_ticks"])

    def auction(self, instrument_id: int) -> Auction:
        """What an auction would come to if it ended now; all 0 while the book is not crossed."""
        return reads.auction(self._memory, instrument_id)

    def client_id_horizon_ns(self) -> tuple[int, int]:
        """How long client ids are remembered: as configured, and in effect."""
        return reads.client_id_horizon_ns(self._memory)

    def limits(self) -> dict[Limit, int]:
        """The present value of every limit."""
        return reads.limits(self._memory)

    def used(self) -> dict[str, tuple[int, int]]:
        """In use and limit, for each limit."""
        return reads.used(self._memory)


def _joined(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    """One array of several, as bytes: NumPy copies rows of many fields one by one."""
    return np.concatenate([part.view(np.uint8) for part in parts]).view(parts[0].dtype)
