"""An application with upload handlers, served on a real socket, and a client of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import serve
from tests.uploads.app import application

Served = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def served(data: Path) -> Served:
    """Serve the application with settings; yields a client."""

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        async with (
            serve(application(data=data, **settings)) as url,
            client_of(url) as client,
        ):
            yield client

    return run


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application with its default settings."""
    async with served() as client:
        yield client
