"""One market's grid: the floats of behaviour become ticks, lots and text here, once, and nowhere else."""

import math

from holdfast.codes import InstrumentParameter
from holdfast.instruments import Instrument

_NOTIONAL_MARGIN = 1.2  # Above the smallest order that the filters take, so that a price move does not undercut it.


class Market:
    """An instrument as its participants use it."""

    def __init__(self, instrument: Instrument) -> None:
        self.symbol = instrument.symbol
        self.base = instrument.base.code
        self.quote = instrument.quote.code
        self._instrument = instrument
        self._tick: float = instrument.tick_e8 / 1e8
        self._lot: float = instrument.lot_units / 10**instrument.base.decimals
        parameters = instrument.parameters
        self._lots_min = max(1, parameters.get(InstrumentParameter.QTY_LOTS_MIN, 1))
        self._lots_max = parameters.get(InstrumentParameter.QTY_LOTS_MAX, 0) or 2**62
        notional_units = parameters.get(InstrumentParameter.NOTIONAL_MIN, 0)
        self._notional_min: float = _NOTIONAL_MARGIN * notional_units / 10**instrument.quote.decimals

    def in_ticks(self, price: float) -> float:
        return price / self._tick

    def price(self, ticks: float) -> float:
        return ticks * self._tick

    def lots(self, quantity: float, price: float) -> int:
        """A base quantity in lots, raised to the smallest order at that price and cut to the largest."""
        least = max(self._lots_min, math.ceil(self._notional_min / (price * self._lot)))
        wanted: int = max(round(quantity / self._lot), least)
        return min(wanted, self._lots_max)

    def price_text(self, ticks: int) -> str:
        return self._instrument.format_price(ticks)

    def quantity_text(self, lots: int) -> str:
        return self._instrument.format_qty(lots)

    def quote_text(self, amount: float) -> str:
        """An amount of the quote asset, at least the smallest order."""
        decimals = self._instrument.quote.decimals
        return self._instrument.quote.format(round(max(amount, self._notional_min) * 10**decimals))
