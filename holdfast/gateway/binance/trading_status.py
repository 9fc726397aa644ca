"""Trading status: the mode of each market, the modes that it is going to by itself, and what its auction would come to.

replica (reference, auction) → TRADING STATUS → an endpoint of our own, a stream, a header of every REST answer

Binance has no words for most of it: `exchangeInfo` can only say that a market is not TRADING. So this is told beside
it, where a client that does not know it does not notice.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from holdfast.codes import TradingMode
from holdfast.gateway.binance import errors, parameters
from holdfast.gateway.binance.endpoints import Call, Endpoint
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.formats import Shown
from holdfast.gateway.binance.parameters import Parameter, Parameters
from holdfast.instruments import Instrument, Reference
from holdfast.views import Auction

PATH = "/api/holdfast/v1/markets"
HEADER = "X-HOLDFAST-MARKETS"
AUCTION_AGE_NS_MAX = 100_000_000  # So often is an auction computed anew, however many ask.
MARKETS_IN_HEADER_MAX = 20
MILLISECOND_NS = 1_000_000

_OPEN = (TradingMode.TRADING, TradingMode.LIMIT_ONLY, TradingMode.POST_ONLY)  # Their books do not cross.
_NO_AUCTION = Auction(0, 0, 0)

Headers = tuple[tuple[str, str], ...]


class Clock(Protocol):
    def now_ns(self) -> int: ...


class StatusVenue(Protocol):
    """What is needed of a replica."""

    @property
    def clock(self) -> Clock: ...
    @property
    def reference(self) -> Reference: ...
    def auction(self, instrument_id: int) -> Auction: ...


class TradingStatus:
    def __init__(self, venue: StatusVenue) -> None:
        self._venue = venue
        self._auctions: dict[int, tuple[int, Auction]] = {}  # When they were computed, and what they were.
        self._headers_of: Reference | None = None
        self._headers: Headers = ()

    def endpoints(self) -> Mapping[str, Endpoint]:
        """By GET path."""
        return {PATH: Endpoint(Parameters(Parameter("symbol", parameters.symbol)), self.markets, _weight)}

    def markets(self, call: Call) -> bytes:
        reference = self._venue.reference
        named = call.values.get("symbol")
        wanted = [each for each in reference.instruments.values() if named in (None, each.symbol)]
        if named is not None and not wanted:
            raise ApiError(errors.BAD_SYMBOL)
        return msgspec.json.encode({"markets": [self._market(each, call) for each in wanted]})

    def auction(self, instrument: Instrument) -> Auction:
        """What the market's auction would come to if it ended now; all 0 where orders match as they come."""
        if instrument.mode in _OPEN:
            return _NO_AUCTION
        now_ns = self._venue.clock.now_ns()
        computed_ns, auction = self._auctions.get(instrument.instrument_id, (0, _NO_AUCTION))
        if now_ns - computed_ns >= AUCTION_AGE_NS_MAX:
            auction = self._venue.auction(instrument.instrument_id)
            self._auctions[instrument.instrument_id] = now_ns, auction
        return auction

    def headers(self) -> Headers:
        """The header that names the markets that are not in TRADING, and where they are going; none when all are."""
        reference = self._venue.reference
        if reference is not self._headers_of:
            self._headers_of = reference
            told = [_header_part(each) for each in reference.instruments.values() if each.mode != TradingMode.TRADING]
            more = [f"and {len(told) - MARKETS_IN_HEADER_MAX} more"] * (len(told) > MARKETS_IN_HEADER_MAX)
            text = ", ".join(told[:MARKETS_IN_HEADER_MAX] + more)
            self._headers = ((HEADER, text),) if text else ()
        return self._headers

    def _market(self, instrument: Instrument, call: Call) -> dict[str, Any]:
        auction = self.auction(instrument)
        return {
            "symbol": instrument.symbol,
            "mode": instrument.mode.name,
            "stages": [{"mode": stage.mode.name, "time": call.time(stage.begins_ts_ns)} for stage in instrument.stages],
            "auction": {
                "price": instrument.format_price(auction.price_ticks),
                "quantity": instrument.format_qty(auction.lots),
                "surplus": instrument.format_qty(auction.surplus_lots),
            },
        }


def _weight(values: Mapping[str, Any]) -> int:
    return 2 if "symbol" in values else 20


def _header_part(instrument: Instrument) -> str:
    """`BTCUSDT AUCTION TRADING@1700000000000`: symbol, mode, and the modes to come with their times in milliseconds."""
    stages = [f"{stage.mode.name}@{stage.begins_ts_ns // MILLISECOND_NS}" for stage in instrument.stages]
    return " ".join([instrument.symbol, instrument.mode.name, *stages])


def mode_event(instrument: Instrument, now_ns: int, unit_ns: int) -> Shown:
    """The mode, and the modes to come: what user data streams are told of it."""
    return {
        "e": "tradingStatus",
        "E": now_ns // unit_ns,
        "s": instrument.symbol,
        "m": instrument.mode.name,
        "n": [{"m": stage.mode.name, "T": stage.begins_ts_ns // unit_ns} for stage in instrument.stages],
    }


def status_event(instrument: Instrument, auction: Auction, now_ns: int, unit_ns: int) -> str:
    """A message of the stream `<symbol>@tradingStatus`."""
    event = {
        **mode_event(instrument, now_ns, unit_ns),
        "p": instrument.format_price(auction.price_ticks),
        "q": instrument.format_qty(auction.lots),
        "S": instrument.format_qty(auction.surplus_lots),
    }
    return msgspec.json.encode(event).decode()
