"""Both ways that bytes travel, for every test of the edge."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edges.websocket.talking import WAYS, Server, served


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def server(data: Path, way: str) -> AsyncIterator[Server]:
    async with served(data, way) as server:
        yield server
