"""Celery on Redis: late acknowledgement, so that a crash loses nothing.

The pool is `solo`: one process that fetches and runs. Here it drains faster than `prefork`, which
for one worker needs two processes.
"""

from __future__ import annotations

from celery import Celery

from bench.queues.port import Settings, mark, settings

app = Celery("bench", broker=settings().url)
app.conf.task_ignore_result = True
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 64  # the default of 4 waits for Redis between tasks
app.conf.broker_connection_retry_on_startup = True


@app.task(name="noop")
def noop(index: int) -> None:
    """Note the start."""
    mark(index)


class CeleryClient:
    """Celery's client is blocking: one push after another."""

    async def submit(self, indexes: range) -> None:
        """One `apply_async` each."""
        for index in indexes:
            noop.apply_async((index,))

    async def close(self) -> None:
        """Close the broker's connections."""
        app.close()


async def open_client(settings: Settings) -> CeleryClient:
    """The client needs nothing beyond the app."""
    return CeleryClient()


def run_worker(settings: Settings) -> None:
    """One process, without the chatter between workers, which is not measured."""
    app.worker_main([
        "worker", "--pool", "solo", "--loglevel", "WARNING",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ])  # fmt: skip
