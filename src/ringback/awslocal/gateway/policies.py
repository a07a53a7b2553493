"""What an authorizer's IAM policy says to one resource."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

INVOKE = "execute-api:Invoke"

Verdict = Literal["allow", "deny", "silent"]

log = logging.getLogger("ringback.aws.gateway")


def verdict(document: Mapping[str, Any], arn: str, action: str = INVOKE) -> Verdict:
    """An explicit deny is stronger than any allow; what nobody speaks of is not allowed."""
    found: Verdict = "silent"
    for statement in _statements(document):
        if not _covers(statement, "Action", action, fold=True):
            continue
        if not _covers(statement, "Resource", arn, fold=False):
            continue
        if statement.get("Condition"):
            log.warning("An authorizer's policy has a Condition, which is not looked at here")
        match statement.get("Effect"):
            case "Deny":
                return "deny"
            case "Allow":
                found = "allow"
    return found


def is_policy(document: object) -> bool:
    """Whether it can be read at all."""
    return isinstance(document, Mapping) and any(True for _ in _statements(document))


def _statements(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    statements = document.get("Statement")
    for each in statements if isinstance(statements, list) else [statements]:
        if isinstance(each, Mapping) and each.get("Effect") in ("Allow", "Deny"):
            yield each


def _covers(statement: Mapping[str, Any], name: str, value: str, *, fold: bool) -> bool:
    """Whether ``Action`` or ``Resource`` (or its ``Not…``) fits."""
    if f"Not{name}" in statement:
        return not _fits(statement[f"Not{name}"], value, fold=fold)
    return _fits(statement.get(name), value, fold=fold)


def _fits(patterns: object, value: str, *, fold: bool) -> bool:
    listed = patterns if isinstance(patterns, list) else [patterns]
    return any(isinstance(each, str) and _regex(each, fold).fullmatch(value) for each in listed)


@lru_cache(256)
def _regex(pattern: str, fold: bool) -> re.Pattern[str]:
    """``*`` and ``?`` cross slashes."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if fold else 0))
