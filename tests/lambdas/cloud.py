"""An application in functions, behind the local gateway: clients speak to it as to AWS."""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import pytest

from ringback import Ringback
from ringback.awslocal.gateway import HttpGateway, Limits, Server, SocketGateway
from ringback.awslocal.model import (
    FunctionError,
    HttpApi,
    Integration,
    LambdaAuthorizer,
    Outcome,
    Place,
    Route,
    SocketApi,
    Stage,
)
from ringback.lambdas.handler import LambdaHandler
from ringback.ports import FullEngine

PLACE = Place(account="123456789012", region="eu-central-1")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1"}
PATIENCE = 60.0


class Context:
    """What the runtime hands over beside an event."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


class Application(Protocol):
    """What a function runs: see ``LambdaHandler``."""

    asgi: Any

    def running(self, *, worker: bool | None = None) -> Any: ...


class Store(Protocol):
    """What all functions share, and what tells of it."""

    def engine(self) -> FullEngine:
        """One function's view of it, still closed."""

    def settings(self) -> dict[str, Any]:
        """What the application has to be told of it."""

    async def read(self) -> list[dict[str, Any]]:
        """What the stream tells next, once there is something."""

    def watching(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Have the stream tell of everything while this lasts."""


class On:
    """An application on a store."""

    def __init__(self, rb: Ringback, store: Store) -> None:
        self.asgi = rb.asgi
        self._rb = rb
        self._store = store

    def running(self, *, worker: bool | None = None) -> Any:
        return self._rb.running(worker=worker, engine=self._store.engine())


class Functions:
    """Environments of one function's code: as many as there are calls at once."""

    def __init__(self, make: Callable[[], LambdaHandler]) -> None:
        self._make = make
        self._idle: list[LambdaHandler] = []
        self._all: list[LambdaHandler] = []
        self._lock = threading.Lock()
        self._under_way: set[asyncio.Future[Any]] = set()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails: Callable[[str, dict[str, Any]], bool] = lambda function, event: False
        """Whether a call fails before it does anything."""

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        event = json.loads(json.dumps(event))
        self.calls.append((function, event))
        if self.fails(function, event):
            return Outcome(error=FunctionError(kind="crash", type="Runtime", message="It died."))
        calling = asyncio.ensure_future(asyncio.to_thread(self.call, event))
        self._under_way.add(calling)
        calling.add_done_callback(self._under_way.discard)
        try:
            payload = await asyncio.shield(calling)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            logging.getLogger("tests").exception("%s failed.", function)
            return Outcome(
                error=FunctionError(kind="unhandled", type=type(error).__name__, message=str(error))
            )
        return Outcome(payload=json.loads(json.dumps(payload)))

    def call(self, event: dict[str, Any], seconds: float = 29.0) -> Any:
        with self._lock:
            handler = self._idle.pop() if self._idle else None
        if handler is None:
            handler = self._make()
            self._all.append(handler)
        try:
            return handler(event, Context(seconds))
        finally:
            with self._lock:
                self._idle.append(handler)

    async def settled(self) -> None:
        """Wait until nothing runs."""
        while self._under_way:
            await asyncio.wait(tuple(self._under_way))

    async def close(self) -> None:
        """End all environments."""
        await self.settled()
        for handler in self._all:
            await asyncio.to_thread(handler.close)


class Cloud:
    """It is up for one test."""

    def __init__(self, store: Store, functions: Functions) -> None:
        self.store = store
        self.functions = functions
        self.url = ""
        self.socket_url = ""
        self.gateway: SocketGateway
        self.pushing = asyncio.Event()
        """Whether the stream is read."""
        self.pushing.set()

    async def stream(self) -> None:
        """Call for what the stream tells, in order, a batch at a time, until it was told."""
        while True:
            records = await self.store.read()
            while records:
                await self.pushing.wait()
                answer = await self.functions.invoke("Push", {"Records": records})
                if answer.error is None and not answer.payload["batchItemFailures"]:
                    break
                await asyncio.sleep(0.05)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something of which nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def cloud(
    make: Callable[..., Ringback],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    *,
    limits: Limits | None = None,
    authorizer: bool = False,
) -> AsyncIterator[Cloud]:
    """``make`` makes the application, once for each function that runs at the same time."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    home: Cloud

    def function() -> LambdaHandler:
        url = home.socket_url.replace("ws:", "http:")
        return LambdaHandler(On(make(aws_socket_url=url, **store.settings()), store), None)

    functions = Functions(function)
    home = Cloud(store, functions)
    guarded: dict[str, Any] = {"authorization": "CUSTOM", "authorizer": "door"}
    sockets = SocketGateway(
        SocketApi(
            name="Sockets",
            api_id="ws1234",
            title="ws",
            routes=(
                Route(
                    key="$connect",
                    integration=Integration(function="Socket"),
                    **(guarded if authorizer else {}),
                ),
                Route(key="$disconnect", integration=Integration(function="Socket")),
                Route(key="$default", integration=Integration(function="Socket")),
                Route(key="subscribe", integration=Integration(function="Socket")),
            ),
            authorizers={"door": LambdaAuthorizer(name="door", function="Authorizer")},
            stages=(Stage(name="live"),),
        ),
        PLACE,
        functions,
        secrets={"test": "test"},
        limits=limits,
    )
    http = HttpGateway(
        HttpApi(
            name="Api",
            api_id="abc123",
            title="api",
            routes=(Route(key="$default", integration=Integration(function="Http")),),
            stages=(Stage(name="$default"),),
        ),
        PLACE,
        functions,
    )
    servers = [Server(sockets), Server(http)]
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        home.gateway = sockets
        home.socket_url = f"ws://127.0.0.1:{servers[0].port}/live"
        home.url = f"http://127.0.0.1:{servers[1].port}"
        await stack.enter_async_context(store.watching())
        streaming = asyncio.create_task(home.stream())
        try:
            yield home
        finally:
            streaming.cancel()
            await asyncio.gather(streaming, return_exceptions=True)
            await functions.settled()
            for server in servers:
                await server.stop()
            await functions.close()
