"""Whatever bytes a client sends, the venue goes on: every record that reaches the engine is one that it can judge, the
session is either alive or was told why it ended, and another session never notices."""

from itertools import cycle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codes import CommandKind
from holdfast.commands import command_dtype
from holdfast.gateway.line.run import KINDS
from holdfast.gateway.line.session import Phase
from holdfast.line import GATEWAY_ID, RECORD_BYTES, Reason, ServerKind
from tests.gateway.line.rig import ALICE, BOB, LineRig, command

_INTS = st.sampled_from([0, 1, 2, 3, 4, 5, 100, 127, 2**31 - 1, 2**53, 2**62, 2**63 - 1, -1, -(2**63)])
_FIELDS = ("side", "order_type", "time_in_force", "self_trade_prevention", "cancel_restriction", "flags",
           "instrument_id", "price_ticks", "qty_lots", "quote_units", "order_id", "deadline_ts_ns",
           "stop_price_ticks", "iceberg_lots")  # fmt: skip


def _with(number: int, kind: CommandKind, fields: dict[str, int]) -> bytes:
    """A command whose fields have whatever of these values fits."""
    record = np.frombuffer(bytearray(command(number, kind)), command_dtype)
    for name, value in fields.items():
        limits = np.iinfo(record[name].dtype)
        record[name] = min(max(value, limits.min), limits.max)
    return record.tobytes()


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(_FIELDS), _INTS)), max_size=20))
def test_any_values_are_judged(drawn: list[tuple[CommandKind, dict[str, int]]]) -> None:
    rig = RIG
    peer = rig.peer(rig.key())
    peer.session.data_received(b"".join(_with(n, kind, fields) for n, (kind, fields) in enumerate(drawn, 1)))
    peer.commit()
    refused = len(peer.wire.notices(ServerKind.REFUSED))
    asked = rig.venue.journal[rig.venue.journal["key_id"] == peer.core.key_id]
    assert len(asked) + refused == len(drawn)
    told = peer.wire.reports()
    assert set(told["request_number"][told["sender_key_id"] > 0].tolist()) == set(asked["request_number"].tolist())
    assert peer.session.is_open
    rig.venue.engine.check_invariants()
    peer.lose()


@settings(max_examples=100)
@given(
    st.lists(st.one_of(st.binary(max_size=400), st.integers(0, 5)), max_size=12),
    st.lists(st.integers(1, 2 * RECORD_BYTES), min_size=1, max_size=5),
)
def test_any_bytes_end_a_session_or_leave_it_alive(drawn: list[bytes | int], cuts: list[int]) -> None:
    rig = RIG
    peer, other = rig.peer(rig.key(ALICE)), rig.peer(rig.key(BOB))
    sent = b"".join(command(piece) if isinstance(piece, int) else piece for piece in drawn)
    for size in cycle(cuts):
        if not sent:
            break
        peer.session.data_received(sent[:size])
        sent = sent[size:]
    other.session.data_received(command(1))
    other.commit()
    ends = peer.wire.notices(ServerKind.END)
    assert peer.session.is_open is not bool(ends)
    assert not any(notice["reason"] == Reason.FAILED for notice in ends)
    assert peer.session.phase in (Phase.LIVE, Phase.ENDING)
    assert 1 in other.wire.reports()["request_number"]
    mine = rig.venue.journal[rig.venue.journal["gateway_id"] == GATEWAY_ID]
    assert np.isin(mine["kind"], KINDS).all()
    peer.lose()
    other.lose()


RIG = LineRig()  # One venue for all: it has to survive all of it.
