"""How a run ended, as the command that settles it."""

from __future__ import annotations

import asyncio
import logging
import math
import traceback

from ringback.core import retry
from ringback.core.commands import Command, Fail, Release, Stop, Succeed
from ringback.errors import (
    ExecutionError,
    LimitExceeded,
    OperationCancelled,
    ProcessDied,
    RetryLater,
    TaskFailed,
    TimedOut,
    UnfitResult,
)
from ringback.service import Service, jitter
from ringback.tasks.encoding import to_text_bytes
from ringback.tasks.inputs import MAX_DELAY
from ringback.tasks.registry import Task
from ringback.worker.attempt import Reason, RunningAttempt
from ringback.worker.failures import RemoteError, UnfitInput

MAX_DIAGNOSIS = 8 * 1024
"""Characters of a traceback that are kept: its end, which names the error."""
MAX_DETAIL = 500
"""Characters of an exception's own text that a developer is shown."""
ALWAYS_RETRIED = (TimedOut, ProcessDied, asyncio.CancelledError)
"""What came from outside the function, whatever its ``retry_on``."""
NEVER_RETRIED = (TaskFailed, UnfitInput, UnfitResult, LimitExceeded)
"""What another attempt would come to as well, whatever its ``retry_on``."""

log = logging.getLogger("ringback.worker")


def of(
    service: Service,
    attempt: RunningAttempt,
    task: Task,
    result: bytes,
    error: BaseException | None,
) -> Command | None:
    """The command for what a function returned or raised; None if there is nothing to settle."""
    if attempt.reason is Reason.LOST:
        return None
    if error is None:
        return Succeed(attempt=attempt.attempt, result=result)
    # Asked to stop, it may raise whatever; but what it says of the work itself counts.
    if not _is(error, TaskFailed, RetryLater):
        if attempt.reason is Reason.CANCELLED:
            return Stop(attempt.attempt)
        if attempt.reason is Reason.DRAINED:
            return Release(attempt.attempt)
    return _failure(service, attempt, task, error)


def _failure(service: Service, attempt: RunningAttempt, task: Task, error: BaseException) -> Fail:
    # Half a surrogate pair in it would keep it from being stored, and from being logged.
    text = "".join(traceback.format_exception(error)).encode("utf-8", "replace").decode()
    fail = Fail(
        attempt=attempt.attempt,
        problem=to_text_bytes(_problem(service, error) | {"attempt": attempt.attempt}),
        retryable=_retryable(task, error),
        expected=_is(error, TaskFailed),
        delay=_delay(error) if isinstance(error, RetryLater) else None,
        jitter=jitter(),
        diagnosis=text[-MAX_DIAGNOSIS:],
    )
    _log(attempt, fail, error, text)
    return fail


def _log(attempt: RunningAttempt, fail: Fail, error: BaseException, text: str) -> None:
    """One line for operators, with the traceback where it is of use; else the class alone, since
    the text may hold what the caller sent.
    """
    state = attempt.state
    again = fail.retryable and not retry.exhausted(state.policy, state.failures + 1)
    if attempt.reason is Reason.CANCELLED or state.cancel_requested:
        next_ = "is cancelled"
    elif again:
        next_ = "is tried again"
    else:
        next_ = "is over, as foreseen" if fail.expected else "is a dead letter"
    level = logging.WARNING
    if fail.expected or (again and isinstance(error, RetryLater)):
        level = logging.INFO
    line = f"{attempt.task} of {attempt.id}, attempt {attempt.attempt}, failed and {next_}"
    if _of_this(error):
        log.log(level, "%s: %s", line, _name(error))
    else:
        log.log(level, "%s; it raised:\n%s", line, text)


def _delay(error: RetryLater) -> float | None:
    """After how many seconds it is to be tried again; None: the backoff says."""
    delay: object = error.delay  # whatever the application gave
    if delay is None:
        return None
    if isinstance(delay, int):
        delay = max(-MAX_DELAY, min(delay, MAX_DELAY))  # none is too large for a float
    if not isinstance(delay, int | float) or not math.isfinite(delay):
        log.error("RetryLater takes a delay in seconds, and not %r: the backoff counts.", delay)
        return None
    return min(float(delay), MAX_DELAY)


def _retryable(task: Task, error: BaseException) -> bool:
    if _is(error, *NEVER_RETRIED):
        return False
    return _is(error, *ALWAYS_RETRIED, RetryLater, *task.retry_on)


def _is(error: BaseException, *classes: type[BaseException]) -> bool:
    if isinstance(error, RemoteError):
        return error.is_any_of(classes)
    return isinstance(error, classes)


def _problem(service: Service, error: BaseException) -> dict[str, object]:
    """What the caller is told (RFC 9457)."""
    if isinstance(error, UnfitInput):
        return error.cause.problem()
    if isinstance(error, ExecutionError) and _of_this(error):
        return error.problem()
    # What an exception says may be meant for nobody outside, so a caller is told its class
    # alone; operators find the rest in the diagnosis.
    name = _name(error)
    problem = TaskFailed(f"The task raised {name}.", exception=name).problem()
    problem["type"] = "urn:ringback:problem:task-error"
    problem["title"] = "Task error"
    text = _text(error)
    if service.development and text:
        problem["detail"] = f"{name}: {text}"[:MAX_DETAIL]
    return problem


def _of_this(error: BaseException) -> bool:
    """Whether it speaks of this very operation. Our other errors are of what the function asked
    for inside, as ``rb.get``, and so is a cancellation, when nobody has cancelled this one.
    """
    if isinstance(error, OperationCancelled):
        return False
    return isinstance(error, ExecutionError | UnfitInput)


def _name(error: BaseException) -> str:
    return error.name if isinstance(error, RemoteError) else type(error).__name__


def _text(error: BaseException) -> str:
    if isinstance(error, RemoteError):
        return error.text
    try:
        return str(error)
    except Exception:  # whatever its __str__ raises
        return ""
