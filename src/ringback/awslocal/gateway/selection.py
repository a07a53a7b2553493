"""Which route of a WebSocket API a message goes to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ringback.awslocal.model import Route

CONNECT = "$connect"
DISCONNECT = "$disconnect"
DEFAULT = "$default"

_VARIABLE = re.compile(r"\$\{request\.body\.([^{}]+)\}|\$request\.body\.([A-Za-z0-9_.\-]+)")


def select(expression: str, routes: Mapping[str, Route], body: str) -> Route | None:
    """The route whose key the expression gives, else ``$default``, else None.

    The expression is ``$request.body.action`` and the like, or several of them as
    ``${request.body.service}/${request.body.action}``. What is no JSON, or lacks a part, has no
    key; nor can a message name ``$connect``.
    """
    key = _evaluate(expression, body)
    if key is not None and not key.startswith("$") and key in routes:
        return routes[key]
    return routes.get(DEFAULT)


def _evaluate(expression: str, body: str) -> str | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    missing = False

    def replaced(found: re.Match[str]) -> str:
        nonlocal missing
        value = _look_up(content, found[1] or found[2])
        if value is None:
            missing = True
            return ""
        return value

    key = _VARIABLE.sub(replaced, expression)
    return None if missing else key


def _look_up(content: Any, path: str) -> str | None:
    for name in path.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    match content:
        case bool():
            return "true" if content else "false"
        case str() | int() | float():
            return str(content)
        case _:
            return None
