"""Claim, run, keep alive, settle, drain.

A worker claims operations under leases, runs them, renews the leases of all in one commit,
and settles each with what it returned or raised. It also does the upkeep that any process
may do: expiring leases of workers that are gone, and deleting what is past its retention.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from ringback.core.commands import Command
from ringback.core.model import Claimed, Demand, OperationState
from ringback.errors import StoreUnavailable
from ringback.hub import rung
from ringback.ports import EVERYTHING, QUEUE
from ringback.service import Service
from ringback.tasks.options import check_found
from ringback.tasks.registry import RunIn
from ringback.worker.attempt import Reason
from ringback.worker.heartbeat import Heartbeat
from ringback.worker.run import STOP_GRACE, Run
from ringback.worker.runners import Runners
from ringback.worker.upkeep import Upkeep

__all__ = ["STOP_GRACE", "Worker"]

POLL_EVERY = 1.0
"""Seconds between two claims when no hint comes: how late a lost hint can make a start."""
MAX_CLAIM = 128
"""Operations claimed in one transaction: a few milliseconds of statements on the loop."""
STORE_PAUSE = 1.0
"""Seconds to wait after the store could not be reached."""
LAST_WAIT = 1.0
"""Seconds to wait at the very end for asyncio tasks that were cancelled."""
LEFT_PER_SLOT = 4
"""Abandoned functions that have not ended, for each slot, that keep none: a few that hang must not
stop all work. Each holds its thread and what it works on, so there is a bound; those beyond it keep
their slots, and the worker does less rather than run out of memory."""
LEFT_AT_LEAST = 32
"""The same bound where there are few slots: so many threads that wait cost next to nothing."""
HELD: dict[RunIn, str] = {"loop": "places on the event loop", "thread": "threads"}
"""What a function that does not end holds; one in a process is killed."""

log = logging.getLogger("ringback.worker")

KINDS: tuple[RunIn, ...] = ("loop", "thread", "process")


class Worker:
    """Runs an application's operations, in this process."""

    def __init__(
        self,
        service: Service,
        *,
        name: str | None = None,
        chores: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """``chores`` are further loops that look after the store, run while the worker runs."""
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._service = service
        settings = service.settings
        self._capacity: dict[RunIn, int] = {
            "loop": settings.concurrency,
            "thread": settings.threads,
            "process": settings.processes,
        }
        self._tasks: dict[RunIn, list[str]] = {
            kind: [t.name for t in service.registry.tasks.values() if t.run_in == kind]
            for kind in KINDS
        }
        self._busy: dict[RunIn, int] = dict.fromkeys(KINDS, 0)
        self._left: dict[RunIn, int] = dict.fromkeys(KINDS, 0)
        """Abandoned runs whose functions have not ended."""
        self._slotless: dict[RunIn, int] = {
            kind: max(LEFT_AT_LEAST, LEFT_PER_SLOT * slots) if kind in HELD else 0
            for kind, slots in self._capacity.items()
        }
        """How many of those keep no slot."""
        self._runs: dict[str, Run] = {}
        """What is not settled yet, by the topic of its operation."""
        self._tending: set[asyncio.Task[None]] = set()
        """All asyncio tasks of single operations."""
        self._runners = Runners(service, settings.processes)
        self._heartbeat = Heartbeat(service, self._runs.values)
        self._upkeep = Upkeep(service, self._is_ours)
        self._chores = chores
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._giving_back = False
        self._stopped = asyncio.Event()
        self._claiming: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], None] | None = None

    @property
    def running(self) -> int:
        """How many operations it runs now."""
        return len(self._runs)

    async def start(self) -> None:
        """Begin to claim. Raises ``ConfigurationError`` for a task that no process can run."""
        for task in self._service.registry.tasks.values():
            if task.run_in == "process":
                check_found(task)
        await self._name_orphans()
        self._unlisten = self._service.engine.listen(self._hint)
        create = asyncio.get_running_loop().create_task
        self._claiming = create(self._forever(self._claim_loop), name="ringback-claim")
        self._loops = [
            create(self._forever(self._heartbeat.run), name="ringback-heartbeat"),
            create(self._forever(self._upkeep.run), name="ringback-upkeep"),
            *(create(self._forever(chore), name="ringback-chore") for chore in self._chores),
        ]

    async def _name_orphans(self) -> None:
        """Say which operations nobody will run: a task was renamed, or is of another program."""
        known = self._service.registry.tasks
        for name, count in sorted((await self._service.engine.count_queued_by_task()).items()):
            if name not in known:
                log.warning(
                    "%d queued operations are of %r, which is no task of this application, and so "
                    "wait for ever. Give a task that name again, or cancel them: "
                    "`ringback ops list --task %s` shows them.",
                    count,
                    name,
                    name,
                )

    async def stop(self, grace: float) -> None:
        """Claim no more; let what runs go on for ``grace`` seconds; give the rest back."""
        if self._draining:
            await self._stopped.wait()
            return
        self._draining = True
        self._wake.set()
        if self._runs:
            log.info("Draining: %d operations may run on for %g s.", len(self._runs), grace)
        try:
            if not await self._ended_within(grace):
                self._giving_back = True
                for run in tuple(self._runs.values()):
                    run.attempt.stop(Reason.DRAINED)
                await self._ended_within(STOP_GRACE)
        finally:
            left = {*self._loops, *self._tending}
            if self._claiming is not None:
                left.add(self._claiming)
            for task in left:
                task.cancel()
            if self._unlisten is not None:
                self._unlisten()
            self._runners.close()
            self._stopped.set()
        if left:
            _, ignoring = await asyncio.wait(left, timeout=LAST_WAIT)
            for task in ignoring:
                _close(task)
            if ignoring:
                await asyncio.wait(ignoring, timeout=LAST_WAIT)

    async def _ended_within(self, seconds: float) -> bool:
        """Whether what runs, and a claim that is under way, came to its end in this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._claiming is not None:
                    # What it claims would hang until its lease is over, were it cut short.
                    await asyncio.wait({self._claiming})
                await self._idle.wait()
                return True
        return False

    async def _forever(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run one of the loops; a store that is away, or a mistake, does not end it."""
        while True:
            try:
                await loop()
                if self._draining:
                    return
            except StoreUnavailable as error:
                if loop not in self._chores:  # their store may be another
                    self._upkeep.distrust()
                log.warning("The store is unavailable: %s", error)
            except Exception:
                log.exception("The worker goes on after an unexpected error.")
            await asyncio.sleep(STORE_PAUSE)

    # Claiming

    def _hint(self, changed: frozenset[str]) -> None:
        if EVERYTHING in changed:
            self._wake.set()
            noticed = list(self._runs.values())
        else:
            if QUEUE in changed:
                self._wake.set()
            noticed = [self._runs[topic] for topic in self._runs.keys() & changed]
        for run in noticed:
            attempt = run.attempt
            if not attempt.closed and not attempt.writing:
                self._tend(attempt.notice())

    async def _claim_loop(self) -> None:
        while not self._draining:
            self._wake.clear()
            wait = await self._claim()
            if wait > 0 and not self._draining:
                await rung(self._wake, wait)

    async def _claim(self) -> float:
        """Claim for each kind of runner that has room; the seconds until asking again."""
        now = self._service.clock()
        claims: dict[asyncio.Future[Claimed], int] = {}
        for kind, names in self._tasks.items():
            room = min(self._room(kind), MAX_CLAIM)
            if room > 0 and names:
                demands = [Demand(name, room) for name in names]
                claims[asyncio.ensure_future(self._claimed(demands, room, now))] = room
        if not claims:
            return POLL_EVERY
        await asyncio.wait(claims)
        wait = POLL_EVERY
        failed: BaseException | None = None
        for claim, room in claims.items():
            failed = claim.exception() or failed
            if claim.exception() is None:
                claimed = claim.result()
                for state in claimed.operations:
                    self._begin(state)
                if len(claimed.operations) >= room:
                    wait = 0.0  # there may be more, and another worker's room is not ours
                elif claimed.next_ready_at is not None:
                    wait = min(wait, max(0.001, claimed.next_ready_at - now))
        if failed is not None:
            raise failed
        return wait

    async def _claimed(self, demands: Sequence[Demand], room: int, now: float) -> Claimed:
        """What a claim gets. One that is refused at once is to take no other with it."""
        return await self._service.engine.claim(self.name, demands, room, now)

    def _room(self, kind: RunIn) -> int:
        """Slots that are free."""
        kept = max(0, self._left[kind] - self._slotless[kind])
        return self._capacity[kind] - self._busy[kind] - kept

    def _begin(self, state: OperationState) -> None:
        task = self._service.registry.tasks[state.task]
        self._busy[task.run_in] += 1
        self._idle.clear()
        run = Run(self._service, task, state, self._abandon)
        if (lost := self._runs.get(state.topic)) is not None:
            # It was taken away, and has come back here: from now on only this one is renewed, and
            # that other would not hear of it.
            lost.attempt.stop(Reason.LOST)
        self._runs[state.topic] = run
        self._heartbeat.begun(run)
        if self._giving_back:
            run.attempt.stop(Reason.DRAINED)
        self._tend(self._handle(run))

    def _tend(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tending.add(task)
        task.add_done_callback(self._tending.discard)

    # Running

    async def _handle(self, run: Run) -> None:
        command = None
        try:
            command = await run.carry_out(self._runners.call)
        except Exception:
            log.exception("%s of %s went wrong here.", run.task.name, run.attempt.id)
        finally:
            # Its slot is free before it is settled: the next claim then shares the commit.
            (self._left if run.abandoned else self._busy)[run.task.run_in] -= 1
            self._wake.set()
        if not run.abandoned:
            await self._settle(run, command)

    def _abandon(self, run: Run) -> None:
        kind = run.task.run_in
        self._busy[kind] -= 1
        self._left[kind] += 1
        if kind in HELD:
            log.warning(
                "%s of %s does not end; it is settled without it.", run.task.name, run.attempt.id
            )
            if self._left[kind] > self._slotless[kind] and not self._draining:
                log.error(
                    "%d functions do not end and hold %s; restart this worker. "
                    "It runs fewer others meanwhile.",
                    self._left[kind],
                    HELD[kind],
                )
        self._wake.set()
        self._tend(self._settle(run, run.left()))

    async def _settle(self, run: Run, command: Command | None) -> None:
        attempt = run.attempt
        try:
            if command is not None:
                await attempt.settle(command)
        except Exception:
            log.exception(
                "%s of %s could not be settled; its lease will run out.", run.task.name, attempt.id
            )
        finally:
            attempt.release()
            topic = attempt.state.topic
            if self._runs.get(topic) is run:
                del self._runs[topic]
            if not self._runs:
                self._idle.set()

    def _is_ours(self, state: OperationState) -> bool:
        """Whether it runs here: then it is alive, whatever its lease says."""
        run = self._runs.get(state.topic)
        return run is not None and run.attempt.attempt == state.attempt


def _close(task: asyncio.Task[None]) -> None:
    """End a function that ignores being cancelled: it would keep the event loop from closing, and
    so the process from ending.
    """
    log.error("%r ignores that it is cancelled. Let CancelledError pass.", task.get_coro())
    coroutine = task.get_coro()
    if coroutine is not None:
        with contextlib.suppress(RuntimeError):  # it ignores that, too
            coroutine.close()
    task.cancel()
