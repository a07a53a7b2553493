"""Topics by polling and long polling: what came after a position, as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec

from ringback.core.filters import AnyFilter, AnyOf
from ringback.core.model import Message, Page, Position
from ringback.core.topics import named
from ringback.edges.http import fields
from ringback.edges.http.message import (
    JSON,
    NOT_STORED,
    Disconnected,
    Headers,
    Request,
    Response,
)
from ringback.edges.http.subscription import Subscription
from ringback.edges.http.topic_events import as_json
from ringback.edges.http.waiting import Streams, bounded, watched
from ringback.errors import InvalidInput, MalformedRequest
from ringback.hub import Format, Guard, Hub, last_values, rung
from ringback.service import Service

MAX_LIMIT = 1000
"""Messages in one page: what an engine reads at once."""
DEFAULT_LIMIT = 100
"""Messages in a page, unless the caller says otherwise."""
MAX_PAGES = 10
"""Pages that one poll reads, looking for messages that its caller may see."""
WAITING = "$waiting"
"""The bell of long polls: rung by what concerns all of them, as the end of the process."""


class _Waiter:
    """Follows for as long as a long poll waits.

    What is kept it reads when it was woken. What is not, it has to take as it comes: it is its own
    wire format, so as to be handed messages and not frames.
    """

    descriptor = None

    def __init__(
        self, subject: str | None, ring: Callable[[], None], takes: Callable[[Message], bool]
    ) -> None:
        self.subject = subject
        self.takes = takes
        self.passing: list[Message] = []
        """Messages of ephemeral topics."""
        self._ring = ring

    @property
    def format(self) -> Format:
        return self

    def message(self, message: Message) -> bytes:
        if not message.position.epoch and len(self.passing) < MAX_LIMIT:
            self.passing.append(message)
        return b""

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return b""

    @property
    def write(self) -> Callable[[bytes], object]:
        return lambda data: self._ring()

    @property
    def write_newest(self) -> Callable[[str, bytes], object]:
        return lambda topic, data: self._ring()


class TopicPages:
    """Answers polls."""

    def __init__(self, service: Service, hub: Hub, streams: Streams) -> None:
        self._service = service
        self._hub = hub
        self._streams = streams

    async def answer(self, request: Request, wanted: Subscription) -> Response:
        """A page, at once or when there is something in it."""
        if wanted.operations or wanted.forgotten:
            raise InvalidInput(
                "An operation is polled at /operations/{id}. A stream (Accept: text/event-stream) "
                "carries both.",
            )
        limit = _limit(request)
        _, wait = fields.preferences(request.header(b"prefer"))
        filter: AnyFilter = AnyOf(tuple(wanted.filters))
        if len(wanted.filters) == 1:
            filter = next(iter(wanted.filters))
        sees = self._hub.seen_through(wanted.filters)
        async with watched(request, asyncio.Event()) as client:
            page, at_end = await self._first(
                wanted, filter, sees, limit, lambda: self._hub.closing or client.gone
            )
        if client.gone:
            raise Disconnected
        headers: Headers = [JSON, NOT_STORED]
        passing: Sequence[Message] = ()
        if wait is not None and not self._streams.full:
            wait = bounded(wait, wanted.claims, self._service)
            headers.append((b"preference-applied", b"wait=%d" % int(wait)))
            if at_end and not page.messages and not page.gap:
                with self._streams.place():
                    page, passing = await self._wait(request, wanted, filter, page, limit, wait)
        return Response(200, _body(page, passing), headers)

    async def _first(
        self,
        wanted: Subscription,
        filter: AnyFilter,
        sees: Guard,
        limit: int,
        given_up: Callable[[], bool],
    ) -> tuple[Page, bool]:
        """What there is at once; also whether there is nothing to read after it."""
        engine, takes = self._service.engine, self._taking(wanted)
        retains = wanted.retains(self._service.publisher.topics)
        if wanted.after is not None and retains:
            page = Page(messages=(), position=wanted.after)
        elif not wanted.begins:
            return await self._read(filter, sees, takes, wanted.after, limit, given_up)
        else:
            page = await engine.follow(None, 1)
        if not retains:
            return page, True
        newest, cut = await last_values(
            engine,
            filter,
            page.position,
            lambda m: sees(m.topic) and takes(m),
            limit,
            given_up=given_up,
        )
        return Page(messages=tuple(newest), position=page.position, gap=cut), True

    def _taking(self, wanted: Subscription) -> Callable[[Message], bool]:
        """Whether a message that may be private is for the caller."""
        topics, claims = self._service.publisher.topics, wanted.claims
        return lambda message: not message.private or topics.grants(claims, message.topic)

    async def _read(
        self,
        filter: AnyFilter,
        sees: Guard,
        takes: Callable[[Message], bool],
        after: Position | None,
        limit: int,
        given_up: Callable[[], bool],
    ) -> tuple[Page, bool]:
        """The next page with something in it that the caller may see, or how far was looked; also
        whether that is the end.
        """
        gap = unknown = False
        missed: dict[str, None] = {}
        size, pages = limit, 0
        while True:
            page = await self._service.engine.replay(filter, after, size)
            known = [topic for topic in page.missed if sees(topic)]
            if page.gap and (known or not page.missed):
                gap, unknown = True, unknown or not page.missed
                missed |= dict.fromkeys(known)
            messages = tuple(m for m in page.messages if sees(m.topic) and takes(m))
            pages += 1
            if messages or not page.messages or pages == MAX_PAGES or given_up():
                break
            after, size = page.position, MAX_LIMIT  # most of it is not theirs
        position = page.position
        if len(messages) > limit:
            messages = messages[:limit]
            position = messages[-1].position
        lost = () if unknown else tuple(missed)  # where it may be any, no name says more
        found = Page(messages=messages, position=position, gap=gap, missed=lost)
        return found, not page.messages

    async def _wait(
        self,
        request: Request,
        wanted: Subscription,
        filter: AnyFilter,
        page: Page,
        limit: int,
        wait: float,
    ) -> tuple[Page, Sequence[Message]]:
        hub, sees = self._hub, self._hub.seen_through(wanted.filters)
        revocations = self._service.revocations
        await hub.start()
        deadline = time.monotonic() + wait
        with hub.bell(WAITING) as bell:
            takes = self._taking(wanted)
            waiter = _Waiter(wanted.claims.subject, bell.set, takes)
            async with watched(request, bell) as client:
                try:
                    for each, guard in wanted.filters.items():
                        hub.attach(waiter, each, guard)
                    while True:
                        bell.clear()
                        page, at_end = await self._read(
                            filter,
                            sees,
                            takes,
                            page.position,
                            limit,
                            lambda: hub.closing or client.gone,
                        )
                        left = deadline - time.monotonic()
                        found = page.messages or page.gap or waiter.passing or not at_end
                        if found or left <= 0 or hub.closing or client.gone:
                            break
                        if revocations.covers(wanted.claims):
                            break
                        await rung(bell, left)
                finally:
                    hub.leave(waiter)
        if client.gone:
            raise Disconnected
        revocations.check(wanted.claims)
        return page, waiter.passing


def _limit(request: Request) -> int:
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:8]) <= MAX_LIMIT:
        raise MalformedRequest(f"limit is 1 to {MAX_LIMIT}.", parameter="limit")
    return int(text)


def _body(page: Page, passing: Sequence[Message]) -> bytes:
    messages = b",".join([as_json(message) for message in (*page.messages, *passing)])
    return b'{"messages":[%b],"position":"%b","gap":%b,"missed":%b}' % (
        messages,
        str(page.position).encode(),
        b"true" if page.gap else b"false",
        msgspec.json.encode(named(page.missed)),
    )
