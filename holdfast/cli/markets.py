"""`holdfast asset` and `holdfast instrument`."""

from enum import StrEnum
from typing import Annotated

import typer

from holdfast.cli.client import Client, quoted
from holdfast.cli.console import DEFAULT_DATA, Data, IdempotencyKey, fail, show
from holdfast.config import STAGE_SECONDS_MAX
from holdfast.parameters import PARAMETERS, Unit, Written

assets = typer.Typer(no_args_is_help=True, help="Assets: list, add.")
instruments = typer.Typer(no_args_is_help=True, help="Instruments: list, add, parameters, trading mode.")

Symbol = Annotated[str, typer.Argument(help="As BTCUSDT.")]


class Mode(StrEnum):
    HALT = "HALT"
    CANCEL_ONLY = "CANCEL_ONLY"
    POST_ONLY = "POST_ONLY"
    LIMIT_ONLY = "LIMIT_ONLY"
    TRADING = "TRADING"
    AUCTION = "AUCTION"


@assets.command("list")
def list_assets(data: Data = DEFAULT_DATA) -> None:
    """List the assets."""
    show(Client(data).get("/assets")["assets"])


@assets.command("add")
def add_asset(
    code: Annotated[str, typer.Argument(help="Capital letters and digits, as BTC.")],
    decimals: Annotated[
        int, typer.Option(min=0, max=8, help="Its smallest unit is 10 to the power of minus this.")
    ] = 8,
    data: Data = DEFAULT_DATA,
) -> None:
    """Add an asset."""
    show(Client(data).post("/assets", {"code": code, "decimals": decimals}))


@instruments.command("list")
def list_instruments(data: Data = DEFAULT_DATA) -> None:
    """List the instruments with their modes and parameters."""
    show(Client(data).get("/instruments")["instruments"])


@instruments.command()
def add(
    symbol: Symbol,
    base: Annotated[str, typer.Option(help="The asset that is traded.")],
    quote: Annotated[str, typer.Option(help="The asset that it is paid in.")],
    tick_size: Annotated[str, typer.Option(help="The smallest step of a price, as 0.01.")],
    lot_size: Annotated[str, typer.Option(help="The smallest step of a quantity, as 0.00001.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Add an instrument. It is in HALT until its mode is set.

    Example: [bold]holdfast instrument add SOLBTC --base SOL --quote BTC --tick-size 0.0000001 --lot-size 0.1[/bold]
    """
    wish = {"symbol": symbol, "base": base, "quote": quote, "tickSize": tick_size, "lotSize": lot_size}
    show(Client(data).post("/instruments", wish))


@instruments.command()
def mode(symbol: Symbol, to: Annotated[Mode, typer.Argument(metavar="MODE")], data: Data = DEFAULT_DATA) -> None:
    """Set the trading mode: HALT, CANCEL_ONLY, POST_ONLY, LIMIT_ONLY, TRADING or AUCTION."""
    show(Client(data).put(f"/instruments/{quoted(symbol)}/mode", {"mode": to.value}))


Seconds = Annotated[int, typer.Option(min=0, max=STAGE_SECONDS_MAX, help="For so many seconds; 0: not at all.")]


@instruments.command()
def reopen(
    symbol: Symbol,
    halt: Seconds = 0,
    cancel_only: Seconds = 0,
    auction: Seconds = 0,
    key: IdempotencyKey = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Stop an instrument and open it again by itself: HALT, CANCEL_ONLY, AUCTION, TRADING, each for its time.

    Example: [bold]holdfast instrument reopen BTCUSDT --halt 60 --cancel-only 300 --auction 300[/bold]
    """
    wish = {"haltSeconds": halt, "cancelOnlySeconds": cancel_only, "auctionSeconds": auction}
    show(Client(data).post(f"/instruments/{quoted(symbol)}/reopening", wish, key))


@instruments.command("cancel-reopening")
def cancel_reopening(symbol: Symbol, data: Data = DEFAULT_DATA) -> None:
    """Call a reopening off: the instrument stays in the mode that it is in."""
    show(Client(data).delete(f"/instruments/{quoted(symbol)}/reopening"))


@instruments.command("set")
def set_parameters(
    symbol: Symbol,
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE…", help=f"Of {', '.join(PARAMETERS)}.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Set parameters. Example: [bold]holdfast instrument set BTCUSDT notional_min=10 taker_fee_ppm=750[/bold]"""
    wish = dict(_parameter(text) for text in values)
    show(Client(data).patch(f"/instruments/{quoted(symbol)}", wish))


def _parameter(text: str) -> tuple[str, Written]:
    name, _, value = text.partition("=")
    parameter = PARAMETERS.get(name)
    if parameter is None:
        fail(f"{name} is no parameter of an instrument; there are {', '.join(PARAMETERS)}.")
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest), _typed(name, parameter.unit, value)


_WHOLE_NUMBERS = (Unit.COUNT, Unit.FEE_PPM, Unit.BIPS)


def _typed(name: str, unit: Unit, value: str) -> Written:
    """A value as the interface takes it."""
    if unit == Unit.SWITCH and value in ("true", "false"):
        return value == "true"
    if unit in _WHOLE_NUMBERS and value.isascii() and value.isdigit():
        return int(value)
    if unit == Unit.SWITCH or unit in _WHOLE_NUMBERS:
        fail(f"{name} is {unit.value}, not {value}.")
    return value
