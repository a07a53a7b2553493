"""Streams of topics: what they bring beside what all event streams have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringback.core.model import Message, Position
from ringback.edges.http.message import Request
from ringback.edges.http.subscription import Followed, Subscription
from ringback.edges.http.topic_events import EVENTS, Beginning, Events, PackedEvents, mark
from ringback.edges.http.topic_operations import OperationStreams
from ringback.edges.places import Keeper, Places
from ringback.edges.streams import Chunks, QueuedStream, RawStream, Stream, Streams
from ringback.hub import Format, Hub
from ringback.service import Service
from ringback.wire import sse
from ringback.wire.positions import pack

RECONNECT = 2.0
"""Seconds an EventSource waits before it comes back."""

CHUNKS = Chunks(EVENTS)


class _Stream(Stream[Subscription]):
    """What raw and queued streams of topics have in common."""

    if not TYPE_CHECKING:  # the slots are the subclasses': two bases cannot both have some
        __slots__ = ()

    kind = "sse"
    reconnect = RECONNECT

    all: Streaming
    level: bool
    """Whether it has all that the hub has handed on."""

    def prepare(
        self, streams: Streams[Subscription], address: str | None, wanted: Subscription
    ) -> None:
        super().prepare(streams, address, wanted)
        self.level = False

    @property
    def events(self) -> Events:
        """How the events look, without chunks."""
        format = self.format.whole if isinstance(self.format, Chunks) else self.format
        assert isinstance(format, Events)  # noqa: S101 - for the type checker
        return format

    def opening(self, wanted: Subscription) -> bytes:
        """Where the stream begins, for whoever is cut before there is an event."""
        opening, events, retained = sse.retry(RECONNECT), self.events, self._retains(wanted)
        position = self._hub.position if wanted.begins else wanted.after
        if isinstance(events, PackedEvents):
            events.begin(position, retained=retained)
        if not wanted.begins or position is None:
            return opening + b"\n"
        if isinstance(events, PackedEvents):
            return opening + mark(events.id)
        return opening + mark(pack(position, {}, retained=retained))

    def _retains(self, wanted: Subscription) -> bool:
        return wanted.retains(self.all.topics)

    def follow(self, request: Request, wanted: Subscription) -> None:
        if wanted.begins and not self._retains(wanted):
            for filter, guard in wanted.filters.items():
                self._hub.attach(self, filter, guard)
            self.level = True
        elif wanted.filters:
            # From where it was said to begin: not a moment has passed since.
            self.work(self._join(wanted, self._hub.position if wanted.begins else wanted.after))
        else:
            self.level = True
        if wanted.forgotten:
            self.say(self.events.lost(wanted.forgotten))
        for each in wanted.operations:
            self.work(self._follow_operation(request, each))

    async def _join(self, wanted: Subscription, after: Position | None) -> None:
        format: Format | None = None
        retained = self._retains(wanted)
        if retained and after is not None and not isinstance(self.events, PackedEvents):
            format = Beginning(after)
            if isinstance(self.format, Chunks):
                format = Chunks(format)
        await self._hub.join_all(
            self,
            wanted.filters,
            after,
            retained=retained,
            room=self.room,
            limit=self.all.settings.max_replay,
            format=format,
        )
        self.level = True
        if retained:
            self.say(self.heartbeat())  # who is cut from here on has the last values

    async def _follow_operation(self, request: Request, followed: Followed) -> None:
        if await self.all.operations.follow(self, request, followed):
            self.expire()

    def heartbeat(self) -> bytes:
        """Says where it stands, too: that there is nothing missing up to there."""
        return self.events.heartbeat(self._hub.position) if self.level else sse.COMMENT

    def takes(self, message: Message) -> bool:
        return not message.private or self.all.topics.grants(self.claims, message.topic)


class _RawStream(_Stream, RawStream[Subscription]):
    __slots__ = ("level",)


class _QueuedStream(_Stream, QueuedStream[Subscription]):
    __slots__ = ("level",)


class Streaming(Streams[Subscription]):
    """Opens streams of topics."""

    raw = _RawStream
    queued = _QueuedStream

    def __init__(self, service: Service, hub: Hub, keeper: Keeper, places: Places) -> None:
        covers = service.revocations.covers
        super().__init__(service.settings, hub, service.clock, keeper, places, covers)
        self.topics = service.publisher.topics
        self.operations = OperationStreams(service, hub)

    def format(self, wanted: Subscription, *, chunked: bool) -> Format:
        if not wanted.operations:
            return CHUNKS if chunked else EVENTS
        events = PackedEvents()
        for each in wanted.operations:
            if each.after is not None:
                events.operations[each.state.topic] = each.after
        return Chunks(events) if chunked else events
