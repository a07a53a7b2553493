"""``GET /operations/{id}/events``: Server-Sent Events; and the waiting that long polls share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from ringback.core.access import Claims
from ringback.core.model import BEGINNING, Kind, Message, OperationState, Page, Position
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import Request, Response, Send
from ringback.edges.http.representation import representation
from ringback.errors import OperationForgotten, QueueFull, UnknownOperation
from ringback.hub import Hub, rung
from ringback.service import Service
from ringback.wire import sse

HEARTBEAT = 15.0
"""Seconds between comment lines: half of the shortest idle time-out among common proxies."""
RECONNECT = 2.0
"""Seconds an EventSource waits before it comes back."""
PAGE = 200
"""Messages read and sent at once."""
EARLIEST = "earliest"
"""As a position: from the first message there is."""


class Streams:
    """Counts what is held open."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises ``QueueFull`` when all are taken."""
        if self._open >= self._limit:
            raise QueueFull(
                f"This process holds {self._limit} streams and long polls open already. Poll "
                "without waiting, or try again after Retry-After.",
                retry_after=5,
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


async def wait_for_change(
    service: Service, hub: Hub, state: OperationState, seconds: float
) -> OperationState:
    """The operation at its next change, or as it is after so many seconds (RFC 6202 §5.5)."""
    return await _wait(service, hub, state, seconds, lambda new: new.version != state.version)


async def wait_until_terminal(
    service: Service, hub: Hub, state: OperationState, seconds: float
) -> OperationState:
    """The operation once it has ended, or as it is after so many seconds."""
    return await _wait(service, hub, state, seconds, lambda new: new.terminal)


async def _wait(
    service: Service,
    hub: Hub,
    state: OperationState,
    seconds: float,
    enough: Callable[[OperationState], bool],
) -> OperationState:
    deadline = time.monotonic() + seconds
    with hub.bell(state.topic) as bell:
        while True:
            bell.clear()
            state = await service.engine.load(state.id)
            remaining = deadline - time.monotonic()
            if enough(state) or remaining <= 0 or hub.closing:
                return state
            await rung(bell, remaining)


class Events:
    """The streaming route."""

    def __init__(self, service: Service, hub: Hub, gate: Gate, streams: Streams) -> None:
        self._service = service
        self._hub = hub
        self._gate = gate
        self._streams = streams

    async def stream(self, request: Request, send: Send) -> Response | None:
        """A snapshot, then every change; or, from a position, every change after it."""
        operation = request.path_parameter
        claims = await self._gate.claims(request, operation)
        state = await self._service.load(operation, claims)
        text = request.header(b"last-event-id")
        if text is None:
            text = request.query.get("after")
        after = _position(text)
        if after is not None and state.terminal and after == self._service.position(state):
            return Response(204)  # stops an EventSource for good (WHATWG HTML, 9.2.2)
        with self._streams.place():
            await _Stream(self._service, self._hub, request, send).run(state, claims, after)
        return None


def _position(text: str | None) -> Position | None:
    if not text:
        return None
    if text == EARLIEST:
        return BEGINNING
    return Position.parse(text) or Position("?", 0)  # not ours: reads as a gap


class _Stream:
    """One open stream."""

    def __init__(self, service: Service, hub: Hub, request: Request, send: Send) -> None:
        self._service = service
        self._hub = hub
        self._request = request
        self._send = send
        self._gone = False

    async def run(self, state: OperationState, claims: Claims, after: Position | None) -> None:
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-store"),
                    (b"x-accel-buffering", b"no"),  # nginx would hold the events back
                ],
            }
        )
        if self._request.method == "HEAD":
            await self._send({"type": "http.response.body", "body": b""})
            return
        with self._hub.bell(state.topic) as bell:
            watching = asyncio.ensure_future(self._watch(bell))
            try:
                await self._follow(state, claims, after, bell)
            except (UnknownOperation, OperationForgotten):
                pass  # forgotten while it was followed: the stream ends, a reconnect gets 410
            finally:
                watching.cancel()
        if not self._gone:
            with contextlib.suppress(OSError):
                await self._send({"type": "http.response.body", "body": b""})

    async def _watch(self, bell: asyncio.Event) -> None:
        """See the client go."""
        while True:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                bell.set()
                return

    async def _follow(
        self,
        state: OperationState,
        claims: Claims,
        after: Position | None,
        bell: asyncio.Event,
    ) -> None:
        head = sse.retry(RECONNECT)
        if after is None:
            head += await self._snapshot(state)
            after = self._service.position(state)
            if state.terminal:
                await self._write(head)
                return
        await self._write(head)
        while not self._gone and not self._hub.closing:
            bell.clear()
            if claims.expires_at is not None and self._service.clock() >= claims.expires_at:
                return  # what the token allowed ends with it
            page = await self._service.engine.read(state.topic, after, PAGE)
            if page.gap:
                state = await self._service.engine.load(state.id)
                after = self._service.position(state)
                await self._write(sse.event("gap", b"{}") + await self._snapshot(state))
            elif page.messages:
                after = page.position
                await self._write(b"".join(_frame(message) for message in page.messages))
                if _has_status(page):
                    state = await self._service.engine.load(state.id)
            elif not await rung(bell, HEARTBEAT):
                await self._write(sse.COMMENT)
                continue
            if state.terminal and after.offset >= state.version:
                return

    async def _snapshot(self, state: OperationState) -> bytes:
        shown = await representation(self._service, self._request, state)
        position = str(self._service.position(state))
        return sse.event("snapshot", msgspec.json.encode(shown), position)

    async def _write(self, data: bytes) -> None:
        if not self._gone:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})


def _frame(message: Message) -> bytes:
    return sse.event(message.kind.value, message.data, str(message.position))


def _has_status(page: Page) -> bool:
    return any(message.kind is Kind.STATUS for message in page.messages)
