"""The application that the Python client is tested with.

Imported by tests in this process, and by a server in a process of its own (`rb`).
"""

import asyncio
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ringback import Operation, RetryLater, Ringback, TaskFailed, Upload


class Order(BaseModel):
    """An input and a result."""

    good: str
    count: int = 1


def application(**settings: Any) -> Ringback:
    """One with a task for everything that can happen to an operation."""
    app = Ringback("client", **{"grace": 1, "open_topics": True, "publish_rate": 0, **settings})
    app.topic("short/{id}", count=2, subscribe="anyone", publish="anyone")
    app.topic("room/{id}", presence="anyone", subscribe="anyone", publish="anyone")

    @app.task(lease=2)
    async def steps(op: Operation, folder: Path, count: int = 3) -> int:
        """Send a part for each file 0, 1, 2 … as soon as it is in the folder."""
        for step in range(count):
            while not (folder / str(step)).exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
            await op.progress((step + 1) / count, f"step {step}")
            await op.send({"step": step})
        return op.attempt

    @app.task
    async def count(op: Operation, to: int) -> int:
        for number in range(to):
            await op.progress(number / to)
            await op.send(number)
        return to

    @app.task
    async def double(op: Operation, order: Order) -> Order:
        return Order(good=order.good, count=order.count * 2)

    @app.task
    async def large(size: int) -> str:
        return "x" * size

    @app.task
    async def refuse() -> None:
        raise TaskFailed("There is no such thing.", good="tea")

    @app.task(timeout=0.1, retries=0)
    async def dawdle() -> None:
        await asyncio.sleep(60)

    @app.task(backoff=0)
    async def hesitate(op: Operation) -> int:
        await op.send(f"attempt {op.attempt}")
        if op.attempt == 1:
            raise RetryLater("not yet", delay=0)
        return op.attempt

    @app.on_upload("files/")
    async def measure(op: Operation, upload: Upload) -> dict[str, Any]:
        return {"size": upload.size, "sha256": upload.sha256, "type": upload.type}

    return app


rb = application()
