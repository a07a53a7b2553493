"""Following topics: read after a position, deliver, wait.

The log is the truth; a hint only says that looking is worth while. A follower arms its bell
before it reads, so that what is committed between the read and the wait still rings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from ringback.ports import EVERYTHING, Hints

_Bell = asyncio.Event


class Hub:
    """The bells of this process's followers."""

    def __init__(self, hints: Hints) -> None:
        self._bells: dict[str, set[_Bell]] = {}
        self._stop = hints.listen(self._ring)
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether the process is stopping: followers end, and resume elsewhere."""
        return self._closing

    def close(self) -> None:
        """Ring every bell, so that followers see that this process is stopping."""
        self._closing = True
        self._stop()
        self._ring(frozenset({EVERYTHING}))

    @contextmanager
    def bell(self, topic: str) -> Iterator[_Bell]:
        """An event that is set whenever the topic may have changed. Clear it before reading."""
        bell = asyncio.Event()
        bells = self._bells.setdefault(topic, set())
        bells.add(bell)
        try:
            yield bell
        finally:
            bells.discard(bell)
            if not bells:
                self._bells.pop(topic, None)

    def _ring(self, changed: frozenset[str]) -> None:
        if EVERYTHING in changed:
            for bells in self._bells.values():
                for bell in bells:
                    bell.set()
            return
        for topic in changed:
            for bell in self._bells.get(topic, ()):
                bell.set()


async def rung(bell: asyncio.Event, timeout: float) -> bool:
    """Wait for a bell for at most ``timeout`` seconds; whether it rang."""
    if bell.is_set():
        return True
    try:
        async with asyncio.timeout(timeout):
            await bell.wait()
    except TimeoutError:
        return False
    return True
