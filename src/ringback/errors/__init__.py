"""The errors of Ringback, one tree for Python, HTTP and the command line.

    RingbackError
    ├── RequestError            the caller can mend it
    │   ├── MalformedRequest        400
    │   ├── IdempotencyKeyMissing   400
    │   ├── NotFound                404
    │   ├── UnknownTask             404
    │   ├── UnknownAction           404
    │   ├── UnknownTopic            404
    │   ├── UnknownOperation        404
    │   ├── MethodNotAllowed        405
    │   ├── UploadStalled           408
    │   ├── NotFinished             409
    │   ├── StillOpen               409
    │   ├── OffsetMismatch          409
    │   ├── UploadBusy              409
    │   ├── OperationForgotten      410
    │   ├── UploadEnded             410
    │   ├── UploadExpired           410
    │   ├── StaleVersion            412
    │   ├── PayloadTooLarge         413
    │   ├── UnsupportedMediaType    415
    │   ├── InvalidInput            422
    │   ├── IdempotencyKeyReused    422
    │   ├── ChecksumMismatch        422
    │   ├── UpgradeRequired         426
    │   └── HeadersTooLarge         431
    ├── AccessError             who may do it
    │   ├── Unauthenticated         401
    │   └── Forbidden               403
    ├── CapacityError           try again later
    │   ├── RateLimited             429
    │   ├── QueueFull               503
    │   └── StoreUnavailable        503
    ├── ExecutionError      424 raised in, by or around a task function
    │   ├── TaskFailed              the function says: failed, do not retry
    │   ├── RetryLater              the function says: again, after a while
    │   ├── OperationCancelled  410 the caller asked for it to stop
    │   ├── LeaseLost               another worker has the operation now
    │   ├── TimedOut                the task's timeout passed
    │   ├── ProcessDied             the process that ran the function is gone
    │   ├── UnfitResult             the function returned what it does not declare
    │   └── LimitExceeded           a bound of the operation was reached
    ├── TransitionError         the lifecycle table does not allow it
    ├── Conflict                the operation changed meanwhile; decide again
    └── ConfigurationError      the application or its settings are wrong

Each class says its ``code`` (the last part of the problem's ``type``), its HTTP ``status``,
and whether the same request may succeed later (``retryable``). The docstring of a class is
its default message, and tells the cure. Errors keep their data in ``fields``.
"""

from ringback.errors.base import RingbackError
from ringback.errors.outcomes import (
    AccessError,
    CapacityError,
    ConfigurationError,
    Conflict,
    ExecutionError,
    Forbidden,
    LeaseLost,
    LimitExceeded,
    OperationCancelled,
    ProcessDied,
    QueueFull,
    RateLimited,
    RetryLater,
    StoreUnavailable,
    TaskFailed,
    TimedOut,
    TransitionError,
    Unauthenticated,
    UnfitResult,
)
from ringback.errors.requests import (
    ChecksumMismatch,
    HeadersTooLarge,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InvalidInput,
    MalformedRequest,
    MethodNotAllowed,
    NotFinished,
    NotFound,
    OffsetMismatch,
    OperationForgotten,
    PayloadTooLarge,
    RequestError,
    StaleVersion,
    StillOpen,
    UnknownAction,
    UnknownOperation,
    UnknownTask,
    UnknownTopic,
    UnsupportedMediaType,
    UpgradeRequired,
    UploadBusy,
    UploadEnded,
    UploadExpired,
    UploadStalled,
)

__all__ = [
    "AccessError",
    "CapacityError",
    "ChecksumMismatch",
    "ConfigurationError",
    "Conflict",
    "ExecutionError",
    "Forbidden",
    "HeadersTooLarge",
    "IdempotencyKeyMissing",
    "IdempotencyKeyReused",
    "InvalidInput",
    "LeaseLost",
    "LimitExceeded",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotFinished",
    "NotFound",
    "OffsetMismatch",
    "OperationCancelled",
    "OperationForgotten",
    "PayloadTooLarge",
    "ProcessDied",
    "QueueFull",
    "RateLimited",
    "RequestError",
    "RetryLater",
    "RingbackError",
    "StaleVersion",
    "StillOpen",
    "StoreUnavailable",
    "TaskFailed",
    "TimedOut",
    "TransitionError",
    "Unauthenticated",
    "UnfitResult",
    "UnknownAction",
    "UnknownOperation",
    "UnknownTask",
    "UnknownTopic",
    "UnsupportedMediaType",
    "UpgradeRequired",
    "UploadBusy",
    "UploadEnded",
    "UploadExpired",
    "UploadStalled",
]
