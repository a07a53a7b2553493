"""Telling SQS of work: a message for each operation that can be worked on.

A message is a hint, sent after the write and not with it; whoever looks at the table's stream sends
again what was not taken. So a failure is only logged.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ringback.core.model import OperationState
from ringback.engines.dynamodb.client import Client
from ringback.errors import RingbackError

MAX_DELAY = 900
"""Seconds that SQS keeps a message back, at most. What is to wait longer is sent when it is due."""
BATCH = 10
"""Messages in one request, by SQS's own bound."""

log = logging.getLogger("ringback.dynamodb")


class Queues:
    """The queues of work, by how long an attempt may take there."""

    def __init__(self, client: Client, queues: Mapping[int, str]) -> None:
        self._client = client
        self._queues = dict(sorted(queues.items()))
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._sending: asyncio.Task[None] | None = None

    def send(self, states: Sequence[OperationState], now: float | None = None) -> None:
        """Have operations told of; never waits. ``now``: by default, when each was queued."""
        for state in states:
            delay = state.ready_at - (state.updated_at if now is None else now)
            if not self._queues or delay > MAX_DELAY:
                continue
            self._waiting.setdefault(self.url_of(state), []).append(
                {
                    "MessageBody": msgspec.json.encode(
                        {"operation": state.id, "task": state.task}
                    ).decode(),
                    "DelaySeconds": max(0, math.ceil(delay)),
                }
            )
        if self._waiting and self._sending is None:
            self._sending = asyncio.ensure_future(self._send())

    def url_of(self, state: OperationState) -> str:
        """The queue whose attempts may take as long as this operation's."""
        timeout = state.policy.timeout
        longest = list(self._queues.values())[-1]
        if timeout is None:
            return longest
        return next((url for bound, url in self._queues.items() if bound >= timeout), longest)

    async def drain(self) -> None:
        """Wait until all is sent, or has failed."""
        while self._sending is not None:
            await asyncio.shield(self._sending)

    async def _send(self) -> None:
        try:
            await asyncio.sleep(0)  # let those of this turn of the loop come along
            while self._waiting:
                url = next(iter(self._waiting))
                messages = self._waiting[url]
                batch, self._waiting[url] = messages[:BATCH], messages[BATCH:]
                if not self._waiting[url]:
                    del self._waiting[url]
                await self._send_batch(url, batch)
        finally:
            self._sending = None

    async def _send_batch(self, url: str, batch: Sequence[dict[str, Any]]) -> None:
        entries = [{"Id": str(index), **message} for index, message in enumerate(batch)]
        try:
            answer = await self._client.call(
                "sqs", "send_message_batch", QueueUrl=url, Entries=entries
            )
        except (RingbackError, RuntimeError) as error:
            log.warning("Work was not sent to %s; the backstop will: %s", url, error)
            return
        for failed in answer.get("Failed", ()):
            log.warning("Work was not sent to %s; the backstop will: %s", url, failed)
