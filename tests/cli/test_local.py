"""Commands that work on a data directory itself: what they hand over, what they present, and how they end."""

import json
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from holdfast.cli import app
from holdfast.errors import StartError
from holdfast.settings import JoinOptions, RunOptions


def type_(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Stands in for `holdfast.venue`, which needs kernels."""
    module = ModuleType("holdfast.venue")
    monkeypatch.setitem(sys.modules, "holdfast.venue", module)
    import holdfast

    monkeypatch.setattr(holdfast, "venue", module, raising=False)
    return module


@pytest.fixture
def verification(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("holdfast.verification")
    monkeypatch.setitem(sys.modules, "holdfast.verification", module)
    import holdfast

    monkeypatch.setattr(holdfast, "verification", module, raising=False)
    return module


def test_run_hands_its_options_to_the_venue_and_ends_with_its_code(venue: ModuleType) -> None:
    seen: list[RunOptions] = []
    venue.run = lambda options: seen.append(options) or 0  # type: ignore[attr-defined]
    assert type_("run", "--data", "d", "--port", "8000", "--demo", "--config", "c.toml").exit_code == 0
    assert seen == [RunOptions(data=Path("d"), port=8000, demo=True, config=Path("c.toml"))]


def test_venue_that_cannot_start_is_one_sentence_and_exit_1(venue: ModuleType) -> None:
    def run(_options: RunOptions) -> int:
        raise StartError("Another venue is running on d.")

    venue.run = run  # type: ignore[attr-defined]
    result = type_("run", "--data", "d", "--port", "8000")
    assert (result.exit_code, result.stderr) == (1, "Another venue is running on d.\n")


def test_gateway_hands_its_options_over_and_ends_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    module, seen = ModuleType("holdfast.joined_gateway"), []
    module.run = lambda options: seen.append(options) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "holdfast.joined_gateway", module)
    import holdfast

    monkeypatch.setattr(holdfast, "joined_gateway", module, raising=False)
    assert type_("gateway", "--join", "d", "--port", "8001", "--tls").exit_code == 0
    assert type_("gateway", "--join", "d").exit_code == 0
    assert seen == [JoinOptions(data=Path("d"), port=8001, tls=True), JoinOptions(data=Path("d"), port=0)]
    refused = type_("gateway", "--join", "d", "--tls-key", "k")
    assert (refused.exit_code, "given together" in refused.stderr) == (1, True)


def test_certificate_without_its_key_is_refused(venue: ModuleType) -> None:
    venue.run = lambda _options: 0  # type: ignore[attr-defined]
    result = type_("run", "--data", "d", "--port", "8000", "--tls-certificate", "c.pem")
    assert result.exit_code == 1
    assert "given together" in result.stderr


def report_of(problems: list[str]) -> Any:
    line = namedtuple("AssetLine", "code deposited withdrawn holdings in_transit fees")
    report = namedtuple("Report", "first_seq last_seq chain_hash state_hash snapshots_checked skipped assets problems")
    assets = [line("BTC", "3.00000000", "1.00000000", "1.90000000", "0.00000000", "0.10000000")]
    return report(1, 42, "c0ffee", "beef", 2, [(7, 1)], assets, problems)


@pytest.mark.parametrize(("problems", "code"), [([], 0), (["the snapshot at seq 7 is damaged"], 1)])
def test_verify_presents_what_was_found(verification: ModuleType, problems: list[str], code: int) -> None:
    verification.verify = lambda _directory, progress: progress(42) or report_of(problems)  # type: ignore[attr-defined]
    result = type_("verify", "data")
    assert result.exit_code == code
    for shown in ("1 … 42", "c0ffee", "beef", "2 checked", "command 7", "BTC", "1.90000000", *problems):
        assert shown in result.stdout
    as_json = json.loads(type_("verify", "data", "--json").stdout)
    assert as_json["state_hash"] == "beef"
    assert as_json["assets"][0]["fees"] == "0.10000000"
    assert as_json["problems"] == problems


def test_verify_of_something_else_is_one_sentence_and_exit_1(verification: ModuleType) -> None:
    def verify(directory: Path, _progress: object) -> None:
        raise StartError(f"{directory} is not a data directory of Holdfast.")

    verification.verify = verify  # type: ignore[attr-defined]
    result = type_("verify", "nothing")
    assert (result.exit_code, result.stderr) == (1, "nothing is not a data directory of Holdfast.\n")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_copy_shows_what_it_holds_or_why_there_is_none(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    from holdfast.journal import backup

    def copy(source: Path, _target: Path, progress: Any) -> backup.CopyReport:
        if source == Path("nothing"):
            raise StartError("nothing is not a directory.")
        progress("journal", 1, 2)
        return backup.CopyReport(1, 42, b"\xbe\xef", [40])

    monkeypatch.setattr(backup, command, copy)
    shown = json.loads(type_(command, "a", "b").stdout)
    assert shown == {"directory": "b", "firstSeq": 1, "lastSeq": 42, "chainHash": "beef", "snapshots": [40]}
    refused = type_(command, "nothing", "b")
    assert refused.exit_code == 1
    assert "nothing is not a directory." in refused.stderr


def test_every_command_has_a_help() -> None:
    def walk(command: Any, words: list[str]) -> None:
        assert command.help, words
        for name, sub in getattr(command, "commands", {}).items():
            walk(sub, [*words, name])

    walk(typer.main.get_command(app), [])
