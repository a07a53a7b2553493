"""Identity sources: the parts of a request that an authorizer goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringback.awslocal.gateway.messages import Request


def gather(
    sources: Sequence[str],
    request: Request,
    context: Mapping[str, Any],
    variables: Mapping[str, str],
) -> list[str] | None:
    """The values, in the order of their sources; None when one of them is missing or empty."""
    values = []
    for source in sources:
        value = _value(source, request, context, variables)
        if not value:
            return None
        values.append(value)
    return values


def _value(
    source: str, request: Request, context: Mapping[str, Any], variables: Mapping[str, str]
) -> str | None:
    """HTTP APIs write ``$request.header.X``, WebSocket APIs ``route.request.header.X``."""
    name = source.removeprefix("$")
    for prefix in ("route.", "method."):
        name = name.removeprefix(prefix)
    kind, _, rest = name.partition(".")
    match kind:
        case "request":
            part, _, key = rest.partition(".")
            if part == "header":
                return request.header(key)
            if part == "querystring":
                return next((value for each, value in request.query if each == key), None)
            return None
        case "context":
            found: Any = context
            for key in rest.split("."):
                found = found.get(key) if isinstance(found, Mapping) else None
            return None if found is None else str(found)
        case "stageVariables":
            return variables.get(rest)
        case _:
            return None
