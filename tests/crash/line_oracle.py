"""What a session of the line was told, held against its own numbers and against what REST says of the account.

commands and reports of a round ──▶ LINE ORACLE ◀──── the account's trades, read from outside; its drop copy

The venue remembers client order ids, so a doubled order would be refused and seem harmless. Here no client id counts:
every number of the session is one command in the journal, every position one report.
"""

from collections import Counter

from holdfast.client import OrderEventKind, Outcome, Report
from holdfast.line import NUMBER_MAX, ServerKind, journaled_number
from tests.crash.line_trader import LineSession
from tests.crash.records import Row


class LineOracle:
    """One session."""

    def __init__(self, session: LineSession) -> None:
        self.session = session
        self.counts: Counter[str] = Counter()
        self._number = 0  # The last one that was sent.
        self._position = (0, 0)  # Of the last report.
        self._seqs: dict[int, int] = {}  # By number: the command that it is in the journal.

    def check(self, fills: list[Row], copies: list[Report]) -> None:
        """After a round in which the session caught up, the account's trades of REST were `fills`, and its drop copy
        was told `copies`."""
        self._check_requests()
        for report in self.session.reports:
            self._check_report(report)
        undone = [each.number for each in self.session.requests if each.number not in self._seqs]
        assert not undone, f"commands of which nothing was told: {undone}"
        self._check_trades(fills)
        differing = {*self.session.reports} ^ {*copies}
        assert not differing, f"a drop copy was told something else: {differing}"
        self.counts["commands over the line"] += len(self.session.requests)
        self.counts["reports over the line"] += len(self.session.reports)
        self.session.requests.clear()
        self.session.reports.clear()

    def _check_requests(self) -> None:
        for request in self.session.requests:
            assert request.outcome is Outcome.DONE, f"{request.outcome} {request.refusal}"
            self._number += 1
            assert request.number == self._number, f"number {request.number} where {self._number} was next"

    def _check_report(self, report: Report) -> None:
        position = report.seq, report.index
        assert position > self._position, f"a report is told twice, or too late: {position} after {self._position}"
        self._position = position
        assert report.kind != ServerKind.OPEN_ORDER, "the venue left something out"
        number = report.request_number & NUMBER_MAX
        if number and report.request_number == journaled_number(self.session.line.core.session, number):
            assert self._seqs.setdefault(number, report.seq) == report.seq, f"command {number} was carried out twice"

    def _check_trades(self, fills: list[Row]) -> None:
        told = Counter(
            (report.trade_id, report.order_id) for report in self.session.reports if report.kind == OrderEventKind.TRADE
        )
        kept = Counter((fill["id"], fill["orderId"]) for fill in fills)
        assert told == kept, f"trades that were not told: {kept - told}; told and not there: {told - kept}"
