"""`holdfast status`, `venue`, `snapshot` and `master-key`: the running venue as a whole."""

from typing import Annotated

import typer

from holdfast.cli.client import Client, quoted
from holdfast.cli.console import DEFAULT_DATA, Data, show

app = typer.Typer(no_args_is_help=True, help="The whole venue: kill switch and limits.")
master_key = typer.Typer(no_args_is_help=True, help="The master key that API secrets are encrypted under.")


def status(data: Data = DEFAULT_DATA) -> None:
    """Show the state of the running venue: journal, readers, limits, snapshots."""
    show(Client(data).get("/venue"))


def snapshot(data: Data = DEFAULT_DATA) -> None:
    """Have a snapshot written now, and wait for it."""
    show(Client(data).post("/venue/snapshots"))


@app.command()
def kill(data: Data = DEFAULT_DATA) -> None:
    """Refuse all new orders and cancel all open ones."""
    show(Client(data).put("/venue/killed", {"killed": True}))


@app.command()
def resume(data: Data = DEFAULT_DATA) -> None:
    """Lift the kill switch."""
    show(Client(data).put("/venue/killed", {"killed": False}))


@app.command()
def limit(
    name: Annotated[str, typer.Argument(help="As orders_max; holdfast status shows all.")],
    value: Annotated[int, typer.Argument(min=0)],
    data: Data = DEFAULT_DATA,
) -> None:
    """Set a limit of the venue."""
    show(Client(data).put(f"/venue/limits/{quoted(name)}", {"value": value}))


@master_key.command()
def rotate(data: Data = DEFAULT_DATA) -> None:
    """Make a new master key and encrypt every API secret under it.

    The old one no longer opens this venue. Keep a copy of it as long as you keep backups from before, since it opens
    them.
    """
    show(Client(data).post("/venue/master-key"))
