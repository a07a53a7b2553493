"""Queues to functions: an event source mapping of SQS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import EventSource, Invoker, Outcome, Resource
from ringback.awslocal.sources.patterns import fits

log = logging.getLogger("ringback.aws.events")

WAIT = 20
"""Seconds of a long poll."""
AT_ONCE = 5
"""Batches at once where the mapping says nothing: with as many Lambda begins."""
MOST_RECEIVED = 10
"""Messages of one request."""
LARGEST = 6 * 1024 * 1024 - 64 * 1024
"""Bytes of a batch: an event has to have room for it."""
THROTTLED = 0.2
"""Seconds before a throttled batch is tried again, doubled each time."""
BROKEN = 0.5
"""Seconds after a request that failed."""

Message = Mapping[str, Any]


class QueueMapping:
    """Polls a queue for a function."""

    def __init__(
        self,
        source: EventSource,
        queue: Resource,
        clients: Clients,
        invoker: Invoker,
        counts: Counter[tuple[str, str]],
        *,
        scale: float = 1.0,
    ) -> None:
        self._source = source
        self._queue = queue
        self._clients = clients
        self._invoker = invoker
        self._counts = counts
        """Requests that Lambda would have made, and that are billed."""
        self._url = f"{clients.endpoint}/{clients.place.account}/{queue.physical}"
        self._visibility = float(queue.properties.get("VisibilityTimeout", 30))
        self._window = source.window * scale
        self._slots = asyncio.Semaphore(source.most or AT_ONCE)
        self._batches: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._slots.acquire()
                try:
                    batch = await self._collect()
                except BaseException:
                    self._slots.release()
                    raise
                task = asyncio.create_task(self._process(batch))
                self._batches.add(task)
                task.add_done_callback(self._finished)
        finally:
            for task in list(self._batches):
                task.cancel()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._slots.release()
        if not task.cancelled() and task.exception() is not None:
            log.error("A batch was lost sight of", exc_info=task.exception(), extra=self._extra)

    @property
    def _extra(self) -> dict[str, str]:
        return {"function": self._source.function}

    async def _collect(self) -> list[Message]:
        """A batch: the first messages there are, and what comes within the window."""
        batch: list[Message] = []
        size, until = 0, 0.0
        while True:
            room = min(self._source.batch - len(batch), MOST_RECEIVED)
            left = until - time.monotonic() if batch else float(WAIT)
            if batch and (room <= 0 or size >= LARGEST or (self._window > 0 and left <= 0)):
                return batch
            wait = max(0, min(WAIT, int(left)))
            came = await self._receive(room, wait)
            if batch and not came:
                # A poll waits whole seconds; the rest of the window is shorter.
                await asyncio.sleep(min(0.1, max(0.0, until - time.monotonic())))
            if came and not batch:
                until = time.monotonic() + self._window
            kept = [each for each in came if self._wanted(each)]
            if len(kept) < len(came):
                # What no filter lets through is gone: Lambda deletes it.
                await self._delete([each for each in came if not self._wanted(each)])
            batch += kept
            size += sum(len(each["Body"]) for each in kept)
            if batch and self._window <= 0 and len(came) < room:
                return batch

    async def _receive(self, most: int, wait: int) -> list[Message]:
        try:
            said = await self._clients.ask(
                "sqs",
                "receive_message",
                QueueUrl=self._url,
                MaxNumberOfMessages=max(1, most),
                WaitTimeSeconds=wait,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except Exception:
            log.debug("Polling %s failed", self._queue.name, exc_info=True)
            await asyncio.sleep(BROKEN)
            return []
        came: list[Message] = said.get("Messages", [])
        if came:
            self._counts["sqs", "ReceiveMessage"] += 1
        return came

    def _wanted(self, message: Message) -> bool:
        if not self._source.filters:
            return True
        seen = self._record(message)
        with contextlib.suppress(ValueError):
            seen["body"] = json.loads(message["Body"])
        return any(fits(pattern, seen) for pattern in self._source.filters)

    async def _process(self, batch: list[Message]) -> None:
        event = {"Records": [self._record(each) for each in batch]}
        given_up = time.monotonic() + self._visibility / 2
        wait = THROTTLED
        while True:
            outcome = await self._invoker.invoke(self._source.function, event)
            throttled = outcome.error is not None and outcome.error.kind == "throttled"
            if not throttled or time.monotonic() + wait > given_up:
                break
            await asyncio.sleep(wait)
            wait *= 2
        failed = self._failed(batch, outcome)
        done = [each for each in batch if each["MessageId"] not in failed]
        if done:
            await self._delete(done)
        if failed:
            log.warning(
                "%d of %d messages of %s come again",
                len(failed),
                len(batch),
                self._queue.name,
                extra=self._extra,
            )

    def _failed(self, batch: list[Message], outcome: Outcome) -> set[str]:
        """The messages that come again: all of them, where the answer cannot be understood."""
        every = {each["MessageId"] for each in batch}
        if outcome.error is not None:
            return every
        if not self._source.partial or not outcome.payload:
            return set()
        named = failures(outcome.payload)
        return every if named is None or not named <= every else named

    async def _delete(self, messages: list[Message]) -> None:
        for start in range(0, len(messages), MOST_RECEIVED):
            entries = [
                {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                for number, each in enumerate(messages[start : start + MOST_RECEIVED])
            ]
            self._counts["sqs", "DeleteMessageBatch"] += 1
            try:
                await self._clients.ask(
                    "sqs", "delete_message_batch", QueueUrl=self._url, Entries=entries
                )
            except Exception:
                # They come again: at least once is all that a queue promises.
                log.debug("Deleting from %s failed", self._queue.name, exc_info=True)

    def _record(self, message: Message) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": dict(message.get("Attributes", {})),
            "messageAttributes": {
                name: _attribute(said)
                for name, said in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message.get("MD5OfBody", ""),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue.arn,
            "awsRegion": self._clients.place.region,
        }


def _attribute(said: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if "StringValue" in said:
        made["stringValue"] = said["StringValue"]
    if "BinaryValue" in said:
        made["binaryValue"] = base64.b64encode(said["BinaryValue"]).decode()
    return {
        **made,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": said.get("DataType", "String"),
    }


def failures(payload: Any) -> set[str] | None:
    """What ``batchItemFailures`` names; None when it is not what it has to be."""
    if not isinstance(payload, Mapping):
        return None
    said = payload.get("batchItemFailures")
    if said is None:
        return set()
    if not isinstance(said, list):
        return None
    named = [each.get("itemIdentifier") if isinstance(each, Mapping) else None for each in said]
    if not all(isinstance(each, str) and each for each in named):
        return None
    return {str(each) for each in named}
