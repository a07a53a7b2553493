"""What a caller wants to follow, and whether they may: the same for polls and streams."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from ringback.core.access import Claims
from ringback.core.filters import Filter, too_many_patterns
from ringback.core.model import OperationState, Position
from ringback.core.policies import PRESENCE, Topics, parsed
from ringback.core.topics import OPERATIONS
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import Request
from ringback.errors import (
    Forbidden,
    MalformedRequest,
    OperationForgotten,
    RingbackError,
    Unauthenticated,
    UnknownOperation,
)
from ringback.hub import Guard
from ringback.ids import is_id
from ringback.service import Service
from ringback.wire.positions import unpack

MAX_ECHO = 64
"""Characters of what is no id that the answer repeats."""

log = logging.getLogger("ringback.http")


@dataclass(kw_only=True, slots=True)
class Followed:
    """One operation among what is followed."""

    state: OperationState
    claims: Claims
    """By which it may be: perhaps its own token."""
    after: Position | None = None


@dataclass(kw_only=True, slots=True)
class Subscription:
    """What is followed."""

    claims: Claims
    filters: dict[Filter, Guard | None] = field(default_factory=dict)
    operations: list[Followed] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    """Topics of operations that were followed, and are here no more."""
    after: Position | None = None
    """None: from the oldest that is kept."""
    begins: bool = True
    """Whether it is from now on, and not from ``after``."""
    retained: bool = False
    """Whether it goes on after a stream that was cut off before it had all last values."""

    @property
    def expires_at(self) -> float | None:
        """When the first of the tokens it rests on is good no longer."""
        all_of_them = (self.claims, *(each.claims for each in self.operations))
        return min((c.expires_at for c in all_of_them if c.expires_at is not None), default=None)

    def retains(self, topics: Topics) -> bool:
        """Whether a topic it is about may have a last value to begin with."""
        if not (self.begins or self.retained):
            return False
        return any(
            policy is not None and policy.keep is not None and policy.keep.retained
            for filter in self.filters
            for policy in ([topics.find(filter.text)] if filter.exact else topics.policies)
        )


class Subscriptions:
    """Reads them out of requests."""

    def __init__(self, service: Service, gate: Gate) -> None:
        self._service = service
        self._gate = gate
        self._topics = service.publisher.topics

    async def read(self, request: Request, texts: Sequence[str]) -> Subscription:
        """What a request asks for. Raises ``RequestError`` and ``AccessError``."""
        limit = self._service.settings.max_subscriptions
        if not 0 < len(texts) <= limit:
            raise MalformedRequest(
                f"Give filter= once or more, at most {limit} times.", parameter="filter"
            )
        found = Subscription(claims=await self._gate.claims(request))
        operations = self._position(request, found)
        patterns = self._service.settings.max_patterns
        for text in dict.fromkeys(texts):
            if text.startswith(OPERATIONS):
                await self._add_operation(request, found, text, operations.get(text))
                continue
            filter = parsed(text)
            patterns -= filter.pattern
            if patterns < 0:
                most = self._service.settings.max_patterns
                raise MalformedRequest(too_many_patterns(most), parameter="filter", limit=most)
            self._add(found, filter)
        if found.forgotten and not (found.filters or found.operations):
            raise OperationForgotten
        return found

    def _position(self, request: Request, found: Subscription) -> dict[str, Position]:
        """Note where it is to go on; the positions in operations' logs."""
        # An EventSource that reconnects asks for the same URL, and its header is the newer word.
        text = request.header(b"last-event-id") or request.query.get("after")
        if not text:
            return {}
        found.begins = False
        found.after, operations, retained = unpack(text)
        # Of another life of the store all that is kept comes, after a gap.
        known = found.after is not None and found.after.epoch == self._service.engine.epoch
        found.retained = retained and known
        return operations

    def _add(self, found: Subscription, filter: Filter) -> None:
        text, topics, claims = filter.text, self._topics, found.claims
        if text.startswith(PRESENCE) and filter.exact:
            if not topics.allows("subscribe", claims, text):
                raise _refused(claims, text)
            found.filters[filter] = None
        elif filter.exact:
            topics.check("subscribe", claims, text)
            found.filters[filter] = None
        elif topics.everywhere("subscribe", claims, filter):
            found.filters[filter] = None
        elif topics.somewhere("subscribe", claims):
            found.filters[filter] = _guard(topics, claims)
        else:
            raise _refused(claims, text)

    async def _add_operation(
        self, request: Request, found: Subscription, text: str, after: Position | None
    ) -> None:
        operation = text.removeprefix(OPERATIONS)
        if not is_id(operation):
            raise UnknownOperation(operation=operation[:MAX_ECHO])
        claims = await self._gate.claims(request, operation)
        try:
            state = await self._service.load(operation, claims)
        except OperationForgotten:
            # Of a stream that follows others too this is no end: it had seen it before.
            found.forgotten.append(text)
            return
        found.operations.append(Followed(state=state, claims=claims, after=after))


def _guard(topics: Topics, claims: Claims) -> Guard:
    """Asks for each topic. A predicate of the application that fails lets nobody see it."""

    def allows(topic: str) -> bool:
        try:
            return topics.allows("subscribe", claims, topic)
        except Exception:
            log.exception("Whether %s may be followed could not be decided.", topic)
            return False

    return allows


def _refused(claims: Claims, text: str) -> RingbackError:
    if claims.subject is None and not claims.subscribe:
        return Unauthenticated(f"To follow {text} takes a token.")
    return Forbidden(
        f"This token does not allow to follow {text}. It takes one whose claim `topics` has it: "
        f'{{"subscribe": ["{text}"]}}.'
    )
