"""The bound of queued operations, without a counter that every acceptance would write.

Counting reads the index, so it is done seldom: after a hundredth of the bound was accepted here
since the last time, or when none is left. So several processes may together go over the bound by as
much as they accept between two counts; what would be exact, an item that all acceptances and claims
write, would let a few hundred of them happen each second, over all processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

EXACT = 10_000
"""Bounds up to which all that is left is given out at once."""
STEP = 100
"""Of a larger bound, this part."""
FULL_FOR = 1.0
"""Seconds for which a queue that was full counts as full, if nothing happens to it here."""


class Depth:
    """How many more operations this process may accept."""

    def __init__(self, bound: int, count: Callable[[], Awaitable[int]]) -> None:
        self._bound = bound
        self._count = count
        self._step = bound if bound <= EXACT else bound // STEP
        self._left = 0 if bound <= EXACT else self._step
        self._under_way = 0
        self._full_until = 0.0
        self.queued = 0
        """How many there were when they were counted last."""
        self._counting = asyncio.Lock()

    async def enter(self) -> bool:
        """Whether one more may be accepted; if so, ``leave`` is to be called."""
        async with self._counting:
            clock = asyncio.get_running_loop().time
            if self._left <= 0:
                if clock() < self._full_until:
                    return False
                self.queued = await self._count()
                self._left = min(self._bound - self.queued - self._under_way, self._step)
            if self._left <= 0:
                self._full_until = clock() + FULL_FOR
                return False
            self._left -= 1
            self._under_way += 1
            return True

    def leave(self, *, stored: bool) -> None:
        """What was entered for is done."""
        self._under_way -= 1
        self._left += not stored

    def changed(self) -> None:
        """Something was taken from the queue here."""
        self._full_until = 0.0
