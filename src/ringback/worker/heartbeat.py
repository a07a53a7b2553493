"""Keeping what runs alive: the leases of all are renewed in one commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from ringback.hub import rung
from ringback.service import Service
from ringback.worker.attempt import Reason
from ringback.worker.run import Run

FRACTION = 3.0
"""A lease is renewed this many times within its length, so that one late renewal costs nothing."""
LONGEST = 10.0
"""Seconds between renewals at most, so that a cancel request is seen even if its hint is lost."""
SHORTEST = 0.1
"""Seconds between renewals at least."""

log = logging.getLogger("ringback.worker")


class Heartbeat:
    """The loop that renews, and hears of what was cancelled or taken away."""

    def __init__(self, service: Service, runs: Callable[[], Collection[Run]]) -> None:
        """``runs`` are those there are now."""
        self._service = service
        self._runs = runs
        self._due = float("inf")
        self._sooner = asyncio.Event()

    def begun(self, run: Run) -> None:
        """A run was begun: its first renewal may have to come sooner than the one that is due, the
        more so where its claim took long.
        """
        state, now = run.attempt.state, self._service.clock()
        left = state.lease_until - now if state.lease_until is not None else state.policy.lease
        due = time.monotonic() + _pause(min(state.policy.lease, left))
        if due < self._due:
            self._due = due
            self._sooner.set()

    async def run(self) -> None:
        """Renew leases until cancelled. What has just begun has its lease from its claim."""
        self._due = min(self._due, time.monotonic() + LONGEST)
        while True:
            while (left := self._due - time.monotonic()) > 0:
                self._sooner.clear()
                await rung(self._sooner, left)
            now = time.monotonic()
            late, self._due = now - self._due, now + LONGEST
            running = self._runs()
            if running:
                await self._renew(running, late)

    async def _renew(self, running: Collection[Run], late: float) -> None:
        attempts = {run.attempt.id: run.attempt for run in running}
        shortest = min(attempt.state.policy.lease for attempt in attempts.values())
        self._due = min(self._due, time.monotonic() + _pause(shortest))
        try:
            lost, cancelled = await self._service.engine.renew(
                [(attempt.id, attempt.attempt) for attempt in attempts.values()],
                self._service.clock(),
            )
        except BaseException:
            self._due = time.monotonic()  # whoever begins anew does so with this
            raise
        for operation in lost:
            attempts[operation].stop(Reason.LOST)
        for operation in cancelled - lost:
            if attempts[operation].reason is None:
                attempts[operation].stop(Reason.CANCELLED)
        if late > shortest:
            log.warning("Leases were renewed %.1f s late: something blocks the loop.", late)


def _pause(lease: float) -> float:
    return min(max(lease / FRACTION, SHORTEST), LONGEST)
