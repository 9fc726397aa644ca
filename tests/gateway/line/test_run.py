"""Runs, beside the same said record by record in plain Python."""

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codes import CommandKind
from holdfast.commands import command_dtype
from holdfast.gateway.line.numbers import SessionName
from holdfast.gateway.line.run import KINDS, NEW_ORDER_KINDS, Run
from holdfast.line import GATEWAY_ID, NUMBER_BITS, ClientKind, Reason
from tests.gateway.line.rig import command


class Refused(NamedTuple):
    numbers: list[int]
    reason: Reason


class Session:
    is_open = True
    peer_ip = "10.0.0.1"

    def __init__(self, place: int) -> None:
        self.name = SessionName(100 + place, place)
        self.account_id = 10 + place
        self.refused: list[Refused] = []

    def hold(self, is_held: bool) -> None: ...
    def repeat(self, numbers: list[int]) -> None: ...
    def end(self, reason: Reason, text: str) -> None: ...
    def refuse(self, numbers: np.ndarray, reason: Reason, text: str) -> None:  # noqa: ARG002
        self.refused.append(Refused(numbers.tolist(), reason))


_KINDS = (*KINDS, CommandKind.DEPOSIT, ClientKind.HEARTBEAT, ClientKind.SIGN_OFF)
_RECORD = st.tuples(st.sampled_from(_KINDS), st.integers(0, 6), st.sampled_from([0, 50, 2_000]))
_SENT = st.lists(st.lists(_RECORD, min_size=1, max_size=6), min_size=1, max_size=4)


def run_of(sent: list[list[tuple[int, int, int]]]) -> Run:
    pieces = {
        Session(place): [command(number, kind, deadline_ts_ns=deadline_ns) for kind, number, deadline_ns in records]
        for place, records in enumerate(sent)
    }
    return Run.of(pieces)


@given(_SENT, st.integers(0, 4))
def test_next_are_commands_with_the_numbers_that_follow(sent: list[list[tuple[int, int, int]]], first: int) -> None:
    firsts = [first + place for place in range(len(sent))]
    wanted = [
        kind in KINDS and number == begin + i
        for begin, records in zip(firsts, sent, strict=True)
        for i, (kind, number, _) in enumerate(records)
    ]
    assert run_of(sent).are_next(firsts).tolist() == wanted


@given(_SENT, st.randoms(use_true_random=False))
def test_what_is_left_of_a_run_is_still_each_senders(sent: list[list[tuple[int, int, int]]], random: object) -> None:
    which = [[random.random() < 0.5 for _ in records] for records in sent]  # type: ignore[attr-defined]
    left = run_of(sent).only(np.array([each for of_one in which for each in of_one]))
    wanted = [
        [record for record, stays in zip(records, of_one, strict=True) if stays]
        for records, of_one in zip(sent, which, strict=True)
    ]
    assert left.counts == [len(records) for records in wanted]
    assert left.records["request_number"].tolist() == [number for records in wanted for _, number, _ in records]
    assert left.count_new_orders() == [sum(kind in NEW_ORDER_KINDS for kind, _, _ in records) for records in wanted]
    assert [left.records[left.span(place)]["kind"].tolist() for place in range(len(sent))] == [
        [kind for kind, _, _ in records] for records in wanted
    ]


@given(_SENT)
def test_a_stamp_says_whose_it_is_and_until_when(sent: list[list[tuple[int, int, int]]]) -> None:
    run = run_of(sent)
    before = run.records.copy()
    run.stamp(1_000, 1_100)
    after = np.zeros(len(before), command_dtype)
    after[:] = before
    after["received_ts_ns"], after["gateway_id"] = 1_000, GATEWAY_ID
    for i, (owner, wished_ns) in enumerate(zip(run.owners.tolist(), before["deadline_ts_ns"].tolist(), strict=True)):
        session = run.senders[owner]
        after[i]["deadline_ts_ns"] = min(wished_ns or 1_100, 1_100)
        after[i]["account_id"], after[i]["key_id"] = session.account_id, session.name.key_id
        after[i]["request_number"] |= session.name.session << NUMBER_BITS
    assert run.records.tobytes() == after.tobytes()


def test_who_is_refused_hears_the_numbers_that_it_sent() -> None:
    run = run_of(
        [[(CommandKind.PLACE_ORDER, 1, 0), (CommandKind.PLACE_ORDER, 2, 0)], [(CommandKind.PLACE_ORDER, 7, 0)]]
    )
    run.stamp(1_000, 1_100)
    run.refuse(np.array([False, True, True]), Reason.UNAVAILABLE, "")
    assert [session.refused for session in run.senders] == [  # type: ignore[attr-defined]
        [Refused([2], Reason.UNAVAILABLE)],
        [Refused([7], Reason.UNAVAILABLE)],
    ]
