"""The running audit: a slice of the balances at a time, always.

The engine adds up its balance rows and recomputes what open orders hold, some rows at a time, and adjusts for what
changes behind it; a finished pass is compared with the double-entry totals. A mismatch means that money was made or
lost: the venue takes no new orders from then on and says what differs.
"""

from collections.abc import Callable

import structlog

from holdfast.engine.engine import Engine

log = structlog.get_logger()

ROWS_PER_SLICE = 2_000


class Auditor:
    def __init__(self, engine: Callable[[], Engine]) -> None:
        self.passes = 0
        self.mismatches = 0
        self.finding = ""  # A sentence, once something does not add up.
        self._engine = engine

    def tick(self) -> None:
        """One slice; a fraction of a millisecond."""
        result = self._engine().audit_slice(ROWS_PER_SLICE)
        if result is None:
            return
        self.passes += 1
        if result.mismatches:
            self.mismatches += len(result.mismatches)
            more = f", and {len(result.mismatches) - 1} more (see the log)" * (len(result.mismatches) > 1)
            found = f"{result.mismatches[0]}{more}"
            self.finding = f"The audit of balances found a mismatch; new orders are refused: {found}."
            log.critical("audit mismatch", mismatches=[str(mismatch) for mismatch in result.mismatches])
