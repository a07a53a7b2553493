"""What the parts of a function have in common: the application, its table, and what posts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from ringback.core.filters import AnyFilter, AnyOf, Filter
from ringback.core.model import Message, Page, Position
from ringback.edges.http.representation import shown
from ringback.edges.websocket.context import Context
from ringback.lambdas.posts import MAX_POST, Posts
from ringback.ports import Connections, FullEngine, Journal, Streamed
from ringback.service import Service
from ringback.wire import channel

PAGE = 100
"""Messages read at once."""


class Table(FullEngine, Connections, Streamed, Protocol):
    """A store that keeps what no process does."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One application in one function."""

    service: Service
    context: Context
    table: Table
    posts: Posts


@dataclass(slots=True)
class Pages:
    """Pages of the journal: of all who stand at the same place, one reads.

    For one look at the store: what came since, it does not know.
    """

    journal: Journal
    reads: int = 0
    _pages: dict[tuple[tuple[str, ...], str], asyncio.Future[Page]] = field(default_factory=dict)

    async def after(self, filters: Sequence[Filter], position: Position) -> Page:
        """The next page of what matches one of these."""
        key = tuple(sorted(filter.text for filter in filters)), str(position)
        reading = self._pages.get(key)
        if reading is None:
            self.reads += 1
            filter: AnyFilter = filters[0] if len(filters) == 1 else AnyOf(tuple(filters))
            reading = asyncio.ensure_future(self.journal.replay(filter, position, PAGE))
            self._pages[key] = reading
        return await asyncio.shield(reading)


def framed(message: Message, filter: str | None) -> bytes:
    """The frame of a topic's message. One that is too large for a post is a gap: it can be read
    over HTTP, and that it is there is told.
    """
    frame = channel.message(
        message.topic, message.position, message.data, message.at, message.kind, filter
    )
    if len(frame) > MAX_POST:
        frame = channel.gap(message.position, (message.topic,), filter)
    return frame


async def snapshot(parts: Parts, operation: str) -> bytes:
    """The frame of an operation as it stands; without its partial results where they are more than
    one post takes.
    """
    service = parts.service
    state = await service.engine.load(operation)
    fields = await shown(service, state)
    position = Position(service.engine.epoch, state.version)
    frame = channel.snapshot(state.topic, position, msgspec.json.encode(fields))
    if len(frame) > MAX_POST:
        fields.pop("parts", None)
        frame = channel.snapshot(state.topic, position, msgspec.json.encode(fields))
    return frame
