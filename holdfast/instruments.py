"""Reference data, and the only bridge between decimal text and ticks, lots and asset units.

The engine keeps assets and instruments as rows and knows no text; everybody who talks to people goes through here. The
`Reference` of a replica is rebuilt from the engine's rows whenever an operator's command changed one.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holdfast.codes import InstrumentParameter, TradingMode
from holdfast.config import ASSET_DECIMALS_MAX, PRICE_SCALE

SHOWN_DECIMALS = 8  # Every price and quantity is shown with exactly so many; clients compare the text.
_decimal = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?", re.ASCII)


class NotDecimalError(ValueError):
    """The text is not an unsigned decimal number of at most 20 digits on either side of the point."""


class TooPreciseError(ValueError):
    """The text has more decimals than can be kept."""


def parse_decimal(text: str, decimals: int = SHOWN_DECIMALS) -> int:
    """`text` in units of 10^-decimals, exactly: "0.01" with 8 decimals is 1_000_000.

    Raises NotDecimalError, or TooPreciseError when digits other than zero would be lost.
    """
    match = _decimal.fullmatch(text)
    if match is None:
        raise NotDecimalError(text)
    whole, fraction = match.group(1), match.group(2) or ""
    if len(fraction) > decimals:
        if fraction[decimals:].strip("0"):
            raise TooPreciseError(text)
        fraction = fraction[:decimals]
    return int(whole + fraction.ljust(decimals, "0"))


def format_decimal(units: int, decimals: int = SHOWN_DECIMALS) -> str:
    """`units` of 10^-decimals as text with 8 decimals: 1_000_000 of 8 decimals is "0.01000000"."""
    if decimals != SHOWN_DECIMALS:
        units *= 10 ** (SHOWN_DECIMALS - decimals)
    sign = "-" if units < 0 else ""
    units = abs(units)
    return f"{sign}{units // PRICE_SCALE}.{units % PRICE_SCALE:08d}"


class Asset(NamedTuple):
    asset_id: int
    code: str
    decimals: int

    def parse(self, text: str) -> int:
        """An amount in units of the asset. Raises as `parse_decimal`."""
        return parse_decimal(text, self.decimals)

    def format(self, units: int) -> str:
        return format_decimal(units, self.decimals)


class Stage(NamedTuple):
    """A trading mode that an instrument is going to by itself, and when: event time."""

    mode: TradingMode
    begins_ts_ns: int


class Instrument(NamedTuple):
    """A market. `tick_e8` is the tick size in 1e-8 of the quote; `lot_units` the lot in base units."""

    instrument_id: int
    symbol: str
    base: Asset
    quote: Asset
    tick_e8: int
    lot_units: int
    units_per_tick_lot: int  # One lot at one tick costs so many quote units; a whole number by admission.
    mode: TradingMode
    parameters: Mapping[InstrumentParameter, int]
    stages: tuple[Stage, ...] = ()  # The modes that it is going to by itself, the next one first.

    @property
    def allows_trailing(self) -> bool:
        """Whether TRAILING_DELTA lets any trailing stop in."""
        maxima = (InstrumentParameter.TRAILING_ABOVE_BIPS_MAX, InstrumentParameter.TRAILING_BELOW_BIPS_MAX)
        return any(self.parameters.get(which, 0) for which in maxima)

    def changes_mode_of(self, before: "Instrument | None") -> bool:
        """Whether it is in another mode than it was, or on the way to other ones; None: it is new."""
        return before is None or (before.mode, before.stages) != (self.mode, self.stages)

    def price_ticks(self, price_e8: int) -> int | None:
        """A price of `parse_decimal` in ticks, or None when it is not a whole number of ticks."""
        ticks, rest = divmod(price_e8, self.tick_e8)
        return None if rest else ticks

    def qty_lots(self, qty_e8: int) -> int | None:
        """A quantity of `parse_decimal` in lots, or None when it is not a whole number of lots."""
        lots, rest = divmod(qty_e8, self.lot_units * 10 ** (SHOWN_DECIMALS - self.base.decimals))
        return None if rest else lots

    def format_price(self, price_ticks: int) -> str:
        return format_decimal(price_ticks * self.tick_e8)

    def format_qty(self, qty_lots: int) -> str:
        return format_decimal(qty_lots * self.lot_units, self.base.decimals)

    def quote_of(self, price_ticks: int, qty_lots: int) -> int:
        """What `qty_lots` at `price_ticks` cost, in quote units."""
        return price_ticks * qty_lots * self.units_per_tick_lot


def units_per_tick_lot(tick_e8: int, lot_units: int, base_decimals: int, quote_decimals: int) -> int | None:
    """The quote units that one lot costs at one tick, or None when that is not a whole number."""
    assert base_decimals <= ASSET_DECIMALS_MAX
    assert quote_decimals <= ASSET_DECIMALS_MAX
    units, rest = divmod(tick_e8 * lot_units * 10**quote_decimals, PRICE_SCALE * 10**base_decimals)
    return None if rest or units == 0 else units


class Reference:
    """All assets and instruments of a venue at one moment; replaced as a whole when something changes."""

    def __init__(self, assets: Iterable[Asset], instruments: Iterable[Instrument]) -> None:
        self.assets = {asset.asset_id: asset for asset in assets}
        self.instruments = {instrument.instrument_id: instrument for instrument in instruments}
        self.asset_by_code = {asset.code: asset for asset in self.assets.values()}
        self.by_symbol = {instrument.symbol: instrument for instrument in self.instruments.values()}

    def changed_modes(self, before: "Reference") -> list[Instrument]:
        """The instruments that are in another mode than before, or on the way to other ones, and those that are new."""
        return [
            each
            for each in self.instruments.values()
            if each.changes_mode_of(before.instruments.get(each.instrument_id))
        ]
