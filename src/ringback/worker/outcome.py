"""How a run ended, as the command that settles it."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from ringback.core.commands import Command, Fail, Release, Stop, Succeed
from ringback.errors import LimitExceeded, RetryLater, RingbackError, TaskFailed, UnfitResult
from ringback.service import Service, jitter
from ringback.tasks.registry import Task
from ringback.worker.attempt import Reason, RunningAttempt, problem_bytes

MAX_DIAGNOSIS = 8 * 1024
"""Characters of a traceback that are kept: its end, which names the error."""

log = logging.getLogger("ringback.worker")


def success(service: Service, attempt: RunningAttempt, task: Task, value: Any) -> Command:
    try:
        result = task.signature.encode_result(value)
    except UnfitResult as error:
        return failure(service, attempt, error, retryable=False)
    if len(result) > task.max_result:
        return failure(
            service,
            attempt,
            LimitExceeded(
                f"The result has {len(result)} bytes; {task.name} allows {task.max_result}. "
                "Raise max_result=, or store it elsewhere and return a link.",
                limit=task.max_result,
            ),
            retryable=False,
        )
    report, events = attempt.pending()
    return Succeed(attempt=attempt.attempt, result=result, report=report, events=events)


def stopped(attempt: RunningAttempt) -> Command | None:
    if attempt.reason is Reason.CANCELLED:
        return Stop(attempt.attempt)
    if attempt.reason is Reason.DRAINED:
        return Release(attempt.attempt)
    return None


def raised(service: Service, attempt: RunningAttempt, task: Task, error: BaseException) -> Command:
    if isinstance(error, TaskFailed):
        return Fail(
            attempt=attempt.attempt,
            problem=problem_bytes(error.problem()),
            retryable=False,
            expected=True,
        )
    if isinstance(error, RetryLater):
        return failure(service, attempt, error, retryable=True, delay=error.delay)
    return failure(service, attempt, error, retryable=isinstance(error, task.retry_on))


def failure(
    service: Service,
    attempt: RunningAttempt,
    error: BaseException,
    *,
    retryable: bool,
    delay: float | None = None,
) -> Fail:
    if isinstance(error, RingbackError):
        problem = error.problem()
    else:
        # What an exception says may be meant for nobody outside, so a caller is told
        # its class alone; operators find the rest in the diagnosis.
        name = type(error).__name__
        problem = TaskFailed(f"The task raised {name}.", exception=name).problem()
        problem["type"] = "urn:ringback:problem:task-error"
        problem["title"] = "Task error"
        if service.development and str(error):
            problem["detail"] = f"{name}: {error}"[:500]
    problem["attempt"] = attempt.attempt
    text = "".join(traceback.format_exception(error))
    if not isinstance(error, RingbackError):
        log.warning("%s of %s raised:\n%s", attempt.task, attempt.id, text)
    return Fail(
        attempt=attempt.attempt,
        problem=problem_bytes(problem),
        retryable=retryable,
        delay=delay,
        jitter=jitter(),
        diagnosis=text[-MAX_DIAGNOSIS:],
    )
