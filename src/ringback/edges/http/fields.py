"""Header fields and query parameters, parsed to the letter of what defines them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ringback.errors import MalformedRequest

MAX_KEY_LENGTH = 255
"""Characters of an Idempotency-Key; a UUID has 36."""

_NAME = r"[a-zA-Z0-9!#$%&'*+.^_`|~-]+"
_PREFERENCE = re.compile(rf'\s*({_NAME})\s*(?:=\s*("?)([^",;]*)\2)?\s*(?:;[^,]*)?')


def idempotency_key(text: str) -> str:
    """The key in an Idempotency-Key field: a structured-field string (RFC 8941 §3.3.3).

    A bare value is taken too, since many clients send one; it is the same key as the quoted one.
    """
    value = text.strip()
    if value[:1] == value[-1:] == '"' and value.count('"') == 2 and "\\" not in value:
        value = value[1:-1]  # the usual case, without an escape
    elif value.startswith('"'):
        if len(value) < 2 or not value.endswith('"'):
            raise MalformedRequest('Idempotency-Key lacks its closing quote: send "…".')
        inner = value[1:-1]
        value = re.sub(r'\\(["\\])', r"\1", inner)
        if re.search(r'(?<!\\)(?:\\\\)*"', inner):
            raise MalformedRequest("Idempotency-Key has an unescaped quote in it.")
    if not 1 <= len(value) <= MAX_KEY_LENGTH:
        raise MalformedRequest(f"Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters.")
    if not value.isascii() or not value.isprintable():
        raise MalformedRequest("Idempotency-Key has visible ASCII characters only.")
    return value


def preferences(text: str | None) -> tuple[bool, float | None]:
    """``respond-async`` and ``wait`` of a Prefer field (RFC 7240 §4.1, §4.3).

    A preference is never an error: what does not parse is as if it were not there.
    """
    if text is None:
        return False, None
    asynchronous, wait = False, None
    for part in text.split(","):
        match = _PREFERENCE.fullmatch(part)
        if match is None:
            continue
        name, value = match[1].lower(), match[3]
        if name == "respond-async":
            asynchronous = True
        elif name == "wait" and value and value.isascii() and value.isdigit() and wait is None:
            wait = float(value[:6])
    return asynchronous, wait


def entity_tags(text: str) -> set[str]:
    """The opaque parts of an If-Match or If-None-Match field (RFC 9110 §13.1); ``*`` as itself."""
    if text.strip() == "*":
        return {"*"}
    return set(re.findall(r'(?:W/)?"([^"]*)"', text))


def start_at(query: dict[str, str], now: float) -> float | None:
    """When an operation is to start: ``start_at`` (RFC 3339) or ``delay`` (seconds)."""
    if "delay" in query:
        try:
            delay = float(query["delay"])
        except ValueError:
            delay = -1.0
        if not 0 <= delay < float("inf"):
            raise MalformedRequest("delay is a number of seconds, 0 or more.")
        return now + delay
    if "start_at" in query:
        try:
            moment = datetime.fromisoformat(query["start_at"].replace(" ", "+"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return moment.timestamp()
        except (ValueError, OverflowError):
            raise MalformedRequest(
                "start_at is a date and time as in RFC 3339: 2030-01-31T12:00:00Z."
            ) from None
    return None
