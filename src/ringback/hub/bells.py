"""Following topics: read after a position, deliver, wait.

The log is the truth; a hint only says that looking is worth while. A follower arms its bell
before it reads, so that what is committed between the read and the wait still rings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ringback.core.model import OperationState
from ringback.errors import CapacityError
from ringback.ports import EVERYTHING, Engine, Hints

_Bell = asyncio.Event


class Bells:
    """The bells of this process's followers."""

    def __init__(self, hints: Hints) -> None:
        self._bells: dict[str, set[_Bell]] = {}
        self._stop = hints.listen(self._ring)
        self._closing = False
        self._endings: list[Callable[[], None]] = []

    @property
    def closing(self) -> bool:
        """Whether the process is stopping: followers end, and resume elsewhere."""
        return self._closing

    def when_closing(self, end: Callable[[], None]) -> None:
        """Have ``end`` called when the process stops, once."""
        self._endings.append(end)

    def close(self) -> None:
        """Ring every bell, so that followers see that this process is stopping."""
        self._closing = True
        endings, self._endings = self._endings, []
        for end in endings:
            end()
        self._stop()
        self._ring(frozenset({EVERYTHING}))

    def ring_all(self) -> None:
        """Have every follower look again."""
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


async def rung(bell: asyncio.Event, timeout: float | None) -> bool:
    """Wait for a bell, for at most ``timeout`` seconds if they are given; whether it rang."""
    if bell.is_set():
        return True
    try:
        async with asyncio.timeout(timeout):
            await bell.wait()
    except TimeoutError:
        return False
    return True


def never() -> bool:
    """Whether somebody who stays has given up."""
    return False


async def wait_for(
    hub: Bells,
    engine: Engine,
    state: OperationState,
    enough: Callable[[OperationState], bool],
    seconds: float | None,
    *,
    bell: asyncio.Event,
    given_up: Callable[[], bool] = never,
) -> OperationState:
    """The operation once it is enough; or as it is, when the time is over or the hub closes.

    ``bell`` is the operation's; whoever gives up rings it.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        bell.clear()
        state = await engine.load(state.id)
        if enough(state) or hub.closing or given_up():
            return state
        remaining = None if deadline is None else deadline - time.monotonic()
        if remaining is not None and remaining <= 0:
            return state
        await rung(bell, remaining)


async def wait_until_terminal(
    hub: Bells, engine: Engine, operation: str, seconds: float | None
) -> OperationState:
    """An operation once it has ended. Raises ``TimeoutError``, or ``CapacityError`` at the stop."""
    state = await engine.load(operation)
    with hub.bell(state.topic) as bell:
        state = await wait_for(hub, engine, state, lambda new: new.terminal, seconds, bell=bell)
    if state.terminal:
        return state
    if hub.closing:
        raise CapacityError("The application is being stopped; the operation goes on later.")
    raise TimeoutError(f"{operation} is still {state.status.value}.")
