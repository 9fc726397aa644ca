"""`holdfast deposit`, `withdrawal`, `transfer` and `fees`. A reference is an idempotency key, and is kept for good."""

from typing import Annotated

import typer

from holdfast.cli.client import Client, quoted
from holdfast.cli.console import DEFAULT_DATA, Account, Data, fail, show
from holdfast.config import CLIENT_ID_BYTES

withdrawals = typer.Typer(no_args_is_help=True, help="Withdrawals: request, list, approve, refuse, send.")
fees = typer.Typer(no_args_is_help=True, help="Collected fees: list, withdraw.")

Asset = Annotated[str, typer.Argument(help="As BTC.")]
Amount = Annotated[str, typer.Argument(help="Decimal text, as 0.5.")]


def _checked_reference(reference: str) -> str:
    if not 1 <= len(reference) <= CLIENT_ID_BYTES or not (reference.isascii() and reference.isprintable()):
        fail(f"A reference has 1 to {CLIENT_ID_BYTES} printable ASCII characters.")
    return reference


Reference = Annotated[
    str,
    typer.Option(
        help="Of your own, 1 to 36 characters. The same reference is carried out once, however often given.",
        callback=_checked_reference,
    ),
]
WithdrawalId = Annotated[int, typer.Argument(metavar="ID", min=1)]


def deposit(name: Account, asset: Asset, amount: Amount, reference: Reference, data: Data = DEFAULT_DATA) -> None:
    """Credit a deposit. Example: [bold]holdfast deposit alice USDT 10000 --reference wire-2026-0001[/bold]"""
    show(Client(data).post(f"/accounts/{quoted(name)}/deposits", {"asset": asset, "amount": amount}, reference))


def transfer(
    from_name: Annotated[str, typer.Argument(metavar="FROM", help="The account that gives.")],
    to_name: Annotated[str, typer.Argument(metavar="TO", help="The account that gets.")],
    asset: Asset,
    amount: Amount,
    reference: Reference,
    data: Data = DEFAULT_DATA,
) -> None:
    """Move funds from one account to another."""
    wish = {"fromAccount": from_name, "toAccount": to_name, "asset": asset, "amount": amount}
    show(Client(data).post("/transfers", wish, reference))


@withdrawals.command()
def request(name: Account, asset: Asset, amount: Amount, reference: Reference, data: Data = DEFAULT_DATA) -> None:
    """Request a withdrawal for an account: the funds are held from now on."""
    show(Client(data).post(f"/accounts/{quoted(name)}/withdrawals", {"asset": asset, "amount": amount}, reference))


@withdrawals.command("list")
def list_withdrawals(
    account: Annotated[str | None, typer.Option(help="Only of this account.")] = None,
    status: Annotated[str | None, typer.Option(help="Only REQUESTED, APPROVED, SENT or REFUSED.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    data: Data = DEFAULT_DATA,
) -> None:
    """List withdrawals, newest first."""
    show(Client(data).get("/withdrawals", account=account, status=status, limit=limit)["withdrawals"])


@withdrawals.command()
def approve(withdrawal_id: WithdrawalId, data: Data = DEFAULT_DATA) -> None:
    """Approve a requested withdrawal."""
    show(Client(data).post(f"/withdrawals/{withdrawal_id}/approve"))


@withdrawals.command()
def refuse(withdrawal_id: WithdrawalId, data: Data = DEFAULT_DATA) -> None:
    """Refuse a withdrawal that was not sent: the funds are free again."""
    show(Client(data).post(f"/withdrawals/{withdrawal_id}/refuse"))


@withdrawals.command()
def send(withdrawal_id: WithdrawalId, data: Data = DEFAULT_DATA) -> None:
    """Record that an approved withdrawal was sent: the funds have left the venue."""
    show(Client(data).post(f"/withdrawals/{withdrawal_id}/send"))


@fees.command("list")
def list_fees(data: Data = DEFAULT_DATA) -> None:
    """Show the collected fees per asset."""
    show(Client(data).get("/fees")["fees"])


@fees.command()
def withdraw(asset: Asset, amount: Amount, reference: Reference, data: Data = DEFAULT_DATA) -> None:
    """Take collected fees out of the venue."""
    show(Client(data).post("/fees/withdrawals", {"asset": asset, "amount": amount}, reference))
