"""Ringback: answer now, call back when it is done."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from ringback.uploads import Upload

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
    "Upload",
    "__version__",
]

# Fetched when first asked for (PEP 562): `ringback --help` needs none of them, and all of them
# take half a second.
_HOMES = {
    "ringback.app": ("Ringback",),
    "ringback.core.access": ("Claims",),
    "ringback.core.model": ("OperationState", "Position", "Status"),
    "ringback.errors": ("OperationCancelled", "RetryLater", "RingbackError", "TaskFailed"),
    "ringback.tasks.events": ("CloudEvent",),
    "ringback.tasks.operation": ("BlockingOperation", "Operation"),
    "ringback.uploads": ("Upload",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
