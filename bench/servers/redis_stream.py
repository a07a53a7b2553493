"""Redis: one XADD for each request, those of concurrent requests sent as one pipeline.

The flusher takes whatever has gathered while the last pipeline was under way, which is the
group commit of this store: with `appendfsync always` Redis syncs once for the whole pipeline.
"""

from __future__ import annotations

import asyncio
import os

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bench.servers.body import (
    Receive,
    Scope,
    Send,
    accepted,
    failed,
    lifespan,
    new_id,
    read,
    refused,
    valid,
)

URL = os.environ.get("BENCH_STORE_URL", "redis://127.0.0.1:6379/0")
STREAM = "accepted"


class Pipeline:
    """Collects entries and writes them in the fewest round trips."""

    def __init__(self, url: str) -> None:
        self.redis = Redis.from_url(url)
        self.pending: list[tuple[bytes, str, asyncio.Future[None]]] = []
        self.wake = asyncio.Event()
        self.task = asyncio.create_task(self.flush_for_ever())

    def add(self, body: bytes, tracking_id: str) -> asyncio.Future[None]:
        """Queue one entry; the future ends when Redis has acknowledged it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pending.append((body, tracking_id, future))
        self.wake.set()
        return future

    async def flush_for_ever(self) -> None:
        """Write batch after batch."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            batch, self.pending = self.pending, []
            pipeline = self.redis.pipeline(transaction=False)
            for body, tracking_id, _ in batch:
                pipeline.xadd(STREAM, {"id": tracking_id, "body": body})
            try:
                await pipeline.execute()
            except (RedisError, OSError) as error:
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, _, future in batch:
                    if not future.done():
                        future.set_result(None)


store: Pipeline | None = None


async def _open() -> None:
    global store
    store = Pipeline(URL)


async def _close() -> None:
    assert store is not None
    store.task.cancel()
    await store.redis.aclose()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send, _open, _close)
        return
    body = await read(receive)
    if not valid(body):
        await refused(send)
        return
    assert store is not None
    tracking_id = new_id()
    try:
        await store.add(body, tracking_id)
    except (RedisError, OSError):
        await failed(send)
        return
    await accepted(send, tracking_id)
