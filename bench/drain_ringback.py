"""Ringback's adapter for the drain benchmark: the embedded store, opened by client and worker.

Both open the same data folder, as a server and its worker do on one machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal

from bench.queues.port import Settings, mark
from ringback import Ringback

rb = Ringback("bench-drain")


@rb.task
async def noop(index: int) -> None:
    """Note the start."""
    mark(index)


class RingbackClient:
    """The application's own Python interface, without a worker in this process."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack

    async def submit(self, indexes: range) -> None:
        """All at once, so that they share a commit."""
        await asyncio.gather(*(rb.submit("noop", {"index": index}) for index in indexes))

    async def close(self) -> None:
        """Close the store."""
        await self._stack.aclose()


async def open_client(settings: Settings) -> RingbackClient:
    """Open the store, creating it."""
    rb.configure(data=settings.data)
    stack = contextlib.AsyncExitStack()
    await stack.enter_async_context(rb.running(worker=False))
    return RingbackClient(stack)


def run_worker(settings: Settings) -> None:
    """One worker in this process, on uvloop as `ringback worker` runs it."""
    import uvloop

    rb.configure(data=settings.data)
    uvloop.run(_work())


async def _work() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with rb.running(worker=True):
        await stop.wait()
