"""When to try again, and when a lease is over."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core import retry
from ringback.core.commands import Claim, Fail
from ringback.core.model import HELD, Policy
from tests.core.states import NOW, PROBLEM, after, operation

policies = st.builds(
    Policy,
    max_attempts=st.integers(1, 1000),
    backoff_base=st.floats(0, 1e6),
    backoff_factor=st.floats(1, 1e6),
    backoff_cap=st.floats(0, 1e6),
    lease=st.floats(0.2, 1e5),
)
jitters = st.floats(0, 1, exclude_max=True)


@given(policies, st.integers(0, 10_000), jitters)
def test_a_backoff_is_drawn_from_the_whole_delay(
    policy: Policy, failures: int, jitter: float
) -> None:
    """Full jitter: from nothing up to the ceiling, which grows with each failure up to the cap."""
    ceiling = retry.backoff(policy, failures, 1.0)
    assert 0 <= retry.backoff(policy, failures, jitter) <= ceiling <= policy.backoff_cap
    assert retry.backoff(policy, failures, 0.0) == 0
    assert retry.backoff(policy, failures, jitter) == pytest.approx(jitter * ceiling)
    assert retry.backoff(policy, failures + 1, 1.0) >= ceiling


def test_a_backoff_doubles_up_to_its_cap() -> None:
    policy = Policy(backoff_base=1, backoff_factor=2, backoff_cap=10)
    ceilings = [retry.backoff(policy, failures, 1.0) for failures in range(1, 7)]
    assert ceilings == [1, 2, 4, 8, 10, 10]


@given(policies, jitters)
def test_a_retry_is_ready_within_its_backoff(policy: Policy, jitter: float) -> None:
    policy = msgspec.structs.replace(policy, max_attempts=2)
    state = operation(policy=policy)
    state = after(state, Claim("w"), Fail(attempt=1, problem=PROBLEM, jitter=jitter))
    assert 0 <= state.ready_at - NOW <= min(policy.backoff_cap, policy.backoff_base) + 1e-6


@given(st.integers(1, 100), st.integers(0, 200))
def test_attempts_are_exhausted_when_all_have_failed(attempts: int, failures: int) -> None:
    policy = Policy(max_attempts=attempts)
    assert retry.exhausted(policy, failures) == (failures >= attempts)


@given(policies, st.floats(-1e7, 1e7))
def test_a_lease_holds_from_its_making_to_its_end(policy: Policy, passed: float) -> None:
    """And not outside: after its end, or when the clock was set back to before its making."""
    state = after(operation(policy=policy), Claim("w"))
    over = retry.lease_over(state, NOW + passed)
    if 0 <= passed < policy.lease - 1e-3:
        assert not over
    if passed > policy.lease + 1e-3 or passed < -retry.CLOCK_SLACK - 1e-3:
        assert over


def test_a_lease_made_by_a_clock_slightly_ahead_holds() -> None:
    state = after(operation(), Claim("w"))
    assert not retry.lease_over(state, NOW - retry.CLOCK_SLACK / 2)


def test_what_has_no_lease_has_no_worker() -> None:
    assert retry.lease_over(operation(), NOW)


@given(st.floats(0, 1e6), st.integers(0, 3), st.floats(0, 1e6))
def test_a_wait_ends_at_its_time_while_the_clock_goes_forward(
    delay: float, attempt: int, passed: float
) -> None:
    assert retry.waits_until(NOW + delay, NOW, attempt, NOW + passed) == NOW + delay


@given(st.floats(0, 1e6), st.floats(2, 1e7))
def test_a_wait_is_no_longer_for_a_clock_that_was_set_back(delay: float, back: float) -> None:
    until = retry.waits_until(NOW + delay, NOW, 1, NOW - back)
    assert until == pytest.approx(NOW - back + delay)


def test_a_fresh_operation_does_not_wait_for_the_old_time_to_come_round() -> None:
    assert retry.waits_until(NOW, NOW, 0, NOW - 3600) == NOW - 3600


@pytest.mark.parametrize("named", [NOW + 100, HELD])
def test_a_time_that_was_named_stays(named: float) -> None:
    """A caller's `start_at`, and what is held, whatever the clock does."""
    assert retry.waits_until(named, NOW, 0, NOW - 3600) == named
