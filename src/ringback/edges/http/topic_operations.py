"""Operations among what a stream of topics follows: their logs, read beside it."""

from __future__ import annotations

import contextlib
from typing import Protocol

import msgspec

from ringback.core.model import Kind, OperationState
from ringback.edges.http.message import Request
from ringback.edges.http.representation import representation
from ringback.edges.http.subscription import Followed
from ringback.edges.http.topic_events import Events, PackedEvents
from ringback.errors import OperationForgotten, UnknownOperation
from ringback.hub import Hub
from ringback.service import Service

PAGE = 200
"""Messages read and sent at once."""


class Stream(Protocol):
    """What is written to."""

    @property
    def events(self) -> Events: ...

    def say(self, data: bytes) -> None: ...

    async def room(self) -> None: ...


class OperationStreams:
    """Follows operations."""

    def __init__(self, service: Service, hub: Hub) -> None:
        self._service = service
        self._hub = hub

    async def follow(self, stream: Stream, request: Request, followed: Followed) -> bool:
        """A snapshot, or what came after a position; then every change, until it ends.

        Returns whether what allowed it is over.
        """
        with contextlib.suppress(UnknownOperation, OperationForgotten):  # the rest goes on
            return await self._follow(stream, request, followed)
        return False

    async def _follow(self, stream: Stream, request: Request, followed: Followed) -> bool:
        state, after, service = followed.state, followed.after, self._service
        events = stream.events
        assert isinstance(events, PackedEvents)  # noqa: S101 - for the type checker
        if after is None:
            after = service.position(state)
            stream.say(await self._snapshot(events, request, state))
        with self._hub.bell(state.topic) as bell:
            while not (state.terminal and after == service.position(state)):
                bell.clear()
                if service.revocations.covers(followed.claims):
                    return True
                await stream.room()
                page = await service.engine.read(state.topic, after, PAGE)
                if page.gap:
                    state = await service.engine.load(state.id)
                    after = service.position(state)
                    snapshot = await self._snapshot(events, request, state)
                    stream.say(events.lost([state.topic]) + snapshot)
                elif page.messages:
                    after = page.position
                    stream.say(b"".join(map(events.of_operation, page.messages)))
                    if any(message.kind is Kind.STATUS for message in page.messages):
                        state = await service.engine.load(state.id)
                else:
                    await bell.wait()
        return False

    async def _snapshot(
        self, events: PackedEvents, request: Request, state: OperationState
    ) -> bytes:
        shown = msgspec.json.encode(await representation(self._service, request, state))
        position = self._service.position(state)
        return events.snapshot(state.topic, position, shown, state.updated_at)
