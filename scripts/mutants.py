"""Change the engine's kernels one place at a time, and see whether the tests notice:  python scripts/mutants.py

A change is a comparison, an operator or a number that is another, a condition turned round, or a statement left out. A
random choice of them is tried, each in a copy of the package, without the JIT, until a test fails; a mutant that never
ends counts as noticed. Those that live are printed with their place. What is left out: assertions, and
`look_ahead.py`, which by design changes nothing but the speed.
"""

# ruff: noqa: T201 - it talks to a person.

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
KERNELS = (
    *("acting", "administration", "apply", "average", "book", "cancel", "emit", "ids", "ladder", "ledger"),
    *("mass_cancel", "match", "operations", "operator_keys", "order_index", "place", "positions", "retire", "risk"),
    *("settle", "slots", "stops", "trails", "trigger"),
)
# Quick ones first: most mutants die there.
TESTS = (
    ("tests/engine/test_scenarios.py", "tests/engine/test_book.py", "tests/engine/test_slots.py"),
    ("tests/model",),
    ("tests/engine",),
)
SECONDS_MAX = 150  # For each group of tests.
CAUGHT_SHARE_MIN = 0.95

_COMPARISONS = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


class Mutant(NamedTuple):
    path: str  # Below the root.
    line: int
    before: str
    after: str
    source: str  # The whole changed file.

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.before!r} -> {self.after!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=1, help="another number chooses others")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many at once")
    parser.add_argument("--only", nargs="*", default=KERNELS, help="names of kernels, as: match place")
    options = parser.parse_args()
    everything = [mutant for name in options.only for mutant in mutants_of(f"holdfast/engine/{name}.py")]
    chosen = random.Random(options.seed).sample(everything, min(options.count, len(everything)))
    print(f"{len(chosen)} of {len(everything)} mutants, {options.workers} at once", flush=True)
    alive = try_all(chosen, options.workers)
    tried, living = Counter(mutant.path for mutant in chosen), Counter(mutant.path for mutant in alive)
    for path in sorted(tried):
        print(f"{path:40} {tried[path] - living[path]:4} of {tried[path]:4} noticed")
    print(*sorted(map(str, alive)), sep="\n")
    share = 1 - len(alive) / len(chosen)
    print(f"{share:.1%} noticed (at least {CAUGHT_SHARE_MIN:.0%})")
    sys.exit(share < CAUGHT_SHARE_MIN)


def try_all(chosen: list[Mutant], workers: int) -> list[Mutant]:
    """The mutants that live."""
    alive: list[Mutant] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as made, ThreadPoolExecutor(workers) as pool:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(workers):
            copies.put(copy_of_project(Path(made) / str(number)))
        futures = {pool.submit(is_noticed, mutant, copies): mutant for mutant in chosen}
        for done, future in enumerate(as_completed(futures), start=1):
            if not future.result():
                alive.append(futures[future])
                print(f"{done:4}  lives: {futures[future]}", flush=True)
            elif done % 10 == 0:
                print(f"{done:4}  {len(alive)} live", flush=True)
    return alive


def copy_of_project(directory: Path) -> Path:
    for name in ("holdfast", "tests"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def is_noticed(mutant: Mutant, copies: "SimpleQueue[Path]") -> bool:
    directory = copies.get()
    path = directory / mutant.path
    original = path.read_text("utf-8")
    path.write_text(mutant.source, "utf-8")
    try:
        return any(fails(directory, group) for group in TESTS)
    finally:
        path.write_text(original, "utf-8")
        copies.put(directory)


def fails(directory: Path, tests: tuple[str, ...]) -> bool:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


# The changes.


def mutants_of(path: str) -> Iterator[Mutant]:
    source = (ROOT / path).read_text("utf-8")
    for function in ast.parse(source).body:
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                for node, after in changes(statement):
                    yield made(path, source, node, after)


def changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Each node within that can be another, and its text then."""
    if isinstance(node, ast.Assert) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    if isinstance(node, ast.Expr | ast.AugAssign) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    ):
        yield node, "pass"
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in _COMPARISONS:
            yield node, f"({ast.unparse(ast.Compare(left, [_COMPARISONS[type(operator)]()], [right]))})"
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield node, f"({ast.unparse(ast.BoolOp(other, values))})"
        case ast.UnaryOp(ast.Not(), operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield node, f"({ast.unparse(ast.BinOp(left, _OPERATORS[type(operator)](), right))})"
        case ast.Constant(value) if type(value) is int:
            yield node, str(value + 1)
    for child in ast.iter_child_nodes(node):
        yield from changes(child)


def made(path: str, source: str, node: ast.expr | ast.stmt, after: str) -> Mutant:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = source.encode().splitlines(keepends=True)
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    data = source.encode()
    changed = data[:begin] + after.encode() + data[end:]
    return Mutant(path, node.lineno, data[begin:end].decode(), after, changed.decode())


if __name__ == "__main__":
    main()
