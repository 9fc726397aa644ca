"""Order lists are not placed over the line, but what happens to their orders is told there, and they end there too."""

import pytest

from holdfast.codes import CommandKind, OrderEventKind, OrderListKind, OrderStatus, OrderType, Side, TimeInForce
from holdfast.commands import Command, encode_order_list
from holdfast.line import Reason, ReportFlag, ServerKind
from tests.gateway.line.rig import ALICE, BOB, LineRig, Peer, command


@pytest.fixture
def rig() -> LineRig:
    return LineRig()


def place_list(rig: LineRig, kind: OrderListKind, *legs: Command) -> None:
    """As another gateway would, for Alice; decided at the next commit."""
    order_list = Command(
        kind=CommandKind.PLACE_ORDER_LIST,
        gateway_id=1,
        request_number=1,
        account_id=ALICE,
        instrument_id=1,
        client_id=b"list",
        qty_lots=kind,
    )
    rig.venue.submit_run(encode_order_list(order_list, legs), None)


def limit(client_id: bytes, side: Side, price_ticks: int) -> Command:
    return Command(
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_ticks=price_ticks,
        qty_lots=10,
        client_id=client_id,
    )


OTO = (limit(b"in", Side.BUY, 100), limit(b"out", Side.SELL, 120))


def told(peer: Peer) -> list[tuple[str, bytes, str, bool, bool]]:
    """Kind, order, status, whether it was this session's own command, and whether that is all of it."""
    found = [
        (
            OrderEventKind(report.kind).name,
            report.client_id,
            OrderStatus(report.status).name,
            report.request_number != 0,
            bool(report.flags & ReportFlag.LAST),
        )
        for report in peer.core.reports
    ]
    peer.core.reports.clear()
    return found


def test_the_orders_of_a_list_are_reported_and_a_cancel_of_one_ends_them_all(rig: LineRig) -> None:
    peer = rig.peer()
    place_list(rig, OrderListKind.OTO, *OTO)
    peer.commit()
    assert told(peer) == [
        ("ORDER_ACCEPTED", b"in", "NEW", False, False),
        ("ORDER_ACCEPTED", b"out", "PENDING_NEW", False, True),
    ]
    peer.session.data_received(command(1, CommandKind.CANCEL_ORDER, target_client_id=b"out"))
    peer.commit()
    assert told(peer) == [
        ("ORDER_CANCELED", b"in", "CANCELED", True, False),
        ("ORDER_CANCELED", b"out", "CANCELED", True, True),
    ]
    assert rig.venue.open_orders(ALICE) == []


def test_a_pending_order_is_reported_again_when_it_is_placed(rig: LineRig) -> None:
    peer, other = rig.peer(), rig.peer(rig.key(BOB))
    place_list(rig, OrderListKind.OTO, *OTO)
    peer.commit()
    told(peer)
    other.session.data_received(command(1, side=Side.SELL, price_ticks=100))
    peer.commit()
    assert told(peer) == [
        ("TRADE", b"in", "FILLED", False, False),
        ("ORDER_TRIGGERED", b"out", "NEW", False, True),
    ]


def test_who_was_away_is_told_of_pending_orders_among_the_open_ones(rig: LineRig) -> None:
    place_list(rig, OrderListKind.OTO, *OTO)
    rig.venue.commit()
    peer = rig.peer()
    statuses = {report.client_id: OrderStatus(report.status) for report in peer.core.open_orders}
    assert statuses == {b"in": OrderStatus.NEW, b"out": OrderStatus.PENDING_NEW}


@pytest.mark.parametrize(
    "kind", [CommandKind.PLACE_ORDER_LIST, CommandKind.ORDER_LIST_LEG, CommandKind.CANCEL_ORDER_LIST]
)
def test_the_commands_of_lists_are_none_of_the_lines(rig: LineRig, kind: CommandKind) -> None:
    peer = rig.peer()
    peer.session.data_received(command(1, kind))
    peer.session.data_received(command(1))
    (end,) = peer.wire.notices(ServerKind.END)
    assert end["reason"] == Reason.NOT_A_RECORD
    rig.venue.commit()
    assert rig.venue.open_orders(ALICE) == []
