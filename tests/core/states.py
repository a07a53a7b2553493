"""Operations in every state, made by the commands that lead there.

What does not belong here: expectations. What a state may do is `lifecycle.TRANSITIONS`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from ringback.core.commands import (
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
from ringback.core.lifecycle import NOBODY, decide
from ringback.core.model import HELD, Event, OperationState, Policy, Publication, Status

NOW = 1_800_000_000.0
"""When everything here begins."""
PROBLEM = b'{"title":"It failed"}'

_numbers = itertools.count(1)


def operation(now: float = NOW, policy: Policy | None = None, **fields: Any) -> OperationState:
    """A fresh operation, as the service would make one."""
    state = OperationState(
        id=f"00000000-0000-7000-8000-{next(_numbers):012x}",
        task="task",
        input=b"{}",
        policy=policy or Policy(),
        created_at=now,
        updated_at=now,
        ready_at=now,
    )
    return msgspec.structs.replace(state, **fields)


def after(state: OperationState, *commands: Command, now: float = NOW) -> OperationState:
    """The state once all of these were decided."""
    for command in commands:
        change = decide(state, command, now)
        assert change is not None, f"{command} does nothing"
        state = change.after
    return state


RELEASED = (Claim("w"), Release(1))
LAST = Policy(max_attempts=1)

STATES: dict[str, OperationState] = {
    "queued": operation(),
    "held": operation(ready_at=HELD),
    "queued again": after(operation(), *RELEASED),
    "running": after(operation(), Claim("w")),
    "running, second attempt": after(operation(), *RELEASED, Claim("w")),
    "running, last attempt": after(operation(policy=LAST), Claim("w")),
    "running, to be cancelled": after(operation(), Claim("w"), Cancel()),
    "succeeded": after(operation(), Claim("w"), Succeed(attempt=1, result=b"1")),
    "failed": after(
        operation(),
        Claim("w"),
        Fail(attempt=1, problem=PROBLEM, retryable=False, expected=True),
    ),
    "dead letter": after(
        operation(), Claim("w"), Fail(attempt=1, problem=PROBLEM, retryable=False)
    ),
    "cancelled": after(operation(), Cancel()),
}

LATER = NOW + 1000.0
"""When the leases of all of these are over."""
REPORT = Report(
    attempt=1,
    progress=0.5,
    message="half",
    parts=(b"1", b"2"),
    publications=(Publication("t", b"1"),),
)
EVENT = Event(id="e", source="/a", type="x", time=NOW, data=b"{}")


def commands(verb: Verb, attempt: int) -> Sequence[Command]:
    """Every kind of command of a verb, for one attempt."""
    fail = Fail(attempt=attempt, problem=PROBLEM, diagnosis="a traceback")
    report = msgspec.structs.replace(REPORT, attempt=attempt)
    replace = msgspec.structs.replace
    table: dict[Verb, Sequence[Command]] = {
        Verb.START: [Start(), Start(b"[1]")],
        Verb.CLAIM: [Claim("w")],
        Verb.REPORT: [
            report,
            Report(attempt=attempt),
            Report(attempt=attempt, publications=report.publications),
        ],
        Verb.SUCCEED: [
            Succeed(attempt=attempt, result=b"1"),
            Succeed(attempt=attempt, result=b"1", report=report, events=(EVENT,)),
        ],
        Verb.FAIL: [
            fail,
            replace(fail, retryable=False),
            replace(fail, retryable=False, expected=True),
            replace(fail, delay=5.0),
        ],
        Verb.RELEASE: [Release(attempt)],
        Verb.EXPIRE: [Expire(attempt), Expire(attempt, 0.5)],
        Verb.CANCEL: [Cancel()],
        Verb.STOP: [Stop(attempt)],
        Verb.REDRIVE: [Redrive("00000000-0000-7000-8000-ffffffffffff")],
    }
    return table[verb]


def running_attempt(state: OperationState) -> int:
    """The attempt whose commands count now."""
    return state.attempt if state.status is Status.RUNNING else NOBODY
