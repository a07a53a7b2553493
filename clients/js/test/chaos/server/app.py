"""What the chaos tests run against: topics, and work that tells each time that it is done."""

import asyncio

from ringback import Operation, Ringback, Upload

rb = Ringback("chaos")

rb.topic("chaos/{test}/{item}", subscribe="anyone", publish="anyone")
rb.topic("runs/{test}", subscribe="anyone")


@rb.task(public=True)
async def count(op: Operation, test: str, tag: int, upto: int, every: float = 0.01) -> list[int]:
    """Tells each number, and in the end all of them; and to a topic that it was run."""
    await rb.publish(f"runs/{test}", tag)
    for number in range(upto):
        await op.send(number)
        await asyncio.sleep(every)
    return list(range(upto))


@rb.on_upload("files/", public=True)
async def total(upload: Upload) -> int:
    """The sum of all bytes: of those that came, and no others."""
    found = 0
    async for chunk in upload.chunks():
        found += sum(chunk)
    return found
