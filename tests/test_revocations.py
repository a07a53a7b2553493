"""How a process learns of revocations that others store, while it reads and where it cannot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

from ringback import Ringback
from ringback.core.access import Claims
from ringback.core.model import Page, Position
from ringback.errors import StoreUnavailable
from ringback.ports import FullEngine, Hint
from ringback.service import Revocations
from tests.serving import until

LIMIT = 60.0
"""Seconds until what must be learned is learned."""


class Disk:
    """An engine that reads when it is let, and fails where it is told."""

    def __init__(self, engine: FullEngine) -> None:
        self._engine = engine
        self.free = asyncio.Event()
        self.free.set()
        self.held = False
        """Whether the end of the log was read, and is not told yet."""
        self.failures = 0
        """How often the end of the log cannot be read."""

    async def read(self, topic: str, after: Position | None, limit: int) -> Page:
        page = await self._engine.read(topic, after, limit)
        if not page.messages:
            if self.failures:
                self.failures -= 1
                raise StoreUnavailable
            self.held = True
            await self.free.wait()
            self.held = False
        return page

    def listen(self, hint: Hint) -> Callable[[], None]:
        return self._engine.listen(hint)


@contextlib.asynccontextmanager
async def another_process(data: Path) -> AsyncIterator[tuple[Ringback, Disk, Revocations]]:
    """An application that revokes, and what another process knows of it."""
    rb = Ringback("revoking", data=data, grace=0)
    async with rb.running(worker=False) as running:
        disk = Disk(running.service.engine)
        known = Revocations(cast(FullEngine, disk), running.service.clock)
        await known.refresh()
        yield rb, disk, known


def over(known: Revocations, subject: str) -> bool:
    return known.covers(Claims(subject=subject))


async def test_one_that_is_stored_while_others_are_read_is_read_too(data: Path) -> None:
    async with another_process(data) as (rb, disk, known):
        end = known.follow()
        hints: list[frozenset[str]] = []
        await until(lambda: known._looking is None)
        stop = rb.started.service.engine.listen(hints.append)  # is told after the other is
        disk.free.clear()
        await rb.revoke(subject="ann")
        await until(lambda: disk.held and over(known, "ann"))
        before = len(hints)
        await rb.revoke(subject="bob")
        await until(lambda: len(hints) > before)
        disk.free.set()
        await until(lambda: over(known, "bob"), LIMIT)
        stop()
        end()


async def test_it_is_read_once_the_store_can_be_read_again(data: Path) -> None:
    async with another_process(data) as (rb, disk, known):
        told: list[bool] = []
        known.listen(lambda covers: told.append(covers(Claims(subject="ann"))))
        end = known.follow()
        await until(lambda: known._looking is None)
        disk.failures = 2
        await rb.revoke(subject="ann")
        await until(lambda: not disk.failures and known._looking is None, LIMIT)
        assert over(known, "ann")
        assert told == [True], "of what was read before the failure too"
        end()


async def test_one_that_is_stored_before_it_listens_is_not_missed(data: Path) -> None:
    async with another_process(data) as (rb, _, known):
        await rb.revoke(subject="ann")
        end = known.follow()
        await until(lambda: over(known, "ann"), LIMIT)
        end()


async def test_what_is_being_read_ends_with_the_following(data: Path) -> None:
    async with another_process(data) as (_, disk, known):
        disk.free.clear()
        end = known.follow()
        await until(lambda: disk.held)
        end()
        await until(lambda: known._looking is None, LIMIT)
