"""Waiting for a condition: the only place where tests of running processes pause."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_SECONDS = 0.02


def wait_until(condition: Callable[[], T], seconds_max: float = 20, what: str = "") -> T:
    """The first true answer of `condition`; AssertionError when there is none within `seconds_max`."""
    end = time.monotonic() + seconds_max
    while not (answer := condition()):
        assert time.monotonic() < end, f"{what or 'the condition'} did not come true within {seconds_max} s"
        time.sleep(LOOK_EVERY_SECONDS)
    return answer
