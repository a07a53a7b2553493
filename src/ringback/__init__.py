"""Ringback: answer now, call back when it is done."""

from ringback.app import Ringback
from ringback.core.access import Claims
from ringback.core.model import OperationState, Position, Status
from ringback.errors import (
    OperationCancelled,
    RetryLater,
    RingbackError,
    TaskFailed,
)
from ringback.tasks.events import CloudEvent
from ringback.tasks.operation import BlockingOperation, Operation

__version__ = "0.1.0"

__all__ = [
    "BlockingOperation",
    "Claims",
    "CloudEvent",
    "Operation",
    "OperationCancelled",
    "OperationState",
    "Position",
    "RetryLater",
    "Ringback",
    "RingbackError",
    "Status",
    "TaskFailed",
    "__version__",
]
