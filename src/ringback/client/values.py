"""Python values and JSON: what is handed over, and what comes back.

What costs time to import (pydantic) is imported by whoever uses it.
"""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ringback.errors import InvalidInput, UnfitResult


def encode(value: object) -> bytes:
    """JSON of models, dataclasses, dates and all that JSON has. Raises ``InvalidInput``."""
    try:
        return msgspec.json.encode(value, enc_hook=_encode_other)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"This has no JSON form: {error}. Hand over models, dataclasses, dicts, lists, texts "
            "and numbers."
        ) from error


def _encode_other(value: object) -> object:
    dumped = getattr(value, "model_dump_json", None)  # a pydantic model's
    if dumped is None:
        raise TypeError(f"{type(value).__name__} is none of its types")
    return msgspec.Raw(dumped(by_alias=True).encode())


def decode(data: bytes, type: Any) -> Any:
    """JSON as a type; as Python's own values for None. Raises ``UnfitResult``."""
    if type is None:
        return msgspec.json.decode(data)
    if inspect.isclass(type) and issubclass(type, msgspec.Struct):
        try:
            return msgspec.json.decode(data, type=type)
        except msgspec.MsgspecError as error:
            raise _unfit(type, error) from error
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(type).validate_json(data)
    except ValidationError as error:
        raise _unfit(type, error) from error


def _unfit(type: object, error: Exception) -> UnfitResult:
    name = getattr(type, "__name__", str(type))
    return UnfitResult(f"The result is no {name}: {error}. Ask for the type that the task returns.")


def seconds(duration: float | timedelta) -> str:
    """A duration as a parameter: in decimals, since the server takes no exponents."""
    found = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return f"{found:f}"


def moment(time: datetime | float) -> str:
    """A time as a parameter (RFC 3339). One without a zone is this machine's."""
    found = time if isinstance(time, datetime) else datetime.fromtimestamp(time, UTC)
    return found.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
