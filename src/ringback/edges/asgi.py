"""The ASGI application: lifespan, CORS, and the HTTP edge behind them.

Mounted without a lifespan of its own (frameworks do not run those of mounted applications),
it starts at its first request; better give the host ``lifespan=rb.lifespan``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any, Protocol

from ringback.edges.cors import EXPOSED
from ringback.edges.farewell import farewell
from ringback.edges.http import HttpEdge, Pending
from ringback.edges.http.message import Receive, Request, Scope, Send, problem_response
from ringback.edges.websocket import WebSocketEdge
from ringback.errors import CapacityError, RingbackError
from ringback.hub import Hub
from ringback.settings import Settings
from ringback.wire.close_codes import CloseCode

PREFLIGHT_AGE = 600
"""Seconds a browser remembers what it may send."""

log = logging.getLogger("ringback.http")


class Served(Protocol):
    """What a started application shows to this edge."""

    @property
    def http(self) -> HttpEdge: ...

    @property
    def websocket(self) -> WebSocketEdge: ...

    @property
    def hub(self) -> Hub: ...


class Startable(Protocol):
    """What the application is to this edge."""

    @property
    def settings(self) -> Settings: ...

    def hosted(self) -> AbstractAsyncContextManager[Served]: ...


class AsgiApp:
    """``rb.asgi``."""

    def __init__(self, application: Startable) -> None:
        self._application = application
        self._handler: Any = None
        self._websocket: WebSocketEdge | None = None
        self._context: AbstractAsyncContextManager[Served] | None = None
        self._starting: asyncio.Lock | None = None
        self._serving = ExitStack()

    def serve(self, served: Served) -> None:
        """Answer with an application that somebody else has started and will stop."""
        self._handler = _with_cors(served.http, self._application.settings.cors_origins)
        self._websocket = served.websocket
        self._serving.enter_context(farewell(served.hub.close))

    def at_once(self, scope: Scope, body: bytes) -> Pending | None:
        """For a server that has a whole request in its hands: see ``HttpEdge.at_once``."""
        handler = self._handler
        return handler.at_once(scope, body) if type(handler) is HttpEdge else None

    def withdraw(self) -> None:
        """The application that was served is being stopped."""
        self._handler = self._websocket = None
        self._starting = None  # a lock is of one event loop; the next start may be on another
        self._serving.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            handler = self._handler
            if handler is None:
                try:
                    handler = await self._start()
                except Exception as error:
                    _log_failure(error)
                    request = Request(scope, receive)
                    refusal = CapacityError("The application cannot start. Its log says why.")
                    await problem_response(refusal, request).send(request, send)
                    return
            await handler(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        elif kind == "websocket":
            if self._websocket is None:
                try:
                    await self._start()
                except Exception as error:
                    _log_failure(error)
            if self._websocket is not None:
                await self._websocket(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": CloseCode.INTERNAL_ERROR})

    async def _start(self) -> Any:
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._handler is None:
                context = self._application.hosted()
                await context.__aenter__()
                self._context = context
        return self._handler

    async def stop(self) -> None:
        """Stop what this edge itself has started."""
        context, self._context = self._context, None
        if context is not None:
            await context.__aexit__(None, None, None)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            if self._handler is None:
                await self._start()
        except Exception as error:
            _log_failure(error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})


def _log_failure(error: Exception) -> None:
    if isinstance(error, RingbackError):
        log.error("The application cannot start: %s", error)
    else:
        log.error("The application cannot start.", exc_info=error)


def _with_cors(edge: HttpEdge, origins: Sequence[str]) -> Any:
    if not origins:
        return edge
    from starlette.middleware.cors import CORSMiddleware  # most applications need none

    everybody = "*" in origins
    return CORSMiddleware(
        edge,
        allow_origins=["*"] if everybody else list(origins),
        allow_credentials=not everybody,
        allow_methods=["GET", "HEAD", "QUERY", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["*"],
        expose_headers=EXPOSED,
        max_age=PREFLIGHT_AGE,
    )
