"""Functions that the gateway calls in its tests, and APIs that are made of them."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from ringback.awslocal.gateway import HttpGateway, Keys, Limits, Server, SocketGateway
from ringback.awslocal.model import (
    FunctionError,
    HttpApi,
    Integration,
    Outcome,
    Place,
    Route,
    SocketApi,
    Stage,
)

Handler = Callable[[dict[str, Any]], Any]

PLACE = Place(account="111122223333", region="eu-west-1")
SECRETS = {"AKIDLOCAL": "secret-of-this-machine"}
PATIENCE = 60.0
"""Seconds after which what was waited for is not coming."""


class Functions:
    """An invoker of plain callables: it keeps every event, and returns what they do."""

    def __init__(self, **handlers: Handler) -> None:
        self.handlers: dict[str, Handler] = handlers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._called = asyncio.Event()

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        # As over the wire: what is no JSON fails here.
        event = json.loads(json.dumps(event))
        self.calls.append((function, copy.deepcopy(event)))
        self._called.set()
        try:
            result = self.handlers[function](event)
            if inspect.isawaitable(result):
                result = await result
        except Fails as failure:
            return Outcome(error=failure.error)
        except Exception as error:
            return Outcome(
                error=FunctionError(kind="unhandled", type=type(error).__name__, message=str(error))
            )
        return Outcome(payload=json.loads(json.dumps(result)))

    def of(self, function: str) -> list[dict[str, Any]]:
        return [event for name, event in self.calls if name == function]

    async def until(self, function: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of a function, once it was called that often."""
        async with asyncio.timeout(PATIENCE):
            while len(self.of(function)) < count:
                self._called.clear()
                await self._called.wait()
        return self.of(function)


class Fails(Exception):
    """Raised by a handler to end as this."""

    def __init__(self, error: FunctionError) -> None:
        self.error = error
        super().__init__(error.message)


def route(key: str, function: str | None = "fn", **more: Any) -> Route:
    integration = more.pop("integration", None)
    if integration is None and function is not None:
        integration = Integration(function=function)
    return Route(key=key, integration=integration, **more)


class Stand:
    """Gateways that are up for one test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def http(
        self,
        functions: Functions,
        *routes: Route,
        limits: Limits | None = None,
        keys: Keys | None = None,
        origins: tuple[str, ...] = (),
        clock: Callable[[], float] | None = None,
        stages: tuple[Stage, ...] = (Stage(name="$default"),),
        **more: Any,
    ) -> str:
        """The address of an HTTP API."""
        api = HttpApi(
            name="Api", api_id="abc123", title="api", routes=routes, stages=stages, **more
        )
        times: Mapping[str, Any] = {} if clock is None else {"clock": clock}
        gateway = HttpGateway(
            api, PLACE, functions, limits=limits, keys=keys, origins=origins, **times
        )
        return f"http://127.0.0.1:{(await self.serve(gateway)).port}"

    async def socket(
        self,
        functions: Functions,
        *routes: Route,
        limits: Limits | None = None,
        origins: tuple[str, ...] = (),
        domain: str | None = None,
        stages: tuple[Stage, ...] = (Stage(name="prod"),),
        **more: Any,
    ) -> tuple[str, SocketGateway]:
        """The address of a WebSocket API without its scheme, stage and all; and who serves it."""
        api = SocketApi(
            name="Sockets", api_id="ws1234", title="ws", routes=routes, stages=stages, **more
        )
        gateway = SocketGateway(
            api, PLACE, functions, secrets=SECRETS, limits=limits, origins=origins, domain=domain
        )
        server = await self.serve(gateway)
        return f"127.0.0.1:{server.port}/{stages[0].name}", gateway

    async def serve(self, gateway: Any, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(gateway, tls=tls)
        await server.start()
        self._stack.push_async_callback(server.stop)
        return server


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


def ok(_: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200}


def later(released: asyncio.Event) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """A function that returns when it is let go."""

    async def handler(event: dict[str, Any]) -> dict[str, Any]:
        await released.wait()
        return ok(event)

    return handler
