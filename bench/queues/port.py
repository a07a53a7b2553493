"""What an adapter must offer, and the settings it gets. Standard library only.

An adapter is a module with two functions:

`async def open_client(settings: Settings) -> Client`
    Connect as a program that submits work would. Called in a process of its own on the load's
    core; for the backlog before any worker has been started, so it creates what must exist.

`def run_worker(settings: Settings) -> None`
    Run one worker process until SIGTERM, on the server's core beside the store; it may `exec`.
    Its task takes the index of the operation and does nothing but `mark(index)`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from pathlib import Path
from typing import Protocol

from bench.queues.slots import Slots

SETTINGS_VARIABLE = "BENCH_QUEUE_SETTINGS"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the run's store and shared file are."""

    # The store's URL when the benchmark started one (Redis), else empty.
    url: str
    # A folder of this run, for queues that keep files.
    data: str
    # The shared file of start times.
    slots: str

    def to_env(self) -> dict[str, str]:
        """For child processes: workers fork and exec, so arguments would not reach them all."""
        return {SETTINGS_VARIABLE: json.dumps(dataclasses.asdict(self))}


@functools.cache
def settings() -> Settings:
    """The settings of this run, from the environment."""
    return Settings(**json.loads(os.environ[SETTINGS_VARIABLE]))


@functools.cache
def _slots() -> Slots:
    return Slots(Path(settings().slots))


def mark(index: int) -> None:
    """The whole of the no-op task: note when this operation started."""
    _slots().mark(index)


class Client(Protocol):
    """The queue's own client."""

    async def submit(self, indexes: range) -> None:
        """Submit one operation for each index; return when the queue has acknowledged all.

        An asynchronous client submits them concurrently, a blocking one in a row.
        """

    async def close(self) -> None:
        """Disconnect."""
