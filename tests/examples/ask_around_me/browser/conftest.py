"""A real Chromium on the real demo, as several people; without neighbours, but for the pictures."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e import chromium
from tests.e2e.browser import running
from tests.e2e.demonstration import Demonstration
from tests.examples.ask_around_me.browser.visitor import Company

ALONE = {"ASK_AROUND_ME_NEIGHBOURS": "0", "ASK_AROUND_ME_PACE": "0.1"}
"""Nobody but those a test has; and steps so long that a page can be seen to show them."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, browser_path: str) -> Iterator[Demonstration]:
    """What all tests share; each has a town of its own."""
    with Demonstration(tmp_path_factory.mktemp("demo"), "ask-around-me", ALONE) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    # Nothing but this machine: the map's tiles are out of reach, as without a network.
    async with running(browser_path, chromium.LOOPBACK_ONLY) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def company(browser: Browser) -> AsyncIterator[Company]:
    """Those whom a test has come. No page of theirs may have failed at the end."""
    async with Company(browser) as gathered:
        yield gathered
    assert not gathered.faults, "\n".join(gathered.faults)
