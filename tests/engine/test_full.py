"""Without room for another balance, whoever has those that are needed goes on, and nobody else."""

import pytest

from holdfast.codes import CommandKind, Limit
from holdfast.engine.engine import Engine
from tests.engine.scenario import BTC, MARKET, USDT, Session

FULL = ["refused BALANCES_FULL"]


class Venue:
    """A rich account with both balances, `newcomer` with none, and room for so many balances more."""

    def __init__(self) -> None:
        self.session = Session(Engine())
        self.rich = self.session.account("rich")
        self.session.send(CommandKind.CREATE_ACCOUNT, client_id=b"newcomer")
        self.session.accounts["newcomer"] = self.newcomer = self.rich + 1
        self._references = 0

    def leave_room_for(self, balances: int) -> None:
        engine = self.session.exchange
        assert isinstance(engine, Engine)
        in_use = engine.used()["balances"][0]
        self.session.send(CommandKind.SET_LIMIT, order_id=Limit.BALANCES_MAX, qty_lots=in_use + balances)

    def deposit(self, account_id: int, asset_id: int) -> list[str]:
        return self._move(CommandKind.DEPOSIT, asset_id, account_id=account_id)

    def transfer(self, asset_id: int, payer: int, receiver: int) -> list[str]:
        return self._move(CommandKind.TRANSFER, asset_id, account_id=payer, order_id=receiver)

    def place(self, who: str, words: str) -> list[str]:
        return self.session.send(CommandKind.PLACE_ORDER, **self.session.order_fields(who, words))

    def _move(self, kind: CommandKind, asset_id: int, **accounts: int) -> list[str]:
        self._references += 1
        fields = {"instrument_id": asset_id, "qty_lots": 100, **accounts}
        return self.session.send(kind, client_id=b"move %d" % self._references, **fields)


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.mark.parametrize("asset_id", [BTC, USDT])
def test_money_comes_only_to_balances_that_are_there(venue: Venue, asset_id: int) -> None:
    venue.leave_room_for(0)
    assert venue.deposit(venue.newcomer, asset_id) == FULL
    assert venue.transfer(asset_id, venue.rich, venue.newcomer) == FULL
    assert venue.deposit(venue.rich, asset_id) == []
    venue.leave_room_for(1)
    assert venue.transfer(asset_id, venue.rich, venue.newcomer) == []
    assert venue.transfer(asset_id, venue.newcomer, venue.rich) == []
    assert venue.deposit(venue.newcomer, asset_id) == []


@pytest.mark.parametrize(("asset_id", "words"), [(BTC, "sells 1 at 110 as A"), (USDT, "buys 1 at 90 as A")])
def test_an_order_needs_a_balance_of_either_asset(venue: Venue, asset_id: int, words: str) -> None:
    venue.leave_room_for(1)
    assert venue.place("newcomer", words) == ["rejected A BALANCES_FULL"]
    assert venue.deposit(venue.newcomer, asset_id) == []
    assert venue.place("newcomer", words) == ["rejected A BALANCES_FULL"]
    assert venue.place("rich", words.replace("as A", "as B")) == []
    venue.leave_room_for(1)
    assert venue.place("newcomer", words) == []
    assert [order.client_id for order in venue.session.exchange.open_orders(venue.newcomer, MARKET)] == ["A"]


def test_a_sub_account_needs_an_account_above_it(venue: Venue) -> None:
    create = CommandKind.CREATE_ACCOUNT
    assert venue.session.send(create, client_id=b"x", order_id=venue.newcomer + 1) == ["refused ACCOUNT_UNKNOWN"]
    assert venue.session.send(create, client_id=b"x", order_id=-1) == ["refused ACCOUNT_UNKNOWN"]
    assert venue.session.send(create, client_id=b"x", order_id=venue.newcomer) == []
