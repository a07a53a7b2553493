"""Header fields and query parameters, parsed to the letter of what defines them."""

from __future__ import annotations

import re
from datetime import datetime

from ringback.errors import MalformedRequest

MIN_SECRET_KEY = 16
"""Characters of a key that only its secrecy keeps from others; a UUID has 36."""
MAX_WAIT_DIGITS = 6
"""Digits of a wait that count: eleven days are as good as any longer one."""

_STRING = re.compile(r'"((?:[^"\\]|\\["\\])*)"(?:\s*;[^"]*)?')
"""A structured-field string (RFC 8941 §3.3.3), with parameters that mean nothing here."""
_BARE = re.compile(r'[^",;\\\s]+')
_NAME = r"[a-zA-Z0-9!#$%&'*+.^_`|~-]+"
_PREFERENCE = re.compile(rf'\s*({_NAME})\s*(?:=\s*("?)([^",;]*)\2)?\s*(?:;[^,]*)?')
_TAG = re.compile(r'(W/)?"([^"]*)"')
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
"""RFC 3339 §5.6."""


def idempotency_key(text: str, *, secret: bool = False) -> str:
    """The key in an Idempotency-Key field: a structured-field string (RFC 8941 §3.3.3).

    A bare value is taken too, since many clients send one; it is the same key as the quoted one.
    What a key may be made of is not looked at here, but that one is ``secret``: of a caller whom
    nothing else tells from others, who would get this one's token and result for the same key.
    """
    value = text.strip()
    if value[:1] == value[-1:] == '"' and value.count('"') == 2 and "\\" not in value:
        value = value[1:-1]  # the usual case, without an escape
    elif value.startswith('"'):
        match = _STRING.fullmatch(value)
        if match is None:
            raise MalformedRequest(
                'Idempotency-Key is one string in quotes: send "…", with \\" for a quote in it.'
            )
        value = re.sub(r'\\(["\\])', r"\1", match[1])
    elif value and not _BARE.fullmatch(value):
        raise MalformedRequest("Idempotency-Key is to be sent once, and in quotes.")
    if secret:
        check_secret(value)
    return value


def check_secret(key: str) -> None:
    """Refuse a key that could be guessed."""
    if len(key) < MIN_SECRET_KEY:
        raise MalformedRequest(
            f"Idempotency-Key has {MIN_SECRET_KEY} characters or more where the caller has no "
            "name: whoever guesses it gets your answer. Send a fresh UUID."
        )


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
            wait = float(value[:MAX_WAIT_DIGITS])
    return asynchronous, wait


def entity_tags(text: str, *, weak: bool) -> set[str]:
    """The opaque parts of an If-Match or If-None-Match field (RFC 9110 §13.1); ``*`` as itself.

    If-Match compares strongly: a weak tag (``weak=False``) is as if it were not there.
    """
    if text.strip() == "*":
        return {"*"}
    return {tag for mark, tag in _TAG.findall(text) if weak or not mark}


def start_at(query: dict[str, str], now: float) -> float | None:
    """Before when an operation is not to start: ``start_at`` (RFC 3339), ``delay`` (seconds).

    Each is a bound; of both, the later counts.
    """
    bounds = []
    delay, moment = query.get("delay"), query.get("start_at")
    if delay is not None:
        if not _SECONDS.fullmatch(delay):
            raise MalformedRequest("delay is a number of seconds, 0 or more.", parameter="delay")
        bounds.append(now + float(delay))
    if moment is not None:
        bounds.append(_moment(moment))
    return max(bounds, default=None)


def _moment(text: str) -> float:
    text = text.replace(" ", "+")  # as an unescaped + reads
    try:
        if not _DATE_TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise MalformedRequest(
            "start_at is a date and time as in RFC 3339: 2030-01-31T12:00:00Z.",
            parameter="start_at",
        ) from None
