"""What is wrong otherwise: who asks, when, how work went, what was set."""

from __future__ import annotations

from ringback.errors.base import RingbackError


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
