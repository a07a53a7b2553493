"""From a subscriber's request to a stream."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from ringback.core.filters import Filter
from ringback.core.model import BEGINNING, Message, Position
from ringback.core.policies import Topics
from ringback.edges.http.message import Headers, Request, Send
from ringback.edges.mercure.callers import Caller, Callers
from ringback.edges.mercure.streams import Streaming, Wanted
from ringback.edges.mercure.subscriptions import Subscriptions
from ringback.edges.streams import HEADERS
from ringback.errors import Forbidden, Unauthenticated
from ringback.hub import Guard
from ringback.ports import FullEngine
from ringback.wire import mercure
from ringback.wire.mercure import EARLIEST, Fields
from ringback.wire.mercure_selectors import Selector
from ringback.wire.mercure_subscriptions import (
    TOPIC,
    Dialect,
    Subscription,
    could_tell,
)
from ringback.wire.mercure_tokens import granted

ID_PARAMETERS = ("last_event_id", "lastEventID", "Last-Event-ID")
"""Draft 08's, 07's, and its predecessors'."""
TELLING = Filter(TOPIC, tuple(TOPIC.split("/")))
MAX_CURSOR = 1024
"""Characters of an id that is looked for."""


class Subscribe:
    """Opens streams."""

    def __init__(
        self,
        engine: FullEngine,
        topics: Topics,
        streaming: Streaming,
        callers: Callers,
        subscriptions: Subscriptions | None,
    ) -> None:
        """``subscriptions``: where they are told of, if they are."""
        self._engine = engine
        self._topics = topics
        self._streaming = streaming
        self._callers = callers
        self._subscriptions = subscriptions

    async def open(
        self,
        request: Request,
        send: Send,
        caller: Caller,
        selectors: tuple[Selector, ...],
        fields: Fields,
    ) -> None:
        """Answer with a stream. Raises what refuses it."""
        filters = self._filters(caller, selectors)
        if not filters:
            raise self._refused(caller, selectors)
        wanted = Wanted(filters, caller.claims, self._takes(caller, selectors))
        if self._subscriptions is not None:
            told, active = self._subscriptions, self._active(caller, selectors)
            wanted.begun, wanted.ended = partial(told.begin, active), partial(told.end, active)
        cursor = _cursor(request, fields)
        if cursor is not None:
            await self._find(wanted, cursor)
        await self._streaming.run(request, send, wanted, self._headers(request, wanted))

    # What

    def _filters(
        self, caller: Caller, selectors: tuple[Selector, ...]
    ) -> dict[Filter, Guard | None]:
        """What the hub is to follow: nothing that the caller cannot get."""
        filters: dict[Filter, Guard | None] = {}
        told = self._subscriptions is not None and self._callers.administers_some(caller)
        for selector in selectors:
            filter = selector.filter
            if told and could_tell(selector):
                filters[TELLING] = None  # private: each is looked at
            if filter is None:
                continue
            if filter.exact:
                if self._callers.sees(caller, filter.text):
                    filters[filter] = None
            elif self._callers.sees_all(caller, selector):
                filters[filter] = None
            elif self._callers.sees_some(caller):
                filters[filter] = self._guard(caller)
        return filters

    def _guard(self, caller: Caller) -> Guard:
        return lambda name: self._callers.sees(caller, name)

    def _refused(self, caller: Caller, selectors: tuple[Selector, ...]) -> Exception:
        if not caller.shown:
            return Unauthenticated(
                "To follow takes a token. mercure_anonymous lets everybody follow what is public."
            )
        for selector in selectors:
            if selector.filter is not None and selector.filter.exact:
                self._topics.policy(selector.filter.text)
        return Forbidden("This token allows to follow none of what it asks for.")

    def _takes(self, caller: Caller, selectors: tuple[Selector, ...]) -> Callable[[Message], bool]:
        """Which of the messages that are private, or one of several, a stream brings."""
        callers = self._callers
        dialect: Dialect = 7 if all(selector.legacy for selector in selectors) else 8

        def follows(topic: str) -> bool:
            return any(selector.matches(topic) for selector in selectors)

        def takes(message: Message) -> bool:
            topics = mercure.topics_of(message)
            told = mercure.attributes_of(message).dialect
            if message.topic == TOPIC:
                return (
                    told == dialect
                    and follows(topics[0])
                    and callers.administers(caller, topics[0])
                )
            if told is not None:
                return False
            # An update of several topics comes once: as the first that is followed.
            for topic in topics:
                name = mercure.checked_name(topic)
                if name is not None and follows(topic) and callers.sees(caller, name):
                    if name != message.topic:
                        return False
                    break
            else:
                return False
            return not message.private or any(
                callers.in_particular(caller, topic) for topic in topics
            )

        return takes

    def _active(self, caller: Caller, selectors: tuple[Selector, ...]) -> tuple[Subscription, ...]:
        subscriber = f"urn:uuid:{uuid.uuid4()}"
        found = []
        for selector in selectors:
            grant = granted(caller.grants.subscribe, selector.text)
            if grant is None and caller.grants.subscribe:
                grant = caller.grants.subscribe[0]
            payload = grant.payload if grant is not None else None
            found.append(Subscription(selector, subscriber, payload))
        return tuple(found)

    # From where

    async def _find(self, wanted: Wanted, cursor: str) -> None:
        """Where to go on: behind the update of this id."""
        wanted.replays = True
        if cursor == EARLIEST:
            return
        position = mercure.position_of(cursor)
        if position is None and len(cursor) <= MAX_CURSOR:
            position = await self._engine.find(cursor)
        if position is None or position.epoch not in (self._engine.epoch, BEGINNING.epoch):
            wanted.lost = True
            return
        wanted.after = position
        if not await self._is_lost(wanted, position):
            wanted.before = cursor

    async def _is_lost(self, wanted: Wanted, position: Position) -> bool:
        """Whether something behind a position is kept no more."""
        for filter, guard in wanted.filters.items():
            page = await self._engine.replay(filter, position, 1)
            if page.gap and (
                not page.missed or any(guard is None or guard(name) for name in page.missed)
            ):
                return True
        return False

    def _headers(self, request: Request, wanted: Wanted) -> Headers:
        headers: Headers = [
            *HEADERS,
            (b"link", f'<{request.prefix}{mercure.HUB}>; rel="mercure"'.encode()),
        ]
        if wanted.replays:
            before = wanted.before.encode("utf-8")
            headers += [(b"mercure-last-event-id", before), (b"last-event-id", before)]
        return headers


def _cursor(request: Request, fields: Fields) -> str | None:
    """The id after which to begin; the header is the newer word."""
    header = request.header(b"last-event-id")
    if header:
        # A browser sends its id in UTF-8 (WHATWG HTML, 9.2.3).
        return header.encode("latin-1").decode("utf-8", "replace")
    return next((value for name, value in fields if name in ID_PARAMETERS and value), None)
