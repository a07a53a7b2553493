"""``rb.lambda_handler()``: one callable for every function of an application.

It is started at its first event and stays so: one event loop, one store, for as long as the
process is kept. Between two events nothing runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Any, Protocol

from ringback.errors import ConfigurationError
from ringback.lambdas.triggers import Event, Trigger, time_for, trigger_of

if TYPE_CHECKING:
    from ringback.edges.websocket import WebSocketEdge
    from ringback.hub import Hub
    from ringback.lambdas.http import App
    from ringback.lambdas.running import Functions
    from ringback.service import Service
    from ringback.uploads import Uploads

BACKSTOP = "RINGBACK_STREAM"
"""Set to ``backstop`` where the stream is read for work that was lost, and nobody is told."""
DEFAULT_TIME = 30.0
"""Seconds that a function may run, where nobody says."""

log = logging.getLogger("ringback.lambda")


class Served(Protocol):
    """What a started application shows."""

    @property
    def service(self) -> Service: ...

    @property
    def hub(self) -> Hub: ...

    @property
    def uploads(self) -> Uploads: ...

    @property
    def websocket(self) -> WebSocketEdge: ...


class Application(Protocol):
    """What an application is to its functions."""

    @property
    def asgi(self) -> App: ...

    def running(self, *, worker: bool | None = None) -> AbstractAsyncContextManager[Served]: ...


class LambdaHandler:
    """Takes events, one after the other."""

    def __init__(self, application: Application, app: App | None) -> None:
        """``app``: an ASGI application that this one is mounted in; None: it is served itself."""
        self._application = application
        self._app = app
        self._runner: asyncio.Runner | None = None
        self._stack = AsyncExitStack()
        self._functions: Functions | None = None
        self._one = threading.Lock()

    def __call__(self, event: Event, context: Any = None) -> Any:
        """Handle one event; what it comes to, as its trigger takes it."""
        with self._one:
            if self._runner is None:
                self._runner = asyncio.Runner()
            return self._runner.run(self._handle(event, context))

    def close(self) -> None:
        """Stop what was started: for tests, since Lambda ends a process without a word."""
        with self._one:
            if self._runner is not None:
                self._runner.run(self._stack.aclose())
                self._functions = None
                self._runner.close()
                self._runner = None

    async def _handle(self, event: Event, context: Any) -> Any:
        trigger = trigger_of(event)
        end = time.monotonic() + _remaining(context)
        functions = self._functions
        if functions is None:
            functions = self._functions = await self._start()
        await functions.woken()
        try:
            return await self._carry_out(functions, trigger, event, context)
        finally:
            left = end - time.monotonic()
            await functions.done(time_for(event, left) if trigger is Trigger.HTTP else left)

    async def _carry_out(
        self, functions: Functions, trigger: Trigger, event: Event, context: Any
    ) -> Any:
        remaining = _remaining(context)
        match trigger:
            case Trigger.HTTP:
                return await functions.http(event, context, time_for(event, remaining))
            case Trigger.SOCKET:
                return await functions.sockets.handle(event)
            case Trigger.AUTHORIZER:
                return await functions.authorize(event)
            case Trigger.SQS:
                return await functions.queue(event["Records"], remaining)
            case Trigger.STREAM:
                backstop = os.environ.get(BACKSTOP) == "backstop"
                return await functions.stream(event["Records"], remaining, backstop=backstop)
            case Trigger.SNS:
                for record in event["Records"]:
                    await functions.outside.notification(record)
            case Trigger.S3:
                for record in event["Records"]:
                    await functions.outside.stored(record)
            case Trigger.EVENT:
                await functions.outside.event(event)
            case Trigger.SCHEDULE:
                return await functions.upkeep.look(remaining)
        return None

    async def _start(self) -> Functions:
        from ringback.lambdas.running import Functions

        begun = time.monotonic()
        async with AsyncExitStack() as stack:
            served = await stack.enter_async_context(self._application.running(worker=False))
            app = self._application.asgi
            if self._app is not None:
                app = self._app
                await stack.enter_async_context(_lifespan(app))
            functions = Functions(served, app)
            self._stack = stack.pop_all()
        log.info("Started in %.0f ms.", (time.monotonic() - begun) * 1000)
        return functions


def _remaining(context: Any) -> float:
    told = getattr(context, "get_remaining_time_in_millis", None)
    return DEFAULT_TIME if told is None else told() / 1000


@contextlib.asynccontextmanager
async def _lifespan(app: App) -> Any:
    """The lifespan of the host application, where it has one."""
    started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    asked = False

    async def receive() -> Mapping[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "lifespan.startup"}
        await stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed" and not started.done():
            started.set_exception(
                ConfigurationError(f"The application cannot start: {message.get('message')}.")
            )
        elif not started.done():
            started.set_result(None)

    async def live() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        try:
            await app(scope, receive, send)
        except Exception as error:  # it has none, which ASGI lets it say so
            log.debug("The application has no lifespan: %r", error)
        if not started.done():
            started.set_result(None)

    coroutine: Coroutine[Any, Any, None] = live()
    living = asyncio.get_running_loop().create_task(coroutine)
    try:
        await started
        yield
    finally:
        stopping.set()
        await asyncio.wait({living}, timeout=5.0)
        living.cancel()
