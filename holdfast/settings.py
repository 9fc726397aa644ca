"""Settings: what a file says about a venue, and the commands that bring the venue there.

TOML file → SETTINGS ──compared with the state──▶ changes → journal

Configuration is commands: the file is read at start, what differs from the state is shown and journaled, and from then
on the state is what counts. Nothing is taken away: an asset, an instrument or a limit that the file does not name stays
as it is. An instrument's trading mode is set from the file only when the file brings the instrument; later it is an
operator's, so that a restart does not reopen what was halted.

Reading is strict: an unknown key, a wrong type or an impossible value is refused with its file, line and key.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.codes import InstrumentParameter, Limit, TradingMode
from holdfast.config import (
    ASSET_DECIMALS_MAX,
    ASSETS_MAX,
    ICEBERG_PARTS_MAX,
    INSTRUMENTS_MAX,
    NOTIONAL_MAX,
    ORDER_AMENDS_MAX,
    PRICE_TICKS_MAX,
    SYMBOL_BYTES_MAX,
)
from holdfast.errors import StartError
from holdfast.instruments import Asset, units_per_tick_lot
from holdfast.parameters import BY_CODE, PARAMETERS, Grid, decimal_text, parse, whole_number

DEFAULT_PATH = Path(__file__).with_name("default.toml")
CODE_PATTERN = re.compile(r"[A-Z0-9]{1,20}", re.ASCII)  # Of an asset.
SYMBOL_PATTERN = re.compile(rf"[A-Z0-9_.-]{{1,{SYMBOL_BYTES_MAX}}}", re.ASCII)
SEGMENT_BYTES_MIN = 64 * 1024  # Holds the largest group of commands several times over.
SEGMENT_BYTES_MAX = 2**30  # A segment is written ahead, with zeros.

Table = dict[str, Any]


class SettingsError(StartError):
    """The file cannot be used; the text names the file, the line and the key."""


class InstrumentSettings(NamedTuple):
    base: str
    quote: str
    tick_e8: int
    lot_units: int
    mode: TradingMode
    parameters: Mapping[InstrumentParameter, int]  # All of them.


class RateLimits(NamedTuple):
    """What a gateway allows; not part of the state. The numbers are those that clients' own throttles know."""

    request_weight_per_minute: int = 6_000
    raw_requests_per_5_minutes: int = 300_000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    cancels_per_minute: int = 6_000  # A budget of its own: cancels are never starved by orders.
    connections_per_5_minutes: int = 300


class Retention(NamedTuple):
    """How long journal segments are kept; never past a reader or the newest two snapshots. 0: for good."""

    max_age_days: int = 0
    max_bytes: int = 0


class Journaling(NamedTuple):
    """The journal's files, and when a snapshot is due: after so many commands, or so long after the last one."""

    segment_bytes: int = 64 * 1024 * 1024
    snapshot_commands: int = 2_000_000  # A restart replays this within a second.
    snapshot_seconds: int = 300


class Settings(NamedTuple):
    assets: Mapping[str, int]  # Decimals by code.
    instruments: Mapping[str, InstrumentSettings]
    limits: Mapping[Limit, int]
    rate_limits: RateLimits
    retention: Retention
    journal: Journaling


class RunOptions(NamedTuple):
    """How a person started a venue: `holdfast run`."""

    data: Path
    port: int
    host: str = "127.0.0.1"
    demo: bool = False
    config: Path | None = None
    tls: bool = False
    tls_certificate: Path | None = None  # Without it, `tls` makes a certificate for development.
    tls_key: Path | None = None
    allow_remote_operator: bool = False
    seed: int = 1  # Of the demo market.
    line_port: int | None = None  # Of the binary line over TCP; 0: any that is free. None: not listening.
    line_socket: bool = False  # The line on a Unix socket within the data directory.


class JoinOptions(NamedTuple):
    """How a person started a gateway: `holdfast gateway`."""

    data: Path  # Of the venue to join.
    port: int
    host: str = "127.0.0.1"
    tls: bool = False
    tls_certificate: Path | None = None  # Without it, `tls` makes a certificate for development.
    tls_key: Path | None = None


def load(path: Path | None = None) -> Settings:
    """Read a file, or the venue's defaults. Raises SettingsError."""
    path = path or DEFAULT_PATH
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"The settings {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"The settings {path} are not text in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings {path} are not TOML: {error}.") from error
    return _Reader(path, text).settings(document)


class _Reader:
    """Walks a parsed file; knows where each key stands in the text, for the messages."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def settings(self, document: Table) -> Settings:
        self._only(document, (), {"assets", "fees", "instruments", "journal", "limits", "rate_limits", "retention"})
        assets = self._assets(self._table(document, (), "assets"))
        fees = self._numbers(document, "fees", {"maker_ppm", "taker_ppm"})
        defaults = {
            PARAMETERS["maker_fee_ppm"].code: fees.get("maker_ppm", 0),
            PARAMETERS["taker_fee_ppm"].code: fees.get("taker_ppm", 0),
        }
        tables = self._table(document, (), "instruments")
        if len(tables) > INSTRUMENTS_MAX:
            raise self._wrong(("instruments",), f"has more than {INSTRUMENTS_MAX} entries")
        limits = self._numbers(document, "limits", {limit.name.lower() for limit in Limit if limit})
        return Settings(
            assets={code: asset.decimals for code, asset in assets.items()},
            instruments={symbol: self._instrument(tables, symbol, assets, defaults) for symbol in tables},
            limits={Limit[name.upper()]: value for name, value in limits.items()},
            rate_limits=RateLimits(**self._numbers(document, "rate_limits", set(RateLimits._fields), least=1)),
            retention=Retention(**self._numbers(document, "retention", set(Retention._fields))),
            journal=self._journal(document),
        )

    def _journal(self, document: Table) -> Journaling:
        journal = Journaling(**self._numbers(document, "journal", set(Journaling._fields), least=1))
        if not SEGMENT_BYTES_MIN <= journal.segment_bytes <= SEGMENT_BYTES_MAX:
            raise self._wrong(
                ("journal", "segment_bytes"), f"is not between {SEGMENT_BYTES_MIN} and {SEGMENT_BYTES_MAX}"
            )
        return journal

    def _assets(self, table: Table) -> dict[str, Asset]:
        if len(table) > ASSETS_MAX:
            raise self._wrong(("assets",), f"has more than {ASSETS_MAX} entries")
        assets = {}
        for number, code in enumerate(table, start=1):
            where = ("assets", code)
            if not CODE_PATTERN.fullmatch(code):
                raise self._wrong(where, "is not 1 to 20 capital letters or digits")
            entry = self._table(table, ("assets",), code)
            self._only(entry, where, {"decimals"})
            decimals = self._value(entry, where, "decimals", whole_number)
            if not 0 <= decimals <= ASSET_DECIMALS_MAX:
                raise self._wrong((*where, "decimals"), f"is not between 0 and {ASSET_DECIMALS_MAX}")
            assets[code] = Asset(number, code, decimals)
        return assets

    def _instrument(
        self, tables: Table, symbol: str, assets: Mapping[str, Asset], fees: Mapping[InstrumentParameter, int]
    ) -> InstrumentSettings:
        where = ("instruments", symbol)
        if not SYMBOL_PATTERN.fullmatch(symbol):
            raise self._wrong(where, f"is not 1 to {SYMBOL_BYTES_MAX} of A-Z, 0-9, _, . and -")
        table = self._table(tables, ("instruments",), symbol)
        self._only(table, where, {"base", "quote", "tick_size", "lot_size", "mode", *PARAMETERS})
        grid = self._grid(table, where, assets)
        modes = {mode.name: mode for mode in TradingMode}
        mode = table.get("mode", "TRADING")
        if not _is_one_of(mode, modes):
            raise self._wrong((*where, "mode"), f"is none of {', '.join(modes)}")
        parameters = self._parameters(table, where, grid, fees)
        self._check(parameters, where, grid)
        return InstrumentSettings(
            grid.base.code, grid.quote.code, grid.tick_e8, grid.lot_units, modes[mode], parameters
        )

    def _grid(self, table: Table, where: tuple[str, ...], assets: Mapping[str, Asset]) -> Grid:
        for side in ("base", "quote"):
            if not _is_one_of(table.get(side), assets):
                raise self._wrong((*where, side), "is not one of the file's assets")
        base, quote = assets[table["base"]], assets[table["quote"]]
        tick_e8 = self._value(table, where, "tick_size", lambda written: decimal_text(written, 8))
        lot_units = self._value(table, where, "lot_size", lambda written: decimal_text(written, base.decimals))
        if base == quote:
            raise self._wrong((*where, "quote"), "is the base as well")
        if tick_e8 == 0 or lot_units == 0:
            raise self._wrong((*where, "lot_size" if tick_e8 else "tick_size"), "is zero")
        if units_per_tick_lot(tick_e8, lot_units, base.decimals, quote.decimals) is None:
            raise self._wrong(
                (*where, "lot_size"), f"times tick_size is not a whole number of the smallest unit of {quote.code}"
            )
        return Grid(base, quote, tick_e8, lot_units)

    def _parameters(
        self, table: Table, where: tuple[str, ...], grid: Grid, fees: Mapping[InstrumentParameter, int]
    ) -> dict[InstrumentParameter, int]:
        written = {
            name: self._value(table, where, name, partial(parse, parameter, grid=grid))
            for name, parameter in PARAMETERS.items()
            if name in table or name in ("price_max", "qty_max")
        }
        defaults = {
            "price_min": 1,
            "qty_min": 1,
            "market_qty_min": written.get("qty_min", 1),
            "market_qty_max": written["qty_max"],
            "notional_min_applies_to_market": 1,
            "orders_max": 200,
            "algo_orders_max": 5,
            "order_lists_max": 20,
            "order_amends_max": 10,
            "trailing_above_bips_min": 10,
            "trailing_above_bips_max": 2_000,
            "trailing_below_bips_min": 10,
            "trailing_below_bips_max": 2_000,
        }
        return {
            parameter.code: written.get(name, defaults.get(name, fees.get(parameter.code, 0)))
            for name, parameter in PARAMETERS.items()
        }

    def _check(self, parameters: Mapping[InstrumentParameter, int], where: tuple[str, ...], grid: Grid) -> None:
        """What the engine would refuse, said with the key's name."""
        value = {BY_CODE[code].name: number for code, number in parameters.items()}
        for name in ("price", "qty", "market_qty"):
            if not 1 <= value[f"{name}_min"] <= value[f"{name}_max"]:
                raise self._wrong((*where, f"{name}_max"), f"is less than {name}_min, or that is zero")
        if value["price_max"] > PRICE_TICKS_MAX:
            raise self._wrong((*where, "price_max"), f"is more than {PRICE_TICKS_MAX} ticks")
        if value["market_qty_max"] > value["qty_max"]:
            raise self._wrong((*where, "market_qty_max"), "is more than qty_max")
        for name, most in (("order_amends_max", ORDER_AMENDS_MAX), ("iceberg_parts_max", ICEBERG_PARTS_MAX)):
            if value[name] > most:
                raise self._wrong((*where, name), f"is more than {most}")
        unit = units_per_tick_lot(grid.tick_e8, grid.lot_units, grid.base.decimals, grid.quote.decimals)
        assert unit is not None
        if value["price_max"] * value["qty_max"] * unit > NOTIONAL_MAX:
            raise self._wrong((*where, "qty_max"), "times price_max is more than the venue can count")

    def _numbers(self, document: Table, section: str, known: set[str], least: int = 0) -> dict[str, int]:
        table = self._table(document, (), section)
        self._only(table, (section,), known)
        numbers = {name: self._value(table, (section,), name, whole_number) for name in table}
        for name, number in numbers.items():
            if not least <= number < 2**63:
                raise self._wrong((section, name), f"is less than {least} or out of range")
        return numbers

    def _table(self, parent: Table, where: tuple[str, ...], name: str) -> Table:
        table = parent.get(name, {})
        if not isinstance(table, dict):
            raise self._wrong((*where, name), "is not a table")
        return table

    def _value(self, table: Table, where: tuple[str, ...], name: str, read: Callable[[Any], int]) -> int:
        if name not in table:
            raise self._wrong(where, f"lacks {name}")
        try:
            return read(table[name])
        except ValueError as error:
            raise self._wrong((*where, name), str(error)) from None

    def _only(self, table: Table, where: tuple[str, ...], known: set[str]) -> None:
        for name in table:
            if name not in known:
                raise self._wrong((*where, name), f"is not a key that is known here ({', '.join(sorted(known))})")

    def _wrong(self, where: tuple[str, ...], what: str) -> SettingsError:
        line = _line_of(self._lines, where)
        place = f", line {line}" if line else ""
        return SettingsError(f"The settings {self._path}{place}: {'.'.join(where)} {what}.")


def _is_one_of(written: Any, names: Mapping[str, Any]) -> bool:
    return isinstance(written, str) and written in names


_header = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_assignment = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def _line_of(lines: list[str], where: tuple[str, ...]) -> int:
    """The line that sets a key: the last one whose dotted name is the longest beginning of `where`; 0: not found.

    Only for messages: a key inside an inline table is found at the line of the table.
    """
    found, length, section = 0, 0, ""
    wanted = ".".join(where)
    for number, line in enumerate(lines, start=1):
        name = ""
        if header := _header.match(line):
            name = section = _plain(header.group(1))
        elif assignment := _assignment.match(line):
            name = f"{section}.{_plain(assignment.group(1))}".strip(".")
        if name and len(name) > length and (wanted == name or wanted.startswith(name + ".")):
            found, length = number, len(name)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\"'\s]", "", name)
