"""Requests and answers of the HTTP edge, on bare ASGI.

A framework's request would cost more than accepting does, so this holds just what the routes
need, and reads a header only when it is asked for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

import msgspec

from ringback.errors import (
    HeadersTooLarge,
    MalformedRequest,
    PayloadTooLarge,
    RingbackError,
    UnsupportedMediaType,
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MAX_QUERY = 16 * 1024
"""Bytes of a query string: room for the filters of one page."""
MAX_HEADERS = 64 * 1024
"""Bytes of all headers; servers in front of us bound them too."""
MAX_LENGTH_DIGITS = 18
"""Digits of a Content-Length that is read as a number; a longer one is over any limit."""
MAX_INSTANCE = 200
"""Characters of a path that a problem repeats."""

JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
NOT_STORED = (b"cache-control", b"no-store")


class Disconnected(Exception):
    """The client went away before its body was complete."""


class Request:
    """One request."""

    __slots__ = (
        "_depth",
        "_headers",
        "_pairs",
        "_query",
        "_raw_headers",
        "answered",
        "method",
        "path",
        "path_parameter",
        "prefix",
        "receive",
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        root: str = scope.get("root_path", "")
        self.prefix = ""
        """What stands before our paths in links, as it goes into a URL."""
        self.path: str = scope["path"]
        """The path below that prefix."""
        self._depth = 1
        if root:
            self._leave_prefix(root)
        self.path_parameter = ""
        """The variable segment of the path, once it is routed."""
        self.answered = False
        """Whether a handler that answers by itself has begun to."""
        self._raw_headers: Headers = scope["headers"]
        self._headers: dict[bytes, bytes] | None = None
        self._query: dict[str, str] | None = None
        self._pairs: list[tuple[str, str]] | None = None

    def _leave_prefix(self, root: str) -> None:
        """Find our own path below what we are mounted at."""
        self.prefix = _quoted(root.rstrip("/"))
        # A server may leave out of the path what a proxy in front of it took away; a framework
        # then says how much of the prefix that is.
        for prefix in (root, root.removeprefix(self.scope.get("app_root_path", ""))):
            mounted = prefix.rstrip("/")
            if mounted and (self.path + "/").startswith(mounted + "/"):
                self.path = self.path[len(mounted) :]
                self._depth = mounted.count("/") + 1
                return

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name; repeated ones joined (RFC 9110 §5.3)."""
        if self._headers is None:
            self._headers = self._read_headers()
        found = self._headers.get(name)
        return None if found is None else found.decode("latin-1")

    def headers(self) -> dict[str, str]:
        """All of them."""
        if self._headers is None:
            self._headers = self._read_headers()
        return {
            name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers.items()
        }

    def _read_headers(self) -> dict[bytes, bytes]:
        headers: dict[bytes, bytes] = {}
        size = 0
        for key, value in self._raw_headers:
            size += len(key) + len(value)
            headers[key] = headers[key] + b", " + value if key in headers else value
        if size > MAX_HEADERS:
            raise HeadersTooLarge(
                f"The headers have {size} bytes; at most {MAX_HEADERS} are taken.",
                limit=MAX_HEADERS,
            )
        return headers

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one the last."""
        if self._query is None:
            self._query = dict(self._parameters()) if self.scope.get("query_string") else {}
        return self._query

    def values(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return [value for key, value in self._parameters() if key == name]

    def _parameters(self) -> list[tuple[str, str]]:
        if self._pairs is None:
            raw: bytes = self.scope.get("query_string", b"")
            if len(raw) > MAX_QUERY:
                raise MalformedRequest(f"The query string is longer than {MAX_QUERY} bytes.")
            self._pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
        return self._pairs

    def hide_token(self) -> None:
        """Take the token out of the query string that the server is about to log.

        Ours has been read before: ``query`` keeps it.
        """
        raw: bytes = self.scope["query_string"]
        try:
            shown = "token" in self.query
        except MalformedRequest:  # too long to be read, but not to be logged
            self.scope["query_string"] = b"hidden"
            raise
        if shown:
            self.scope["query_string"] = b"&".join(
                b"token=hidden" if _is_token(pair) else pair for pair in raw.split(b"&")
            )

    @property
    def segments(self) -> list[str]:
        """The path's segments, decoded after splitting, so that ``%2F`` separates nothing."""
        raw: bytes | None = self.scope.get("raw_path")
        if raw is not None and b"%" in raw:
            return [unquote(part) for part in self._raw_segments(raw)]
        return self.path.split("/")[1:]

    def _raw_segments(self, raw: bytes) -> list[str]:
        return raw.decode("latin-1").split("/")[self._depth :]

    @property
    def instance(self) -> str:
        """The path as a URI reference (RFC 9457 §3.1.5)."""
        raw: bytes | None = self.scope.get("raw_path")
        if raw is not None and b"%" in raw:
            path = "/" + "/".join(self._raw_segments(raw))
        else:
            path = self.path
        shown = path[:MAX_INSTANCE]
        if len(path) > MAX_INSTANCE and "%" in shown[-2:]:
            shown = shown[: shown.rindex("%")]  # half an escape would be none
        return self.prefix + quote(shown, safe="/%:;")

    def declared_length(self) -> int | None:
        """``Content-Length``, where there is one."""
        text = self.header(b"content-length")
        if text is None:
            return None
        if not text.isascii() or not text.isdigit():
            raise MalformedRequest("Content-Length is no number.")
        return int(text[:MAX_LENGTH_DIGITS])

    @property
    def encoded(self) -> bool:
        """Whether the body is not what it stands for, but compressed, say (RFC 9110 §8.4)."""
        text = self.header(b"content-encoding")
        return text is not None and text.strip().lower() != "identity"

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises ``PayloadTooLarge`` as soon as it is known to be larger."""
        declared = self.declared_length()
        if declared is not None and declared > limit:
            raise PayloadTooLarge(
                f"The body has {declared} bytes; at most {limit} are taken. "
                "For files, use POST /uploads.",
                limit=limit,
            )
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False) and len(body) <= limit:
            return body
        chunks, size = [body], len(body)
        while message.get("more_body", False):
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                break
            chunks.append(chunk)
        if size > limit:
            raise PayloadTooLarge(
                f"The body has more than the {limit} bytes that are taken. "
                "For files, use POST /uploads.",
                limit=limit,
            )
        return b"".join(chunks)

    def require_json(self) -> None:
        """Refuse a body that says it is something else than JSON (RFC 9110 §15.5.16)."""
        if self.encoded:
            raise UnsupportedMediaType(
                "The body is said to be compressed; send it without Content-Encoding."
            )
        text = self.header(b"content-type")
        if text is None or text == "application/json":
            return
        kind = text.partition(";")[0].strip().lower()
        if kind != "application/json" and not (
            kind.startswith("application/") and kind.endswith("+json")
        ):
            raise UnsupportedMediaType(
                f"The body is said to be {kind[:100]}; send it with Content-Type: application/json."
            )


class Response:
    """One answer with a body that is known."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Headers | None = None) -> None:
        self.status = status
        self.body = body
        self.headers: Headers = headers if headers is not None else []

    async def send(self, request: Request, send: Send) -> None:
        """Send it; without its body for HEAD (RFC 9110 §9.3.2)."""
        headers = self.headers
        if self.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if request.method == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})


def json_response(status: int, value: Any, headers: Headers | None = None) -> Response:
    """An answer of JSON."""
    return Response(status, msgspec.json.encode(value), [JSON, *(headers or [])])


def problem_response(error: RingbackError, request: Request | None = None) -> Response:
    """An error as an RFC 9457 problem, with the headers that belong to its status."""
    problem = error.problem()
    if request is not None:
        problem["instance"] = request.instance
    headers: Headers = [PROBLEM, NOT_STORED]
    wait = error.retry_after
    if wait is not None or error.status in (429, 503):
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(wait or 0))))
    if error.status == 401:
        challenge = b'Bearer realm="ringback"'
        if request is not None and request.header(b"authorization") is not None:
            challenge += b', error="invalid_token"'  # RFC 6750 §3.1
        headers.append((b"www-authenticate", challenge))
    if error.status == 426:
        headers.append((b"upgrade", b"websocket"))  # RFC 9110 §15.5.22
    allow = error.fields.get("allow")
    if error.status == 405 and isinstance(allow, list):
        headers.append((b"allow", ", ".join(allow).encode()))
    return Response(error.status, msgspec.json.encode(problem), headers)


def _is_token(pair: bytes) -> bool:
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1")) == "token"


@functools.lru_cache(maxsize=64)
def _quoted(prefix: str) -> str:
    return quote(prefix)
