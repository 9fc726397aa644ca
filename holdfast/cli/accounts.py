"""`holdfast account` and `holdfast history`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.client import Client, quoted
from holdfast.cli.console import DEFAULT_DATA, Account, Data, IdempotencyKey, show

app = typer.Typer(no_args_is_help=True, help="Accounts: create, list, show, freeze, kill, fees.")
history = typer.Typer(no_args_is_help=True, help="The history of an account.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Printable text that is not a number; it can be deleted later.")],
    parent: Annotated[str | None, typer.Option(help="Make it a sub-account of this account.")] = None,
    key: IdempotencyKey = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Create an account. Example: [bold]holdfast account create alice[/bold]"""
    show(Client(data).post("/accounts", {"name": name} | ({"parent": parent} if parent else {}), key))


@app.command("list")
def list_all(data: Data = DEFAULT_DATA) -> None:
    """List all accounts."""
    client = Client(data)
    page = client.get("/accounts", limit=500)
    accounts = page["accounts"]
    while page["nextAfter"] is not None:
        page = client.get("/accounts", after=page["nextAfter"], limit=500)
        accounts += page["accounts"]
    show(accounts)


@app.command("show")
def show_one(name: Account, data: Data = DEFAULT_DATA) -> None:
    """Show an account with its balances and open orders."""
    show(Client(data).get(f"/accounts/{quoted(name)}"))


@app.command()
def freeze(name: Account, data: Data = DEFAULT_DATA) -> None:
    """Refuse the account's new orders and withdrawals; it may cancel."""
    show(Client(data).put(f"/accounts/{quoted(name)}/frozen", {"frozen": True}))


@app.command()
def unfreeze(name: Account, data: Data = DEFAULT_DATA) -> None:
    """Lift a freeze."""
    show(Client(data).put(f"/accounts/{quoted(name)}/frozen", {"frozen": False}))


@app.command()
def kill(name: Account, data: Data = DEFAULT_DATA) -> None:
    """Freeze the account and cancel all its orders."""
    show(Client(data).post(f"/accounts/{quoted(name)}/kill"))


@app.command()
def fees(
    name: Account,
    maker_ppm: Annotated[int | None, typer.Option(help="Millionths; without it, what the instrument says.")] = None,
    taker_ppm: Annotated[int | None, typer.Option(help="Millionths; without it, what the instrument says.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Give the account fees of its own. Without options it pays what everybody does."""
    show(Client(data).put(f"/accounts/{quoted(name)}/fees", {"makerFeePpm": maker_ppm, "takerFeePpm": taker_ppm}))


@app.command()
def forget(name: Account, data: Data = DEFAULT_DATA) -> None:
    """Delete the account's name for good. The account goes on under its id."""
    show(Client(data).delete(f"/accounts/{quoted(name)}/name"))


class What(StrEnum):
    ORDERS = "orders"
    TRADES = "trades"
    DEPOSITS = "deposits"
    WITHDRAWALS = "withdrawals"
    TRANSFERS = "transfers"


@history.command()
def export(
    name: Account,
    what: Annotated[What, typer.Option(help="What to export.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The CSV file to write.")],
    start: Annotated[str, typer.Option(help="From this time on, as 2026-01-31T12:00:00Z.")] = "",
    end: Annotated[str, typer.Option(help="Up to this time.")] = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Write an account's history as CSV. Example: [bold]holdfast history export alice --what trades --out
    a.csv[/bold]"""
    bounds = {bound: text for bound, text in (("start", start), ("end", end)) if text}
    size = Client(data).download(f"/accounts/{quoted(name)}/history/{what.value}", out, **bounds)
    show({"file": str(out), "bytes": size})
