"""Requests as they came and answers as they go: what the server and the APIs hand each other."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

Headers = tuple[tuple[str, str], ...]
"""In their order and spelling, repeated ones repeated."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers of one connection, which no gateway passes on (RFC 9110, 7.6.1)."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A whole request."""

    method: str
    target: str
    """Path and query as they were sent."""
    headers: Headers
    body: bytes = b""
    version: str = "1.1"
    peer: str = "127.0.0.1"
    """The client's address."""
    port: int = 0
    """Ours."""
    secure: bool = False

    @property
    def raw_path(self) -> str:
        """As sent, percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def path(self) -> str:
        """Decoded, as API Gateway hands it on."""
        return unquote(self.raw_path)

    @property
    def raw_query(self) -> str:
        return self.target.partition("?")[2]

    @property
    def query(self) -> list[tuple[str, str]]:
        """Decoded, in its order."""
        return parse_qsl(self.raw_query, keep_blank_values=True)

    def every(self, name: str) -> list[str]:
        """The values of a header, whatever its spelling."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        found = self.every(name)
        return ",".join(found) if found else None


@dataclass(frozen=True, kw_only=True)
class Response:
    """A whole answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def with_headers(self, headers: Iterable[tuple[str, str]]) -> Response:
        return Response(status=self.status, headers=(*self.headers, *headers), body=self.body)


def told(
    status: int,
    message: str | None,
    headers: Headers = (),
    *,
    more: Mapping[str, str] | None = None,
) -> Response:
    """An answer of the gateway's own: ``{"message": …}``, and `more` in it."""
    body = json.dumps({"message": message, **(more or {})}, separators=(",", ":")).encode()
    return Response(
        status=status, headers=(("content-type", "application/json"), *headers), body=body
    )


def clf_time(now: float) -> str:
    """The time as requestContext has it, whatever the locale: ``22/Nov/2026:07:36:26 +0000``."""
    at = time.gmtime(now)
    clock = time.strftime("%H:%M:%S", at)
    return f"{at.tm_mday:02}/{MONTHS[at.tm_mon - 1]}/{at.tm_year}:{clock} +0000"


def short_id() -> str:
    """An identity as API Gateway makes them for requests, messages and connections: sixteen
    characters, the last of which is ``=`` and has to be encoded in an address."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode()


def trace_id(now: float) -> str:
    return f"Root=1-{int(now):08x}-{os.urandom(12).hex()}"


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names have their values joined by commas, as format 2.0 has them."""
    result: dict[str, str] = {}
    for name, value in pairs:
        result[name] = f"{result[name]},{value}" if name in result else value
    return result


def last(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The last value of each name, as format 1.0 has them."""
    return dict(pairs)


def every(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values of each name."""
    result: dict[str, list[str]] = {}
    for name, value in pairs:
        result.setdefault(name, []).append(value)
    return result


def forwarded(request: Request, trace: str) -> list[tuple[str, str]]:
    """The headers a function sees: what came, without what belongs to the connection, and with
    what the gateway adds."""
    passed = [
        (name, value)
        for name, value in request.headers
        if name.lower() not in HOP_BY_HOP and name.lower() not in ADDED
    ]
    came_by = request.header("x-forwarded-for")
    passed += [
        ("X-Amzn-Trace-Id", request.header("x-amzn-trace-id") or trace),
        ("X-Forwarded-For", f"{came_by}, {request.peer}" if came_by else request.peer),
        ("X-Forwarded-Port", str(request.port)),
        ("X-Forwarded-Proto", "https" if request.secure else "http"),
    ]
    return passed


ADDED = frozenset(("x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"))

Event = dict[str, Any]
