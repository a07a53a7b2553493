"""An application in functions, behind the local gateway: clients speak to it as to AWS."""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
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
from tests.lambdas.memory import Memory, MemoryTable

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


class OnMemory:
    """An application whose store is in memory."""

    def __init__(self, rb: Ringback, memory: Memory) -> None:
        self.asgi = rb.asgi
        self._rb = rb
        self._memory = memory

    def running(self, *, worker: bool | None = None) -> Any:
        return self._rb.running(worker=worker, engine=self._memory.engine())


class Functions:
    """Environments of one function's code: as many as there are calls at once."""

    def __init__(self, make: Callable[[], LambdaHandler]) -> None:
        self._make = make
        self._idle: list[LambdaHandler] = []
        self._all: list[LambdaHandler] = []
        self._lock = threading.Lock()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.crash: Callable[[str, dict[str, Any]], bool] = lambda function, event: False
        """Whether a call ends as a crash: what it did stays done, and nobody hears of it."""

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        event = json.loads(json.dumps(event))
        self.calls.append((function, event))
        try:
            payload = await asyncio.to_thread(self.call, event)
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

    def close(self) -> None:
        for handler in self._all:
            handler.close()


class Cloud:
    """It is up for one test."""

    def __init__(self, memory: Memory, functions: Functions) -> None:
        self.memory = memory
        self.functions = functions
        self.url = ""
        self.socket_url = ""
        self.gateway: SocketGateway
        self.pushing = asyncio.Event()
        """Whether the stream is read."""
        self.pushing.set()
        self._news = asyncio.Event()
        self._read = 0

    async def stream(self) -> None:
        """Call for what the stream tells, in order, a batch at a time."""
        loop = asyncio.get_running_loop()

        def told() -> None:
            loop.call_soon_threadsafe(self._news.set)

        self.memory.told = told
        while True:
            await self.pushing.wait()
            records = self.memory.records[self._read :]
            if not records:
                self._news.clear()
                if self._read == len(self.memory.records):
                    await self._news.wait()
                continue
            answer = await self.functions.invoke("Push", {"Records": records})
            if answer.error is None and not answer.payload["batchItemFailures"]:
                self._read += len(records)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for something of which nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def cloud(
    make: Callable[..., Ringback],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    limits: Limits | None = None,
    authorizer: bool = False,
) -> AsyncIterator[Cloud]:
    """``make`` makes the application, once for each function that runs at the same time."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    memory = Memory(folder)
    home: Cloud

    def function() -> LambdaHandler:
        rb = make(aws_socket_url=home.socket_url.replace("ws:", "http:"))
        return LambdaHandler(OnMemory(rb, memory), None)

    functions = Functions(function)
    home = Cloud(memory, functions)
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
    watcher = MemoryTable(memory)
    servers = [Server(sockets), Server(http)]
    async with contextlib.AsyncExitStack() as stack:
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        home.gateway = sockets
        home.socket_url = f"ws://127.0.0.1:{servers[0].port}/live"
        home.url = f"http://127.0.0.1:{servers[1].port}"
        await stack.enter_async_context(watcher)
        streaming = asyncio.create_task(home.stream())
        stack.callback(watcher.watch())
        stack.callback(lambda: streaming.cancel())
        try:
            yield home
        finally:
            streaming.cancel()
            for server in servers:
                await server.stop()
            await asyncio.to_thread(functions.close)
