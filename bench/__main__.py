"""All benchmarks, one table each:  python -m bench [--quick] [NAME ...]

Each runs in a process of its own and says on which machine; where something is to be reached, the line below the table
says whether it was. Everything takes half an hour, with --quick a few minutes and figures that say less. What
is stored lies in the working directory.
"""

import argparse
import subprocess
import sys
import time
from typing import NamedTuple

from bench.load import ROOT


class Bench(NamedTuple):
    about: str
    quick: tuple[str, ...] = ("--quick",)
    module: str = ""  # Where it has not the bench's name.
    options: tuple[str, ...] = ()


BENCHES = {
    "match": Bench("the book alone, beside the same in C and a plain C++ book", ()),
    "engine": Bench(
        "the whole engine, beside that book's matching alone", ("--commands", "300000", "--without-memory")
    ),
    "exchange_core": Bench("the whole engine, beside exchange-core on the mix of its own test"),
    "engine_wide": Bench("the engine with 1,000 instruments and a million accounts, beside a narrow venue"),
    "ids": Bench("the engine with 50 million client order ids, beside only those of open orders"),
    "recovery": Bench("replay, and a restart behind a snapshot", ("--commands", "2000000", "--behind", "500000")),
    "poison": Bench("how long a command on which the engine fails stops the others", ("--behind", "50000")),
    "journal": Bench("durable appends and reading, beside the bare system calls", ()),
    "rest": Bench("orders over REST, beside an empty route"),
    "rest_gateways": Bench(
        "the same through gateways in processes of their own, beside the venue alone",
        module="rest",
        options=("--gateways", "2"),
    ),
    "ws_api": Bench("orders over the WebSocket API, beside an empty echo"),
    "line": Bench("orders over the binary line, beside an echo and a sync of the disk"),
    "ws_echo": Bench("our WebSocket machinery, beside picows alone", ()),
    "streams": Bench("2,000 depth subscribers, beside a bare loop of sends", ("4",)),
    "snapshot": Bench("the slowest reply while a snapshot is written"),
}


def main() -> int:
    names = "\n".join(f"  {name:13} {bench.about}" for name, bench in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench", epilog=f"benchmarks:\n{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    failed = [name for name in options.names or BENCHES if not run(name, options.quick)]
    if failed:
        sys.stderr.write(f"These did not finish: {', '.join(failed)}\n")
    return 1 if failed else 0


def run(name: str, is_quick: bool) -> bool:
    bench = BENCHES[name]
    sys.stdout.write(f"\n{name}: {bench.about}\n")
    sys.stdout.flush()
    started = time.monotonic()
    words = ["-m", f"bench.{bench.module or name}", *bench.options, *(bench.quick if is_quick else ())]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, check=False)
    sys.stdout.write(f"{time.monotonic() - started:.0f} s\n")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
