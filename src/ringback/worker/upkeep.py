"""What any worker process does for the whole store: expire leases, delete what is past its time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from ringback.core.commands import Expire
from ringback.core.model import OperationState, Status
from ringback.errors import LeaseLost, RingbackError, StoreUnavailable, TransitionError
from ringback.service import Service, jitter

LOOK_EVERY = 0.5
"""Seconds between two looks for leases that are over."""
SWEEP_EVERY = 5.0
"""Seconds between two deletions, while there is little to delete."""
SWEEP_AGAIN = 0.05
"""Seconds between two deletions while there is more, so that requests get their turn."""
OVERDUE_BATCH = 100
"""Leases expired in one look."""
LATE = 1 / 3
"""Fraction of a lease by which a look may be late and still say something about a worker."""
CLOCK_JUMP = 1.0
"""Seconds by which the wall clock may run away from the monotonic one between two looks; more
is a jump, and no lease is held to be over until its worker had the time to renew it."""

log = logging.getLogger("ringback.upkeep")


class ClockWatch:
    """Notices when the wall clock was set."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._distrusted_at = float("-inf")

    def look(self, wall: float, monotonic: float) -> float:
        """Note both clocks; returns by how many seconds the wall clock jumped, 0 if it did not."""
        jump = (wall - self._wall) - (monotonic - self._monotonic)
        self._wall, self._monotonic = wall, monotonic
        if abs(jump) > CLOCK_JUMP:
            self.distrust(monotonic)
            return jump
        return 0.0

    def distrust(self, monotonic: float) -> None:
        """Nobody could renew a lease just now, or by what it is measured has changed."""
        self._distrusted_at = monotonic

    def trusts(self, lease: float, monotonic: float) -> bool:
        """Whether a lease of this length was renewed since, if anybody holds it."""
        return monotonic - self._distrusted_at > lease


class Upkeep:
    """The loop that looks after leases and retention."""

    def __init__(
        self, service: Service, is_ours: Callable[[OperationState], bool] = lambda state: False
    ) -> None:
        """``is_ours``: whether an operation runs in this very process, and so is alive."""
        self._service = service
        self._is_ours = is_ours
        self._clock = ClockWatch(service.clock(), time.monotonic())
        self._excused: set[tuple[str, int]] = set()
        """What was left alone in the last look only because that came late."""
        self._left_alone = 0
        """How many were, for whatever reason: so many more are asked for in the next, or they would
        hide the others."""

    def distrust(self) -> None:
        """The store could not be reached: for a lease's length, a lease that is over says nothing
        of its worker, who may not have reached it either.
        """
        self._clock.distrust(time.monotonic())

    async def run(self) -> None:
        """Look after the store until cancelled."""
        sweep_at, late = 0.0, 0.0
        while True:
            await self.expire(late)
            if time.monotonic() >= sweep_at:
                gone = await self._service.engine.sweep(self._service.clock())
                sweep_at = time.monotonic() + (SWEEP_AGAIN if gone else SWEEP_EVERY)
            slept_at = time.monotonic()
            pause = SWEEP_AGAIN if sweep_at - slept_at < LOOK_EVERY else LOOK_EVERY
            await asyncio.sleep(pause)
            late = time.monotonic() - slept_at - pause

    async def expire(self, late: float = 0.0) -> int:
        """Take operations away from workers that are gone; how many.

        ``late``: by how many seconds this look came too late. Who had to wait that long for the
        processor cannot blame another for it: what looks abandoned is looked at once more.
        """
        service = self._service
        now, monotonic = service.clock(), time.monotonic()
        jump = self._clock.look(now, monotonic)
        if jump:
            log.warning(
                "The clock was set by %+.1f s. Leases are left alone until they were renewed.", jump
            )
        expired = 0
        before, self._excused = self._excused, set()
        limit, self._left_alone = OVERDUE_BATCH + self._left_alone, 0
        for state in await service.engine.overdue(now, limit):
            if self._is_ours(state) or not self._clock.trusts(state.policy.lease, monotonic):
                self._left_alone += 1
                continue
            this = (state.id, state.attempt)
            if late > state.policy.lease * LATE and this not in before:
                self._excused.add(this)
                self._left_alone += 1
                continue
            try:
                after = await service.apply(state, Expire(state.attempt, jitter()))
            except (LeaseLost, TransitionError):
                continue  # it was settled after all, or another process was faster
            except StoreUnavailable:
                self.distrust()
                raise
            except RingbackError as error:
                log.warning("The lease of %s cannot be expired: %s", state.id, error)
                continue
            if after.status is Status.RUNNING:
                continue  # it was renewed after all
            expired += 1
            log.warning("The worker %s of %s was lost.", state.worker, state.id)
        return expired
