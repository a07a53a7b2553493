"""A table's stream, told as it grows: part of moto's process.

``GET /_stream?table=NAME&after=N&wait=SECONDS`` answers ``{"records": […], "next": M}`` as soon as
there are records behind the first N, or when the time is over. Asking DynamoDB's own API every
50 ms would cost a processor for each mapping, and moto forgets none of the iterators it gave.
"""

from __future__ import annotations

import base64
import datetime
import json
import threading
import time
from typing import Any
from urllib.parse import parse_qs

STREAM = "/_stream"
"""The path."""
MOST = 1000
"""Records of one answer, as of GetRecords."""
LONGEST = 20.0
"""Seconds that nobody waits longer for."""


class Streams:
    """The streams of moto's tables."""

    def __init__(self, one_at_a_time: threading.Lock) -> None:
        self._one_at_a_time = one_at_a_time
        self._condition = threading.Condition()
        self._changes = 0

    def changed(self) -> None:
        """Some table may have: whoever waits looks again."""
        with self._condition:
            self._changes += 1
            self._condition.notify_all()

    def answer(self, query: str) -> bytes:
        """What the query asks for."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        after = int(asked.get("after", 0))
        until = time.monotonic() + min(float(asked.get("wait", 0)), LONGEST)
        while True:
            with self._condition:
                seen = self._changes
            # What a transaction wrote and may still take back is not seen from outside the lock.
            with self._one_at_a_time:
                records = self._read(asked, after)
            left = until - time.monotonic()
            if records or left <= 0:
                said = {"records": records, "next": after + len(records)}
                return json.dumps(said, default=_plain).encode()
            with self._condition:
                self._condition.wait_for(lambda seen=seen: self._changes != seen, left)  # type: ignore[misc]

    def _read(self, asked: dict[str, str], after: int) -> list[dict[str, Any]]:
        from moto.dynamodb.models import dynamodb_backends

        backend = dynamodb_backends[asked["account"]][asked["region"]]
        table: Any = backend.tables.get(asked["table"])
        shard = None if table is None else table.stream_shard
        if shard is None:
            return []
        return [each.to_json() for each in shard.items[after : after + MOST]]


def _plain(value: Any) -> Any:
    """As Lambda shows it: the moment of a change in seconds, what is binary in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return float(int(zoned.timestamp()))
    raise TypeError(type(value).__name__)
