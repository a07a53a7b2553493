"""A real Chromium on the real demo. What the page of Ask Around Me shows as well is in the soak."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests.e2e.browser import running
from tests.e2e.demonstration import Demonstration
from tests.e2e.page import DemoPage

WIDE = {"width": 1280, "height": 900}
AWAY = ("Failed to load resource", "WebSocket connection to")
"""What Chromium itself says when a server does not answer, or refuses."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, browser_path: str) -> Iterator[Demonstration]:
    with Demonstration(tmp_path_factory.mktemp("demo")) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(browser_path: str) -> AsyncIterator[Browser]:
    async with running(browser_path) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A visitor who has never been here."""
    async with await browser.new_context(viewport=WIDE) as opened:  # type: ignore[arg-type]
        await opened.grant_permissions(["clipboard-read", "clipboard-write"])
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, demo: Demonstration) -> AsyncIterator[DemoPage]:
    """The demo's page. No script may have failed, and nothing may have been blocked, at the end."""
    faults: list[str] = []
    opened = await context.new_page()
    watch(opened, faults)
    await opened.goto(demo.url)
    yield DemoPage(opened, demo)
    with contextlib.suppress(Exception):
        await opened.close()
    assert not faults, "\n".join(faults)


def watch(page: Page, faults: list[str]) -> None:
    """Gather what goes wrong in a page; that the server is away, or refuses, is part of it."""
    page.on("pageerror", lambda error: faults.append(f"{error}\n{error.stack}"))
    page.on(
        "console",
        lambda message: (
            faults.append(message.text)
            if message.type == "error" and not any(each in message.text for each in AWAY)
            else None
        ),
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for files to choose from."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder
