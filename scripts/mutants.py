"""Change the engine's kernels one place at a time, and see whether the tests notice:  python scripts/mutants.py

A change is a comparison, an operator or a number that is another, a truth that is the other, an `and` for an `or`, a
`not` that is gone, or a statement left out. A random choice of them is tried, without the JIT, until a test fails.
Those that live are printed with their place; `docs/mutants.md` says what is known of them.

First the unchanged tests run once, and show which statements each test gets to and how long it takes. A mutant then
meets only the tests that get to its statement, the quickest first; where none does, it lives. A test that needs three
times the processor time that it needed at first has noticed that something never ends; how busy the machine is
does not matter. Each mutant has a process of its own, forked from one that has collected the tests, and there its
kernel gets another code.

Results are written to a file as they come. Whoever runs it again with the same file goes on where it was interrupted,
and tries anew what lived: so it is also how to see whether a new test notices it.
"""

# ruff: noqa: T201 - it talks to a person.

import argparse
import ast
import hashlib
import json
import mmap
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from itertools import zip_longest
from multiprocessing import connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
KERNELS = {"hot", "cold", "entry"}  # What decorates them.
LEFT_OUT = {
    "audit": "it checks the state and decides nothing",
    "look_ahead": "it changes nothing but the speed, by design",
}
TESTS = ("tests/engine", "tests/model")
TIMES_SLOWER_MAX = 3
CPU_SECONDS_MIN = 2  # Even for the quickest of tests.
QUICK_CPU_SECONDS = 3  # All mutants meet tests that need less before any meets the others.
WALL_SECONDS_MAX = 3600  # The last resort, for what waits without working.
MEMORY_BYTES_MAX = 6 * 2**30  # Resident.
LOOKS_EVERY_SECONDS = 1.0
CAUGHT_SHARE_MIN = 0.95
NOTICED = 3  # The exit code of a process in which a test failed.
PROCESSES = multiprocessing.get_context("fork")

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
    kernel: str
    line: int
    column: int
    statement: int  # The line on which the smallest statement around it begins.
    before: str
    after: str
    source: str  # The whole changed file.

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.before!r} -> {self.after!r}"


class Unit(NamedTuple):
    """A test, or those of a file that share what they have set up."""

    tests: list[str]
    cpu_seconds: float
    statements: set[tuple[str, int]]  # Path and line of all that it gets to.


class Trial(NamedTuple):
    """A mutant in a process of its own, which tells the tests that begin."""

    mutant: Mutant
    process: Any
    began: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="how many mutants to try")
    parser.add_argument("--seed", type=int, default=1, help="another number chooses others")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many at once")
    parser.add_argument("--only", nargs="*", default=kernels(), help="names of kernels, as: match place")
    parser.add_argument("--results", type=Path, default=ROOT / "build" / "mutants.jsonl", help="what to go on from")
    options = parser.parse_args()
    everything = [mutant for name in options.only for mutant in mutants_of(path_of(name))]
    chosen = sorted(everything, key=lambda mutant: chance_of(mutant, options.seed))[: options.count]
    results = Results(options.results)
    untried = [mutant for mutant in chosen if not results.noticed_by(mutant)]
    print(
        f"{len(chosen)} of {len(everything)} mutants, {len(chosen) - len(untried)} of them noticed before", flush=True
    )
    if untried:
        try_all(untried, options.workers, results)
    show(chosen, results)


def chance_of(mutant: Mutant, seed: int) -> bytes:
    """A random number that stays when others come or go: whoever tries more tries these, too."""
    return hashlib.blake2b(f"{seed} {mutant}".encode(), digest_size=8).digest()


def kernels() -> list[str]:
    """The names of all files that hold kernels."""
    paths = sorted((ROOT / "holdfast" / "engine").glob("*.py"))
    return [path.stem for path in paths if path.stem not in LEFT_OUT and any(kernels_in(path.read_text("utf-8")))]


def path_of(kernel: str) -> str:
    return f"holdfast/engine/{kernel}.py"


def kernels_in(source: str) -> Iterator[ast.FunctionDef]:
    for function in ast.parse(source).body:
        if isinstance(function, ast.FunctionDef) and KERNELS & set(map(ast.unparse, function.decorator_list)):
            yield function


def show(chosen: list[Mutant], results: "Results") -> None:
    alive = [mutant for mutant in chosen if not results.noticed_by(mutant)]
    tried, living = Counter(mutant.path for mutant in chosen), Counter(mutant.path for mutant in alive)
    for path in sorted(tried):
        print(f"{path:40} {tried[path] - living[path]:4} of {tried[path]:4} noticed")
    print(*sorted(map(str, alive)), sep="\n")
    share = 1 - len(alive) / len(chosen)
    print(f"{share:.1%} noticed (at least {CAUGHT_SHARE_MIN:.0%})")
    sys.exit(share < CAUGHT_SHARE_MIN)


class Results:
    """One line of JSON for each mutant that was tried. A mutant is known by its place in a file of the same content."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._lines = {line["mutant"]: line for line in map(json.loads, path.read_text("utf-8").splitlines())}
        self._file = path.open("a", encoding="utf-8")

    def noticed_by(self, mutant: Mutant) -> str:
        line = self._lines.get(str(mutant), {})
        return line["noticed_by"] if line.get("content") == content_of(mutant.path) else ""

    def add(self, mutant: Mutant, noticed_by: str) -> None:
        line = {"mutant": str(mutant), "content": content_of(mutant.path), "noticed_by": noticed_by}
        self._lines[str(mutant)] = line
        print(json.dumps(line), file=self._file, flush=True)


def content_of(path: str) -> str:
    return hashlib.blake2b((ROOT / path).read_bytes(), digest_size=8).hexdigest()


# The processes.


def try_all(chosen: list[Mutant], workers: int, results: Results) -> None:
    """Within pytest, once it has collected the tests: whatever is forked then has imported everything."""
    os.environ |= {"NUMBA_DISABLE_JIT": "1", "HYPOTHESIS_PROFILE": "mutants"}
    with tempfile.TemporaryDirectory(prefix="mutants-") as made:
        copy_project(Path(made))  # So that nothing moves while files are edited.
        os.chdir(made)
        sys.path.insert(0, made)
        trials = Trials(chosen, workers, results)
        if pytest.main(["-q", "-s", "-p", "no:cacheprovider", *TESTS], plugins=[trials]) != pytest.ExitCode.OK:
            raise SystemExit("the run did not come to its end")


def copy_project(directory: Path) -> None:
    for name in ("holdfast", "tests"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", directory)


class Trials:
    """The plugin that takes the place of running the tests."""

    def __init__(self, chosen: list[Mutant], workers: int, results: Results) -> None:
        self._chosen = chosen
        self._workers = workers
        self._results = results
        self._shared: set[tuple[str, str]] = set()  # The file and the name of what several tests have set up once.

    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> None:
        if fixturedef.scope in ("class", "module", "package"):
            self._shared.add((request.path.name, fixturedef.argname))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        units = self._units(session)
        print(f"The unchanged tests need {sum(unit.cpu_seconds for unit in units):.0f} s of processor time", flush=True)
        waiting: deque[tuple[Mutant, list[Unit], list[Unit]]] = deque()
        for mutant in self._chosen:
            reaching = [unit for unit in units if (mutant.path, mutant.statement) in unit.statements]
            quick = [unit for unit in reaching if unit.cpu_seconds <= QUICK_CPU_SECONDS]
            waiting.append((mutant, quick, reaching[len(quick) :]))
        running: dict[Trial, list[Unit]] = {}  # And the slow tests that it meets if it lives.
        while waiting or running:
            while waiting and len(running) < self._workers:
                mutant, first, later = waiting.popleft()
                running[begun(session, mutant, first)] = later
            connection.wait([trial.process.sentinel for trial in running], LOOKS_EVERY_SECONDS)
            for trial in running:
                # A limit of addresses would not do: what may grow reserves far more than it takes.
                if resident_bytes(trial.process) > MEMORY_BYTES_MAX:
                    trial.process.kill()
            for trial in [trial for trial in running if not trial.process.is_alive()]:
                later = running.pop(trial)
                noticed_by = verdict(trial)
                if later and not noticed_by:
                    waiting.append((trial.mutant, later, []))
                    continue
                self._results.add(trial.mutant, noticed_by)
                left = len(waiting) + len(running)
                print(f"{left:4} left  {noticed_by or 'LIVES':60} {trial.mutant}", flush=True)
        return True

    def _units(self, session: pytest.Session) -> list[Unit]:
        """The quickest first."""
        receiver, sender = PROCESSES.Pipe(duplex=False)
        PROCESSES.Process(target=self._measure, args=(session, sender)).start()
        sender.close()
        try:
            return sorted(receiver.recv(), key=lambda unit: unit.cpu_seconds)
        except EOFError:
            raise SystemExit("the unchanged tests fail") from None

    def _measure(self, session: pytest.Session, sender: Any) -> None:
        be_silent()
        reached = mark_kernels()
        units: dict[str, Unit] = {}
        for item, following in zip_longest(session.items, session.items[1:]):
            began = time.process_time()
            for lines in reached.values():
                lines.clear()
            if is_failing(session, item, following):
                return
            has_shared = any((item.path.name, name) in self._shared for name in item.fixturenames)
            name = item.path.name if has_shared else item.nodeid
            before = units.get(name, Unit([], 0, set()))
            statements = {(path, line) for path, lines in reached.items() for line in lines}
            seconds = before.cpu_seconds + time.process_time() - began
            units[name] = Unit([*before.tests, item.nodeid], seconds, before.statements | statements)
        sender.send(list(units.values()))


def begun(session: pytest.Session, mutant: Mutant, units: list[Unit]) -> Trial:
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=try_one, args=(session, mutant, units, sender))
    process.start()
    sender.close()
    return Trial(mutant, process, receiver)


def try_one(session: pytest.Session, mutant: Mutant, units: list[Unit], sender: Any) -> None:
    """In a process of its own, whose exit code says what came out."""
    be_silent()
    signal.alarm(WALL_SECONDS_MAX)
    kernel_named(mutant.path, mutant.kernel).__code__ = code_within(ast.parse(mutant.source), mutant.kernel)
    items = {item.nodeid: item for item in session.items}
    chosen = [test for unit in units for test in unit.tests]
    seconds = {unit.tests[0]: CPU_SECONDS_MIN + TIMES_SLOWER_MAX * unit.cpu_seconds for unit in units}
    for test, following in zip_longest(chosen, chosen[1:]):
        sender.send(test)
        if test in seconds:
            signal.setitimer(signal.ITIMER_PROF, seconds[test])  # Its signal ends the process.
        if is_failing(session, items[test], items.get(following)):
            os._exit(NOTICED)
    os._exit(0)


def is_failing(session: pytest.Session, item: pytest.Item, following: pytest.Item | None) -> bool:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
    return session.testsfailed > 0


def be_silent() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def resident_bytes(process: Any) -> int:
    """How much memory it has; 0 once it has ended."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * mmap.PAGESIZE


def verdict(trial: Trial) -> str:
    """Which test noticed the mutant, and how; empty if it lives."""
    test = ""
    try:
        while True:
            test = trial.began.recv()
    except EOFError:
        trial.began.close()
    match trial.process.exitcode:
        case 0:
            return ""
        case code if code == NOTICED:
            return test
        case code if code == -signal.SIGPROF:
            return f"{test} (never ends)"
        case code if code == -signal.SIGKILL:
            return f"{test} (takes all memory)"
        case code:
            raise SystemExit(f"{trial.mutant} could not be tried: {code} in {test}")


# What a run gets to.

_REACHED = "_statements_reached"


def mark_kernels() -> dict[str, set[int]]:
    """Have all kernels note each statement that they get to. Returns where: the lines of each file."""
    reached: dict[str, set[int]] = {}
    for path in map(path_of, kernels()):
        reached[path] = set()
        source = (ROOT / path).read_text("utf-8")
        tree = ast.parse(source)
        names = {kernel.name for kernel in kernels_in(source)}
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and function.name in names:
                function.body = marked(function.body)
        for name in names:
            kernel = kernel_named(path, name)
            kernel.__globals__[_REACHED] = reached[path]
            kernel.__code__ = code_within(ast.fix_missing_locations(tree), name)
    return reached


def marked(statements: list[ast.stmt]) -> list[ast.stmt]:
    result = []
    for statement in statements:
        for branch in ("body", "orelse"):
            if inner := getattr(statement, branch, None):
                setattr(statement, branch, marked(inner))
        result += [*ast.parse(f"{_REACHED}.add({statement.lineno})").body, statement]
    return result


def kernel_named(path: str, name: str) -> FunctionType:
    """The kernel itself: without the JIT it is a plain function, and whoever imported it has the same one."""
    kernel = vars(sys.modules[path.removesuffix(".py").replace("/", ".")])[name]
    assert isinstance(kernel, FunctionType)
    return kernel


def code_within(tree: ast.Module, name: str) -> CodeType:
    """The code of a function of a file."""
    constants = compile(tree, "<changed>", "exec").co_consts
    (code,) = (one for one in constants if isinstance(one, CodeType) and one.co_name == name)
    return code


# The changes.


def mutants_of(path: str) -> Iterator[Mutant]:
    source = (ROOT / path).read_text("utf-8")
    for kernel in kernels_in(source):
        for child in kernel.body:
            for statement, node, after in changes(child, child):
                yield made(path, source, kernel.name, statement, node, after)


def changes(node: ast.AST, statement: ast.stmt) -> Iterator[tuple[ast.stmt, ast.expr | ast.stmt, str]]:
    """Each node within that can be another, after the statement around it, and its text then."""
    if isinstance(node, ast.stmt):
        statement = node
    if isinstance(node, ast.Assert) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return
    if isinstance(node, ast.Expr | ast.AugAssign) or (
        isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript)
    ):
        yield statement, node, "pass"
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in _COMPARISONS:
            yield statement, node, f"({ast.unparse(ast.Compare(left, [_COMPARISONS[type(operator)]()], [right]))})"
        case ast.BoolOp(operator, values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield statement, node, f"({ast.unparse(ast.BoolOp(other, values))})"
        case ast.UnaryOp(ast.Not(), operand):
            yield statement, node, f"({ast.unparse(operand)})"
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield statement, node, f"({ast.unparse(ast.BinOp(left, _OPERATORS[type(operator)](), right))})"
        case ast.Constant(value) if type(value) is int:
            yield statement, node, str(value + 1)
        case ast.Constant(value) if type(value) is bool:
            yield statement, node, str(not value)
    for child in ast.iter_child_nodes(node):
        yield from changes(child, statement)


def made(path: str, source: str, kernel: str, statement: ast.stmt, node: ast.expr | ast.stmt, after: str) -> Mutant:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    lines = source.encode().splitlines(keepends=True)
    begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    data = source.encode()
    changed = data[:begin] + after.encode() + data[end:]
    before = data[begin:end].decode()
    return Mutant(path, kernel, node.lineno, node.col_offset, statement.lineno, before, after, changed.decode())


if __name__ == "__main__":
    main()
