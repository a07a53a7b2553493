"""The scene of each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.processes import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A fresh data folder, journal and gate."""
    return Scene(tmp_path)
