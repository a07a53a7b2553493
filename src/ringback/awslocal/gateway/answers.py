"""What a function returned, as an answer over HTTP."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from ringback.awslocal.gateway.messages import HOP_BY_HOP, Response

TEXT = "text/plain;charset=UTF-8"
JSON = "application/json"
DROPPED = HOP_BY_HOP | {"content-length", "date"}
"""Headers that the gateway sets itself."""


class Malformed(Exception):
    """A function did not return what its integration asks for. The text says what is wrong."""


def version_2(payload: Any) -> Response:
    """Format 2.0: an object with ``statusCode``, or anything else, which then is the body. Raises
    ``Malformed``."""
    if isinstance(payload, Mapping) and "statusCode" in payload:
        return _formatted(payload, multiple=False)
    body = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    return Response(status=200, headers=(("content-type", JSON),), body=body.encode())


def version_1(payload: Any) -> Response:
    """Format 1.0: an object with ``statusCode``. Raises ``Malformed``."""
    if not isinstance(payload, Mapping) or "statusCode" not in payload:
        raise Malformed("it has to return an object with statusCode (format 1.0)")
    return _formatted(payload, multiple=True)


def status_of(payload: Mapping[str, Any]) -> int:
    """Raises ``Malformed``."""
    status = payload.get("statusCode")
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise Malformed(f"statusCode is no status of HTTP: {status!r}")
    return status


def body_of(payload: Mapping[str, Any]) -> bytes:
    """Raises ``Malformed``."""
    body = payload.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed(f"body has to be a string, not {type(body).__name__}; json.dumps makes one")
    if payload.get("isBase64Encoded") is not True:
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("isBase64Encoded is true, and body is no base64") from None


def headers_of(payload: Mapping[str, Any], *, multiple: bool) -> list[tuple[str, str]]:
    """Raises ``Malformed``."""
    found: list[tuple[str, str]] = []
    many = payload.get("multiValueHeaders") if multiple else None
    if many is not None:
        if not isinstance(many, Mapping) or not all(isinstance(v, list) for v in many.values()):
            raise Malformed("multiValueHeaders has to be an object of lists")
        found += [(str(k), _scalar(k, each)) for k, values in many.items() for each in values]
    single = payload.get("headers")
    if single is not None:
        if not isinstance(single, Mapping):
            raise Malformed("headers has to be an object")
        taken = {name.lower() for name, _ in found}
        found += [
            (str(name), _scalar(name, value))
            for name, value in single.items()
            if value is not None and str(name).lower() not in taken
        ]
    return [(name, value) for name, value in found if name.lower() not in DROPPED]


def _scalar(name: object, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise Malformed(f"the header {name} has to be a string")


def _formatted(payload: Mapping[str, Any], *, multiple: bool) -> Response:
    status = status_of(payload)
    headers = headers_of(payload, multiple=multiple)
    cookies = None if multiple else payload.get("cookies")
    if cookies is not None:
        if not isinstance(cookies, list) or not all(isinstance(each, str) for each in cookies):
            raise Malformed("cookies has to be a list of strings")
        headers += [("set-cookie", each) for each in cookies]
    body = body_of(payload)
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.insert(0, ("content-type", TEXT))
    return Response(status=status, headers=tuple(headers), body=body)
