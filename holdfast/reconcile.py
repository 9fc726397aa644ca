"""Reconcile: the commands that bring a venue from its state to what its settings say.

settings + state → CHANGES → journal → engine → state

The caller shows and journals what `changes` returns, waits until it is applied, and asks again until nothing is left:
assets before the instruments that need their numbers, and a new instrument whole in one group, so that a crash in
between leaves nothing half made. A change that the engine refuses would come again: the caller stops there.
"""

from collections.abc import Mapping
from typing import NamedTuple

from holdfast.codes import CommandKind, InstrumentParameter, Limit
from holdfast.commands import Command, encode
from holdfast.instruments import Instrument, Reference
from holdfast.parameters import BY_CODE, MINIMA, Grid, safe_order, show
from holdfast.settings import InstrumentSettings, Settings, SettingsError

_PRICE_MAX = InstrumentParameter.PRICE_TICKS_MAX


class Change(NamedTuple):
    """One step: a sentence for the screen and the log, and the group to append (192 x n bytes)."""

    sentence: str
    records: bytes


def changes(settings: Settings, reference: Reference, limits: Mapping[Limit, int]) -> list[Change]:
    """What can be journaled now; empty when the state is as the settings say. `limits` are the present ones.

    Raises SettingsError when the settings want something else of what cannot change.
    """
    found = [
        Change(f"Limit {limit.name.lower()}: {limits.get(limit)} becomes {value}.", _set_limit(limit, value))
        for limit, value in settings.limits.items()
        if limits.get(limit) != value
    ]
    found += [
        _add_asset(code, decimals) for code, decimals in settings.assets.items() if _is_new(code, decimals, reference)
    ]
    next_id = len(reference.instruments) + 1
    for symbol, wanted in settings.instruments.items():
        present = reference.by_symbol.get(symbol)
        if present is not None:
            found += _set_parameters(symbol, wanted, present)
        elif wanted.base in reference.asset_by_code and wanted.quote in reference.asset_by_code:
            found.append(_add_instrument(symbol, wanted, next_id, reference))
            next_id += 1
    return found


def remarks(settings: Settings, reference: Reference) -> list[str]:
    """Where the state differs and stays as it is, as sentences for the screen."""
    found = []
    for symbol, present in reference.by_symbol.items():
        wanted = settings.instruments.get(symbol)
        if wanted is None:
            found.append(f"{symbol} is not in the settings and stays as it is.")
        elif wanted.mode != present.mode:
            found.append(
                f"{symbol} is in mode {present.mode.name}, and the settings say {wanted.mode.name}: once an instrument "
                f"is there, its mode is an operator's (holdfast instrument mode {symbol} {wanted.mode.name})."
            )
    return found


def _set_limit(limit: Limit, value: int) -> bytes:
    return encode(Command(kind=CommandKind.SET_LIMIT, order_id=limit, qty_lots=value))


def _is_new(code: str, decimals: int, reference: Reference) -> bool:
    present = reference.asset_by_code.get(code)
    if present is not None and present.decimals != decimals:
        raise SettingsError(
            f"The settings give {code} {decimals} decimals, but it has {present.decimals}, and that cannot change."
        )
    return present is None


def _add_asset(code: str, decimals: int) -> Change:
    command = Command(kind=CommandKind.ADD_ASSET, client_id=code.encode(), qty_lots=decimals)
    return Change(f"New asset {code} with {decimals} decimals.", encode(command))


def _add_instrument(symbol: str, wanted: InstrumentSettings, instrument_id: int, reference: Reference) -> Change:
    """The whole instrument as one group. Nobody else submits at start, so the number it will get is known."""
    add = Command(
        kind=CommandKind.ADD_INSTRUMENT,
        client_id=symbol.encode(),
        account_id=reference.asset_by_code[wanted.base].asset_id,
        instrument_id=reference.asset_by_code[wanted.quote].asset_id,
        price_ticks=wanted.tick_e8,
        qty_lots=wanted.lot_units,
    )
    # The engine never lets price times quantity pass its bound. With prices narrowed to one tick any quantity fits.
    steps = [(_PRICE_MAX, 1)]
    steps += [(code, value) for code, value in wanted.parameters.items() if code not in MINIMA and code != _PRICE_MAX]
    steps += [(_PRICE_MAX, wanted.parameters[_PRICE_MAX])]
    steps += [(code, wanted.parameters[code]) for code in wanted.parameters if code in MINIMA]
    mode = Command(kind=CommandKind.SET_TRADING_MODE, instrument_id=instrument_id, qty_lots=wanted.mode)
    group = [encode(add), *(_set_parameter(instrument_id, code, value) for code, value in steps), encode(mode)]
    return Change(f"New instrument {symbol} in mode {wanted.mode.name}.", b"".join(group))


def _set_parameters(symbol: str, wanted: InstrumentSettings, present: Instrument) -> list[Change]:
    shape = (present.base.code, present.quote.code, present.tick_e8, present.lot_units)
    if shape != (wanted.base, wanted.quote, wanted.tick_e8, wanted.lot_units):
        raise SettingsError(
            f"The file changes base, quote, tick_size or lot_size of {symbol}: they are for good. Add another symbol."
        )
    grid = Grid(present.base, present.quote, present.tick_e8, present.lot_units)
    different = [
        (code, present.parameters.get(code, 0), value)
        for code, value in wanted.parameters.items()
        if present.parameters.get(code, 0) != value
    ]
    different.sort(key=safe_order)
    return [
        Change(
            f"{symbol}: {_shown(code, old, grid)} becomes {show(BY_CODE[code], new, grid)}.",
            _set_parameter(present.instrument_id, code, new),
        )
        for code, old, new in different
    ]


def _shown(code: InstrumentParameter, value: int, grid: Grid) -> str:
    return f"{BY_CODE[code].name} {show(BY_CODE[code], value, grid)}"


def _set_parameter(instrument_id: int, code: InstrumentParameter, value: int) -> bytes:
    return encode(
        Command(kind=CommandKind.SET_INSTRUMENT_PARAMETER, instrument_id=instrument_id, order_id=code, qty_lots=value)
    )
