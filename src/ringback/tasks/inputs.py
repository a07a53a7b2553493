"""The door: from the bytes of a body to the input of a task."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic_core import ValidationError

from ringback.errors import InvalidInput, MalformedRequest
from ringback.tasks.registry import Task


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
