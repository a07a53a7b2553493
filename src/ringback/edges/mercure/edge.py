"""The routes of Mercure, its errors and its discovery."""

from __future__ import annotations

import logging
from urllib.parse import quote, unquote_plus

from ringback.edges.http import HttpEdge
from ringback.edges.http.message import (
    NOT_STORED,
    Disconnected,
    Headers,
    Request,
    Response,
    Send,
    json_response,
    problem_response,
)
from ringback.edges.mercure.callers import COOKIES, PARAMETER, Caller, Callers
from ringback.edges.mercure.publish import Publish
from ringback.edges.mercure.streams import Streaming
from ringback.edges.mercure.subscribe import Subscribe
from ringback.edges.mercure.subscriptions import Subscriptions
from ringback.errors import (
    InvalidInput,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    RingbackError,
    UnsupportedMediaType,
)
from ringback.hub import Hub
from ringback.service import Service
from ringback.wire.mercure import HUB, Fields, read_form
from ringback.wire.mercure_selectors import read_selectors
from ringback.wire.mercure_tokens import DETAIL

WELL_KNOWN = "/.well-known/"
METADATA = f"{WELL_KNOWN}oauth-protected-resource{HUB}"
"""Where RFC 9728 §3.1 has what describes the hub."""
FORM = "application/x-www-form-urlencoded"
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "QUERY"]
MAX_QUERY = 32 * 1024
"""Bytes of a query string: many selectors, and a token."""
MAX_HOST = 320
"""Bytes of the header Host: a name has 255 (RFC 1035 §2.3.4), and a port. What
is remembered of selectors is of the hub's URL, and so of this."""
SPARE_FIELDS = 20
"""Fields of a form or a query beside selectors and topics."""
LAST_RESORT = RingbackError()

log = logging.getLogger("ringback.mercure")


class MercureEdge:
    """Answers below ``/.well-known/mercure``, and describes it."""

    def __init__(self, service: Service, hub: Hub, http: HttpEdge) -> None:
        settings, topics = service.settings, service.publisher.topics
        self._settings = settings
        self._gate = http.gate
        self._callers = Callers(settings, http.gate, topics)
        self._subscriptions: Subscriptions | None = None
        if settings.mercure_subscriptions:
            self._subscriptions = Subscriptions(service.engine, hub, service.clock, self._callers)
        covers = service.revocations.covers
        streaming = Streaming(settings, hub, service.clock, http.keeper, http.places, covers)
        self._subscribe = Subscribe(
            service.engine, topics, streaming, self._callers, self._subscriptions
        )
        self._publish = Publish(service.publisher, self._callers, http.publishing)

    def takes(self, path: str) -> bool:
        """Whether a path is one of these."""
        return path.startswith(WELL_KNOWN) and (
            path in (HUB, METADATA) or path.startswith(f"{HUB}/")
        )

    async def __call__(self, request: Request, send: Send) -> None:
        """Answer one request."""
        response: Response | None
        try:
            response = await self._answer(request, send)
        except Disconnected:
            return  # nobody is left to answer
        except Exception as error:
            response = self._refusal(error, request)
        if response is not None and not request.answered:
            await response.send(request, send)

    async def _answer(self, request: Request, send: Send) -> Response | None:
        fields = _query(request)
        self._gate.admit(request)
        segments = request.segments
        if request.path == METADATA:
            return self._described(request) if _reads(request) else _allowed(request, "GET")
        if segments[2:3] == ["subscriptions"] and self._subscriptions is not None:
            if not _reads(request):
                return _allowed(request, "GET")
            caller = await self._caller(request, fields)
            return await self._subscriptions.show(request, segments[3:], caller)
        if len(segments) != 2:
            raise NotFound
        if request.method == "POST":
            # A token that is not good is not worth reading a body for.
            caller = await self._caller(request, fields)
            return await self._publish.update(request, caller, await self._form(request))
        if request.method == "QUERY":
            fields = [*fields, *await self._form(request)]
        elif not _reads(request):
            return _allowed(request, *METHODS)
        limit, patterns = self._settings.max_subscriptions, self._settings.max_patterns
        selectors = read_selectors(fields, _base(request), limit, patterns)
        caller = await self._caller(request, fields)
        await self._subscribe.open(request, send, caller, selectors, fields)
        return None

    async def _caller(self, request: Request, fields: Fields) -> Caller:
        return await self._callers.known(request, fields, _base(request))

    async def _form(self, request: Request) -> Fields:
        kind = (request.header(b"content-type") or FORM).partition(";")[0].strip().lower()
        if kind != FORM or request.encoded:
            raise UnsupportedMediaType(f"The body is a form; send it as {FORM}.")
        limit = self._settings.max_subscriptions + SPARE_FIELDS
        return read_form(await request.body(self._settings.max_body), limit)

    # What describes it

    def _described(self, request: Request) -> Response:
        """RFC 9728 §2."""
        described: dict[str, object] = {
            "resource": _base(request),
            "resource_name": "Ringback",
            "bearer_methods_supported": ["header"],
            "authorization_details_types_supported": [DETAIL],
        }
        if self._settings.jwt_issuer is not None:
            described["authorization_servers"] = [self._settings.jwt_issuer]
        return json_response(200, described)

    def _refusal(self, error: Exception, request: Request) -> Response:
        if isinstance(error, InvalidInput):
            error = MalformedRequest(error.detail, **error.fields)
        if not isinstance(error, RingbackError) or error.status == LAST_RESORT.status:
            log.error("%s %s failed.", request.method, request.instance, exc_info=error)
            error = LAST_RESORT
        response = problem_response(error, request)
        if error.status in (401, 403):
            names = [f'resource_metadata="{_origin(request)}{request.prefix}{METADATA}"']
            if error.status == 403:
                names.insert(0, 'error="insufficient_scope"')
            elif self._has_token(request):
                names.insert(0, 'error="invalid_token"')
            challenge = f"Bearer {', '.join(names)}"
            kept: Headers = [each for each in response.headers if each[0] != b"www-authenticate"]
            response.headers = [*kept, (b"www-authenticate", challenge.encode())]
        return response

    def _has_token(self, request: Request) -> bool:
        query: bytes = request.scope.get("query_string", b"")
        cookies = request.header(b"cookie") or ""
        return (
            request.header(b"authorization") is not None
            or any(f"{name}=" in cookies for name in COOKIES)
            or f"{PARAMETER}=".encode() in query
        )


def _reads(request: Request) -> bool:
    return request.method in ("GET", "HEAD")


def _allowed(request: Request, *methods: str) -> Response:
    """The answer to OPTIONS. Raises ``MethodNotAllowed`` for any other method."""
    allow = sorted({*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))
    if request.method != "OPTIONS":
        raise MethodNotAllowed(allow=allow)
    return Response(204, headers=[(b"allow", ", ".join(allow).encode()), NOT_STORED])


def _query(request: Request) -> Fields:
    """The query's fields. Raises ``MalformedRequest``. Takes the token out of the query string
    that the server is about to log.
    """
    raw: bytes = request.scope.get("query_string", b"")
    if not raw:
        return []
    if PARAMETER.encode() in raw or b"%" in raw:
        request.scope["query_string"] = b"&".join(
            PARAMETER.encode() + b"=hidden" if _is_token(pair) else pair for pair in raw.split(b"&")
        )
    if len(raw) > MAX_QUERY:
        raise MalformedRequest(
            f"The query string is longer than {MAX_QUERY} bytes. Send the selectors as the body "
            "of a QUERY request."
        )
    return read_form(raw, raw.count(b"&") + 1)


def _is_token(pair: bytes) -> bool:
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1")) == PARAMETER


def _origin(request: Request) -> str:
    host = request.header(b"host") or "localhost"
    return f"{request.scope.get('scheme', 'http')}://{quote(host, safe=':[]')}"


def _base(request: Request) -> str:
    """The hub's URL. Raises ``MalformedRequest``."""
    if len(request.header(b"host") or "") > MAX_HOST:
        raise MalformedRequest(f"The header Host has at most {MAX_HOST} bytes.")
    return f"{_origin(request)}{request.prefix}{HUB}"
