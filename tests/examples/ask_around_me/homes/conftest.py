"""Both homes, one after the other, each for all tests of a module; and the client of pages."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.clients.bundled import bundled
from tests.e2e import chromium
from tests.e2e.browser import running
from tests.examples.ask_around_me.homes.places import Aws, Place, aws, embedded


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "aws"])
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "aws":
        async with aws(folder) as functions:
            yield functions
    else:
        async with embedded(folder) as processes:
            yield processes


@pytest.fixture
def on_aws(place: Place) -> Aws:
    if not isinstance(place, Aws):
        pytest.skip("there are no queues and no API Gateway in this home")
    return place


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled(tmp_path_factory.mktemp("client"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    # Nothing but this machine: the map's tiles are out of reach, as without a network.
    async with running(browser_path, chromium.LOOPBACK_ONLY) as opened:
        yield opened
