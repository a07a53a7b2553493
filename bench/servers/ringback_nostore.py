"""Ringback with storage switched off: what the HTTP edge and the core cost without a disk.

A bench-only engine that accepts and forgets. It is never part of the package: an engine that
answers 202 without storing breaks the contract, so it lives here, out of reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ringback import Ringback
from ringback.core.model import Accepted, Change, IdempotencyRecord
from ringback.engines.sqlite import SqliteEngine


class ForgetfulEngine(SqliteEngine):
    """The embedded engine, but for accepting."""

    def accept(self, change: Change, key: IdempotencyRecord | None) -> asyncio.Future[Accepted]:
        """Done at the end of this turn of the loop, as nothing has to be waited for."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Accepted] = loop.create_future()
        loop.call_soon(future.set_result, Accepted(change.after, False))
        return future


class ForgetfulRingback(Ringback):
    """An application that runs on it, whatever its settings say."""

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[Any]:
        """Run with the forgetful engine."""
        engine = ForgetfulEngine(self.settings.data)
        async with super().running(**{**options, "engine": engine}) as running:
            yield running


rb = ForgetfulRingback("bench")


@rb.task
async def noop(n: int) -> int:
    """Nothing; no worker runs."""
    return n
