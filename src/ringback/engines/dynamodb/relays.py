"""Ephemeral messages on their way to other processes: items that live for a moment, for the stream.

They wait for each other and are put together; the next are put when these are, so that they come in
order. DynamoDB's own expiry deletes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

import msgspec

from ringback.core.model import Publication
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Client
from ringback.engines.dynamodb.streams import RELAY
from ringback.errors import RingbackError

ITEM_BYTES = 256 * 1024
"""Bytes in one item, with one more message at most: it ends at 400 KB."""
MAX_WAITING = 16 * 1024 * 1024
"""Bytes that wait to be put; beyond it, messages are lost."""
LIVES = 60
"""Seconds after which an item may go."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[Publication, float]])

log = logging.getLogger("ringback.dynamodb")


class Relays:
    """What one process relays."""

    def __init__(self, client: Client, process: str) -> None:
        self._client = client
        self._process = process
        self._waiting: list[tuple[Publication, float]] = []
        self._size = 0
        self._number = 0
        self._sending: asyncio.Task[None] | None = None

    def send(self, publications: Sequence[Publication], now: float) -> None:
        """Have publications put; never waits."""
        for each in publications:
            size = _size(each)
            if size > ITEM_BYTES or self._size + size > MAX_WAITING:
                log.warning("An ephemeral message of %d bytes is lost to others.", size)
                continue
            self._waiting.append((each, now))
            self._size += size
        if self._sending is None and self._waiting:
            self._sending = asyncio.ensure_future(self._send())

    async def drain(self) -> None:
        """Wait until all is put."""
        while self._sending is not None:
            await asyncio.shield(self._sending)

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch: list[tuple[Publication, float]] = []
                size = 0
                while self._waiting and size < ITEM_BYTES // 2:
                    batch.append(self._waiting.pop(0))
                    size += _size(batch[-1][0])
                self._size -= size
                self._number += 1
                with contextlib.suppress(RingbackError, RuntimeError):  # may be lost, and says so
                    await self._client.put(
                        {
                            "pk": {"S": RELAY + self._process},
                            "sk": {"S": schema.number_key(self._number)},
                            "by": {"S": self._process},
                            "messages": {"B": _ENCODER.encode(batch)},
                            schema.EXPIRES: items.value(int(time.time()) + LIVES),
                        }
                    )
        finally:
            self._sending = None


def read(data: bytes) -> list[tuple[Publication, float]]:
    """What such an item carries, with when it was published."""
    return _DECODER.decode(data)


def _size(publication: Publication) -> int:
    return len(publication.data) + len(publication.topic) + len(publication.attributes or b"") + 40
