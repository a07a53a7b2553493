"""The fixtures of the contract: each test runs on every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.ports import FullEngine
from tests.contract.homes import HOMES, WHICH, Home


@pytest.fixture(params=WHICH)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    """A fresh store."""
    return HOMES[request.param](tmp_path / "store")


@pytest.fixture
async def engine(home: Home) -> AsyncIterator[FullEngine]:
    """An open engine."""
    async with home.engine() as opened:
        yield opened


@pytest.fixture
async def neighbour(home: Home, engine: FullEngine) -> AsyncIterator[FullEngine]:
    """Another one on the same store."""
    async with home.engine() as opened:
        yield opened
