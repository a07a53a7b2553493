"""Accept, look up, cancel, redrive: commands made out of requests, decided by the core, and
committed by the engine.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec

from ringback import tracing
from ringback.core.access import ADMIN_SCOPE, Claims, may_follow, may_forget, may_submit
from ringback.core.commands import Cancel, Command, Redrive
from ringback.core.lifecycle import accept, decide
from ringback.core.model import (
    HELD,
    Accepted,
    Change,
    Event,
    IdempotencyRecord,
    Kind,
    OperationState,
    Position,
    Query,
)
from ringback.errors import (
    Conflict,
    Forbidden,
    IdempotencyKeyMissing,
    MalformedRequest,
    OperationForgotten,
    StaleVersion,
    Unauthenticated,
    UnknownOperation,
)
from ringback.ids import Clock, new_id
from ringback.ports import FullEngine
from ringback.security.tokens import OperationTokens
from ringback.service.publishing import Publisher
from ringback.service.revocations import Revocations
from ringback.settings import Settings
from ringback.tasks.events import cloud_event
from ringback.tasks.inputs import check_caller, first_ready, validate
from ringback.tasks.registry import Registry, Task

MAX_CONFLICTS = 50
"""Times a command is decided anew because the operation changed meanwhile. A conflict means that
somebody else got ahead, so the whole always advances; the bound only stops a mistake of ours."""
DIGEST_SIZE = 16
"""Bytes of the digests an idempotency record holds: no two requests share one by chance."""
SHOWN_PARTS = 1000
"""Newest partial results that a representation carries; a stream carries all."""

Authorize = Callable[[str, Claims, Task | OperationState | None], bool | Awaitable[bool]]
"""A hook: may these claims do this (``submit``, ``follow``, ``cancel``, …) to that?"""


class Service:
    """One application on one engine."""

    def __init__(
        self,
        name: str,
        engine: FullEngine,
        registry: Registry,
        settings: Settings,
        *,
        clock: Clock,
        authorize: Authorize | None = None,
        development: bool | None = None,
    ) -> None:
        """``development``: whether no caller can be known; by default, as the settings say."""
        self.name = name
        self.engine = engine
        self.registry = registry
        self.settings = settings
        self.clock = clock
        self.development = settings.development if development is None else development
        self._authorize = authorize
        self._tokens: OperationTokens | None = None
        self.redriving: Callable[[OperationState, str], Awaitable[None]] | None = None
        """Told of a dead letter before its work is done again, and by which operation."""
        self.revocations = Revocations(engine, clock)
        self.publisher = Publisher(
            engine,
            registry.declared_topics(settings.topic_retention),
            clock,
            open=settings.topic_retention if settings.open_topics else None,
            development=self.development,
        )

    async def start(self) -> None:
        """Fetch or make the secret that tokens are made with. The engine must be open."""
        configured = self.settings.secret
        if configured is not None:
            secret = configured.get_secret_value().encode()
        else:
            # Read first: a process that may only read has it, too.
            secret = await self.engine.fact("secret") or await self.engine.set_fact(
                "secret", secrets.token_bytes(32), replace=False
            )
        self._tokens = OperationTokens(secret, self.settings.token_lifetime)
        await self.revocations.refresh()

    @property
    def tokens(self) -> OperationTokens:
        """The operations' tokens; there are some once ``start`` has run."""
        if self._tokens is None:
            raise RuntimeError("The service has not been started.")
        return self._tokens

    # Accepting

    @property
    def plain(self) -> bool:
        """Whether accepting asks no hook and records no span: it then waits for the store alone."""
        return self._authorize is None and not tracing.provided()

    def submit(
        self,
        task: Task,
        body: bytes,
        claims: Claims,
        *,
        key: str | None = None,
        start_at: float | None = None,
        traceparent: str | None = None,
    ) -> Awaitable[Accepted]:
        """Validate and store a request. The awaitable is done once it is durable.

        Raises, at once, ``InvalidInput``, ``MalformedRequest``, ``IdempotencyKeyMissing``, or
        ``ConfigurationError`` for a mistake of the application; and what ``Engine.accept`` raises.
        """
        now = self.clock()
        body = body or b"{}"
        check_caller(claims.subject, key)
        value = validate(task, body)
        record = None
        if key is not None:
            record = self._idempotency(task, claims, key, body, now)
        elif task.idempotency_required:
            raise IdempotencyKeyMissing(task=task.name)
        ready_at = first_ready(start_at, now)
        operation = new_id(now)
        trace, span = tracing.produce(task.name, operation, traceparent)
        state = OperationState(
            id=operation,
            task=task.name,
            input=body,
            policy=task.policy,
            subject=claims.subject,
            priority=task.priority,
            ready_at=ready_at,
            limit_key=task.limit_key(value, claims.subject),
            traceparent=trace,
            created_at=now,
            updated_at=now,
        )
        stored = self.engine.accept(accept(state), record)
        return stored if span is None else tracing.until_stored(span, stored)

    def hold(
        self,
        task: Task,
        body: bytes,
        claims: Claims,
        *,
        operation: str,
        traceparent: str | None,
        key: str | None = None,
        payload: bytes = b"",
    ) -> Awaitable[Accepted]:
        """Store an operation that waits to be started, say for its upload.

        ``payload`` is what the caller sent: what has to be the same under the same ``key``.
        """
        now = self.clock()
        check_caller(claims.subject, key)
        record = None
        if key is not None:
            record = self._idempotency(task, claims, key, payload, now)
        trace, span = tracing.produce(task.name, operation, traceparent)
        state = OperationState(
            id=operation,
            task=task.name,
            input=body,
            policy=task.policy,
            subject=claims.subject,
            priority=task.priority,
            ready_at=HELD,
            limit_key=task.limit_key(None, claims.subject),
            traceparent=trace,
            created_at=now,
            updated_at=now,
        )
        stored = self.engine.accept(accept(state), record)
        return stored if span is None else tracing.until_stored(span, stored)

    def _idempotency(
        self, task: Task, claims: Claims, key: str, body: bytes, now: float
    ) -> IdempotencyRecord:
        subject = claims.subject or ""
        # The lengths keep one scope's parts from being read as another's.
        scope = f"{len(subject)}:{len(task.name)}:{subject}{task.name}{key}".encode()
        try:
            canonical = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
        except msgspec.DecodeError as error:
            raise MalformedRequest(f"The body cannot be compared with another: {error}.") from None
        return IdempotencyRecord(
            scope=hashlib.blake2b(scope, digest_size=DIGEST_SIZE).digest(),
            payload=hashlib.blake2b(canonical, digest_size=DIGEST_SIZE).digest(),
            expires_at=now + self.settings.idempotency_retention,
        )

    # Looking

    async def load(self, operation: str, claims: Claims, action: str = "follow") -> OperationState:
        """An operation, for a caller who may see it; for any other there is none."""
        try:
            state = await self.engine.load(operation)
        except OperationForgotten as gone:
            if claims.operation == operation or claims.admin:
                raise
            if claims.subject is not None and claims.subject == gone.subject:
                raise
            raise UnknownOperation(operation=operation) from None
        if not await self.allowed(action, claims, state):
            if self._authorize is None and may_follow(claims, state):
                raise Forbidden("An operation's token follows and cancels. This takes its owner's.")
            raise UnknownOperation(operation=operation)
        return state

    async def allowed(
        self, action: str, claims: Claims, target: Task | OperationState | None
    ) -> bool:
        """Whether the claims allow the action."""
        answer = self.may(action, claims, target)
        return answer if isinstance(answer, bool) else await answer

    def may(
        self, action: str, claims: Claims, target: Task | OperationState | None
    ) -> bool | Awaitable[bool]:
        """The same, awaitable only if the application's hook is: it decides, or ``access``."""
        if self._authorize is not None:
            return self._authorize(action, claims, target)
        if isinstance(target, OperationState):
            rule = may_forget if action == "forget" else may_follow
            return rule(claims, target)
        if isinstance(target, Task):
            known = may_submit(claims, development=self.development, public=target.public)
            return known and target.allows(claims)
        return claims.subject is not None

    async def find(self, claims: Claims, query: Query) -> Sequence[OperationState]:
        """The caller's own operations; an administrator's may be anybody's."""
        if claims.subject is None:
            raise Unauthenticated(
                "A list is of one subject's operations, so it needs a token that names you. "
                "An operation's own token opens that operation alone."
            )
        if not await self.allowed("list", claims, None):
            raise Forbidden
        if not claims.admin:
            query = msgspec.structs.replace(query, subject=claims.subject)
        return await self.engine.list(query)

    async def parts(self, state: OperationState) -> list[Any]:
        """The newest partial results of the current attempt, as ``{index, data}`` of JSON."""
        parts = [part async for part, _ in self._parts(state, None)]
        return parts[-SHOWN_PARTS:]

    async def parts_after(
        self, state: OperationState, after: Position
    ) -> tuple[list[Any], Position]:
        """The first of them after a position, and where to go on: whoever asks again from there
        gets all, however many there are.
        """
        parts: list[Any] = []
        last = after
        async for part, position in self._parts(state, after):
            if len(parts) == SHOWN_PARTS:
                return parts, last
            parts.append(part)
            last = position
        return parts, self.position(state)

    async def _parts(
        self, state: OperationState, after: Position | None
    ) -> AsyncIterator[tuple[Any, Position]]:
        if not state.part_count:
            return
        page_after = Position(self.engine.epoch, state.parts_after)
        if after is not None and after.epoch == page_after.epoch:
            page_after = Position(after.epoch, max(after.offset, state.parts_after))
        while True:
            page = await self.engine.read(state.topic, page_after, 500)
            # A part that came after this state was loaded is not of it: a follower gets it next.
            for message in page.messages:
                if message.kind is Kind.PART and message.position.offset <= state.version:
                    yield msgspec.Raw(message.data), message.position
            if not page.messages or page.position.offset >= state.version:
                return
            page_after = page.position

    def position(self, state: OperationState) -> Position:
        """Where an operation's log stands in this state."""
        return Position(self.engine.epoch, state.version)

    # Changing

    async def apply(
        self, state: OperationState, command: Command, *, exact: bool = False
    ) -> OperationState:
        """Have a command decided and committed; decides anew when the operation changed.

        With ``exact`` it is about this state alone, and raises ``StaleVersion`` then. Raises
        what ``decide`` raises: for a worker, ``LeaseLost``.
        """
        for _ in range(MAX_CONFLICTS):
            change = decide(state, command, self.clock())
            if change is None:
                return state
            try:
                await self.engine.commit(self._with_handlers(change))
            except Conflict:
                state = await self.engine.load(state.id)
                if exact:
                    raise StaleVersion(version=state.version) from None
                continue
            if change.publications:
                self.publisher.committed(change.publications, change.after.updated_at)
            return change.after
        raise Conflict(operation=state.id)

    async def cancel(self, state: OperationState, *, exact: bool = False) -> OperationState:
        """Ask for a loaded operation to stop; it may still succeed. Idempotent."""
        return await self.apply(state, Cancel(), exact=exact)

    async def redrive(self, operation: str, claims: Claims) -> OperationState:
        """Do a dead letter's work again; the new operation."""
        state = await self.load(operation, claims, "redrive")
        owner = claims.subject is not None and claims.subject == state.subject
        if self._authorize is None and not (owner or claims.admin or self.development):
            raise Forbidden(f"Redriving needs the scope {ADMIN_SCOPE} or the owner's token.")
        return await self.again(state)

    async def again(self, state: OperationState) -> OperationState:
        """Do the work of a loaded dead letter again; the new operation.

        Raises ``TransitionError`` for one that is no dead letter.
        """
        again = new_id(self.clock())
        trace = tracing.produced(state.task, again, state.traceparent)
        if state.dead_letter and self.redriving is not None:
            await self.redriving(state, again)
        await self.apply(state, Redrive(again, trace))
        return await self.engine.load(again)

    def _with_handlers(self, change: Change) -> Change:
        """The change, with an operation for each handler of each of its events."""
        if not change.events:
            return change
        caused = [
            self._handler_operation(event, handler.task, change.after)
            for event in change.events
            for handler in self.registry.handlers(event.type)
        ]
        return msgspec.structs.replace(change, operations=change.operations + tuple(caused))

    def _handler_operation(
        self, event: Event, task: Task, parent: OperationState
    ) -> OperationState:
        now = self.clock()
        operation = new_id(now)
        return OperationState(
            id=operation,
            task=task.name,
            input=cloud_event(event),
            policy=task.policy,
            subject=parent.subject,
            priority=task.priority,
            ready_at=now,
            limit_key=task.limit_key(None, parent.subject),
            parent=parent.id,
            traceparent=tracing.produced(task.name, operation, event.traceparent),
            created_at=now,
            updated_at=now,
        )


_random = random.SystemRandom()


def jitter() -> float:
    """Uniform in [0, 1), for the core, which has no randomness of its own."""
    return _random.random()
