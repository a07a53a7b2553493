"""What the hooks' tests run against: work that tells how often it was done, or that waits."""

import asyncio

from ringback import Operation, Ringback, Upload
from ringback.errors import TaskFailed

rb = Ringback("hooks")

rb.topic("rooms/{room}", subscribe="anyone", publish="anyone")
rb.topic("done/{who}", subscribe="anyone")
rb.topic("mice/{who}", subscribe="anyone", publish="anyone", durable=False)


@rb.task(public=True)
async def work(op: Operation, who: str, parts: int = 0) -> str:
    """Tells a topic each time that it is done."""
    for number in range(parts):
        await op.send(number)
    await op.publish(f"done/{who}", {"by": who})
    return f"done for {who}"


@rb.task(public=True)
async def wait(op: Operation) -> None:
    """Says that it has begun, and goes on until it is cancelled."""
    await op.progress(0.5, "waiting")
    await asyncio.Event().wait()


@rb.task(public=True)
async def large(size: int) -> str:
    """More than stands in a snapshot."""
    return "x" * size


@rb.task(public=True)
async def fail(why: str) -> None:
    raise TaskFailed(why)


@rb.on_upload("notes/", public=True)
async def count(op: Operation, upload: Upload) -> int:
    return len(await upload.read())


@rb.on_upload("wrong/", public=True)
async def wrong(upload: Upload) -> None:
    raise TaskFailed("nothing of it is right")
