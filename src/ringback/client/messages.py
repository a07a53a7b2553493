"""What topics bring: messages, gaps, and who else is there."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Self

import msgspec

from ringback.client.connection import Connection, Place
from ringback.core.topics import OPERATIONS
from ringback.errors import InvalidInput, RingbackError
from ringback.wire.sse_client import ReceivedEvent


class Message(msgspec.Struct, frozen=True):
    """One message of a topic."""

    topic: str
    position: str | None
    """Where it stands, for ``after``; None: of an ephemeral topic."""
    at: datetime
    data: Any


class Gap(RingbackError):
    """What came in between is no longer kept. Read the state anew, then go on after position."""

    code = "gap"
    status = 410

    def __init__(
        self,
        detail: str | None = None,
        /,
        *,
        topics: list[str] | None = None,
        position: str | None = None,
    ) -> None:
        """``topics`` are those that messages are missing of, None: perhaps any; ``position`` is
        where to go on.
        """
        super().__init__(detail, topics=topics, position=position)
        self.topics = topics
        self.position = position


OnGap = Callable[[Gap], object]
"""Told of what is missing; what follows comes after it. It may be async."""


class Published(msgspec.Struct, frozen=True):
    """What became of a message."""

    topic: str
    position: str | None
    listeners: int
    """How many follow the topic in the process that took it."""


class Presence(msgspec.Struct, frozen=True):
    """Who follows a topic."""

    topic: str
    connections: int
    subjects: list[str] | None = None
    """None: this caller may not see them."""
    anonymous: int | None = None


class _Gap(msgspec.Struct, frozen=True):
    topics: list[str] | None = None
    position: str | None = None


_message = msgspec.json.Decoder(Message)
_gap = msgspec.json.Decoder(_Gap)


def _read(data: bytes) -> Message:
    """A message from its JSON. Data stays as its publisher wrote it, and JSON has numbers of any
    size: one of them must not end what all others follow.
    """
    try:
        return _message.decode(data)
    except msgspec.ValidationError:
        return msgspec.convert(json.loads(data, parse_int=_whole), Message)


def _whole(digits: str) -> int | float:
    """A whole number; one that Python makes no integer of is what it is to JavaScript, too."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


class AsyncSubscription:
    """The messages of topics, for ever. ``async with`` it to follow from a moment that you know:
    inside of the block the server has confirmed it.
    """

    def __init__(
        self,
        connection: Connection,
        filters: Sequence[str],
        after: str | None,
        on_gap: OnGap | None,
    ) -> None:
        for filter in filters:
            if filter.startswith(OPERATIONS):
                raise InvalidInput(f"{filter} is an operation: follow it with follow(id, token).")
        self.filters = tuple(filters)
        self._place = Place(after)
        self._position = after
        self._on_gap = on_gap
        self._events = connection.events("/topics", self._place, filters=filters)
        self._early: deque[ReceivedEvent] = deque()
        self._reading: asyncio.Task[ReceivedEvent | None] | None = None
        self._closed = False

    @property
    def position(self) -> str | None:
        """What a later subscription goes on after: the last message that was handed out."""
        return self._position

    async def ready(self) -> None:
        """Wait until the server follows the topics for us."""
        event = await self._next()
        while event is None and self.position is None and not self._closed:
            event = await self._next()
        if event is not None:
            self._early.append(event)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        found = await self.following()
        if found is None:
            raise StopAsyncIteration
        return found

    async def following(self) -> Message | None:
        """The next message; None once it is closed. Raises ``Gap``."""
        while not self._closed:
            event = self._early.popleft() if self._early else await self._next()
            if event is None:
                continue
            before, self._position = self._position, event.position or self._position
            if event.kind == "message":
                return _read(event.data)
            if event.kind == "gap":
                try:
                    await self._told(_gap.decode(event.data), event)
                except asyncio.CancelledError:
                    # Who stopped waiting has not read the state anew: told again, to the next.
                    self._position = before
                    self._early.appendleft(event)
                    raise
        return None

    async def _next(self) -> ReceivedEvent | None:
        """Read on. In a task of its own: whoever closes this can end it, and who stops waiting
        (a timeout, Ctrl-C) does not, so that what comes then is there for the next who waits.
        """
        while not self._closed:
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._read())
            reading = self._reading
            await asyncio.wait([reading])
            if self._reading is not reading:
                continue  # somebody else who waited has taken it
            self._reading = None
            if reading.cancelled():
                return None
            event = reading.result()
            if event is None:
                self._position = self._place.after
            return event
        return None

    async def _read(self) -> ReceivedEvent | None:
        async for event in self._events:
            return event
        self._closed = True
        return None

    async def _told(self, found: _Gap, event: ReceivedEvent) -> None:
        gap = Gap(topics=found.topics or None, position=found.position or event.position)
        if self._on_gap is None:
            raise gap
        done = self._on_gap(gap)
        if inspect.isawaitable(done):
            await done

    async def aclose(self) -> None:
        """Stop following. Whoever waits for a message finds the end."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()
            # Whatever came of it: nobody asks any more.
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.ready()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
