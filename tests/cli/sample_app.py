"""The application that the command line is tested with. Started from this folder."""

import asyncio
import os
from pathlib import Path

from ringback import Claims, CloudEvent, Operation, RetryLater, Ringback, TaskFailed

rb = Ringback("sample")
other = Ringback("other")
guarded = Ringback("guarded", authenticate=lambda headers: Claims(subject=headers.get("x-user")))
not_an_application = object()


@rb.task
async def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@rb.task(lease=2)
async def steps(op: Operation, folder: Path, count: int = 3) -> dict[str, int]:
    """Send a part for each file 0, 1, 2 … as soon as it is in the folder."""
    for step in range(count):
        while not (folder / str(step)).exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        await op.progress((step + 1) / count, f"step {step}")
        await op.send({"step": step})
    return {"attempt": op.attempt, "pid": os.getpid()}


@rb.task(retries=0)
async def explode(reason: str) -> None:
    """Fail as a mistake does: a dead letter."""
    raise ValueError(reason)


@rb.task
async def refuse() -> None:
    """Fail for good, and on purpose."""
    raise TaskFailed("There is no such thing.")


@rb.task(backoff=0)
async def hesitate(op: Operation) -> int:
    """Succeed at the second attempt."""
    if op.attempt == 1:
        raise RetryLater("not yet", delay=0)
    return op.attempt


@rb.task
async def large(size: int) -> str:
    """A result that does not fit into an event."""
    return "x" * size


@rb.task
async def paint() -> None:
    """Fail with what would do something to a terminal."""
    raise TaskFailed("\x1b[2Jcleared")


@rb.task(concurrency_per_key=1, key=lambda a: str(a))
async def keyed(a: int) -> int:
    """Limited by a key that only this code can make."""
    return a


@rb.on("sample.*")
async def listen(event: CloudEvent) -> None:
    """A handler: no task for callers."""
