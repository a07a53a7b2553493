"""Fixtures for every test. What serves an application is in `tests/serving.py`."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's own environment sets must not change what is tested."""
    for name in tuple(os.environ):
        if name.startswith("RINGBACK_"):
            monkeypatch.delenv(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A fresh folder for an embedded store; it does not exist yet."""
    return tmp_path / "data"
