"""The engine on AWS: the port on top of one table of DynamoDB.

The table is the truth. What is large stands in S3 (``payloads``), work is told to SQS
(``queues``), and other processes see what changed by the table's stream (``streams``); these are
hints, and may fail.

Where the port leaves it open, or DynamoDB asks for it:

- Lists and claims read indexes, which follow the table within moments. An operation that was
  accepted can be loaded at once, and is claimed or listed a moment later.
- The bound of queued operations is not exact over several processes: see ``depth``.
- Topics of one call: a transaction has a hundred items, so one call publishes to some forty.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Self, TypeVar

from ringback.core.filters import AnyFilter
from ringback.core.model import (
    Accepted,
    Change,
    Claimed,
    Demand,
    IdempotencyRecord,
    Message,
    OperationState,
    Page,
    Position,
    Publication,
    Query,
    Status,
)
from ringback.core.topics import OPERATIONS
from ringback.engines.dynamodb import items, relays, schema
from ringback.engines.dynamodb.accepting import Acceptance
from ringback.engines.dynamodb.changes import Changes, Prepared, check_room
from ringback.engines.dynamodb.claims import Claims
from ringback.engines.dynamodb.client import RETRY_AFTER, Cancelled, Client, NoObject
from ringback.engines.dynamodb.depth import Depth
from ringback.engines.dynamodb.feeds import Feeds
from ringback.engines.dynamodb.functions import TableFunctions
from ringback.engines.dynamodb.journal import Journal
from ringback.engines.dynamodb.logs import Logs
from ringback.engines.dynamodb.meta import Meta
from ringback.engines.dynamodb.payloads import Payloads
from ringback.engines.dynamodb.queues import Queues
from ringback.engines.dynamodb.streams import Stream
from ringback.engines.dynamodb.topics import Topics
from ringback.engines.dynamodb.upkeep import Upkeep
from ringback.errors import (
    Conflict,
    PayloadTooLarge,
    QueueFull,
    RingbackError,
    StoreUnavailable,
)
from ringback.ports import QUEUE, Hint, Relayed

T = TypeVar("T")

MAX_QUEUED = 1_000_000
"""Queued operations beyond which a new one is refused."""
UNANSWERED = 100
"""Changes that are remembered because no answer came: as many as a worker runs operations."""
IN_LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
"""The variable that says so: there the stream is read by functions of its own."""

log = logging.getLogger("ringback.dynamodb")


class DynamoEngine(TableFunctions):
    """``FullEngine`` in a table, and what functions need besides (``Chosen``, ``Connections``,
    ``Streamed``). Many processes may share one.
    """

    def __init__(
        self,
        table: str,
        *,
        bucket: str = "",
        queues: Mapping[int, str] | None = None,
        max_queued: int = MAX_QUEUED,
        event_retention: float = 86400.0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """``bucket`` takes what is large, ``queues`` are told of work; ``options`` are those of
        botocore's ``create_client``, for what its environment says else.
        """
        self._process = secrets.token_hex(6)
        self._reads_stream = IN_LAMBDA not in os.environ
        self.client = Client(table, options)
        self.queues = Queues(self.client, queues or {})
        payloads = Payloads(self.client, bucket)
        self._payloads = payloads
        self._meta = Meta(self.client)
        self._topics = Topics(self.client, payloads)
        self._journal = Journal(self.client, payloads, self._topics, self._process, self._hint)
        self._feeds = Feeds(self.client, payloads, self._topics, self._journal)
        self._logs = Logs(self.client, payloads)
        self._changes = Changes(payloads, self._process, event_retention)
        self._acceptance = Acceptance(self.client, self._changes, payloads, self._logs)
        self._claims = Claims(self.client, self._changes, self._logs)
        self._upkeep = Upkeep(self.client, self._logs, self._topics, payloads)
        self._depth = Depth(max_queued, self.count_queued)
        self._stream = Stream(self.client, self._process, self._hint, self._receive)
        self._relays = relays.Relays(self.client, self._process)
        self._listeners: list[Hint] = []
        self._receivers: list[Relayed] = []
        self._begun: set[asyncio.Future[Any]] = set()
        self._unanswered: dict[str, tuple[Change, Prepared]] = {}
        """By operation, the change of which nobody knows whether it is stored."""

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        try:
            await self._meta.open()
            if self._reads_stream:
                await self._stream.open()
        except BaseException:
            await self.__aexit__()
            raise
        self._topics.floor = self._meta.floor
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stream.close()
        if self.client.is_open:
            await self.drain()
        await self.client.__aexit__()

    async def drain(self) -> None:
        """Wait until what was begun is done: writes, messages to queues, what is relayed."""
        while self._begun:
            await asyncio.wait(tuple(self._begun))
        await self._journal.close()
        await self.queues.drain()
        await self._relays.drain()

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Have work done though its caller may go away."""
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return asyncio.shield(task)

    # Engine

    @property
    def epoch(self) -> str:
        return self._meta.epoch

    def accept(self, change: Change, key: IdempotencyRecord | None) -> asyncio.Future[Accepted]:
        return self._begin(self._accept(change.after, key))

    async def _accept(self, state: OperationState, key: IdempotencyRecord | None) -> Accepted:
        if not await self._depth.enter():
            replayed = (
                None if key is None else await self._acceptance.replayed(key, state.created_at)
            )
            if replayed is not None:
                return replayed
            raise QueueFull(queued=self._depth.queued, retry_after=RETRY_AFTER)
        stored = False
        try:
            await self._meta.know(state.task)
            answer = await self._acceptance.store(state, key)
            stored = not answer.replayed
        finally:
            self._depth.leave(stored=stored)
        if stored and state.status is Status.QUEUED:
            self.queues.send([answer.operation])
            self._hint(frozenset({QUEUE}))
        return answer

    def commit(self, change: Change) -> asyncio.Future[None]:
        return self._begin(self._commit(change))

    async def _commit(self, change: Change) -> None:
        prepared = await self._stored_before(change)
        if prepared is None:
            for caused in change.operations:
                await self._meta.know(caused.task)
            prepared = await self._changes.prepared(change)
            await self._store(change, prepared)
        self.queues.send(prepared.queued)
        self._depth.changed()
        self._hint(frozenset(prepared.changed))
        if change.before is not None:
            try:
                await self._logs.trim(change.before.version, change.after)
            except (RingbackError, RuntimeError) as error:  # the change is stored all the same
                log.warning("The log of %s is trimmed later: %s", change.after.id, error)

    async def _stored_before(self, change: Change) -> Prepared | None:
        """The writes of this very change, if they were carried out when no answer came. A worker
        reports the same until it is stored.
        """
        told, prepared = self._unanswered.get(change.after.id, (None, None))
        if told is None or prepared is None:
            return None
        made = False
        if (told.before, told.messages, told.publications) == (
            change.before,
            change.messages,
            change.publications,
        ):
            key = schema.operation_key(change.after.id), items.OPERATION
            made = prepared.made(await self.client.get(*key) or {})
        self._unanswered.pop(change.after.id, None)
        return prepared if made else None

    async def _store(self, change: Change, prepared: Prepared) -> None:
        publications = [each for each in change.publications if each.keep is not None]
        try:
            if publications:
                now = change.after.updated_at
                await self._journal.append(publications, now, prepared.writes)
            else:
                check_room(prepared.writes)
                await self.client.transact(prepared.writes)
        except Cancelled as refused:
            if not prepared.done(refused):
                await self._payloads.forget(prepared.stored)
                raise Conflict(operation=change.after.id) from refused
        except PayloadTooLarge:
            await self._payloads.forget(prepared.stored)
            raise
        except StoreUnavailable:
            if prepared.made(await self.client.find(prepared.writes[0])):
                return
            if len(self._unanswered) >= UNANSWERED:
                self._unanswered.pop(next(iter(self._unanswered)))
            self._unanswered[change.after.id] = change, prepared
            raise

    def claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> asyncio.Future[Claimed]:
        return self._begin(self._claim(self._claims.claim(worker, demands, limit, now)))

    async def claim_chosen(self, worker: str, operations: Sequence[str], now: float) -> Claimed:
        return await self._begin(self._claim(self._claims.choose(worker, operations, now)))

    async def _claim(self, claiming: Coroutine[Any, Any, Claimed]) -> Claimed:
        claimed = await claiming
        if claimed.operations:
            self._depth.changed()
            self._hint(frozenset(state.topic for state in claimed.operations))
        return claimed

    async def load(self, operation: str) -> OperationState:
        return await self._logs.load(operation)

    async def read(self, topic: str, after: Position | None, limit: int) -> Page:
        if topic.startswith(OPERATIONS):
            operation = topic.removeprefix(OPERATIONS)
            return await self._logs.read(self.epoch, operation, after, limit)
        return await _seen(lambda: self._feeds.read(self.epoch, topic, after, limit))

    # Journal

    async def follow(self, after: Position | None, limit: int) -> Page:
        return await _seen(lambda: self._feeds.follow(self.epoch, after, limit))

    async def replay(self, filter: AnyFilter, after: Position | None, limit: int) -> Page:
        return await _seen(lambda: self._feeds.replay(self.epoch, filter, after, limit))

    async def trimmed(self, filter: AnyFilter) -> Mapping[str, int]:
        return await _seen(lambda: self._feeds.trimmed(filter))

    async def retained(
        self, filter: AnyFilter, upto: Position, limit: int, *, beyond: str = ""
    ) -> Sequence[Message]:
        return await _seen(lambda: self._feeds.retained(self.epoch, filter, upto, limit, beyond))

    async def find(self, id: str) -> Position | None:
        return await self._feeds.find(self.epoch, id)

    # Leases

    async def renew(
        self, leases: Sequence[tuple[str, int]], now: float
    ) -> tuple[frozenset[str], frozenset[str]]:
        return await self._upkeep.renew(leases, now)

    async def overdue(self, now: float, limit: int) -> Sequence[OperationState]:
        return await self._upkeep.overdue(await self._meta.tasks(), now, limit)

    # Listing

    async def list(self, query: Query) -> Sequence[OperationState]:
        return await self._logs.listing(query, await self._meta.tasks())

    async def count_queued(self) -> int:
        return sum((await self.count_queued_by_task()).values())

    async def count_queued_by_task(self) -> Mapping[str, int]:
        return await self._logs.queued(await self._meta.tasks())

    # Retention

    async def forget(self, operation: str, now: float) -> None:
        await self._upkeep.forget(operation, now)

    async def sweep(self, now: float) -> int:
        return await self._begin(self._upkeep.sweep(now))

    # Hints

    def listen(self, hint: Hint) -> Callable[[], None]:
        self._listeners.append(hint)
        self._stream.read()

        def stop() -> None:
            if hint in self._listeners:
                self._listeners.remove(hint)

        return stop

    def _hint(self, changed: frozenset[str]) -> None:
        if changed:
            for listener in tuple(self._listeners):
                listener(changed)

    # Publishing

    async def publish(self, publications: Sequence[Publication], now: float) -> Sequence[Position]:
        if not publications:
            return []
        numbers = await self._begin(self._journal.append(publications, now))
        return [Position(self.epoch, number) for number in numbers]

    # Relay

    def relay(self, publications: Sequence[Publication], now: float) -> None:
        self._relays.send(publications, now)
        for receive in tuple(self._receivers):
            receive(publications, now)

    def listen_relayed(self, receive: Relayed) -> Callable[[], None]:
        self._receivers.append(receive)
        self._stream.read()

        def stop() -> None:
            if receive in self._receivers:
                self._receivers.remove(receive)

        return stop

    def _receive(self, data: bytes) -> None:
        for publication, now in relays.read(data):
            for receive in tuple(self._receivers):
                receive([publication], now)

    # Facts

    async def fact(self, name: str) -> bytes | None:
        return await self._meta.fact(name)

    async def set_fact(self, name: str, value: bytes, *, replace: bool = True) -> bytes:
        return await self._meta.set_fact(name, value, replace=replace)


async def _seen(read: Callable[[], Awaitable[T]]) -> T:
    """What is read; a second time, where some of it was removed before all of it was fetched."""
    try:
        return await read()
    except NoObject:
        return await read()
