"""What the tests of the Python client share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.client import AsyncClient
from tests.client.app import application
from tests.client.proxy import Proxy, proxy
from tests.serving import serve


@pytest.fixture
async def url(data: Path) -> AsyncIterator[str]:
    """A server in development mode."""
    async with serve(application(data=data)) as url:
        yield url


@pytest.fixture
async def between(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of it."""
    async with proxy(int(url.rpartition(":")[2])) as made:
        yield made


@pytest.fixture
async def client(between: Proxy) -> AsyncIterator[AsyncClient]:
    """A client of the server, behind the proxy."""
    async with AsyncClient(between.url) as client:
        yield client


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    """The folder whose files let the task `steps` go on."""
    folder = tmp_path / "gates"
    folder.mkdir()
    return folder
