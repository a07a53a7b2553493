"""EventBridge's patterns: of rules, of filter criteria, and (nearly the same) of subscriptions."""

from __future__ import annotations

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

ABSENT = object()

Compare = Callable[[float, float], bool]
NUMERIC: dict[str, Compare] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}


def fits(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether `event` fits every field of `pattern`."""
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            if not any(fits(each, event) for each in wanted):
                return False
            continue
        values = _values(event, name)
        if isinstance(wanted, Mapping):
            if not any(fits(wanted, each) for each in values or [{}]):
                return False
        elif not _any(_listed(wanted), values):
            return False
    return True


def _listed(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _values(event: Any, name: str) -> list[Any]:
    """What stands at `name`; of a list each of its elements; nothing at all when it is absent."""
    if isinstance(event, list):
        return [value for each in event for value in _values(each, name)]
    if not isinstance(event, Mapping) or name not in event:
        return []
    value = event[name]
    return list(value) if isinstance(value, list) else [value]


def _any(rules: Iterable[Any], values: Sequence[Any]) -> bool:
    for rule in rules:
        if isinstance(rule, Mapping) and "exists" in rule:
            if bool(rule["exists"]) == bool(values):
                return True
        elif any(_one(rule, value) for value in values):
            return True
    return False


def _one(rule: Any, value: Any) -> bool:
    if not isinstance(rule, Mapping):
        return _same(rule, value)
    ((name, wanted),) = rule.items()
    test = TESTS.get(name)
    return test is not None and test(wanted, value)


def _same(rule: Any, value: Any) -> bool:
    if isinstance(rule, bool) or isinstance(value, bool):
        return rule is value
    return bool(rule == value)


def _prefix(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        inner = str(wanted.get("equals-ignore-case", "")).lower()
        return isinstance(value, str) and value.lower().startswith(inner)
    return isinstance(value, str) and value.startswith(wanted)


def _suffix(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        inner = str(wanted.get("equals-ignore-case", "")).lower()
        return isinstance(value, str) and value.lower().endswith(inner)
    return isinstance(value, str) and value.endswith(wanted)


def _anything_but(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        ((name, inner),) = wanted.items()
        return not any(TESTS[name](each, value) for each in _listed(inner))
    return not any(_same(each, value) for each in _listed(wanted))


def _ignoring_case(wanted: Any, value: Any) -> bool:
    return isinstance(value, str) and value.lower() == str(wanted).lower()


def _wildcard(wanted: Any, value: Any) -> bool:
    expression = "".join(".*" if each == "*" else re.escape(each) for each in str(wanted))
    return isinstance(value, str) and re.fullmatch(expression, value, re.DOTALL) is not None


def _numeric(wanted: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    pairs = zip(wanted[::2], wanted[1::2], strict=True)
    return all(NUMERIC[sign](number, float(limit)) for sign, limit in pairs)


def _cidr(wanted: Any, value: Any) -> bool:
    try:
        return ipaddress.ip_address(str(value)) in ipaddress.ip_network(str(wanted), strict=False)
    except ValueError:
        return False


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _ignoring_case,
    "numeric": _numeric,
    "prefix": _prefix,
    "suffix": _suffix,
    "wildcard": _wildcard,
}
