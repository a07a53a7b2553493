"""Huey on SQLite: WAL with SQLite's default `synchronous=FULL`; the consumer in one process."""

from __future__ import annotations

from pathlib import Path

from huey import SqliteHuey

from bench.queues.port import Settings, mark, settings

THREADS = 1
# Huey polls. Its default backs off to 10 s; this is what one sets who cares for latency.
POLL_S = 0.01

huey = SqliteHuey("bench", filename=str(Path(settings().data) / "huey.db"), results=False)


@huey.task(name="noop")
def noop(index: int) -> None:
    """Note the start."""
    mark(index)


class HueyClient:
    """Huey's client is blocking: one insert, committed, after another."""

    async def submit(self, indexes: range) -> None:
        """One call each."""
        for index in indexes:
            noop(index)

    async def close(self) -> None:
        """Close the database."""
        huey.storage.close()


async def open_client(settings: Settings) -> HueyClient:
    """The client needs nothing beyond the queue."""
    return HueyClient()


def run_worker(settings: Settings) -> None:
    """The consumer with a worker thread."""
    consumer = huey.create_consumer(
        workers=THREADS,
        worker_type="thread",
        initial_delay=POLL_S,
        max_delay=POLL_S,
        periodic=False,
    )
    consumer.run()
