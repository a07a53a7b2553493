"""How an operation looks to those who follow it: the same JSON on every transport.

What belongs here: field names and forms of the public representation. Links are the
edges' to add, since only they know under which prefix they are mounted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from ringback.core.model import HELD, OperationState

INLINE_RESULT = 32 * 1024
"""Bytes of a result that a representation or a message still carries itself: one WebSocket
frame of the smallest of our transports. A larger one is read at ``/operations/{id}/result``."""

_encode = msgspec.json.encode


def timestamp(seconds: float) -> str:
    """RFC 3339, UTC, milliseconds."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=64)
def _second(whole: int) -> str:
    """The part that is the same for all that happens within a second."""
    return datetime.fromtimestamp(whole, UTC).isoformat()[:19]


def operation_fields(state: OperationState) -> dict[str, Any]:
    """The public representation, ready to be encoded."""
    fields: dict[str, Any] = {
        "id": state.id,
        "task": state.task,
        "status": state.status.value,
        "version": state.version,
        "attempt": state.attempt,
        "created_at": timestamp(state.created_at),
        "updated_at": timestamp(state.updated_at),
        "progress": progress_fields(state),
        "part_count": state.part_count,
    }
    if state.started_at is not None:
        fields["started_at"] = timestamp(state.started_at)
    if state.finished_at is not None:
        fields["finished_at"] = timestamp(state.finished_at)
    if state.ready_at > state.updated_at and not state.terminal and state.ready_at != HELD:
        fields["ready_at"] = timestamp(state.ready_at)
    if state.cancel_requested:
        fields["cancel_requested"] = True
    if state.parent is not None:
        fields["parent"] = state.parent
    if state.result is not None:
        if len(state.result) <= INLINE_RESULT:
            fields["result"] = msgspec.Raw(state.result)
        else:
            fields["result_size"] = len(state.result)
    if state.error is not None:
        fields["error"] = msgspec.Raw(state.error)
    if state.dead_letter:
        fields["dead_letter"] = True
    return fields


def progress_fields(state: OperationState) -> dict[str, Any] | None:
    """``{fraction, message}``, or None before there is any."""
    if state.progress is None and state.progress_message is None:
        return None
    return {"fraction": state.progress, "message": state.progress_message}


def operation_view(state: OperationState) -> bytes:
    """The public representation as JSON."""
    return _encode(operation_fields(state))
