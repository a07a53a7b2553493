"""A running Chromium, for the fixtures of each folder that has pages to show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.e2e import chromium


@asynccontextmanager
async def running(path: str, *arguments: str) -> AsyncIterator[Browser]:
    """The browser that is installed there, until the end; with further arguments."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=path, args=(*chromium.ARGUMENTS, *arguments)
        )
        yield opened
        await opened.close()
