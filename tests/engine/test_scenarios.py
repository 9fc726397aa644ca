"""Each trading rule as a session anyone can read: `scenarios/*.txt`, in the language that `scenario` explains."""

from pathlib import Path

import pytest

from holdfast.engine.engine import Engine
from tests.engine.scenario import SCENARIOS, run_scenario


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_session_goes_as_written(path: Path) -> None:
    run_scenario(Engine(), path)
