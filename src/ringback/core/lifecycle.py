"""The life of an operation: one table, and one function that decides.

``TRANSITIONS`` is the law. The diagram in the documentation is drawn from it, and a test
pushes every command at every state. ``decide`` turns a state and a command into a ``Change``;
it performs nothing.

At least once, and exactly one terminal state: a worker's command carries the attempt it was
given at the claim, and a command of another attempt raises ``LeaseLost`` and changes nothing.
While the operation is queued nobody's attempt runs, whatever was claimed before: what then
acts on it (an upload, say) carries ``NOBODY``.
"""

from __future__ import annotations

import msgspec

from ringback.core import retry
from ringback.core.commands import (
    VERBS,
    Cancel,
    Claim,
    Command,
    Expire,
    Fail,
    Redrive,
    Release,
    Report,
    Start,
    Stop,
    Succeed,
    Verb,
)
from ringback.core.model import (
    HELD,
    Change,
    Draft,
    Kind,
    OperationState,
    Publication,
    Status,
)
from ringback.core.view import operation_view
from ringback.errors import LeaseLost, TimedOut, TransitionError

MAX_PROGRESS_MESSAGE = 500
"""Characters of a progress message: it is a line for a person, repeated on every change."""
NOBODY = 0
"""The attempt of a command that comes from no worker; attempts count from 1."""

Q, R, S, F, C = (
    Status.QUEUED,
    Status.RUNNING,
    Status.SUCCEEDED,
    Status.FAILED,
    Status.CANCELLED,
)

TRANSITIONS: dict[tuple[Status, Verb], frozenset[Status]] = {
    (Q, Verb.START): frozenset({Q}),
    (Q, Verb.REPORT): frozenset({Q}),  # the bytes of an upload arriving, before any attempt
    (Q, Verb.CLAIM): frozenset({R}),
    (Q, Verb.FAIL): frozenset({F}),  # an upload that never came, a task nobody knows
    (Q, Verb.CANCEL): frozenset({C}),
    (R, Verb.REPORT): frozenset({R}),
    (R, Verb.SUCCEED): frozenset({S}),
    (R, Verb.FAIL): frozenset({Q, F, C}),
    (R, Verb.RELEASE): frozenset({Q, C}),
    (R, Verb.EXPIRE): frozenset({Q, F, C}),
    (R, Verb.CANCEL): frozenset({R}),
    (R, Verb.STOP): frozenset({C}),
    (S, Verb.CANCEL): frozenset({S}),
    (F, Verb.CANCEL): frozenset({F}),
    (F, Verb.REDRIVE): frozenset({F}),  # it stays failed; a new operation does the work again
    (C, Verb.CANCEL): frozenset({C}),
}
"""(status, verb) -> the statuses it may lead to. A pair that is not here is refused."""


def accept(state: OperationState) -> Change:
    """The change that brings a new operation into the store."""
    return Change(before=None, after=state)


def decide(state: OperationState, command: Command, now: float) -> Change | None:
    """What ``command`` does to ``state`` at ``now``; None when it does nothing.

    Raises ``LeaseLost`` when a worker's command is not of the running attempt, and
    ``TransitionError`` when the table has no such transition.
    """
    verb = VERBS[type(command)]
    attempt: int | None = getattr(command, "attempt", None)
    running = state.attempt if state.status is Status.RUNNING else NOBODY
    if attempt is not None and attempt != running:
        raise LeaseLost(operation=state.id, attempt=attempt, current=state.attempt)
    allowed = TRANSITIONS.get((state.status, verb))
    if allowed is None:
        takers = " or ".join(status.value for status, taken in TRANSITIONS if taken is verb)
        raise TransitionError(
            f"An operation that is {state.status.value} does not take {verb.value}: only one that "
            f"is {takers} does. Look at its status first.",
            operation=state.id,
        )
    change = _effect(state, command, now)
    if change is not None and change.after.status not in allowed:
        raise TransitionError(operation=state.id)
    return change


def _effect(state: OperationState, command: Command, now: float) -> Change | None:
    match command:
        case Claim(worker=worker):
            return claim(state, worker, now)
        case Report():
            return _report(state, command, now)
        case Succeed():
            return _succeed(state, command, now)
        case Fail():
            return _fail(state, command, now)
        case Expire(jitter=jitter):
            if not retry.lease_over(state, now):
                return None  # renewed since it was looked at
            change = _expire(state, jitter, now)
            return msgspec.structs.replace(change, lease=state.lease_until)
        case Release():
            return _requeue_or_cancel(state, now, ready_at=now)
        case Stop():
            return _finish(state, Status.CANCELLED, now)
        case Cancel():
            return _cancel(state, now)
        case Redrive():
            return _redrive(state, command, now)
        case Start(input=new_input):
            if state.ready_at != HELD:
                return None
            after = _replace(
                state,
                ready_at=now,
                updated_at=now,
                input=state.input if new_input is None else new_input,
            )
            return _status_change(state, after)


def claim(state: OperationState, worker: str, now: float) -> Change:
    """A queued operation given to a worker. For engines, which choose only from the queued."""
    # Before the first attempt there is nothing to resume but, say, an upload's own progress.
    fresh = not state.policy.resumable or state.attempt == 0
    after = _replace(
        state,
        status=Status.RUNNING,
        attempt=state.attempt + 1,
        worker=worker,
        lease_until=now + state.policy.lease,
        started_at=state.started_at if state.started_at is not None else now,
        updated_at=now,
        progress=None if fresh else state.progress,
        progress_message=None if fresh else state.progress_message,
        part_count=0 if fresh else state.part_count,
        # The status message of this claim is the offset after which its parts stand.
        parts_after=state.version + 1 if fresh else state.parts_after,
    )
    return _status_change(state, after)


def _report(state: OperationState, report: Report, now: float) -> Change | None:
    after, messages = _reported(state, report, now)
    if not messages:
        if not report.publications:
            return None
        after = _replace(state, updated_at=now)  # when its publications were made
    return Change(before=state, after=after, messages=messages, publications=report.publications)


def _reported(
    state: OperationState, report: Report, now: float
) -> tuple[OperationState, tuple[Draft, ...]]:
    """The state after a report, and what it adds to the log: parts in order, then progress."""
    drafts: list[Draft] = []
    progress, message = state.progress, state.progress_message
    for index, part in enumerate(report.parts, state.part_count):
        drafts.append(
            Draft(Kind.PART, b'{"index":%d,"attempt":%d,"data":%s}' % (index, state.attempt, part))
        )
    if report.progress is not None or report.message is not None:
        if report.progress is not None:
            progress = min(max(report.progress, 0.0), 1.0)
        if report.message is not None:
            message = report.message[:MAX_PROGRESS_MESSAGE]
        drafts.append(
            Draft(
                Kind.PROGRESS,
                _json({"attempt": state.attempt, "fraction": progress, "message": message}),
            )
        )
    if not drafts:
        return state, ()
    after = _replace(
        state,
        version=state.version + len(drafts),
        updated_at=now,
        progress=progress,
        progress_message=message,
        part_count=state.part_count + len(report.parts),
    )
    return after, tuple(drafts)


def _succeed(state: OperationState, command: Succeed, now: float) -> Change:
    reported = state
    messages: tuple[Draft, ...] = ()
    publications: tuple[Publication, ...] = ()
    if command.report is not None:
        reported, messages = _reported(state, command.report, now)
        publications = command.report.publications
    end = _finish(reported, Status.SUCCEEDED, now, result=command.result)
    return Change(
        before=state,
        after=end.after,
        messages=messages + end.messages,
        publications=publications,
        events=command.events,
    )


def _fail(state: OperationState, command: Fail, now: float) -> Change:
    if state.status is Status.QUEUED:
        return _finish(state, Status.FAILED, now, error=command.problem)
    failures = state.failures + 1
    if state.cancel_requested:
        return _finish(_replace(state, failures=failures), Status.CANCELLED, now, before=state)
    state_before, state = state, _replace(state, diagnosis=command.diagnosis)
    if command.retryable and not retry.exhausted(state.policy, failures):
        delay = command.delay
        if delay is None:
            delay = retry.backoff(state.policy, failures, command.jitter)
        after = _queued(state, now, ready_at=now + delay)
        return _status_change(
            state_before, _replace(after, failures=failures, error=command.problem)
        )
    return _finish(
        _replace(state, failures=failures),
        Status.FAILED,
        now,
        before=state_before,
        error=command.problem,
        dead_letter=not command.expected,
    )


def _expire(state: OperationState, jitter: float, now: float) -> Change:
    failures = state.failures + 1
    if state.cancel_requested:
        return _finish(_replace(state, failures=failures), Status.CANCELLED, now, before=state)
    if retry.exhausted(state.policy, failures):
        lost = TimedOut(
            f"The worker was lost {failures} times while it ran this operation; "
            "it is kept as a dead letter.",
            attempt=state.attempt,
        )
        problem = {**lost.problem(), "type": "urn:ringback:problem:worker-lost"}
        problem["title"] = "Worker lost"
        return _finish(
            _replace(state, failures=failures),
            Status.FAILED,
            now,
            before=state,
            error=_json(problem),
            dead_letter=True,
        )
    # The first lost lease is retried at once: a killed worker says nothing about the work.
    delay = 0.0 if failures == 1 else retry.backoff(state.policy, failures - 1, jitter)
    after = _queued(state, now, ready_at=now + delay)
    return _status_change(state, _replace(after, failures=failures))


def _cancel(state: OperationState, now: float) -> Change | None:
    if state.terminal or state.cancel_requested:
        return None
    if state.status is Status.QUEUED:
        return _finish(_replace(state, cancel_requested=True), Status.CANCELLED, now, before=state)
    return _status_change(state, _replace(state, cancel_requested=True, updated_at=now))


def _redrive(state: OperationState, command: Redrive, now: float) -> Change:
    if not state.dead_letter:
        raise TransitionError(
            "Only a dead letter can be redriven: this operation is none, or was redriven already. "
            "Submit the work anew, or look for the operation whose parent is this one.",
            operation=state.id,
        )
    again = OperationState(
        id=command.id,
        task=state.task,
        input=state.input,
        policy=state.policy,
        subject=state.subject,
        priority=state.priority,
        ready_at=now,
        limit_key=state.limit_key,
        parent=state.id,
        traceparent=command.traceparent,
        created_at=now,
        updated_at=now,
    )
    change = _status_change(state, _replace(state, dead_letter=False, updated_at=now))
    return msgspec.structs.replace(change, operations=(again,))


def _requeue_or_cancel(state: OperationState, now: float, *, ready_at: float) -> Change:
    if state.cancel_requested:
        return _finish(state, Status.CANCELLED, now)
    return _status_change(state, _queued(state, now, ready_at=ready_at))


def _queued(state: OperationState, now: float, *, ready_at: float) -> OperationState:
    return _replace(
        state,
        status=Status.QUEUED,
        ready_at=ready_at,
        updated_at=now,
        worker=None,
        lease_until=None,
    )


def _finish(
    state: OperationState,
    status: Status,
    now: float,
    *,
    before: OperationState | None = None,
    result: bytes | None = None,
    error: bytes | None = None,
    dead_letter: bool = False,
) -> Change:
    after = _replace(
        state,
        status=status,
        finished_at=now,
        updated_at=now,
        expires_at=now + state.policy.retention,
        progress=1.0 if status is Status.SUCCEEDED else state.progress,
        worker=None,
        lease_until=None,
        result=result,
        error=error,
        dead_letter=dead_letter,
    )
    return _status_change(before if before is not None else state, after)


def _status_change(before: OperationState, after: OperationState) -> Change:
    after = _replace(after, version=after.version + 1)
    return Change(
        before=before,
        after=after,
        messages=(Draft(Kind.STATUS, operation_view(after)),),
    )


_json = msgspec.json.encode


def _replace(state: OperationState, **changes: object) -> OperationState:
    return msgspec.structs.replace(state, **changes)
