"""The application whose processes are killed. What it runs is written to a journal, a line each,
so that a test sees what was begun and ended, whatever the store says of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from ringback import Operation, Ringback

rb = Ringback("durability")

JOURNAL = "TEST_JOURNAL"
"""The variable that names the journal's file."""
GATE = "TEST_GATE"
"""The variable that names a file: what waits at the gate waits until it is there."""


def note(*words: object) -> None:
    """A line in the journal, written whole whoever else writes."""
    journal = os.environ.get(JOURNAL)
    if journal is not None:
        line = " ".join(str(word) for word in (time.time(), os.getpid(), *words))
        with Path(journal).open("a") as file:
            file.write(line + "\n")


async def open_gate() -> None:
    """Wait until the test has made the gate's file."""
    gate = Path(os.environ[GATE])
    while not await asyncio.to_thread(gate.exists):  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)


@rb.task(lease=1.0, backoff=0.05, backoff_max=0.5, retries=50)
async def count(op: Operation, number: int, parts: int = 3, seconds: float = 0.0) -> int:
    """Partial results one by one, then twice the number."""
    note("begin", op.id, op.attempt)
    for part in range(parts):
        await op.send({"number": number, "part": part})
        await op.progress((part + 1) / (parts + 1))
        await asyncio.sleep(seconds)
    note("end", op.id, op.attempt)
    return number * 2


@rb.task(lease=1.0, backoff=0.05, retries=5)
async def gated(op: Operation) -> int:
    """Waits at the gate, keeping its worker busy with nothing; then sends, and says who it was."""
    note("begin", op.id, op.attempt)
    try:
        await open_gate()
        await op.send({"pid": os.getpid()})
    except BaseException as error:
        note("raised", op.id, op.attempt, type(error).__name__)
        raise
    note("end", op.id, op.attempt)
    return os.getpid()


@rb.task(lease=1.0, backoff=0.05, backoff_max=0.2, retries=2)
async def poison(op: Operation) -> None:
    """Takes its whole worker with it, every time."""
    note("begin", op.id, op.attempt)
    os.kill(os.getpid(), signal.SIGKILL)
