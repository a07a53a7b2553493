"""Parameter mapping of HTTP APIs: values taken out of a request, as an integration is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ringback.awslocal.gateway.http_events import Call
from ringback.awslocal.gateway.messages import clf_time

_WHOLE = re.compile(r"\$((?:request|context|stageVariables)\.[^\s{}$]+)")
_PART = re.compile(r"\$\{((?:request|context|stageVariables)\.[^{}]+)\}")


def evaluate(value: str, call: Call, authorizer: Mapping[str, Any] | None) -> str | None:
    """``$request.body.name`` and the like alone, ``${request.header.x}`` inside a text, or a text
    that stands for itself. None: what it takes is not there."""
    if whole := _WHOLE.fullmatch(value):
        return _find(whole[1], call, authorizer)
    return _PART.sub(lambda part: _find(part[1], call, authorizer) or "", value)


def _find(name: str, call: Call, authorizer: Mapping[str, Any] | None) -> str | None:
    kind, _, rest = name.partition(".")
    match kind:
        case "request":
            return _of_request(rest, call)
        case "context":
            return _text(_walk(_context(call, authorizer), rest))
        case _:
            return call.stage.variables.get(rest)


def _of_request(name: str, call: Call) -> str | None:
    request = call.request
    part, _, key = name.partition(".")
    match part:
        case "header":
            return request.header(key)
        case "querystring":
            found = [value for each, value in request.query if each == key]
            return ",".join(found) or None
        case "path":
            return call.parameters.get(key) if key else call.path
        case "body":
            text = request.body.decode(errors="replace")
            if not key:
                return text
            try:
                return _text(_walk(json.loads(text), key))
            except (ValueError, RecursionError):
                return None
        case _:
            return None


def _walk(content: Any, path: str) -> Any:
    for name in path.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _context(call: Call, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
    said = dict(authorizer or {})
    claims = said.get("jwt", {}).get("claims", {})
    return {
        "accountId": call.place.account,
        "apiId": call.api_id,
        "authorizer": {"claims": claims, **said.get("lambda", {})},
        "domainName": call.domain,
        "domainPrefix": call.domain.partition(".")[0],
        "extendedRequestId": call.id,
        "httpMethod": call.request.method,
        "identity": {
            "sourceIp": call.request.peer,
            "userAgent": call.request.header("user-agent"),
        },
        "path": call.full_path,
        "protocol": f"HTTP/{call.request.version}",
        "requestId": call.id,
        "requestTime": clf_time(call.now),
        "requestTimeEpoch": int(call.now * 1000),
        "routeKey": call.route_key,
        "stage": call.stage.name,
    }
