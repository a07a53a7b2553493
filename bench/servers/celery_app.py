"""FastAPI and Celery as their tutorials combine them: a route that calls `apply_async`.

The route is `async def` and calls the blocking client directly: measured on one core this is
faster than a `def` route, which adds a thread pool. Results are off, so it is one push each.
"""

from __future__ import annotations

import os

from celery import Celery
from fastapi import FastAPI
from pydantic import BaseModel

URL = os.environ.get("BENCH_STORE_URL", "redis://127.0.0.1:6379/0")

queue = Celery("bench", broker=URL)
queue.conf.task_ignore_result = True
app = FastAPI()


class Body(BaseModel):
    """The payload all servers validate."""

    n: int


@queue.task(name="noop")
def noop(n: int) -> int:
    """Nothing; no worker runs in this benchmark."""
    return n


@app.post("/tasks/noop", status_code=202)
async def submit(body: Body) -> dict[str, str]:
    """Push to the broker, answer with the task's id."""
    result = noop.apply_async((body.n,))
    return {"id": result.id, "status": "queued"}
