"""Every state against every command: the table is the law, and all of it is used."""

from __future__ import annotations

import itertools
from collections import defaultdict

import msgspec
import pytest

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
from ringback.core.lifecycle import MAX_PROGRESS_MESSAGE, NOBODY, TRANSITIONS, accept, decide
from ringback.core.model import (
    HELD,
    TERMINAL,
    Change,
    Kind,
    OperationState,
    Policy,
    Publication,
    Status,
)
from ringback.core.view import operation_view
from ringback.errors import LeaseLost, TransitionError
from tests.core.states import (
    LATER,
    NOW,
    PROBLEM,
    RELEASED,
    STATES,
    after,
    commands,
    operation,
    running_attempt,
)

ATTEMPTS = (NOBODY, 1, 2, 3)
FROZEN = ("status", "result", "error", "finished_at", "started_at", "attempt", "part_count")
"""What a terminal state never changes."""


def consistent(change: Change, before: OperationState) -> None:
    """What holds for every change of an operation."""
    state = change.after
    assert change.before is before
    assert (state.id, state.task, state.policy) == (before.id, before.task, before.policy)
    assert state.version == before.version + len(change.messages)
    assert state.attempt >= before.attempt
    assert (state.lease_until is not None) == (state.status is Status.RUNNING)
    assert (state.worker is not None) == (state.status is Status.RUNNING)
    assert (state.finished_at is not None) == state.terminal == (state.expires_at is not None)
    told = [draft for draft in change.messages if draft.kind is Kind.STATUS]
    if told:
        assert change.messages[-1] is told[-1], "the newest message is the newest state"
        assert told[-1].data == operation_view(state)
    else:
        assert state.status is before.status, "a change of status is told"


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("name", STATES)
def test_every_pair(name: str, verb: Verb) -> None:
    """Nothing outside the table is accepted, and nothing inside it leads elsewhere."""
    state = STATES[name]
    allowed = TRANSITIONS.get((state.status, verb))
    for attempt in ATTEMPTS:
        for command in commands(verb, attempt):
            theirs = getattr(command, "attempt", None)
            if theirs is not None and theirs != running_attempt(state):
                with pytest.raises(LeaseLost):
                    decide(state, command, LATER)
            elif allowed is None:
                with pytest.raises(TransitionError, match=r"only one that is [a-z ]+ does\. Look"):
                    decide(state, command, LATER)
            else:
                try:
                    change = decide(state, command, LATER)
                except TransitionError:
                    assert verb is Verb.REDRIVE, "only a dead letter is redriven"
                    assert not state.dead_letter
                    continue
                if change is not None:
                    assert change.after.status in allowed
                    consistent(change, state)


def test_every_target_is_reached() -> None:
    """The table promises no transition that cannot happen."""
    reached: dict[tuple[Status, Verb], set[Status]] = defaultdict(set)
    for state, verb, attempt in itertools.product(STATES.values(), Verb, ATTEMPTS):
        for command in commands(verb, attempt):
            try:
                change = decide(state, command, LATER)
            except (LeaseLost, TransitionError):
                continue
            reached[state.status, verb].add(state.status if change is None else change.after.status)
    assert reached == {pair: set(targets) for pair, targets in TRANSITIONS.items()}


def test_the_table_covers_every_verb_and_ends_where_it_says() -> None:
    assert set(VERBS.values()) == set(Verb)
    assert {verb for _, verb in TRANSITIONS} == set(Verb)
    for (status, _), targets in TRANSITIONS.items():
        if status in TERMINAL:
            assert targets == {status}


@pytest.mark.parametrize("name", [name for name, state in STATES.items() if state.terminal])
def test_a_terminal_state_never_changes(name: str) -> None:
    state = STATES[name]
    for verb, attempt in itertools.product(Verb, ATTEMPTS):
        for command in commands(verb, attempt):
            try:
                change = decide(state, command, LATER)
            except (LeaseLost, TransitionError):
                continue
            if change is not None:
                for field in FROZEN:
                    assert getattr(change.after, field) == getattr(state, field), field


@pytest.mark.parametrize(
    "late",
    [
        Report(attempt=1, progress=0.9),
        Succeed(attempt=1, result=b"1"),
        Fail(attempt=1, problem=PROBLEM),
        Release(1),
        Stop(1),
        Expire(1),
    ],
    ids=lambda command: type(command).__name__,
)
@pytest.mark.parametrize("then", [(), (Claim("other"),), (Cancel(),)], ids=["q", "r", "c"])
def test_a_late_worker_is_fenced(late: Command, then: tuple[Command, ...]) -> None:
    """Also while the operation waits for its next attempt, when its number is still the last."""
    state = after(operation(), *RELEASED, *then)
    with pytest.raises(LeaseLost) as lost:
        decide(state, late, LATER)
    assert lost.value.fields["attempt"] == 1


def test_a_claim_gives_a_lease() -> None:
    state = after(operation(policy=Policy(lease=7.0)), Claim("somebody"))
    assert (state.attempt, state.worker, state.lease_until) == (1, "somebody", NOW + 7.0)
    assert state.started_at == NOW
    again = after(state, Release(1), Claim("other"), now=NOW + 5)
    assert (again.attempt, again.worker, again.started_at) == (2, "other", NOW)


def test_a_new_attempt_begins_its_partial_results_anew() -> None:
    state = after(operation(), Claim("w"), Report(attempt=1, parts=(b"1", b"2"), progress=0.4))
    assert (state.part_count, state.progress, state.version) == (2, 0.4, 4)
    state = after(state, Release(1), Claim("w"))
    assert (state.part_count, state.progress) == (0, None)
    assert state.parts_after == state.version, "its parts stand after the message of this claim"


def test_a_resumable_one_keeps_its_partial_results() -> None:
    policy = Policy(resumable=True)
    state = after(operation(policy=policy), Claim("w"), Report(attempt=1, parts=(b"1", b"2")))
    state = after(state, Release(1), Claim("w"))
    assert (state.part_count, state.parts_after) == (2, 1)
    change = decide(state, Report(attempt=2, parts=(b"3",)), NOW)
    assert change is not None
    assert change.messages[0].data == b'{"index":2,"attempt":2,"data":3}'


def test_the_first_attempt_begins_anew_whatever_was_reported_before() -> None:
    """An upload's progress is not the function's, resumable or not."""
    held = operation(ready_at=HELD, policy=Policy(resumable=True))
    state = after(held, Report(attempt=NOBODY, progress=1.0), Start(), Claim("w"))
    assert (state.progress, state.parts_after) == (None, state.version)


def test_a_report_is_parts_in_order_then_progress() -> None:
    state = after(operation(), Claim("w"))
    report = Report(attempt=1, parts=(b"1", b"[2]"), progress=2.0, message="x" * 1000)
    change = decide(state, report, NOW + 1)
    assert change is not None
    assert [draft.kind for draft in change.messages] == [Kind.PART, Kind.PART, Kind.PROGRESS]
    assert [msgspec.json.decode(draft.data)["index"] for draft in change.messages[:2]] == [0, 1]
    told = msgspec.json.decode(change.messages[2].data)
    assert told == {"attempt": 1, "fraction": 1.0, "message": "x" * MAX_PROGRESS_MESSAGE}
    assert (change.after.progress, change.after.updated_at) == (1.0, NOW + 1)
    assert change.after.lease_until == state.lease_until


def test_a_report_of_nothing_does_nothing() -> None:
    assert decide(after(operation(), Claim("w")), Report(attempt=1), NOW) is None


def test_publications_alone_are_of_the_time_they_were_made() -> None:
    state = after(operation(), Claim("w"))
    publication = Publication("news", b"1")
    change = decide(state, Report(attempt=1, publications=(publication,)), NOW + 60)
    assert change is not None
    assert change.publications == (publication,)
    assert (change.messages, change.after.version) == ((), state.version)
    assert change.after.updated_at == NOW + 60


def test_success_carries_what_was_still_to_be_reported() -> None:
    state = after(operation(), Claim("w"))
    (_, with_report) = commands(Verb.SUCCEED, 1)
    change = decide(state, with_report, NOW + 9)
    assert change is not None
    assert [draft.kind for draft in change.messages] == [
        Kind.PART,
        Kind.PART,
        Kind.PROGRESS,
        Kind.STATUS,
    ]
    assert len(change.publications) == len(change.events) == 1
    done = change.after
    assert (done.status, done.result, done.progress) == (Status.SUCCEEDED, b"1", 1.0)
    assert (done.finished_at, done.expires_at) == (NOW + 9, NOW + 9 + done.policy.retention)


def test_a_failure_is_tried_again_until_its_attempts_are_used() -> None:
    state = operation(policy=Policy(max_attempts=3))
    for attempt in (1, 2, 3):
        state = after(state, Claim("w"), Fail(attempt=attempt, problem=PROBLEM, jitter=0.5))
        assert state.failures == attempt
        if attempt < 3:
            assert state.status is Status.QUEUED
            assert state.ready_at > NOW
    assert (state.status, state.dead_letter, state.error) == (Status.FAILED, True, PROBLEM)


def test_a_failure_that_was_expected_is_no_dead_letter() -> None:
    assert STATES["dead letter"].dead_letter
    assert not STATES["failed"].dead_letter


def test_the_function_may_say_when_to_try_again() -> None:
    state = after(operation(), Claim("w"), Fail(attempt=1, problem=PROBLEM, delay=42.0))
    assert state.ready_at == NOW + 42.0


def test_a_release_is_no_failure() -> None:
    state = after(operation(), Claim("w"), Release(1), now=NOW + 1)
    assert (state.status, state.failures, state.ready_at) == (Status.QUEUED, 0, NOW + 1)


def test_a_lease_is_not_expired_before_it_is_over() -> None:
    state = after(operation(policy=Policy(lease=10)), Claim("w"))
    assert decide(state, Expire(1), NOW + 9.9) is None
    change = decide(state, Expire(1), NOW + 10)
    assert change is not None
    assert change.lease == state.lease_until, "a renewal in the meantime makes it void"


def test_the_first_lost_lease_is_tried_again_at_once_and_the_next_ones_later() -> None:
    state = after(operation(), Claim("w"))
    state = after(state, Expire(1, 0.5), now=LATER)
    assert (state.status, state.failures, state.ready_at) == (Status.QUEUED, 1, LATER)
    state = after(state, Claim("w"), now=LATER)
    state = after(state, Expire(2, 0.5), now=LATER + 1000)
    assert state.ready_at > LATER + 1000


def test_an_operation_that_loses_all_its_workers_is_a_dead_letter() -> None:
    state = operation(policy=Policy(max_attempts=2, lease=1))
    now = NOW
    for attempt in (1, 2):
        state = after(state, Claim("w"), now=now)
        now += 1000
        state = after(state, Expire(attempt), now=now)
    assert (state.status, state.dead_letter) == (Status.FAILED, True)
    problem = msgspec.json.decode(state.error or b"")
    assert problem["type"] == "urn:ringback:problem:worker-lost"


@pytest.mark.parametrize(
    "command", [Fail(attempt=1, problem=PROBLEM), Release(1), Expire(1), Stop(1)]
)
def test_what_is_to_be_cancelled_is_not_tried_again(command: Command) -> None:
    assert after(STATES["running, to be cancelled"], command, now=LATER).status is Status.CANCELLED


def test_what_is_to_be_cancelled_may_still_succeed() -> None:
    done = after(STATES["running, to be cancelled"], Succeed(attempt=1, result=b"1"))
    assert done.status is Status.SUCCEEDED


def test_cancelling_twice_does_nothing() -> None:
    assert decide(STATES["running, to be cancelled"], Cancel(), NOW) is None


def test_a_held_operation_is_started_once_with_what_is_known_by_then() -> None:
    held = operation(ready_at=HELD)
    started = after(held, Start(b'{"size":1}'), now=NOW + 5)
    assert (started.ready_at, started.input) == (NOW + 5, b'{"size":1}')
    assert decide(started, Start(b"other"), NOW + 6) is None
    assert after(held, Start(), now=NOW + 5).input == held.input


def test_an_upload_reports_and_fails_before_any_attempt() -> None:
    held = operation(ready_at=HELD)
    state = after(held, Report(attempt=NOBODY, progress=0.5))
    assert (state.progress, state.status) == (0.5, Status.QUEUED)
    failed = after(state, Fail(attempt=NOBODY, problem=PROBLEM))
    assert (failed.status, failed.dead_letter, failed.error) == (Status.FAILED, False, PROBLEM)


def test_a_redrive_makes_a_new_operation_once() -> None:
    dead = after(
        operation(limit_key="k", priority=3, subject="me"),
        Claim("w"),
        Fail(attempt=1, problem=PROBLEM, retryable=False),
    )
    change = decide(dead, Redrive("again", "trace"), LATER)
    assert change is not None
    (again,) = change.operations
    for field in ("task", "input", "policy", "subject", "priority", "limit_key"):
        assert getattr(again, field) == getattr(dead, field), field
    assert (again.id, again.parent, again.status) == ("again", dead.id, Status.QUEUED)
    assert (again.attempt, again.failures, again.version, again.ready_at) == (0, 0, 0, LATER)
    assert not change.after.dead_letter
    with pytest.raises(TransitionError, match="redriven already"):
        decide(change.after, Redrive("once more"), LATER)


def test_an_acceptance_is_the_state_and_no_message() -> None:
    state = operation()
    assert accept(state) == Change(before=None, after=state)
