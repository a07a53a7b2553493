"""Waits for what another process does."""

import asyncio
from collections.abc import Awaitable, Callable

PAUSE = 0.02


async def until(holds: Callable[[], bool]) -> None:
    """Returns when `holds` does; the test's own time-out ends what never comes."""
    while not holds():  # noqa: ASYNC110 - another process, so nobody sets an event
        await asyncio.sleep(PAUSE)


async def until_async(holds: Callable[[], Awaitable[bool]]) -> None:
    while not await holds():  # noqa: ASYNC110
        await asyncio.sleep(PAUSE)
