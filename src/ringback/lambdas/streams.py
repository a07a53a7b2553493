"""The table's stream: who follows is told, events go on the bus, and work that was lost on its way
to its queue is sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ringback.core.connections import Changes
from ringback.core.model import Event, OperationState, Status
from ringback.errors import OperationForgotten, StoreUnavailable, UnknownOperation
from ringback.lambdas.aws import client
from ringback.lambdas.outside import OWN
from ringback.lambdas.parts import Table
from ringback.lambdas.pushes import Pushes
from ringback.lambdas.queues import Queues
from ringback.service import Service
from ringback.tasks.events import cloud_event

ON_BUS = 10
"""Events in one request."""
BUS_BYTES = 1000 * 1000
"""Bytes in one request: EventBridge takes 1 MB."""
MAX_TYPE = 128
"""Characters of a detail type, by EventBridge's own bound."""
LOOKED_AT = 20
"""Operations that are looked at at once."""

log = logging.getLogger("ringback.lambda")

Records = Sequence[Mapping[str, Any]]


class Bus:
    """Puts emitted events on an EventBridge bus, for whoever else listens."""

    def __init__(self, service: Service) -> None:
        self.requests = 0
        self._name = service.settings.aws_bus
        self._source = OWN + service.name
        self._client: Any = None

    async def put(self, events: Sequence[Event]) -> None:
        """Put events; at least once. Raises ``StoreUnavailable``."""
        if not self._name:
            return
        entries = [
            {
                "EventBusName": self._name,
                "Source": self._source,
                "DetailType": event.type[:MAX_TYPE],
                "Detail": cloud_event(event).decode(),
            }
            for event in events
        ]
        for batch in _batches(entries):
            await asyncio.to_thread(self._put, batch)

    def _put(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self._client is None:
            self._client = client("events")
        self.requests += 1
        try:
            answer = self._client.put_events(Entries=entries)
        except Exception as error:
            raise StoreUnavailable(f"Events could not be put on the bus: {error}.") from error
        if answer.get("FailedEntryCount"):
            raise StoreUnavailable(f"Events could not be put on the bus: {answer['Entries']}.")


def _batches(entries: Sequence[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Entries as requests take them. One that none takes is left out: those behind it, and all who
    are to be told of something else, would wait for it.
    """
    batches: list[list[dict[str, str]]] = []
    room = 0
    for entry in entries:
        size = sum(len(text.encode()) for text in entry.values())
        if size > BUS_BYTES:
            log.error("An event %s has %d bytes: no bus takes it.", entry["DetailType"], size)
            continue
        if size > room or len(batches[-1]) >= ON_BUS:
            batches.append([])
            room = BUS_BYTES
        batches[-1].append(entry)
        room -= size
    return batches


class Streams:
    """Both consumers of the stream."""

    def __init__(
        self, service: Service, table: Table, pushes: Pushes, queues: Queues, bus: Bus
    ) -> None:
        self._service = service
        self._table = table
        self._pushes = pushes
        self._queues = queues
        self._bus = bus

    async def push(self, records: Records, remaining: float) -> list[str]:
        """Tell of what is new; the number of the record to go on with, where that failed.

        ``remaining``: seconds that the function may still run.
        """
        changes: Changes = self._table.changes(records)
        try:
            # Both to their end: what is frozen in the middle holds on to whom it tells.
            for failed in await asyncio.gather(
                self._pushes.push(changes, remaining),
                self._bus.put(changes.events),
                return_exceptions=True,
            ):
                if failed is not None:
                    raise failed
        except StoreUnavailable as error:
            log.warning("The stream is read again from here: %s", error)
            return [records[0]["dynamodb"]["SequenceNumber"]]
        return []

    async def send_again(self, records: Records) -> list[str]:
        """Send what is still queued though it is ready: its message was lost, or is late."""
        changes = self._table.changes(records)
        try:
            await self.send_waiting(tuple(dict.fromkeys(changes.queued)))
        except StoreUnavailable as error:
            log.warning("The stream is read again from here: %s", error)
            return [records[0]["dynamodb"]["SequenceNumber"]]
        return []

    async def send_waiting(self, operations: Sequence[str]) -> int:
        """The same for operations; how many were sent."""
        room = asyncio.Semaphore(LOOKED_AT)

        async def load(operation: str) -> OperationState | None:
            async with room:
                try:
                    return await self._service.engine.load(operation)
                except (UnknownOperation, OperationForgotten):
                    return None

        now = self._service.clock()
        waiting = [
            state
            for state in await asyncio.gather(*map(load, operations))
            if state is not None and state.status is Status.QUEUED and state.ready_at <= now
        ]
        await self._queues.send(waiting)
        return len(waiting)


def sequence_failures(numbers: Sequence[str]) -> dict[str, Any]:
    """What a function answers whose batch may fail in part."""
    return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers]}
