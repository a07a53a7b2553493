"""Ringback as a user would run it: one task; `ringback run bench.servers.ringback_app:rb`."""

from __future__ import annotations

from ringback import Ringback

rb = Ringback("bench")


@rb.task()
async def noop(n: int) -> int:
    """Nothing; the accept benchmark runs no worker, the drain benchmark has its own tasks."""
    return n
