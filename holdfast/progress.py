"""What a person sees while a venue starts, and what it prints when it is ready.

On a terminal steps are shown with their times; in a pipe they are plain lines, of which "listening on http://…" is the one
that scripts wait for.
"""

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console

from holdfast.codes import TradingMode
from holdfast.instruments import Reference

SHOWN_EVERY_SECONDS = 1.0

SNIPPET = """\
import ccxt  # pip install ccxt
url = "{url}"
api = {{"public": url + "/api/v3", "private": url + "/api/v3", "v1": url + "/api/v1", "sapi": url + "/sapi/v1",
       "fapiPublic": url + "/fapi/v1", "dapiPublic": url + "/dapi/v1"}}
exchange = ccxt.binance({{"urls": {{"api": api}}, "apiKey": "{api_key}",
                         "secret": "{secret_key}"}})
order = exchange.create_order("BTC/USDT", "market", "buy", 0.01)
print(order["status"], order["filled"], "BTC at", order["average"], "fee", order["fee"])
balance = exchange.fetch_balance()
print("BTC", balance["BTC"]["total"], "USDT", balance["USDT"]["total"])"""


class Progress:
    """The steps of one start. A context: leaving it ends the line that is being shown."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._begun = time.monotonic()
        self._step = ""
        self._step_begun = 0.0
        self._shown_at = 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        if kind is not None:
            self._step = ""

    def step(self, what: str) -> None:
        """The next step begins."""
        self.done()
        self._step, self._step_begun = what, time.monotonic()
        self._console.print(f"[dim]…[/] {what}")

    def done(self) -> None:
        """The step under way is finished."""
        if self._step and time.monotonic() - self._step_begun > SHOWN_EVERY_SECONDS:
            self._console.print(f"  [dim]{time.monotonic() - self._step_begun:.1f} s[/]")
        self._step = ""

    def reached(self, seq: int) -> None:
        """Recovery has come to `seq`; shown now and then. Called from another thread."""
        now = time.monotonic()
        if now - self._shown_at >= SHOWN_EVERY_SECONDS:
            self._shown_at = now
            self._console.print(f"  [dim]command {seq:,}[/]")

    def say(self, sentence: str) -> None:
        self._console.print(f"  {sentence}", markup=False)

    def banner(self, url: str, reference: Reference, keys: Mapping[str, Mapping[str, str]]) -> None:
        """Address, markets, demo accounts, and something to paste."""
        print_ = self._console.print
        markets = [i.symbol for i in reference.instruments.values() if i.mode == TradingMode.TRADING]
        print_()
        print_(f"[bold green]Holdfast is open[/] after {time.monotonic() - self._begun:.1f} s")
        print_(f"listening on {url}", markup=False)
        print_(f"markets: {', '.join(markets)}", markup=False)
        if keys:
            for name, key in keys.items():  # Whole and on lines of their own, so that they can be copied.
                print_(f"\n[bold]{name}[/]")
                print_(f"  API key     {key['apiKey']}", markup=False)
                print_(f"  secret key  {key['secretKey']}", markup=False)
            first = next(iter(keys.values()))
            print_("\nBuy bitcoin from Python:\n")
            print_(SNIPPET.format(url=url, api_key=first["apiKey"], secret_key=first["secretKey"]), markup=False)
            print_()
        print_("[dim]Ctrl-C stops it; everything acknowledged is kept.[/]")
