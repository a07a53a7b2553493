"""A template's whole stack running on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ringback.awslocal.clients import Clients, surroundings
from ringback.awslocal.gateway import HttpGateway, Limits, Server, SocketGateway
from ringback.awslocal.lambda_api import LambdaApi
from ringback.awslocal.model import HttpApi, Place, SocketApi, Stack
from ringback.awslocal.moto import COUNTS, READY
from ringback.awslocal.provision import open_to_pages, provision
from ringback.awslocal.runtime.functions import ACCOUNT, Functions
from ringback.awslocal.runtime.variables import Surroundings
from ringback.awslocal.sources.asynchronous import Asynchronous
from ringback.awslocal.sources.destinations import Destinations
from ringback.awslocal.sources.events import Events
from ringback.awslocal.sources.queues import QueueMapping
from ringback.awslocal.sources.schedules import Scheduled
from ringback.awslocal.sources.streams import StreamMapping
from ringback.awslocal.template import read
from ringback.errors import ConfigurationError

log = logging.getLogger("ringback.aws.home")

STARTING = 60.0
"""Seconds that moto may take to start."""
EXPIRY = 10.0
"""Seconds between two looks for what is expired. DynamoDB takes days at most."""
SECRETS = {"testing": "testing", "test": "test"}
"""Access keys whose signatures ``@connections`` takes: those of functions here, and what people
give to tools that ask for some."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the home runs."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    port: int = 3000
    """Of the first API, the others follow; 0: free ones."""
    moto_port: int = 0
    place: Place = field(default_factory=Place)
    scale: float = 1.0
    """By what the times of windows, schedules, repeated attempts and, where ``limits`` says
    nothing, of the gateways' limits are multiplied."""
    limits: Limits | None = None
    concurrency: int = ACCOUNT
    watch: bool = True
    """Whether changed code is taken over."""
    freeze: bool = True
    """Whether processes stand still between calls, as on AWS."""
    origins: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for every function."""


class Home:
    """Starts and stops everything. Use as an async context manager."""

    def __init__(self, template: Path, options: Options | None = None) -> None:
        self.template = template
        self.options = options or Options()
        self.stack: Stack
        self.functions: Functions
        self.endpoint = ""
        """moto's URL."""
        self.urls: dict[str, str] = {}
        """By logical id of an API."""
        self.gateways: dict[str, HttpGateway | SocketGateway] = {}
        self.schedules: dict[str, Scheduled] = {}
        self.asynchronous: Asynchronous
        self.clients: Clients
        self.around: Surroundings
        self.began = time.monotonic()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._moto: asyncio.subprocess.Process | None = None
        self._servers: list[Server] = []
        self._api: LambdaApi | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Home:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stop()

    # Start

    async def _start(self) -> None:
        options = self.options
        moto = await self._start_moto()
        # What is wrong with a template is told first; while it is read, moto starts.
        await asyncio.to_thread(self._read, "http://127.0.0.1")
        self.endpoint = await self._ready(moto)
        self.stack = await asyncio.to_thread(self._read, self.endpoint)
        self.clients = Clients(self.endpoint, options.place)
        queues = await self.clients.run(lambda: provision(self.stack, self.clients))
        self.around = Surroundings(
            place=options.place, endpoint=self.endpoint, extra=dict(options.extra)
        )
        self.functions = Functions(
            self.stack.functions,
            self.around,
            concurrency=options.concurrency,
            watch=options.watch,
            freeze=options.freeze,
        )
        destinations = Destinations(self.clients, self.stack.functions)
        self.asynchronous = Asynchronous(self.functions, destinations, scale=options.scale)
        self._api = LambdaApi(self.functions, self.asynchronous)
        self.around.lambda_endpoint = await self._api.start()
        await self._start_gateways()
        pages = self.around.gateways
        await self.clients.run(lambda: open_to_pages(self.stack, self.clients, pages))
        await self.functions.start()
        self._start_sources(destinations, queues)

    def _read(self, endpoint: str) -> Stack:
        options = self.options
        return read(self.template, options.parameters, place=options.place, endpoint=endpoint)

    async def _start_moto(self) -> asyncio.subprocess.Process:
        self._moto = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ringback.awslocal.moto",
            "--port",
            str(self.options.moto_port),
            "--expire",
            str(max(0.1, EXPIRY * self.options.scale)),
            env=surroundings(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is for us: functions still need it while they end.
            start_new_session=True,
        )
        return self._moto

    async def _ready(self, moto: asyncio.subprocess.Process) -> str:
        line = b""
        if moto.stdout is not None:
            with contextlib.suppress(TimeoutError):
                line = await asyncio.wait_for(moto.stdout.readline(), STARTING)
        if not line.startswith(READY.encode()):
            raise ConfigurationError(
                "moto's server did not start"
                + (f" on port {self.options.moto_port}" if self.options.moto_port else "")
                + '. Is pip install "ringback[aws-local]" done, and the port free?'
            )
        return line.decode().removeprefix(READY).strip()

    async def _start_gateways(self) -> None:
        options = self.options
        limits = options.limits or Limits().scaled(options.scale)
        port = options.port
        apis: list[HttpApi | SocketApi] = [*self.stack.http_apis, *self.stack.socket_apis]
        for api in apis:
            gateway = self._gateway(api, limits)
            server = Server(gateway, port=port)
            await server.start()
            self._servers.append(server)
            self.gateways[api.name] = gateway
            url = self.urls[api.name] = f"http://127.0.0.1:{server.port}"
            region = options.place.region
            for host in (
                f"{api.api_id}.execute-api.{region}.amazonaws.com",
                f"127.0.0.1:{server.port}",
                f"localhost:{server.port}",
            ):
                self.around.gateways[host] = url
            port = port + 1 if port else 0

    def _gateway(self, api: HttpApi | SocketApi, limits: Limits) -> HttpGateway | SocketGateway:
        place, origins = self.options.place, self.options.origins
        if isinstance(api, HttpApi):
            return HttpGateway(
                api,
                place,
                self.functions,
                limits=limits,
                services=self.clients,
                origins=origins,
            )
        return SocketGateway(
            api, place, self.functions, secrets=SECRETS, limits=limits, origins=origins
        )

    def _start_sources(self, destinations: Destinations, queues: Mapping[str, str]) -> None:
        stack, scale = self.stack, self.options.scale
        for bus, url in queues.items():
            self._run(Events(stack, url, bus, self.clients, destinations).run())
        for source in stack.mappings:
            if not source.enabled or source.function not in stack.functions:
                continue
            resource = stack.resources[source.source]
            if source.kind == "sqs":
                mapping = QueueMapping(
                    source, resource, self.clients, self.functions, self._counts, scale=scale
                )
                self._run(mapping.run())
            else:
                function = stack.functions[source.function]
                stream = StreamMapping(
                    source,
                    resource,
                    function,
                    self.clients,
                    self.functions,
                    destinations,
                    scale=scale,
                )
                self._run(stream.run())
        for rule in stack.rules:
            if rule.schedule:
                scheduled = Scheduled(rule, stack.place, destinations, scale=scale)
                self.schedules[rule.name] = scheduled
                self._run(scheduled.run())

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        task.add_done_callback(_ended)
        self._tasks.append(task)

    # Stop

    async def _stop(self) -> None:
        for server in self._servers:
            await server.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._api is not None:
            await self.asynchronous.stop()
            await self.functions.stop()
            self._api.stop()
        if self._moto is not None:
            # Long polls end with it.
            with contextlib.suppress(ProcessLookupError):
                self._moto.kill()
            await self._moto.communicate()
        if self.__dict__.get("clients") is not None:
            self.clients.close()

    # What happened

    async def requests(self) -> dict[str, dict[str, float]]:
        """Requests so far, by service and action, as AWS would count them; and the ``units`` that
        DynamoDB would bill.
        """
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            counted: dict[str, dict[str, float]] = (await client.get(self.endpoint + COUNTS)).json()
        own = Counter(self._counts)
        if self._api is not None:
            own.update(self._api.counts)
        for (service, action), count in own.items():
            actions = counted.setdefault(service, {})
            actions[action] = actions.get(action, 0) + count
        return counted


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("A source of events has stopped: a fault of ours", exc_info=task.exception())
