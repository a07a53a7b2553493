"""The HTTP edge as an ASGI application: routing, errors, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

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
from ringback.edges.http.operations import Operations
from ringback.edges.http.submit import Submit
from ringback.edges.http.uploads import UploadRoutes
from ringback.edges.http.waiting import Streams, Waiting
from ringback.errors import MethodNotAllowed, NotFound, RingbackError, UnknownOperation
from ringback.hub import Hub
from ringback.ids import is_id
from ringback.service import Service
from ringback.uploads import Uploads

log = logging.getLogger("ringback.http")

Handler = Callable[[Request, Send], Awaitable[Response | None]]
"""Answers with a response, or sends one itself and returns None."""

LAST_RESORT = RingbackError()

MAX_ECHO = 64
"""Characters of what is no id that the answer repeats."""


class HttpEdge:
    """All routes of the HTTP contract."""

    def __init__(
        self, service: Service, hub: Hub, uploads: Uploads, authenticate: Authenticate | None
    ) -> None:
        settings = service.settings
        self._gate = Gate(settings, service.tokens, service.clock, authenticate)
        streams = Streams(settings.max_streams)
        waiting = Waiting(service, hub, streams)
        self._submit = Submit(service, self._gate, waiting)
        self._operations = Operations(service, self._gate, waiting)
        self._events = Events(service, hub, self._gate, streams)
        self._uploads = UploadRoutes(service, uploads, self._gate, self._submit.rates)
        self._describe = Describe(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response: Response | None
        try:
            if scope.get("query_string"):
                request.hide_token()
            self._gate.admit(request)
            response = await self._route(request)(request, send)
        except RingbackError as error:
            if error.status == LAST_RESORT.status:  # ours to mend, and to read about in the log
                log.error("%s %s: %s", request.method, request.instance, error)
                error = LAST_RESORT
            response = problem_response(error, request)
        except Disconnected:
            return  # nobody is left to answer
        except Exception:
            log.exception("%s %s failed.", request.method, request.instance)
            response = problem_response(LAST_RESORT, request)
        if response is not None and not request.answered:
            await response.send(request, send)

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
            case ["openapi.json"]:
                return self._methods(request, GET=self._describe.openapi)
            case ["healthz"]:
                return self._methods(request, GET=self._describe.health)
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


def _options(allow: list[str]) -> Handler:
    async def answer(request: Request, send: Send) -> Response:
        return Response(204, headers=[(b"allow", ", ".join(allow).encode())])

    return answer
