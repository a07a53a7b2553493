"""What the client's tests run against: tasks that go slowly, fail and stop, and topics."""

import asyncio

from ringback import Operation, Ringback, Upload
from ringback.errors import TaskFailed

rb = Ringback("clients")

rb.topic("prices/{item}", subscribe="anyone", publish="anyone", presence="anyone")
rb.topic("gauges/{name}", subscribe="anyone", publish="anyone", retained=True)
rb.topic("short/{name}", subscribe="anyone", publish="anyone", count=3)
rb.topic("mice/{who}", subscribe="anyone", publish="anyone", durable=False)
rb.topic("private/{name}", subscribe=lambda claims, name: claims.subject == name)


@rb.task(public=True, lease=2)
async def count(op: Operation, upto: int = 3, every: float = 0.02) -> int:
    """Tells each number, and then how many there were."""
    for number in range(upto):
        await op.send(number)
        await op.progress((number + 1) / upto, f"{number + 1} of {upto}")
        await asyncio.sleep(every)
    return upto


@rb.task(public=True)
async def echo(text: str, times: int = 1) -> str:
    """As often as was asked for."""
    return text * times


@rb.task(public=True)
async def fail(why: str) -> None:
    """Fails for good."""
    raise TaskFailed(why)


@rb.task(public=True)
async def nothing() -> None:
    """Has no result."""


@rb.on_upload("files/", public=True)
async def measure(op: Operation, upload: Upload) -> int:
    """How many bytes came."""
    size = 0
    async for chunk in upload.chunks():
        size += len(chunk)
        await op.progress(size / upload.size, "reading")
    return size
