"""JSON of what an application hands over: inputs, partial results, messages, events.

What does not belong here: results, which have a type of their own (``signature``).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from pydantic_core import to_json


def to_json_bytes(value: Any) -> bytes:
    """Any value as JSON: models, dataclasses, dates, and bytes already encoded as ``Raw``.

    What JSON has no number for (NaN, the infinities) is null. Raises ``ValueError`` for what has
    no JSON form.
    """
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    return to_json(value, by_alias=True, inf_nan_mode="null", fallback=msgspec.to_builtins)


def to_text_bytes(value: Any) -> bytes:
    """The same, with the text of whatever has no JSON form: it never raises."""
    try:
        return to_json(value, by_alias=True, inf_nan_mode="null", fallback=_text)
    except Exception:  # half a surrogate pair, or whatever a value's own serializer raises
        text = json.dumps(value, ensure_ascii=False, default=_text, skipkeys=True)
        plain = json.loads(text.encode("utf-8", "replace"))
        return to_json(plain, inf_nan_mode="null")


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # whatever its __str__ raises
        return f"<{type(value).__name__}>"
