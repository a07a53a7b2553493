"""The server: uvicorn on an application, and the workers beside it, from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from ringback.app import Ringback, Running
from ringback.edges.asgi import AsgiApp
from ringback.errors import ConfigurationError
from ringback.serve.collecting import rare_collections
from ringback.serve.listening import listen, url_of
from ringback.serve.protocol import speaking_for
from ringback.serve.stopping import Stop
from ringback.serve.supervisor import Supervisor, worker_command

KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than common proxies do (60), so that it is never we
who close one just as a request comes in on it."""

log = logging.getLogger("ringback.access")

ASGI = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Started:
    """What runs now."""

    url: str
    running: Running
    supervisor: Supervisor | None
    """Of the worker processes, where there are some."""


async def serve(
    rb: Ringback,
    app: ASGI | None = None,
    *,
    target: str,
    log_level: str = "info",
    ready: Callable[[Started], None] = lambda started: None,
) -> None:
    """Serve until a signal asks to stop; then end streams, drain, give back the rest.

    ``app`` is what is served, by default ``rb.asgi`` alone; ``rb`` is started and stopped here,
    with its settings (``host``, ``port``, ``workers``, ``grace`` and those of its store).
    ``target`` is where worker processes import ``rb`` from, as ``module:attribute``. ``ready`` is
    called once requests are answered. Raises ``ConfigurationError``.
    """
    settings = rb.settings
    sockets = listen(rb)
    stop = Stop()
    supervisor = None
    if settings.workers:
        command = worker_command(target, settings, log_level)
        supervisor = Supervisor(command, settings.workers, grace=settings.grace)
    try:
        with stop.listening(supervisor.kill if supervisor else lambda: None):
            async with rb.running() as running, _supervised(supervisor):
                server = _Server(_config(app or rb.asgi, settings.grace))
                serving = asyncio.get_running_loop().create_task(server.serve_ready(sockets))
                try:
                    await server.until_started(serving)
                    url = url_of(settings.host, sockets)
                    ready(Started(url=url, running=running, supervisor=supervisor))
                    with rare_collections():
                        await _either(serving, stop.asked.wait())
                finally:
                    await _stop(server, serving, running, supervisor, settings.grace)
                await serving
    finally:
        for bound in sockets:
            bound.close()


async def _either(serving: asyncio.Task[None], asked: Coroutine[Any, Any, Any]) -> None:
    """Wait until the server ends, or is asked to."""
    waiting = asyncio.get_running_loop().create_task(asked)
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _stop(
    server: _Server,
    serving: asyncio.Task[None],
    running: Running,
    supervisor: Supervisor | None,
    grace: float,
) -> None:
    """Take no more requests, end what is open, and drain all workers, at the same time."""
    # uvicorn waits for its connections, so the streams have to be ended first.
    running.hub.close()
    server.should_exit = True
    draining: list[Awaitable[None]] = [serving]
    if running.worker is not None:
        draining.append(running.worker.stop(grace))
    if supervisor is not None:
        draining.append(supervisor.stop())
    # Each to its end, whatever becomes of the others.
    await asyncio.gather(*draining, return_exceptions=True)


@asynccontextmanager
async def _supervised(supervisor: Supervisor | None) -> AsyncIterator[None]:
    if supervisor is None:
        yield
        return
    try:
        await supervisor.start()
        yield
    finally:
        await supervisor.stop()


def _config(app: ASGI, grace: float) -> uvicorn.Config:
    if log.isEnabledFor(logging.DEBUG):
        app = _AccessLog(app)
    return uvicorn.Config(
        app,
        http=cast(Any, speaking_for(app if isinstance(app, AsgiApp) else None)),
        lifespan="on",
        log_config=None,
        access_log=False,  # it would log the query, which may hold an operation's token
        proxy_headers=False,  # whoever can reach us could name any address as its own
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, math.ceil(grace)),
    )


class _Server(uvicorn.Server):
    """A server that leaves signals to ``Stop``."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve_ready(self, sockets: list[Any]) -> None:
        """Serve; raises ``ConfigurationError`` where uvicorn would end the process."""
        try:
            await self.serve(sockets=sockets)
        except SystemExit:
            raise ConfigurationError(
                "The served application's lifespan failed; the log above says why."
            ) from None

    async def until_started(self, serving: asyncio.Task[None]) -> None:
        """Return when requests are answered; raise what kept the server from it."""
        while not self.started:
            if serving.done():
                await serving
                raise ConfigurationError("The server ended before it had started.")
            await asyncio.sleep(0.005)


class _AccessLog:
    """One line for each request, without the query."""

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            took = (time.perf_counter() - started) * 1000
            log.debug("%s %s %d, %.1f ms", scope["method"], scope["path"], status, took)
