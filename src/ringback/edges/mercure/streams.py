"""Streams of updates: what they bring beside what all event streams have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ringback.core.access import Claims
from ringback.core.filters import Filter
from ringback.core.model import BEGINNING, Message, Position
from ringback.edges.http.message import Request
from ringback.edges.streams import Chunks, QueuedStream, RawStream, Stream, Streams
from ringback.hub import Format, Guard
from ringback.wire import mercure, sse

RECONNECT = 1.0
"""Seconds after which a stream that is cut comes back."""


class Updates:
    """The format of all streams."""

    def message(self, message: Message) -> bytes:
        return mercure.frame(message)

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return mercure.gap(topics, position)


UPDATES = Updates()
CHUNKS = Chunks(UPDATES)


def _nothing() -> None:
    """What a stream is told of that nobody asks about."""


class Wanted:
    """What one stream is to bring."""

    __slots__ = (
        "after",
        "before",
        "begun",
        "claims",
        "ended",
        "filters",
        "lost",
        "replays",
        "takes",
    )

    def __init__(
        self,
        filters: Mapping[Filter, Guard | None],
        claims: Claims,
        takes: Callable[[Message], bool],
    ) -> None:
        self.filters = filters
        self.claims = claims
        self.takes = takes
        """Whether to bring a message that is ``particular``."""
        self.begun: Callable[[], None] = _nothing
        self.ended: Callable[[], None] = _nothing
        """To be called when the stream begins, and when it is over."""
        self.replays = False
        """Whether it begins with the past: what came ``after`` a position."""
        self.after: Position | None = None
        """None: from the oldest that is kept."""
        self.before = mercure.EARLIEST
        """The id before the first event, for one that replays."""
        self.lost = False
        """Whether nobody knows what came before: the cursor was none of ours."""

    @property
    def expires_at(self) -> float | None:
        return self.claims.expires_at


class _Stream(Stream[Wanted]):
    """What raw and queued streams of updates have in common."""

    if not TYPE_CHECKING:  # the slots are the subclasses': two bases cannot both have some
        __slots__ = ()

    kind = "mercure"
    reconnect = RECONNECT

    ended: Callable[[], None]
    wants: Callable[[Message], bool]
    """Whether it brings a message that is ``particular``."""

    def prepare(self, streams: Streams[Wanted], address: str | None, wanted: Wanted) -> None:
        super().prepare(streams, address, wanted)
        self.wants = wanted.takes
        self.ended = _nothing

    def come(self, wanted: Wanted) -> None:
        wanted.begun()
        self.ended = wanted.ended

    def give_back(self) -> None:
        super().give_back()
        self.ended()

    def takes(self, message: Message) -> bool:
        return self.wants(message)

    def opening(self, wanted: Wanted) -> bytes:
        if not wanted.replays:
            return mercure.standing(self._hub.position)
        return mercure.gap((), BEGINNING) if wanted.lost else sse.COMMENT

    def follow(self, request: Request, wanted: Wanted) -> None:
        if wanted.replays:
            self.work(self._join(wanted))
        else:
            for filter, guard in wanted.filters.items():
                self._hub.attach(self, filter, guard)

    async def _join(self, wanted: Wanted) -> None:
        limit = self.all.settings.max_replay
        await self._hub.join_all(self, wanted.filters, wanted.after, room=self.room, limit=limit)


_SLOTS = ("ended", "wants")


class _RawStream(_Stream, RawStream[Wanted]):
    __slots__ = _SLOTS


class _QueuedStream(_Stream, QueuedStream[Wanted]):
    __slots__ = _SLOTS


class Streaming(Streams[Wanted]):
    """Opens streams of updates."""

    raw = _RawStream
    queued = _QueuedStream

    def format(self, wanted: Wanted, *, chunked: bool) -> Format:
        return CHUNKS if chunked else UPDATES
