"""A table's time to live: part of moto's process, which has none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

OLDEST = 5 * 365 * 86400
"""Seconds: DynamoDB leaves alone what is past by more, for it is likely no time at all."""
BY_WHOM = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
"""What a stream's record says of a change that nobody asked for."""


def expire(
    one_at_a_time: threading.Lock, changed: Callable[[], None], *, every: float
) -> threading.Thread:
    """Delete, every so many seconds, what is expired. DynamoDB takes days at most."""

    def run() -> None:
        while True:
            time.sleep(every)
            with one_at_a_time:
                deleted = sweep(time.time())
            if deleted:
                changed()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def sweep(now: float) -> int:
    """Delete what is expired in every table; how many items that were."""
    from moto.dynamodb.models import dynamodb_backends

    deleted = 0
    for regions in list(dynamodb_backends.values()):
        for backend in list(regions.values()):
            for table in list(backend.tables.values()):
                if table.ttl.get("TimeToLiveStatus") == "ENABLED":
                    deleted += _sweep(table, str(table.ttl["AttributeName"]), now)
    return deleted


def _sweep(table: Any, attribute: str, now: float) -> int:
    deleted = 0
    for item in table.all_items():
        value = item.attrs.get(attribute)
        if value is None or value.type != "N":
            continue
        if now - OLDEST < float(value.value) < now:
            table.delete_item(item.hash_key, item.range_key)
            deleted += 1
            if table.stream_shard is not None:
                table.stream_shard.items[-1].record["userIdentity"] = BY_WHOM
    return deleted
