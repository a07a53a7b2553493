"""Waiting for a condition: apart from all else, for processes that a test starts by the dozen."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

START_LIMIT = 60.0
"""Seconds for a server to start on a busy machine."""


async def until(
    condition: Callable[[], object] | Callable[[], Awaitable[object]],
    limit: float = START_LIMIT,
    every: float = 0.01,
) -> Any:
    """Wait until a condition (plain or async) holds, and return what it returned.

    Raises `TimeoutError` after `limit` seconds.
    """
    deadline = time.monotonic() + limit
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition} did not hold within {limit} s.")
        await asyncio.sleep(every)
