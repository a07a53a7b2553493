"""Fixtures for every test. What serves an application is in `tests/serving.py`."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def temporary_folder() -> Iterator[None]:
    """Programs that a test kills leave things in the folder for such: this run has its own."""
    with (
        tempfile.TemporaryDirectory(prefix="rb-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


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
