"""Fixtures of the edges' tests: the application of `application.py`, served."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edges.application import Caller, served


@pytest.fixture
async def caller(data: Path) -> AsyncIterator[Caller]:
    """A caller of a server in development mode."""
    async with served(data) as caller:
        yield caller
