"""``CloudEvent``: what a handler registered with ``@rb.on`` takes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeVar

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
