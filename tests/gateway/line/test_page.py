"""docs/line.md is what clients in other languages are written from: its tables are the code's."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from holdfast.codes import OrderEventKind
from holdfast.commands import command_dtype
from holdfast.gateway.line.run import KINDS
from holdfast.line import (
    ClientKind,
    Reason,
    ServerKind,
    challenge_dtype,
    instrument_dtype,
    notice_dtype,
    report_dtype,
    sign_on_dtype,
)
from tests.support.venue import VenueProcess

PAGE = (Path(__file__).parents[3] / "docs" / "line.md").read_text()
LAYOUTS = {
    "SIGN_ON:": sign_on_dtype,
    "Report:": report_dtype,
    "Notice:": notice_dtype,
    "Challenge:": challenge_dtype,
    "Instrument:": instrument_dtype,
}
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def table_after(line: str) -> list[list[str]]:
    """The cells of the first table after a line, without its head."""
    rest = PAGE[PAGE.index(f"\n{line}") :].splitlines()[2:]
    rows = rest[next(i for i, each in enumerate(rest) if each.startswith("|")) + 2 :]
    end = next((i for i, each in enumerate(rows) if not each.startswith("|")), len(rows))
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[:end]]


def of_dtype(dtype: np.dtype) -> list[tuple[int, int, str]]:  # type: ignore[type-arg]
    assert dtype.fields is not None
    return [(dtype.fields[name][1], dtype.fields[name][0].itemsize, name) for name in dtype.names or ()]


def layout(rows: list[list[str]]) -> list[tuple[int, int, str]]:
    return [(int(row[0]), int(row[1]), row[2].strip("`")) for row in rows]


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_the_codes(name: str) -> None:
    assert layout(table_after(name)) == of_dtype(LAYOUTS[name])


def test_the_fields_of_a_command_are_the_journals() -> None:
    documented = layout(table_after("### What a client sends"))
    assert set(documented) < set(of_dtype(command_dtype))
    kinds = next(row[3] for row in table_after("### What a client sends") if row[2] == "`kind`")
    assert sorted(int(number) for number in re.findall(r"\d+", kinds)) == sorted(KINDS)


def test_the_kinds_and_reasons_are_the_codes() -> None:
    client = {(int(row[0]), row[1]) for row in table_after("The others have their kind")}
    assert client == {(kind.value, kind.name) for kind in ClientKind}
    server = {(int(row[0]), row[1]) for row in table_after("### What the venue sends")}
    assert server == {(kind.value, kind.name) for kinds in (ServerKind, OrderEventKind) for kind in kinds}
    reasons = {(int(row[0]), row[1]) for row in table_after("Reasons, in REFUSED")}
    assert reasons == {(reason.value, reason.name) for reason in Reason if reason}


@pytest.mark.slow
def test_the_examples_work_as_they_stand(tmp_path: Path) -> None:
    with VenueProcess(tmp_path, "--demo", "--line-socket") as venue:
        key = venue.command("key", "create", "demo-alice", "--type", "ed25519", "--data", str(venue.data))
        (tmp_path / "line-key.json").write_text(key.stdout)
        for example in EXAMPLES:
            done = subprocess.run(
                [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert len(done.stdout.splitlines()) >= 2, done.stdout
