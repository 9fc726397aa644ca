"""What a person sees while a venue starts, and what it prints when it is ready.

On a terminal the step under way turns and shows its time; in a pipe steps are plain lines, of which "listening on
http://…" is the one that scripts wait for.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import rich.progress
from rich.console import Console

from holdfast.codes import TradingMode
from holdfast.instruments import Reference

SHOWN_EVERY_SECONDS = 1.0

# Printed at the start of a demo, and in README.md with the venue's usual address and file.
SNIPPET = """\
import ccxt, json  # pip install ccxt
url = "{url}"
key = json.load(open({keys_file}))["{name}"]
paths = {{"public": "/api/v3", "private": "/api/v3", "v1": "/api/v1", "sapi": "/sapi/v1",
         "fapiPublic": "/fapi/v1", "dapiPublic": "/dapi/v1"}}
exchange = ccxt.binance({{"apiKey": key["apiKey"], "secret": key["secretKey"],
                         "urls": {{"api": {{name: url + path for name, path in paths.items()}}}}}})
order = exchange.create_order("BTC/USDT", "market", "buy", 0.01)
print("order", order["id"], order["status"], order["filled"], "BTC at", order["average"], "fee", order["fee"])
trade = exchange.fetch_my_trades("BTC/USDT")[-1]
print("trade", trade["id"], trade["amount"], "BTC at", trade["price"], "fee", trade["fee"])
print("owned", exchange.fetch_balance()["total"])"""


def snippet(url: str, keys_file: Path, name: str) -> str:
    """Twelve lines of Python that buy bitcoin with the key of the account `name` in `keys_file`."""
    return SNIPPET.format(url=url, keys_file=json.dumps(str(keys_file), ensure_ascii=False), name=name)


class _Terminal(Console):
    """A console that leaves the cursor alone: a venue that is killed while it starts could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002
        return False


class Progress:
    """The steps of one start. A context: leaving it ends the line that is being shown."""

    def __init__(self) -> None:
        self._console = _Terminal(highlight=False, soft_wrap=True)
        self._begun = time.monotonic()
        self._step = ""
        self._step_begun = 0.0
        self._shown_at = 0.0
        self._said: list[str] = []
        self._turning: rich.progress.Progress | None = None  # On a terminal, the line of the step under way.

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        self._stop_turning()

    def step(self, what: str) -> None:
        """The next step begins."""
        self.done()
        self._step, self._step_begun = what, time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"… {what}", markup=False)
            return
        columns = (rich.progress.SpinnerColumn(), "{task.description}", rich.progress.TimeElapsedColumn())
        self._turning = rich.progress.Progress(*columns, console=self._console, transient=True, refresh_per_second=4)
        self._turning.add_task(what, total=None)
        self._turning.start()

    def done(self) -> None:
        """The step under way is finished."""
        if not self._step:
            return
        self._stop_turning()
        seconds = f"{time.monotonic() - self._step_begun:.1f} s"
        if self._console.is_terminal:
            self._console.print(f"[green]✓[/] {self._step} [dim]{seconds}[/]")
        elif time.monotonic() - self._step_begun > SHOWN_EVERY_SECONDS:
            self._console.print(f"  {seconds}")
        for sentence in self._said:
            self._console.print(f"    {sentence}", markup=False)
        self._said.clear()
        self._step = ""

    def reached(self, seq: int) -> None:
        """Recovery has come to `seq`; shown now and then. Called from another thread."""
        now = time.monotonic()
        if now - self._shown_at >= SHOWN_EVERY_SECONDS:
            self._shown_at = now
            self._console.print(f"  [dim]command {seq:,}[/]")

    def say(self, sentence: str) -> None:
        """What the step under way did; shown below it when it is finished."""
        self._said.append(sentence)

    def banner(
        self,
        url: str,
        line: Sequence[str],
        reference: Reference,
        keys: Mapping[str, Mapping[str, str]],
        keys_file: Path,
    ) -> None:
        """Addresses, markets, demo accounts, and something to paste."""
        print_ = self._console.print
        markets = [i.symbol for i in reference.instruments.values() if i.mode == TradingMode.TRADING]
        print_()
        print_(f"[bold green]Holdfast is open[/] after {time.monotonic() - self._begun:.1f} s")
        for address in line:  # First: who waits for the other line may then look for these.
            print_(f"the line is open on {address}", markup=False)
        print_(f"listening on {url}", markup=False)
        print_(f"markets: {', '.join(markets)}", markup=False)
        for name, key in keys.items():  # Whole and on lines of their own, so that they can be copied.
            print_(f"\n[bold]{name}[/]")
            print_(f"  API key     {key['apiKey']}", markup=False)
            print_(f"  secret key  {key['secretKey']}", markup=False)
        if keys:
            print_("\n[bold]Buy bitcoin[/]: paste this into Python\n")
            print_(snippet(url, keys_file.absolute(), next(iter(keys))), markup=False, style="cyan")
        print_("\n[dim]Ctrl-C stops it; everything acknowledged is kept.[/]")

    def _stop_turning(self) -> None:
        if self._turning is not None:
            self._turning.stop()
            self._turning = None
