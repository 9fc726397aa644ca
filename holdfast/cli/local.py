"""`holdfast run`, `gateway`, `verify`, `backup` and `restore`: what works on a data directory itself."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.console import fail, show
from holdfast.errors import StartError

if TYPE_CHECKING:
    from rich.console import Console

    from holdfast.journal.backup import CopyReport
    from holdfast.verification import Report

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A data directory.")]


def run(
    data: Annotated[Path, typer.Option(metavar="DIR", envvar="HOLDFAST_DATA", help="The data directory; made if new.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="For REST and WebSocket; 0: any that is free.")],
    demo: Annotated[bool, typer.Option("--demo", help="With simulated traders and two demo accounts.")] = False,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Assets, instruments, fees and limits as TOML.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak TLS; without a certificate one for development is made.")
    ] = False,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM, with its chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM, of the certificate.")] = None,
    allow_remote_operator: Annotated[
        bool, typer.Option("--allow-remote-operator", help="Let operators in from other machines; use it with --tls.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the demo market.")] = 1,
    line_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Also listen for the binary line; 0: any port that is free.")
    ] = None,
    line_socket: Annotated[
        bool, typer.Option("--line-socket", help="Also listen for the binary line on DIR/line.sock.")
    ] = False,
) -> None:
    """Run a venue. Example: [bold]holdfast run --data data --port 8000 --demo[/bold]

    SIGTERM or Ctrl-C stops it: it announces, takes no more orders, and ends.
    """
    if (tls_certificate is None) != (tls_key is None):
        fail("A TLS certificate and its key are given together: --tls-certificate FILE --tls-key FILE.")
    from holdfast.settings import RunOptions

    options = RunOptions(
        data=data,
        port=port,
        host=host,
        demo=demo,
        config=config,
        tls=tls or tls_certificate is not None,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        allow_remote_operator=allow_remote_operator,
        seed=seed,
        line_port=line_port,
        line_socket=line_socket,
    )
    from holdfast import venue

    try:
        code = venue.run(options)
    except StartError as error:
        fail(str(error))
    raise typer.Exit(code or 0)


def gateway(
    join: Annotated[Path, typer.Option("--join", metavar="DIR", help="The data directory of a running venue.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="For REST and WebSocket; 0: any that is free.")] = 0,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    tls: Annotated[
        bool, typer.Option("--tls", help="Speak TLS; without a certificate one for development is made.")
    ] = False,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM, with its chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="PEM, of the certificate.")] = None,
) -> None:
    """Run one more gateway beside a running venue. Example: [bold]holdfast gateway --join data --port 8001[/bold]

    It speaks REST and WebSocket as the venue does, follows its journal, and appends through the venue's process. It may
    be stopped or killed at any time. While the venue is away it answers reads and refuses orders. It logs to stderr.
    """
    if (tls_certificate is None) != (tls_key is None):
        fail("A TLS certificate and its key are given together: --tls-certificate FILE --tls-key FILE.")
    from holdfast import joined_gateway
    from holdfast.settings import JoinOptions

    is_encrypted = tls or tls_certificate is not None
    try:
        code = joined_gateway.run(JoinOptions(join, port, host, is_encrypted, tls_certificate, tls_key))
    except StartError as error:
        fail(str(error))
    raise typer.Exit(code)


def verify(
    directory: Directory,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Read the whole journal again, apply it again, and check everything. Exit code 1 when something is wrong.

    Checked: checksums and hash chain, every command, the invariants of the state, that all money adds up, and that
    each snapshot holds what replaying leads to. A venue may be running on the directory.
    """
    from rich.console import Console

    from holdfast import verification
    from holdfast.journal.interface import JournalError

    try:
        with Console(stderr=True).status("Reading …") as line:
            report = verification.verify(directory, lambda seq: line.update(f"Applied up to seq {seq:,}"))
    except (StartError, JournalError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or directory} cannot be read: {error.strerror}.")
    if as_json:
        show({**report._asdict(), "assets": [line._asdict() for line in report.assets]})
    else:
        _present(report, Console())
    if report.problems:
        raise typer.Exit(1)


def _present(report: "Report", console: "Console") -> None:
    from rich.table import Table

    console.print(f"seqs            {report.first_seq} … {report.last_seq}")
    console.print(f"chain hash      {report.chain_hash}")
    console.print(f"state hash      {report.state_hash}")
    console.print(f"snapshots       {report.snapshots_checked} checked")
    for seq, instrument_id in report.skipped:
        console.print(f"skipped         command {seq} of instrument {instrument_id}")
    table = Table("asset", title="Totals per asset: deposited - withdrawn = holdings + fees", title_justify="left")
    for column in ("deposited", "withdrawn", "holdings", "of it in transit", "fees"):
        table.add_column(column, justify="right")
    for asset in report.assets:
        table.add_row(*asset)
    console.print(table)
    for problem in report.problems:
        console.print(f"[red]WRONG[/red] {problem}", soft_wrap=True)
    console.print("[red]The data is damaged.[/red]" if report.problems else "[green]All is well.[/green]")


def backup(
    directory: Directory,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A directory to make.")],
) -> None:
    """Copy a data directory, also while a venue runs on it, and check the copy from end to end.

    The master key is not in it: keep a copy of that elsewhere. Closed files are linked where both are on one disk, so
    keep backups against the loss of a disk on another one.
    """
    from holdfast.journal.backup import backup as copy

    _copy("Backing up", directory, target, copy)


def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A backup.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The data directory to make.")],
) -> None:
    """Make a data directory from a backup, and check it from end to end."""
    from holdfast.journal.backup import restore as copy

    _copy("Restoring", source, directory, copy)


def _copy(
    title: str,
    source: Path,
    target: Path,
    copy: "Callable[[Path, Path, Callable[[str, int, int], None]], CopyReport]",
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from holdfast.journal.interface import JournalError

    try:
        with Progress(console=Console(stderr=True)) as bars:
            task = bars.add_task(title)
            report = copy(
                source,
                target,
                lambda what, done, total: bars.update(
                    task, description=f"{title}: {what}", completed=done, total=total
                ),
            )
    except (StartError, JournalError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or target}: {error.strerror}.")
    show(
        {
            "directory": str(target),
            "firstSeq": report.first_seq,
            "lastSeq": report.last_seq,
            "chainHash": report.chain_hash.hex(),
            "snapshots": report.snapshot_seqs,
        }
    )
