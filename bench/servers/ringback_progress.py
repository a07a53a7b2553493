"""Ringback with a task that reports: partial results, each stored before the send returns."""

from __future__ import annotations

import asyncio
import time

from bench.servers.pace import pauses
from ringback import Operation, Ringback

CONCURRENCY = 256  # above the 100 operations that run at once
rb = Ringback("bench-progress", concurrency=CONCURRENCY)


@rb.task
async def report(op: Operation, begin: float, parts: int, pause_s: float) -> None:
    """Send parts that say when they were sent."""
    stored = 0
    for pause in pauses(begin, parts, pause_s):
        await asyncio.sleep(pause)
        await op.send({"sent": time.time_ns(), "stored_before": stored})
        stored = time.time_ns()
