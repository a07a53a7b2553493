"""The door: what a caller hands over, checked the same whether it came over HTTP or from Python.

What does not belong here: header fields and parameters, which the edges parse.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from pydantic_core import ValidationError

from ringback.errors import ConfigurationError, InvalidInput, MalformedRequest
from ringback.tasks.encoding import to_json_bytes
from ringback.tasks.registry import Task

MAX_KEY_LENGTH = 255
"""Characters of an idempotency key; a UUID has 36."""
MAX_DELAY = 366 * 86400.0
"""Seconds an operation may be asked to wait before it starts."""


def validate(task: Task, body: bytes) -> Any:
    """The input as the task's types. Raises ``MalformedRequest`` for what is no JSON."""
    try:
        if b"NaN" in body or b"Infinity" in body:  # pydantic takes them for numbers; JSON has none
            msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"The body is not JSON: {error}.") from None
    try:
        return task.signature.validate(body)
    except InvalidInput as error:
        cause = error.__context__
        if isinstance(cause, ValidationError) and cause.errors()[0]["type"] == "json_invalid":
            raise MalformedRequest(f"The body is not JSON: {cause.errors()[0]['msg']}.") from None
        raise


def encode(value: Any) -> bytes:
    """The body that an input from Python stands for; None: none. Raises ``InvalidInput``."""
    return encode_as("input", {} if value is None else value)


def encode_as(what: str, value: Any) -> bytes:
    """What Python hands over, as JSON. Raises ``InvalidInput``, naming it by ``what``."""
    try:
        return to_json_bytes(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid(
            f"The {what} has no JSON form: {error}. Hand over models, dataclasses, dicts, lists, "
            "texts and numbers."
        ) from error


def check_caller(subject: str | None, key: object) -> None:
    """Whether a subject and an idempotency key can be ones.

    Raises ``MalformedRequest`` for the key. A subject comes from the application (a verified JWT
    has none that is empty), so it is a ``ConfigurationError``.
    """
    if subject == "":
        raise ConfigurationError(
            "The subject is empty. Give the caller's name, or None for a caller who has none."
        )
    if key is None:
        return
    if not isinstance(key, str):
        raise MalformedRequest(f"An idempotency key is a text; make one of it: str({key!r:.50}).")
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise MalformedRequest(
            f"An idempotency key has 1 to {MAX_KEY_LENGTH} characters; this one has {len(key)}. "
            "Use a fresh UUID."
        )
    if not key.isascii() or not key.isprintable():
        raise MalformedRequest(
            "An idempotency key has visible ASCII characters only. Use a fresh UUID."
        )


def first_ready(start_at: object, now: float) -> float:
    """When an operation may start that is asked for now. Raises ``InvalidInput``."""
    if start_at is None:
        return now
    if not isinstance(start_at, int | float) or not -math.inf < start_at < math.inf:
        raise invalid(
            f"start_at is seconds since the epoch; it is {start_at!r}. "
            "Of a datetime, give its timestamp()."
        )
    if start_at > now + MAX_DELAY:
        raise invalid("start_at lies more than a year ahead. Submit it again when it is nearer.")
    return float(max(start_at, now))


def invalid(detail: str) -> InvalidInput:
    """An input that is wrong as a whole."""
    return InvalidInput(detail, errors=[{"pointer": "", "detail": detail}])
