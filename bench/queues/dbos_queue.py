"""DBOS on SQLite: a workflow for each operation, submitted by `DBOSClient`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from dbos import DBOS, DBOSClient, DBOSConfig

from bench.queues.port import Settings, mark

QUEUE = "bench"
# Polled every second by default; this is what one sets who cares for latency.
POLL_S = 0.01


@DBOS.workflow(name="noop")
def noop(index: int) -> None:
    """Note the start."""
    mark(index)


class DbosClient:
    """The blocking client: one insert, committed, after another."""

    def __init__(self, client: DBOSClient) -> None:
        self.client = client

    async def submit(self, indexes: range) -> None:
        """One workflow each, all from one thread: DBOS warns of blocking calls on a loop."""
        await asyncio.to_thread(self._submit, indexes)

    def _submit(self, indexes: range) -> None:
        for index in indexes:
            self.client.enqueue({"queue_name": QUEUE, "workflow_name": "noop"}, index)

    async def close(self) -> None:
        """Disconnect."""
        self.client.destroy()


def _url(settings: Settings) -> str:
    return f"sqlite:///{Path(settings.data) / 'dbos.sqlite'}"


def _launch(settings: Settings) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": _url(settings),
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLL_S)


def _make_tables(settings: Settings) -> None:
    if not Path(_url(settings).removeprefix("sqlite:///")).exists():
        _launch(settings)
        DBOS.destroy()


async def open_client(settings: Settings) -> DbosClient:
    """The tables are made by a first launch, which is ended before anything is submitted."""
    await asyncio.to_thread(_make_tables, settings)
    return DbosClient(DBOSClient(system_database_url=_url(settings)))


def run_worker(settings: Settings) -> None:
    """Launch and wait to be ended."""
    _launch(settings)
    signal.pause()
