"""The command line. `holdfast --help` is its manual.

    run, gateway, verify, backup, restore    work on a data directory
    everything else                          asks the venue that runs on one, through the operators' interface

Answers are JSON on stdout, for scripts; what goes wrong is one sentence on stderr and exit code 1. What a command does
not need is not imported: asking a running venue starts no compiler and no NumPy.
"""

import typer

from holdfast.cli import accounts, funds, keys, local, markets, venue

app = typer.Typer(
    name="holdfast",
    help="A crypto spot exchange that stays up.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # They would show secrets.
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(local.run)
app.command("gateway")(local.gateway)
app.command("status")(venue.status)
app.add_typer(accounts.app, name="account")
app.add_typer(keys.app, name="key")
app.command("deposit")(funds.deposit)
app.add_typer(funds.withdrawals, name="withdrawal")
app.command("transfer")(funds.transfer)
app.add_typer(funds.fees, name="fees")
app.add_typer(markets.assets, name="asset")
app.add_typer(markets.instruments, name="instrument")
app.add_typer(accounts.history, name="history")
app.add_typer(venue.app, name="venue")
app.command("snapshot")(venue.snapshot)
app.add_typer(venue.master_key, name="master-key")
app.command("verify")(local.verify)
app.command("backup")(local.backup)
app.command("restore")(local.restore)


def main() -> None:
    """The entry point `holdfast`."""
    app()
