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


@rb.task(public=True)
async def count(op: Operation, upto: int = 3, every: float = 0.02) -> int:
    """Tells each number, and then how many there were."""
    for number in range(upto):
        await op.send(number)
        await op.progress((number + 1) / upto, f"{number + 1} of {upto}")
        await asyncio.sleep(every)
    return upto


@rb.task(public=True, lease=2)
async def again(op: Operation, upto: int) -> int:
    """The same; where its worker has died, another begins it anew soon."""
    for number in range(upto):
        await op.send(number)
        await asyncio.sleep(0.02)
    return upto


@rb.task(public=True)
async def many(op: Operation, upto: int) -> int:
    """Tells each number, a few hundred at a time."""
    for begin in range(0, upto, 500):
        await asyncio.gather(*map(op.send, range(begin, min(upto, begin + 500))))
    return upto


@rb.task(public=True, resumable=True, backoff=0)
async def resumed(op: Operation, upto: int, cut: int) -> int:
    """Tells each number, over two attempts."""
    for number in range(len(op.earlier_parts), upto):
        await op.send(number)
        if op.attempt == 1 and number + 1 == cut:
            raise OSError("cut")
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
