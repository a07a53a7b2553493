"""The errors of Ringback, one tree for Python, HTTP and the command line.

    RingbackError
    ├── RequestError            the caller can mend it
    │   ├── MalformedRequest        400
    │   ├── IdempotencyKeyMissing   400
    │   ├── NotFound                404
    │   ├── UnknownTask             404
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

from __future__ import annotations

from typing import ClassVar


class RingbackError(Exception):
    """Something in Ringback went wrong. The server's log has the details."""

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    """The code in words, unless a class says another."""
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        if "title" not in cls.__dict__:
            cls.title = cls.code.replace("-", " ").capitalize()

    def __init__(self, detail: str | None = None, /, **fields: object) -> None:
        """``detail`` replaces the default message; ``fields`` are data a program can act on."""
        self.detail = detail if detail is not None else " ".join((self.__doc__ or "").split())
        self.fields = fields
        super().__init__(self.detail)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which trying again makes sense, where that is known."""
        value = self.fields.get("retry_after")
        return float(value) if isinstance(value, int | float) else None

    def problem(self) -> dict[str, object]:
        """The error as an RFC 9457 problem object. A ``status`` among the fields counts if it
        says that something failed.
        """
        status = self.fields.get("status")
        if not isinstance(status, int) or not 400 <= status <= 599:
            status = self.status
        problem = {
            "type": f"urn:ringback:problem:{self.code}",
            "title": self.title,
            "status": status,
            "detail": self.detail,
        }
        return problem | self.fields | {"status": status}


class RequestError(RingbackError):
    """The request cannot be carried out as it stands."""

    code = "bad-request"
    status = 400


class MalformedRequest(RequestError):
    """The request could not be read. Send a JSON body and well-formed headers."""

    code = "malformed-request"


class IdempotencyKeyMissing(RequestError):
    """This task needs an Idempotency-Key header. Send a fresh UUID, and the same one on a retry."""

    code = "idempotency-key-missing"


class NotFound(RequestError):
    """There is nothing at this path. See /openapi.json for the paths there are."""

    code = "not-found"
    status = 404


class UnknownTask(RequestError):
    """No task has this name."""

    code = "unknown-task"
    status = 404


class UnknownOperation(RequestError):
    """No operation has this id, or it is not yours. Use the id that submitting it gave, and over
    HTTP its token too."""

    code = "unknown-operation"
    status = 404


class MethodNotAllowed(RequestError):
    """This path does not take this method. The Allow header lists those it takes."""

    code = "method-not-allowed"
    status = 405


class UploadStalled(RequestError):
    """No more bytes came. What came is stored: ask for the upload's offset and go on there."""

    code = "upload-stalled"
    status = 408
    retryable = True


class NotFinished(RequestError):
    """The operation has no result yet. Follow its events, or ask again after Retry-After."""

    code = "not-finished"
    status = 409
    retryable = True


class StillOpen(RequestError):
    """The operation is still open. Cancel it and let it end before you forget it."""

    code = "still-open"
    status = 409
    retryable = True


class OffsetMismatch(RequestError):
    """The bytes do not continue where the upload stands. Go on at the offset given here."""

    code = "offset-mismatch"
    status = 409
    title = "Wrong offset"


class UploadBusy(RequestError):
    """Another request sends bytes of this upload. Let it end, then go on at the new offset."""

    code = "upload-busy"
    status = 409
    retryable = True


class OperationForgotten(RequestError):
    """The operation was here and has been forgotten: its retention passed, or it was deleted."""

    code = "operation-forgotten"
    status = 410
    subject: str | None = None
    """Whom it belonged to: nobody else is told that it was ever here."""


class UploadEnded(RequestError):
    """The upload's operation ended before its bytes were complete. Declare another upload."""

    code = "upload-ended"
    status = 410


class UploadExpired(RequestError):
    """The bytes were not complete in time. Declare the upload again, and send them at once."""

    code = "upload-expired"
    status = 410


class StaleVersion(RequestError):
    """The operation has changed since the version in If-Match. Read it again, then decide."""

    code = "stale-version"
    status = 412


class PayloadTooLarge(RequestError):
    """The body is larger than this server accepts. Send less, or use an upload."""

    code = "payload-too-large"
    status = 413


class UnsupportedMediaType(RequestError):
    """The body's media type is not one this path takes. Send application/json."""

    code = "unsupported-media-type"
    status = 415


class InvalidInput(RequestError):
    """The input does not fit the task's model. Each entry of errors points at one fault."""

    code = "invalid-input"
    status = 422


class IdempotencyKeyReused(RequestError):
    """This Idempotency-Key was used with another payload. Use a new key for a new request."""

    code = "idempotency-key-reused"
    status = 422


class ChecksumMismatch(RequestError):
    """The bytes received do not have the declared checksum. Send the file again from offset 0."""

    code = "checksum-mismatch"
    status = 422


class HeadersTooLarge(RequestError):
    """The headers are larger than this server accepts. Send fewer or shorter ones."""

    code = "headers-too-large"
    status = 431


class AccessError(RingbackError):
    """You may not do this."""

    code = "access-denied"
    status = 403


class Unauthenticated(AccessError):
    """Send a valid token: Authorization: Bearer, or the operation's own token as ?token=."""

    code = "unauthenticated"
    status = 401


class Forbidden(AccessError):
    """The token is valid, but does not allow this."""

    code = "forbidden"
    status = 403


class CapacityError(RingbackError):
    """The server cannot take this now. Try again after Retry-After."""

    code = "unavailable"
    status = 503
    retryable = True


class RateLimited(CapacityError):
    """You are sending requests faster than this server allows. Slow down to Retry-After."""

    code = "rate-limited"
    status = 429
    title = "Too many requests"


class QueueFull(CapacityError):
    """The queue is at its bound, so nothing was stored. Try again after Retry-After."""

    code = "queue-full"


class StoreUnavailable(CapacityError):
    """The store cannot commit, so nothing was accepted. Try again after Retry-After."""

    code = "store-unavailable"


class ExecutionError(RingbackError):
    """The task function did not succeed."""

    code = "task-error"
    status = 424  # RFC 4918 §11.4: a result depends on its operation. 500 would be the server's


class TaskFailed(ExecutionError):
    """The task failed and trying again would not help."""

    code = "task-failed"


class RetryLater(ExecutionError):
    """The task asked to be tried again later."""

    code = "retry-later"
    title = "To be tried again"
    retryable = True

    def __init__(self, detail: str | None = None, /, *, delay: float | None = None) -> None:
        """``delay`` in seconds replaces the task's own backoff."""
        super().__init__(detail)
        self.delay = delay


class OperationCancelled(ExecutionError):
    """The operation was cancelled. Let this error pass, so that the worker can settle it."""

    code = "cancelled"
    status = 410


class LeaseLost(ExecutionError):
    """This attempt's lease is gone; another may have the operation. Stop: no change will count."""

    code = "lease-lost"


class TimedOut(ExecutionError):
    """The task ran longer than its timeout. Raise timeout= or split the work."""

    code = "timeout"
    title = "Timed out"
    retryable = True


class ProcessDied(ExecutionError):
    """The process that ran the function ended without an answer: killed, out of memory, crashed."""

    code = "process-died"
    retryable = True


class UnfitResult(ExecutionError):
    """The function returned what is not of its annotated type. Mend the one or the other."""

    code = "unfit-result"


class LimitExceeded(ExecutionError):
    """A bound of the operation was reached. Send less, or put the data elsewhere and link it."""

    code = "limit-exceeded"


class TransitionError(RingbackError):
    """The operation's status does not allow this command. Look at its status first."""

    code = "transition-not-allowed"
    status = 409


class Conflict(RingbackError):
    """The operation changed since it was read. Read it again and decide anew."""

    code = "conflict"
    status = 409
    retryable = True


class ConfigurationError(RingbackError):
    """The application or its settings are wrong."""

    code = "configuration-error"
