"""``GET /operations/{id}/events``: Server-Sent Events."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from ringback.core.access import Claims
from ringback.core.model import BEGINNING, Kind, Message, OperationState, Page, Position
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import NOT_STORED, Request, Response, Send
from ringback.edges.http.representation import representation
from ringback.edges.http.waiting import Client, Streams, watched
from ringback.errors import OperationForgotten, UnknownOperation
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
FOREIGN = Position("?", 0)
"""Stands for a position that is none of ours: it reads as a gap."""


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
        # An EventSource that reconnects asks for the same URL, and its header is the newer word.
        after = _position(request.header(b"last-event-id") or request.query.get("after"))
        if after is not None and state.terminal and after == self._service.position(state):
            # Stops an EventSource for good (WHATWG HTML, 9.2.2).
            return Response(204, headers=[NOT_STORED])
        with self._streams.place():
            await _Stream(self._service, self._hub, request, send).run(state, claims, after)
        return None


def _position(text: str | None) -> Position | None:
    if not text:
        return None
    if text == EARLIEST:
        return BEGINNING
    return Position.parse(text) or FOREIGN


class _Stream:
    """One open stream."""

    def __init__(self, service: Service, hub: Hub, request: Request, send: Send) -> None:
        self._service = service
        self._hub = hub
        self._request = request
        self._send = send

    async def run(self, state: OperationState, claims: Claims, after: Position | None) -> None:
        self._request.answered = True
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
        if self._request.method != "HEAD":
            with self._hub.bell(state.topic) as bell, contextlib.suppress(OSError):
                # A server may raise OSError for what is sent to a client that went away.
                async with watched(self._request, bell) as client:
                    # An operation forgotten meanwhile ends its stream; a reconnect gets the 410.
                    with contextlib.suppress(UnknownOperation, OperationForgotten):
                        await self._follow(state, claims, after, bell, client)
                if client.gone:
                    return
        with contextlib.suppress(OSError):
            await self._send({"type": "http.response.body", "body": b""})

    async def _follow(
        self,
        state: OperationState,
        claims: Claims,
        after: Position | None,
        bell: asyncio.Event,
        client: Client,
    ) -> None:
        head = sse.retry(RECONNECT)
        if after is None:
            head += await self._snapshot(state)
            after = self._service.position(state)
        await self._write(head)
        while not (state.terminal and after == self._service.position(state)):
            bell.clear()
            left = HEARTBEAT
            if claims.expires_at is not None:
                left = min(left, claims.expires_at - self._service.clock())
            revoked = self._service.revocations.covers(claims)
            if client.gone or self._hub.closing or left <= 0 or revoked:
                return  # what a token allowed ends with it
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
            elif not await rung(bell, left):
                await self._write(sse.COMMENT)

    async def _snapshot(self, state: OperationState) -> bytes:
        shown = await representation(self._service, self._request, state)
        position = str(self._service.position(state))
        return sse.event("snapshot", msgspec.json.encode(shown), position)

    async def _write(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})


def _frame(message: Message) -> bytes:
    return sse.event(message.kind.value, message.data, str(message.position))


def _has_status(page: Page) -> bool:
    return any(message.kind is Kind.STATUS for message in page.messages)
