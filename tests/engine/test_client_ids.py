"""A client id has 36 characters, and each of them counts."""

import pytest

from holdfast.codes import CommandKind
from holdfast.engine.engine import Engine
from tests.engine.scenario import MARKET, Session

NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def others() -> list[str]:
    return [NAME[:place] + "-" + NAME[place + 1 :] for place in range(len(NAME))]


@pytest.fixture
def session() -> Session:
    session = Session(Engine())
    assert session.send(CommandKind.PLACE_ORDER, **session.order_fields("a", f"buys 1 at 90 as {NAME}")) == []
    return session


def cancel(session: Session, name: str) -> list[str]:
    target = {"account_id": session.account("a"), "instrument_id": MARKET, "target_client_id": name.encode()}
    return session.send(CommandKind.CANCEL_ORDER, **target)


def test_no_other_order_is_canceled_and_the_refusal_tells_the_id_whole(session: Session) -> None:
    for other in others():
        assert cancel(session, other) == [f"cancel rejected {other} ORDER_UNKNOWN"]
    assert cancel(session, NAME) == [f"canceled {NAME}"]


def test_no_other_order_is_found(session: Session) -> None:
    engine = session.exchange
    assert isinstance(engine, Engine)
    assert all(engine.open_order_by_client_id(1, other) is None for other in others())
    found = engine.open_order_by_client_id(1, NAME)
    assert found is not None
    assert found.client_id == NAME


def test_no_other_order_is_a_duplicate(session: Session) -> None:
    for other in others():
        assert session.send(CommandKind.PLACE_ORDER, **session.order_fields("a", f"buys 1 at 90 as {other}")) == []
    told = session.send(CommandKind.PLACE_ORDER, **session.order_fields("a", f"buys 1 at 90 as {NAME}"))
    assert told == [f"rejected {NAME} DUPLICATE_CLIENT_ID NEW"]
