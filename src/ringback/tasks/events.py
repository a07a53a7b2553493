"""``CloudEvent``: what a handler registered with ``@rb.on`` takes, and how it is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic

import msgspec
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

from ringback.core.model import Event
from ringback.core.view import timestamp

DataT = TypeVar("DataT", default=Any)


class CloudEvent(BaseModel, Generic[DataT]):
    """An event (CloudEvents 1.0 §3). ``CloudEvent[Question]`` has its data validated."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str
    """Unique within the source. At least once: the same id may come again."""
    source: str
    """``/{application}/operations/{id}`` of the operation that emitted it."""
    type: str
    specversion: str = "1.0"
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str | None = None
    sequence: str | None = None
    """The order within the operation."""
    traceparent: str | None = None
    data: DataT


def cloud_event(event: Event) -> bytes:
    """The event in CloudEvents' JSON format (CloudEvents JSON 1.0 §3)."""
    fields: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": timestamp(event.time),
        "datacontenttype": "application/json",
        "sequence": str(event.sequence),
        "data": msgspec.Raw(event.data),
    }
    if event.subject is not None:
        fields["subject"] = event.subject
    if event.traceparent is not None:
        fields["traceparent"] = event.traceparent
    return msgspec.json.encode(fields)
