"""What tests of functions share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lambdas.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """One client of functions that do not die."""
    world = World(tmp_path, monkeypatch, 0)
    yield world
    world.close()
