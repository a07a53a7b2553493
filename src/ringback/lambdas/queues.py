"""Sending work to SQS again: what could not be done now, and what was lost on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from ringback.core.model import OperationState
from ringback.errors import StoreUnavailable
from ringback.lambdas.aws import client
from ringback.settings import Settings

MAX_DELAY = 900
"""Seconds that SQS keeps a message back at most."""
AT_ONCE = 10
"""Messages in one request."""
LATE = 60.0
"""Seconds after which what could be worked on, and is not, is upkeep's to send again, and nobody
else's: or its messages would be more and more."""


def is_late(state: OperationState, now: float) -> bool:
    """Whether a queued operation is ready for so long."""
    return now - max(state.ready_at, state.updated_at) > LATE


class Queues:
    """The queues of work, by how long an attempt may take."""

    def __init__(self, settings: Settings) -> None:
        self.requests = 0
        self._urls = dict(sorted(settings.aws_queues.items()))
        self._client: Any = None

    def url(self, timeout: float | None) -> str | None:
        """The queue for attempts of so many seconds; None: there are no queues."""
        if not self._urls:
            return None
        fits = (url for seconds, url in self._urls.items() if timeout and seconds >= timeout)
        return next(fits, list(self._urls.values())[-1])

    async def send(self, states: Sequence[OperationState], delay: float = 0.0) -> None:
        """Have operations looked at, after so many seconds. Raises ``StoreUnavailable``."""
        by_url: dict[str, list[dict[str, Any]]] = {}
        for index, state in enumerate(states):
            url = self.url(state.policy.timeout)
            if url is not None:
                by_url.setdefault(url, []).append(
                    {
                        "Id": str(index),
                        "MessageBody": msgspec.json.encode(
                            {"operation": state.id, "task": state.task}
                        ).decode(),
                        "DelaySeconds": max(0, min(MAX_DELAY, round(delay))),
                    }
                )
        for url, entries in by_url.items():
            for begin in range(0, len(entries), AT_ONCE):
                await asyncio.to_thread(self._send, url, entries[begin : begin + AT_ONCE])

    def _send(self, url: str, entries: list[dict[str, Any]]) -> None:
        if self._client is None:
            self._client = client("sqs")
        self.requests += 1
        try:
            answer = self._client.send_message_batch(QueueUrl=url, Entries=entries)
        except Exception as error:
            raise StoreUnavailable(f"Work could not be sent to {url}: {error}.") from error
        if answer.get("Failed"):
            raise StoreUnavailable(f"Work could not be sent to {url}: {answer['Failed'][0]}.")
