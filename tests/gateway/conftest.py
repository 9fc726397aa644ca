"""Fixtures of the gateway's tests."""

import pytest

from tests.gateway.fakes import World


@pytest.fixture
def world() -> World:
    return World()
