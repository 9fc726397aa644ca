"""Fixtures of the tests of order lists."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.order_lists.venue import EngineWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[EngineWorld]:
    made = EngineWorld(tmp_path)
    yield made
    made.history.close()
