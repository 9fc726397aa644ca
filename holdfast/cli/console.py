"""What the commands print: JSON for scripts, and one sentence when something goes wrong."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

Data = Annotated[
    Path, typer.Option("--data", envvar="HOLDFAST_DATA", metavar="DIR", help="The data directory of the running venue.")
]
IdempotencyKey = Annotated[
    str,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        help="Of your own, 1 to 36 characters: the command may be repeated with it, and is done once.",
    ),
]
Account = Annotated[str, typer.Argument(metavar="NAME", help="The account's name, or its id.")]
DEFAULT_DATA = Path("data")


def show(answer: Any) -> None:
    """Print an answer as JSON: on one line for scripts, indented for people."""
    typer.echo(json.dumps(answer, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False))


def fail(sentence: str) -> NoReturn:
    """Say what is wrong and end with 1."""
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
