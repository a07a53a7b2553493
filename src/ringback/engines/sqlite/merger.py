"""The task that merges recent keys when there are many; how that is done is in recent.py.

Every process that accepts has one: a server need not have a worker that looks after the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ringback.engines.sqlite import recent
from ringback.engines.sqlite.writer import Writer
from ringback.errors import StoreUnavailable

PAUSE = 0.02
"""Seconds between two steps, in which requests get their turn: as long as a step takes."""
AGAIN_AFTER = 5.0
"""Seconds after which it is tried again when the store failed."""

log = logging.getLogger("ringback.sqlite")


class Merger:
    """Keeps the recent keys of one engine few."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._task: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Something was committed: merge if there are too many now."""
        if self._writer.unmerged <= recent.MERGE_AT:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._merge())

    async def close(self) -> None:
        """Stop; what is left of a merge is done by whoever opens the store next."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _merge(self) -> None:
        try:
            more = True
            while more:
                more = await self._writer.run(lambda tx: tx.recent.merge(), long=True)
                await asyncio.sleep(PAUSE)
        except StoreUnavailable:  # the writer has said why
            await asyncio.sleep(AGAIN_AFTER)
        except Exception:
            log.exception("Idempotency keys could not be merged.")
            await asyncio.sleep(AGAIN_AFTER)
