"""SAQ on Redis: its asynchronous worker with the default of ten jobs at once."""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop
from saq import Queue, Worker

from bench.queues.port import Settings, mark

CONCURRENCY = 10


async def noop(_context: dict[str, Any], *, index: int) -> None:
    """Note the start."""
    mark(index)


class SaqClient:
    """The asynchronous client."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    async def submit(self, indexes: range) -> None:
        """All at once."""
        await asyncio.gather(*(self.queue.enqueue("noop", index=index) for index in indexes))

    async def close(self) -> None:
        """Disconnect."""
        await self.queue.disconnect()


async def open_client(settings: Settings) -> SaqClient:
    """Connect."""
    queue = Queue.from_url(settings.url)
    await queue.connect()
    return SaqClient(queue)


def run_worker(settings: Settings) -> None:
    """One worker on uvloop."""

    async def work() -> None:
        queue = Queue.from_url(settings.url)
        worker = Worker(queue, functions=[("noop", noop)], concurrency=CONCURRENCY)
        await queue.connect()
        await worker.start()

    uvloop.run(work())
