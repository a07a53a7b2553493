"""What is held open: how many, for how long, and whether anybody still waits for it.

What belongs here: places, long polls, the client that goes away. What a stream sends is in
``events``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from ringback.core.access import Claims
from ringback.core.model import OperationState
from ringback.edges.http.message import Disconnected, Request
from ringback.errors import QueueFull
from ringback.hub import Hub, wait_for
from ringback.service import Service

RETRY_AFTER = 5
"""Seconds after which a place may be free again."""

Enough = Callable[[OperationState], bool]


class Streams:
    """Counts what is held open."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return self._open >= self._limit

    @property
    def open(self) -> int:
        """How many are."""
        return self._open

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises ``QueueFull`` when all are taken."""
        if self.full:
            raise QueueFull(
                f"This process holds {self._limit} streams and long polls open already. Poll "
                "without waiting, or try again after Retry-After.",
                retry_after=RETRY_AFTER,
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


class Client:
    """Whether the client is still there."""

    gone = False


@contextlib.asynccontextmanager
async def watched(request: Request, bell: asyncio.Event) -> AsyncIterator[Client]:
    """See the client go while the context lasts; then the bell is rung too."""
    client = Client()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass  # a body that nobody asked for
        client.gone = True
        bell.set()

    watching = asyncio.ensure_future(watch())
    try:
        yield client
    finally:
        watching.cancel()
        await asyncio.wait({watching})


def bounded(wait: float, claims: Claims, service: Service) -> float:
    """How long is waited at most: what comes after a token is good no longer is not for its bearer,
    who could not ask for it any more.
    """
    settings = service.settings
    wait = min(wait, settings.max_wait)
    if claims.expires_at is None:
        return wait
    leeway = settings.jwt_leeway if claims.operation is None else 0.0
    return max(0.0, min(wait, claims.expires_at + leeway - service.clock()))


class Waiting:
    """Long polls (RFC 6202 §5.5), within the bounds of this process."""

    def __init__(self, service: Service, hub: Hub, streams: Streams) -> None:
        self._service = service
        self._hub = hub
        self._streams = streams

    async def until(
        self,
        request: Request,
        state: OperationState,
        wait: float | None,
        enough: Enough,
        claims: Claims,
    ) -> tuple[OperationState, bytes | None]:
        """The operation once it is enough, or as it is when the wait is over, or when the claims
        by which it is waited for were revoked.

        Also what ``Preference-Applied`` is to say: a wait is a preference, so where it cannot
        be had the answer comes at once, and this is None. Raises ``Disconnected``.
        """
        if wait is None:
            return state, None
        wait = bounded(wait, claims, self._service)
        if not enough(state):
            if self._streams.full:
                return state, None
            with self._streams.place():
                state = await self._wait(request, state, wait, enough, claims)
        return state, b"wait=%d" % int(wait)

    async def _wait(
        self,
        request: Request,
        state: OperationState,
        wait: float,
        enough: Enough,
        claims: Claims,
    ) -> OperationState:
        engine, revocations = self._service.engine, self._service.revocations
        with self._hub.bell(state.topic) as bell:
            async with watched(request, bell) as client:
                state = await wait_for(
                    self._hub,
                    engine,
                    state,
                    enough,
                    wait,
                    bell=bell,
                    given_up=lambda: client.gone or revocations.covers(claims),
                )
        if client.gone:
            raise Disconnected
        return state
