"""The HTTP edge as an ASGI application: routing, errors, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from ringback.core.model import Accepted
from ringback.edges.http.describe import Describe
from ringback.edges.http.events import Events
from ringback.edges.http.gate import Authenticate, Gate
from ringback.edges.http.message import (
    Disconnected,
    Receive,
    Request,
    Response,
    Scope,
    Send,
    problem_response,
)
from ringback.edges.http.metrics import MetricsRoutes
from ringback.edges.http.operations import Operations
from ringback.edges.http.presence import PresenceRoutes
from ringback.edges.http.rates import Rates
from ringback.edges.http.revocations import RevocationRoutes
from ringback.edges.http.script import Script
from ringback.edges.http.submit import Submit
from ringback.edges.http.topics import TopicRoutes, topic_of
from ringback.edges.http.uploads import UploadRoutes
from ringback.edges.http.waiting import Streams, Waiting
from ringback.edges.places import Keeper, Places
from ringback.errors import (
    MethodNotAllowed,
    NotFound,
    RingbackError,
    UnknownOperation,
    UpgradeRequired,
)
from ringback.hub import Hub
from ringback.ids import is_id
from ringback.service import Service
from ringback.uploads import Uploads

log = logging.getLogger("ringback.http")

Handler = Callable[[Request, Send], Awaitable[Response | None]]
"""Answers with a response, or sends one itself and returns None."""

Pending = tuple[asyncio.Future[Accepted], Callable[[], Response]]
"""What a request waits for, and the answer to it then."""

LAST_RESORT = RingbackError()

MAX_ECHO = 64
"""Characters of what is no id that the answer repeats."""


class Beside(Protocol):
    """Another transport that lives on paths of this one, and answers by itself."""

    def takes(self, path: str) -> bool: ...

    async def __call__(self, request: Request, send: Send) -> None: ...


class HttpEdge:
    """All routes of the HTTP contract."""

    def __init__(
        self, service: Service, hub: Hub, uploads: Uploads, authenticate: Authenticate | None
    ) -> None:
        settings = service.settings
        self._gate = self.gate = Gate(
            settings, service.tokens, service.clock, authenticate, service.revocations
        )
        self.keeper = Keeper()
        """Looks after the connections that follow topics, of every transport."""
        self.places = Places(settings)
        """How many of them there may be."""
        self.publishing = Rates(settings.publish_rate, settings.publish_burst)
        """How often a caller may publish, over every transport."""
        hub.when_closing(lambda: self.keeper.farewell(settings.grace))
        service.revocations.listen(self.keeper.revoked)
        streams = Streams(settings.max_streams)
        waiting = Waiting(service, hub, streams)
        self._submit = Submit(service, self._gate, waiting)
        self.submitting = self._submit.rates
        """How often a caller may submit, likewise."""
        self._operations = Operations(service, self._gate, waiting)
        self._events = Events(service, hub, self._gate, streams)
        self._uploads = UploadRoutes(service, uploads, self._gate, self._submit.rates)
        self._revocations = RevocationRoutes(service, self._gate)
        self._presence = PresenceRoutes(service, hub, self._gate)
        self._metrics = MetricsRoutes(service, hub, self._gate, self.keeper, streams)
        self._topics = TopicRoutes(
            service,
            hub,
            self._gate,
            streams=streams,
            keeper=self.keeper,
            places=self.places,
            rates=self.publishing,
        )
        self._describe = Describe(service)
        self._script = Script()
        self.beside: Beside | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self.beside is not None and self.beside.takes(request.path):
            await self.beside(request, send)
            return
        response: Response | None
        try:
            if scope.get("query_string"):
                request.hide_token()
            self._gate.admit(request)
            response = await self._route(request)(request, send)
        except Disconnected:
            return  # nobody is left to answer
        except Exception as error:
            response = _refusal(error, request)
        if response is not None and not request.answered:
            await response.send(request, send)

    def at_once(self, scope: Scope, body: bytes) -> Pending | None:
        """Begin to answer a whole request that has to be fast: ``POST /tasks/{task}``.

        None for any other, with nothing done: it is to be answered as ASGI says.
        """
        request = Request(scope, _nothing_more)
        segments = request.segments
        if len(segments) != 2 or segments[0] != "tasks" or request.method != "POST":
            return None
        request.path_parameter = segments[1]
        try:
            self._gate.admit(request)
            begun = self._submit.at_once(request, body)
        except RingbackError:
            return None
        if begun is None:
            return None
        accepting, acknowledge = begun
        stored = asyncio.ensure_future(accepting)

        def answer() -> Response:
            try:
                return acknowledge(stored.result())
            except Exception as error:
                return _refusal(error, request)

        return stored, answer

    def _route(self, request: Request) -> Handler:
        segments = request.segments
        if len(segments) == 2 and segments[0] == "tasks" and request.method == "POST":
            request.path_parameter = segments[1]  # the route that has to be fast
            return self._submit.submit
        match segments:
            case ["tasks", name]:
                request.path_parameter = name
                return self._methods(request, POST=self._submit.submit)
            case ["operations"]:
                return self._methods(request, GET=self._operations.list)
            case ["operations", operation, *_] if not is_id(operation):
                raise UnknownOperation(operation=operation[:MAX_ECHO])
            case ["operations", operation]:
                request.path_parameter = operation
                return self._methods(
                    request, GET=self._operations.show, DELETE=self._operations.forget
                )
            case ["operations", operation, part]:
                request.path_parameter = operation
                if part == "events":
                    return self._methods(request, GET=self._events.stream)
                if part == "result":
                    return self._methods(request, GET=self._operations.result)
                if part == "cancel":
                    return self._methods(request, POST=self._operations.cancel)
                if part == "redrive":
                    return self._methods(request, POST=self._operations.redrive)
            case ["uploads"]:
                return self._methods(request, POST=self._uploads.declare)
            case ["uploads", upload]:
                request.path_parameter = upload
                return self._methods(
                    request,
                    GET=self._uploads.show,
                    PUT=self._uploads.put,
                    PATCH=self._uploads.put,
                    DELETE=self._uploads.cancel,
                )
            case ["presence", *name] if name:
                request.path_parameter = "/".join(name)
                return self._methods(request, GET=self._presence.show)
            case ["topics"]:
                return self._methods(request, GET=self._topics.follow)
            case ["topics", *topic]:
                request.path_parameter = topic_of(topic)
                return self._methods(
                    request, GET=self._topics.follow_one, POST=self._topics.publish
                )
            case ["revocations"]:
                return self._methods(request, POST=self._revocations.revoke)
            case ["metrics"]:
                return self._methods(request, GET=self._metrics.show)
            case ["ws"]:
                return self._methods(request, GET=_speaks_websocket)
            case ["openapi.json"]:
                return self._methods(request, GET=self._describe.openapi)
            case ["asyncapi.json"]:
                return self._methods(request, GET=self._describe.asyncapi)
            case ["healthz"]:
                return self._methods(request, GET=self._describe.health)
            case ["ringback.js" | "ringback.js.map"] | ["ringback", _]:
                request.path_parameter = "/".join(segments)
                return self._methods(request, GET=self._script.show)
        raise NotFound

    def _methods(self, request: Request, **handlers: Handler) -> Handler:
        method = "GET" if request.method == "HEAD" else request.method
        handler = handlers.get(method)
        if handler is not None:
            return handler
        allow = sorted([*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"])
        if request.method == "OPTIONS":
            return _options(allow)
        raise MethodNotAllowed(allow=allow)


def _refusal(error: Exception, request: Request) -> Response:
    """The answer to a request that could not be carried out."""
    if not isinstance(error, RingbackError):
        log.error("%s %s failed.", request.method, request.instance, exc_info=error)
        error = LAST_RESORT
    elif error.status == LAST_RESORT.status:  # ours to mend, and to read about in the log
        cause = error.__cause__
        log.error("%s %s: %s", request.method, request.instance, error, exc_info=cause)
        error = LAST_RESORT
    return problem_response(error, request)


async def _nothing_more() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


async def _speaks_websocket(request: Request, send: Send) -> Response:
    raise UpgradeRequired


def _options(allow: list[str]) -> Handler:
    async def answer(request: Request, send: Send) -> Response:
        return Response(204, headers=[(b"allow", ", ".join(allow).encode())])

    return answer
