"""Style is a test: the engine is pure, stages meet only where they may, and kernels fail only by assertion.

A clock, a file or a float in the engine would make two replicas differ one day; an import against the arrow would let a
stage decide what is not its business.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "holdfast"
ENGINE = sorted((ROOT / "engine").glob("*.py"))
KERNELS = [path for path in ENGINE if path.name not in ("__init__.py", "handle.py", "jit.py", "view.py")]
SOURCES = sorted(ROOT.rglob("*.py"))
OTHER_KERNELS = [path for path in SOURCES if path not in ENGINE and "import njit" in path.read_text()]
IN_THE_CACHES_NAME = {"codes", "commands", "config", "events", "line"}

LANGUAGE = {"clock", "codes", "commands", "config", "events", "instruments", "views"}
# A gateway translates what market data shows, and so knows its shapes; it never changes anything there.
STAGES_THAT_MAY_ALSO_IMPORT = {"gateway": {"market_data"}}
STAGES = {"accounts", "directory", "engine", "gateway", "journal", "market_data", "participants"}
# The snapshot hashes bytes; reads unpack ids; buffers are used again when nobody refers to them; two instructions, and
# what `state.balances[row]` means, are written in the compiler's own terms. What is asked of the system is memory,
# which decides nothing.
ENGINE_MAY_IMPORT = {"collections", "holdfast", "numba", "numpy", "struct", "typing"}
ENGINE_EXCEPTIONS = {
    "address_space.py": {"ctypes", "mmap", "sys"},
    "event_buffers.py": {"sys"},
    "handle.py": {"weakref"},
    "jit.py": {"llvmlite"},
    "snapshot.py": {"hashlib"},
    "view.py": {"operator"},
}
FORBIDDEN_IN_ENGINE = {"asyncio", "datetime", "os", "random", "secrets", "threading", "time", "uuid"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> list[str]:
    """The full names of all modules that a file imports when it runs, not those for type checking only."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def stage_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "holdfast" and len(parts) > 1 else ""


@pytest.mark.parametrize("path", KERNELS, ids=name_of)
def test_engine_has_no_floats_and_no_true_division(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), ast.unparse(node)
        assert not isinstance(node, ast.Div)
        assert not (isinstance(node, ast.Name) and node.id == "float")


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_engine_imports_no_clock_no_chance_and_no_machine(path: Path) -> None:
    roots = {module.split(".")[0] for module in imports(path)} - ENGINE_EXCEPTIONS.get(path.name, set())
    assert roots <= ENGINE_MAY_IMPORT
    assert not roots & FORBIDDEN_IN_ENGINE


@pytest.mark.parametrize("path", KERNELS, ids=name_of)
def test_kernels_fail_only_by_assertion(path: Path) -> None:
    kernels = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Name) and d.id in ("entry", "long", "hot", "cold") for d in node.decorator_list)
    ]
    for kernel in kernels:
        for node in ast.walk(kernel):
            assert not isinstance(node, (ast.Raise, ast.Try, ast.JoinedStr, ast.With)), f"{kernel.name}: {node.lineno}"


def names_in(*nodes: ast.AST) -> set[str]:
    return {inner.id for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Name)}


@pytest.mark.parametrize("path", OTHER_KERNELS, ids=name_of)
def test_kernels_of_other_stages_use_nothing_whose_change_their_cache_would_miss(path: Path) -> None:
    """See `kernel_cache`: their own file and the language. What else they need comes as an argument."""
    tree = ast.parse(path.read_text())
    missed = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("holdfast")
        for alias in node.names
        if node.module.split(".")[1:] not in [[name] for name in IN_THE_CACHES_NAME]
    }
    decorators = {"njit"}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            made = names_in(*node.targets)
            missed |= made if names_in(node.value) & missed else set()
            decorators |= made if names_in(node.value) & {"njit"} else set()
    kernels = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and names_in(*node.decorator_list) & decorators
    ]
    assert kernels
    for kernel in kernels:
        assert not names_in(*kernel.body) & missed, kernel.name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_follow_the_arrow(path: Path) -> None:
    """Language files import only each other; a stage imports the language and itself. They meet above both."""
    used = {stage_of(module) for module in imports(path)} - {""}
    relative = path.relative_to(ROOT)
    if relative.stem in LANGUAGE and len(relative.parts) == 1:
        assert used <= LANGUAGE
    elif relative.parts[0] in STAGES:
        stage = relative.parts[0]
        assert not (used & STAGES) - {stage} - STAGES_THAT_MAY_ALSO_IMPORT.get(stage, set())
    if relative.parts[0] == "engine":
        assert used <= LANGUAGE | {"engine", "kernel_cache"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert path.name == "__main__.py" or not text.strip() or ast.get_docstring(ast.parse(text)), (
        "a module opens with its place in the flow"
    )
