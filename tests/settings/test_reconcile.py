"""Settings become commands: only what differs, in an order that the engine takes, and nothing when nothing differs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codes import CommandKind, InstrumentParameter, Limit, TradingMode
from holdfast.commands import COMMAND_BYTES, Command, _record
from holdfast.config import NOTIONAL_MAX
from holdfast.instruments import Asset, Instrument, Reference, units_per_tick_lot
from holdfast.parameters import MINIMA, safe_order
from holdfast.reconcile import changes, remarks
from holdfast.settings import Settings, SettingsError, load

P = InstrumentParameter


class Engine:
    """As much of the engine as configuration touches, refusing what the engine refuses."""

    def __init__(self) -> None:
        self.reference = Reference([], [])
        self.limits = {limit: 1000 for limit in Limit if limit}
        self.commands: list[Command] = []

    def reach(self, settings: Settings) -> list[str]:
        """Carry the settings out in rounds, as a venue does at start; returns what was shown."""
        shown = []
        while found := changes(settings, self.reference, self.limits):
            for change in found:
                shown.append(change.sentence)
                for i in range(0, len(change.records), COMMAND_BYTES):
                    self.apply(Command._make(_record.unpack(change.records[i : i + COMMAND_BYTES])))
        return shown

    def apply(self, command: Command) -> None:
        self.commands.append(command)
        name = command.client_id.rstrip(b"\0").decode()
        assets, instruments = dict(self.reference.assets), dict(self.reference.instruments)
        if command.kind == CommandKind.ADD_ASSET:
            assert name not in self.reference.asset_by_code
            assets[len(assets) + 1] = Asset(len(assets) + 1, name, command.qty_lots)
        elif command.kind == CommandKind.ADD_INSTRUMENT:
            assert name not in self.reference.by_symbol
            base, quote, number = assets[command.account_id], assets[command.instrument_id], len(instruments) + 1
            unit = units_per_tick_lot(command.price_ticks, command.qty_lots, base.decimals, quote.decimals)
            assert unit is not None
            first = {code: 0 for code in P if code} | {P.PRICE_TICKS_MIN: 1, P.QTY_LOTS_MIN: 1}
            first |= {P.PRICE_TICKS_MAX: 10**9, P.QTY_LOTS_MAX: NOTIONAL_MAX // unit // 10**9}
            instruments[number] = Instrument(
                number, name, base, quote, command.price_ticks, command.qty_lots, unit, TradingMode.HALT, first
            )
        elif command.kind == CommandKind.SET_INSTRUMENT_PARAMETER:
            old = instruments[command.instrument_id]
            new = old._replace(parameters={**old.parameters, P(command.order_id): command.qty_lots})
            assert_valid(new)
            instruments[command.instrument_id] = new
        elif command.kind == CommandKind.SET_TRADING_MODE:
            old = instruments[command.instrument_id]
            instruments[command.instrument_id] = old._replace(mode=TradingMode(command.qty_lots))
        elif command.kind == CommandKind.SET_LIMIT:
            self.limits[Limit(command.order_id)] = command.qty_lots
        self.reference = Reference(assets.values(), instruments.values())


def assert_valid(instrument: Instrument) -> None:
    values = instrument.parameters
    assert 1 <= values[P.PRICE_TICKS_MIN] <= values[P.PRICE_TICKS_MAX]
    assert 1 <= values[P.QTY_LOTS_MIN] <= values[P.QTY_LOTS_MAX]
    assert values[P.PRICE_TICKS_MAX] * values[P.QTY_LOTS_MAX] * instrument.units_per_tick_lot <= NOTIONAL_MAX


def test_empty_venue_becomes_what_the_default_file_says() -> None:
    engine, settings = Engine(), load()
    shown = engine.reach(settings)
    assert "New asset BTC with 8 decimals." in shown
    assert "New instrument BTCUSDT in mode TRADING." in shown
    for symbol, wanted in settings.instruments.items():
        assert engine.reference.by_symbol[symbol].parameters == wanted.parameters
        assert engine.reference.by_symbol[symbol].mode == TradingMode.TRADING


def test_second_start_journals_nothing() -> None:
    engine, settings = Engine(), load()
    engine.reach(settings)
    before = len(engine.commands)
    assert engine.reach(settings) == []
    assert len(engine.commands) == before
    assert remarks(settings, engine.reference) == []


def test_new_instrument_comes_whole_in_one_group() -> None:
    engine, settings = Engine(), load()
    assets = changes(settings, engine.reference, engine.limits)
    assert all(len(change.records) == COMMAND_BYTES for change in assets)
    for change in assets:
        engine.apply(Command._make(_record.unpack(change.records)))
    groups = changes(settings, engine.reference, engine.limits)
    assert len(groups) == 4
    kinds = [
        group.records[i * COMMAND_BYTES + 48] for group in groups for i in (0, -1 + len(group.records) // COMMAND_BYTES)
    ]
    assert kinds == [CommandKind.ADD_INSTRUMENT, CommandKind.SET_TRADING_MODE] * 4


def test_only_what_differs_is_journaled_and_shown_with_both_values() -> None:
    engine, settings = Engine(), load()
    engine.reach(settings)
    market = settings.instruments["BTCUSDT"]
    other = market._replace(parameters={**market.parameters, P.NOTIONAL_MIN: 10 * 10**8, P.TAKER_FEE_PPM: 750})
    changed = settings._replace(
        instruments={**settings.instruments, "BTCUSDT": other}, limits={Limit.ORDERS_MAX: 7, Limit.PAGES_MAX: 1000}
    )
    assert engine.reach(changed) == [
        "Limit orders_max: 1000 becomes 7.",
        "BTCUSDT: taker_fee_ppm 1000 becomes 750.",
        "BTCUSDT: notional_min 5.00000000 becomes 10.00000000.",
    ]


def test_mode_that_an_operator_set_survives_a_restart() -> None:
    engine, settings = Engine(), load()
    engine.reach(settings)
    engine.apply(Command(kind=CommandKind.SET_TRADING_MODE, instrument_id=1, qty_lots=TradingMode.HALT))
    assert engine.reach(settings) == []
    (remark,) = remarks(settings, engine.reference)
    assert "BTCUSDT is in mode HALT" in remark
    assert "holdfast instrument mode BTCUSDT TRADING" in remark


def test_instrument_that_the_file_does_not_name_stays() -> None:
    engine, settings = Engine(), load()
    engine.reach(settings)
    without = {symbol: market for symbol, market in settings.instruments.items() if symbol != "SOLUSDT"}
    smaller = settings._replace(instruments=without)
    assert engine.reach(smaller) == []
    assert remarks(smaller, engine.reference) == ["SOLUSDT is not in the settings and stays as it is."]


@pytest.mark.parametrize("change", [{"tick_e8": 1}, {"lot_units": 1}, {"base": "ETH"}])
def test_what_cannot_change_is_refused(change: dict[str, object]) -> None:
    engine, settings = Engine(), load()
    engine.reach(settings)
    market = settings.instruments["BTCUSDT"]._replace(**change)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="BTCUSDT"):
        changes(settings._replace(instruments={"BTCUSDT": market}), engine.reference, engine.limits)


def test_decimals_of_an_asset_cannot_change() -> None:
    engine, settings = Engine(), load()
    engine.reach(settings)
    with pytest.raises(SettingsError, match="BTC 4 decimals, but it has 8"):
        changes(settings._replace(assets={"BTC": 4}), engine.reference, engine.limits)


bounds = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)).map(sorted)


@given(old=st.tuples(bounds, bounds), new=st.tuples(bounds, bounds))
def test_bounds_move_from_anything_to_anything_without_an_invalid_moment(
    old: tuple[list[int], list[int]], new: tuple[list[int], list[int]]
) -> None:
    codes = (P.PRICE_TICKS_MIN, P.PRICE_TICKS_MAX, P.QTY_LOTS_MIN, P.QTY_LOTS_MAX)
    present = dict(zip(codes, [*old[0], *old[1]], strict=True))
    wanted = dict(zip(codes, [*new[0], *new[1]], strict=True))
    product_max = max(old[0][1] * old[1][1], new[0][1] * new[1][1])
    for code, _, value in sorted(((code, present[code], wanted[code]) for code in codes), key=safe_order):
        present[code] = value
        assert present[P.PRICE_TICKS_MIN] <= present[P.PRICE_TICKS_MAX]
        assert present[P.QTY_LOTS_MIN] <= present[P.QTY_LOTS_MAX]
        assert present[P.PRICE_TICKS_MAX] * present[P.QTY_LOTS_MAX] <= product_max
    assert present == wanted
    assert {P.PRICE_TICKS_MIN, P.QTY_LOTS_MIN} < MINIMA
