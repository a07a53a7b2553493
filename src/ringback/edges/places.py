"""The connections that are held open: how many there may be, and what is done for all of them.

One task looks after all connections, a part of them each second: ten thousand timers would be
ten thousand objects.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ringback.core.access import Claims
from ringback.errors import QueueFull, RateLimited
from ringback.settings import Settings

TICK = 15.0
"""Seconds between two looks at a connection: half of the shortest idle time-out among common
proxies, since a look is also a heartbeat."""
TURNS = 30
"""Parts that the connections are looked at in, so that their heartbeats are spread."""
RETRY_AFTER = 5
"""Seconds after which a place may be free again."""
SPREAD = 0.8
"""Part of the grace period over which clients are told to come back: not all at once."""


class Kept(Protocol):
    """A connection, as far as it is looked after."""

    @property
    def kind(self) -> str:
        """By which it is counted: the transport's name."""

    def tick(self, now: float) -> None: ...

    def farewell(self, reconnect_after: float) -> None: ...

    def revoked(self, covers: Callable[[Claims], bool]) -> None: ...


class Keeper:
    """Looks after the connections of one process."""

    def __init__(self) -> None:
        self._turns: list[set[Kept]] = [set() for _ in range(TURNS)]
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(map(len, self._turns))

    def _turn(self, connection: Kept) -> set[Kept]:
        """Those looked at together with a connection; which, is as good as random."""
        return self._turns[hash(connection) % TURNS]

    def add(self, connection: Kept) -> None:
        """Look after a connection from now on."""
        self._turn(connection).add(connection)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="ringback-keeper")

    def discard(self, connection: Kept) -> None:
        """Do so no more."""
        self._turn(connection).discard(connection)
        if self._task is not None and not any(self._turns):
            self._task.cancel()
            self._task = None

    def count(self) -> Counter[str]:
        """How many there are of each kind."""
        return Counter(connection.kind for connection in self._all())

    def farewell(self, grace: float) -> None:
        """Tell all to come back, each after another part of the grace period."""
        for connection in self._all():
            connection.farewell(random.uniform(0.0, SPREAD * grace))  # noqa: S311 - no secret

    def revoked(self, covers: Callable[[Claims], bool]) -> None:
        """Have each look whether what it was allowed is over: ``Revocations.listen``."""
        for connection in self._all():
            connection.revoked(covers)

    def _all(self) -> list[Kept]:
        return [connection for turn in self._turns for connection in turn]

    async def _run(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(TICK / TURNS)
            now = time.monotonic()
            for connection in tuple(self._turns[turn]):
                connection.tick(now)
            turn = (turn + 1) % TURNS


class Places:
    """How many connections may be open: in all, of one subject, from one address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = 0
        self._subjects: Counter[str] = Counter()
        self._addresses: Counter[str] = Counter()

    def take(self, address: str | None, subject: str | None) -> None:
        """Take a place, to be given back by ``leave``. Raises ``QueueFull``, or ``RateLimited``
        for who has too many.
        """
        settings = self._settings
        if self._open >= settings.max_connections:
            raise QueueFull(
                f"This process holds {self._open} connections open already. Try again after "
                "Retry-After.",
                retry_after=RETRY_AFTER,
            )
        for held, by, limit in (
            (self._subjects, subject, settings.max_connections_per_subject),
            (self._addresses, address, settings.max_connections_per_address),
        ):
            if limit and by is not None and held[by] >= limit:
                raise RateLimited(
                    f"{limit} connections are open already from the same "
                    f"{'address' if held is self._addresses else 'subject'}. Close one, or share "
                    "one among the pages.",
                    retry_after=RETRY_AFTER,
                )
        self._open += 1
        if subject is not None:
            self._subjects[subject] += 1
        if address is not None:
            self._addresses[address] += 1

    def leave(self, address: str | None, subject: str | None) -> None:
        """Give a place back, named as it was taken."""
        self._open -= 1
        for held, by in ((self._subjects, subject), (self._addresses, address)):
            if by is not None:
                held[by] -= 1
                if held[by] <= 0:
                    del held[by]

    @contextmanager
    def place(self, address: str | None, subject: str | None) -> Iterator[None]:
        """Hold a place while the context lasts."""
        self.take(address, subject)
        try:
            yield
        finally:
            self.leave(address, subject)
