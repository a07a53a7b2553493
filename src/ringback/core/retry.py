"""When to try again, and when a lease is over. Pure: the jitter and the time are arguments."""

from __future__ import annotations

from ringback.core.model import OperationState, Policy

CLOCK_SLACK = 1.0
"""Seconds that a time may lie further ahead than it can before the clock is held to have jumped:
what the clocks of several machines differ by."""


def backoff(policy: Policy, failures: int, jitter: float) -> float:
    """Seconds to wait after the ``failures``-th failure: exponential, with full jitter.

    ``jitter`` is uniform in [0, 1); the whole delay is drawn, so that operations that failed
    together do not come back together.
    """
    exponent = min(max(failures - 1, 0), 64)
    try:
        ceiling = policy.backoff_base * policy.backoff_factor**exponent
    except OverflowError:
        ceiling = policy.backoff_cap
    return jitter * min(policy.backoff_cap, ceiling)


def exhausted(policy: Policy, failures: int) -> bool:
    """Whether so many failures leave no further attempt."""
    return failures >= policy.max_attempts


def lease_over(state: OperationState, now: float) -> bool:
    """Whether a running operation's worker is held to be gone.

    A lease that ends later than a lease can from now was made before the clock was set back.
    It says nothing any more, and counts as over: its worker, if alive, is fenced, and the
    operation is tried again, rather than hang until the old time comes round.
    """
    until = state.lease_until
    if until is None:
        return True
    return until <= now or until > now + state.policy.lease + CLOCK_SLACK


def waits_until(ready_at: float, queued_at: float, attempt: int, now: float) -> float:
    """When an operation queued at ``queued_at`` may be claimed, seen from ``now``: its
    ``ready_at``, unless the clock was set back since.

    Queued later than now, it waits as long as it had to then, but from now on; else it would
    hang until the old time came round. A time that the caller named stays what it is.
    """
    named = attempt == 0 and ready_at > queued_at
    if queued_at <= now + CLOCK_SLACK or named:
        return ready_at
    return now + max(0.0, ready_at - queued_at)
