"""Progress as it is written by hand: a Celery task publishes to Redis, an SSE route relays.

Nothing of it is stored: a follower that comes late, or comes back, has missed what was sent.
The server is Starlette; each follower has a subscription, and a Redis connection, of its own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator

from celery import Celery
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from bench.servers.pace import pauses

URL = os.environ.get("BENCH_STORE_URL", "redis://127.0.0.1:6379/0")

queue = Celery("bench", broker=URL)
queue.conf.task_ignore_result = True
queue.conf.broker_connection_retry_on_startup = True

publisher = Redis.from_url(URL)
subscriber = AsyncRedis.from_url(URL)


@queue.task(name="report", bind=True)
def report(self, begin: float, parts: int, pause_s: float) -> None:
    """Publish parts that say when they were sent, then the end."""
    channel = self.request.id
    published = 0
    for pause in pauses(begin, parts, pause_s):
        time.sleep(pause)
        part = {"data": {"sent": time.time_ns(), "stored_before": published}}
        publisher.publish(channel, json.dumps(part))
        published = time.time_ns()
    publisher.publish(channel, "")


async def submit(request: Request) -> JSONResponse:
    """Push to the broker, answer with the task's id."""
    result = report.apply_async(kwargs=await request.json())
    return JSONResponse({"id": result.id, "token": ""}, 202)


async def events(request: Request) -> StreamingResponse:
    """Subscribe before the answer begins, so that what follows it is not missed."""
    channel = request.path_params["id"]
    subscription = subscriber.pubsub(ignore_subscribe_messages=True)
    await subscription.subscribe(channel)
    # Sent only when the server has confirmed it: redis-py does not wait for that.
    await subscription.get_message(ignore_subscribe_messages=False, timeout=None)

    async def relay() -> AsyncIterator[bytes]:
        yield b"event: subscribed\ndata: {}\n\n"
        async for message in subscription.listen():
            if not message["data"]:
                break
            yield b"event: part\ndata: %b\n\n" % message["data"]
        await subscription.aclose()

    return StreamingResponse(relay(), media_type="text/event-stream")


app = Starlette(
    routes=[
        Route("/tasks/report", submit, methods=["POST"]),
        Route("/operations/{id}/events", events),
    ]
)
