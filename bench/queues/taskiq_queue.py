"""Taskiq on a Redis stream: acknowledged after execution, one worker process on uvloop."""

from __future__ import annotations

import asyncio
import os
import sys

from taskiq_redis import RedisStreamBroker

from bench.queues.port import Settings, mark, settings

broker = RedisStreamBroker(url=settings().url)


@broker.task(task_name="noop")
async def noop(index: int) -> None:
    """Note the start."""
    mark(index)


class TaskiqClient:
    """The asynchronous client."""

    async def submit(self, indexes: range) -> None:
        """All at once."""
        await asyncio.gather(*(noop.kiq(index) for index in indexes))

    async def close(self) -> None:
        """Disconnect."""
        await broker.shutdown()


async def open_client(settings: Settings) -> TaskiqClient:
    """Start the broker, which makes the consumer group: messages before it would be skipped."""
    await broker.startup()
    return TaskiqClient()


def run_worker(settings: Settings) -> None:
    """Become Taskiq's own worker command."""
    os.execv(  # noqa: S606
        sys.executable,
        [
            sys.executable, "-m", "taskiq", "worker", f"{__name__}:broker",
            "--workers", "1", "--log-level", "WARNING",
        ],
    )  # fmt: skip
