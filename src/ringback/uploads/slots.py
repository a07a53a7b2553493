"""One request at a time writes into an upload, and only so many at once into all.

What belongs here: who holds which upload in this process. Between processes the store itself
refuses the second (``pieces``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringback.errors import QueueFull, UploadBusy

MAX_TRANSFERS = 128
"""Requests that send bytes to this process at once. Each holds up to a piece in memory, twice
while it is being stored: a gigabyte for all."""
SILENT = 3.0
"""Seconds without a byte after which a request gives way to another for the same upload: its
connection is most likely dead, and the client has come back on a new one."""
IDLE = 30.0
"""Seconds without a byte after which a request is ended in any case."""
PATIENCE = 1.0
"""Seconds a request waits for the one before it to let go of the upload: after a cut connection,
what came is still being stored when the client is back already."""
RETRY_AFTER = 2
"""Seconds after which to try again at a busy upload."""


class Slot:
    """A request's hold on its upload."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Timeout | None = None
        self._since = 0.0
        self._over = False
        self.released = asyncio.Event()

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """While the request waits for bytes. Raises ``TimeoutError`` when it is to end."""
        self._since = self._loop.time()
        try:
            async with asyncio.timeout(0 if self._over else IDLE) as self._waiting:
                yield
        finally:
            self._waiting = None

    @property
    def silent(self) -> bool:
        """Whether no byte came for a while."""
        return self._waiting is not None and self._loop.time() - self._since > SILENT

    def end(self) -> None:
        """Have the request end: at once if it waits for bytes, else when it would again."""
        self._over = True
        if self._waiting is not None:
            self._waiting.reschedule(self._loop.time())


class Slots:
    """The uploads that are being written to."""

    def __init__(self) -> None:
        self._taken: dict[str, Slot] = {}

    def taken(self, upload: str) -> bool:
        """Whether a request holds this upload."""
        return upload in self._taken

    def end(self, upload: str) -> None:
        """End the request that sends bytes of this upload, if there is one."""
        slot = self._taken.get(upload)
        if slot is not None:
            slot.end()

    @asynccontextmanager
    async def take(self, upload: str) -> AsyncIterator[Slot]:
        """Hold an upload. Raises ``UploadBusy``, or ``QueueFull`` when too many are held."""
        try:
            async with asyncio.timeout(PATIENCE):
                while (other := self._taken.get(upload)) is not None:
                    if other.silent:
                        other.end()
                    await other.released.wait()
        except TimeoutError:
            raise UploadBusy(retry_after=RETRY_AFTER) from None
        if len(self._taken) >= MAX_TRANSFERS:
            raise QueueFull(
                f"{MAX_TRANSFERS} uploads are being sent to this process already. Try again "
                "after Retry-After.",
                retry_after=RETRY_AFTER,
            )
        slot = self._taken[upload] = Slot()
        try:
            yield slot
        finally:
            del self._taken[upload]
            slot.released.set()
