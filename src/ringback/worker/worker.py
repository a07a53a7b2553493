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
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from ringback.core.commands import Command
from ringback.core.model import Demand, OperationState
from ringback.errors import (
    InvalidInput,
    MalformedRequest,
    OperationCancelled,
    StoreUnavailable,
    TimedOut,
)
from ringback.hub import rung
from ringback.ports import EVERYTHING, QUEUE
from ringback.service import Service, validate
from ringback.tasks.registry import RunIn, Task
from ringback.worker import outcome
from ringback.worker.attempt import Reason, RunningAttempt
from ringback.worker.runners import Runners
from ringback.worker.upkeep import Upkeep

POLL_EVERY = 1.0
"""Seconds between two claims when no hint comes: how late a lost hint can make a start."""
HEARTBEAT_FRACTION = 3.0
"""A lease is renewed this many times within its length, so that one late renewal costs nothing."""
HEARTBEAT_MAX = 10.0
"""Seconds between renewals at most, so that a cancel request is seen even if its hint is lost."""
HEARTBEAT_MIN = 0.1
"""Seconds between renewals at least."""
STOP_GRACE = 5.0
"""Seconds a cancelled async function has to clean up before it is left behind."""
STORE_PAUSE = 1.0
"""Seconds to wait after the store could not be reached."""

log = logging.getLogger("ringback.worker")

KINDS: tuple[RunIn, ...] = ("loop", "thread", "process")


class _Run:
    """One operation being run."""

    __slots__ = ("attempt", "body", "kind", "lease", "task")

    def __init__(self, task: Task, lease: float) -> None:
        self.task = task
        self.kind = task.run_in
        self.lease = lease
        self.attempt: RunningAttempt
        self.body: asyncio.Task[Any] | None = None
        """The function's own asyncio task, while it runs."""


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
        self._runs: dict[str, _Run] = {}
        self._handlers: set[asyncio.Task[None]] = set()
        self._runners = Runners(settings.processes)
        self._wake = asyncio.Event()
        self._pause = HEARTBEAT_MAX
        """Seconds between this heartbeat and the next."""
        self._sooner = asyncio.Event()
        """Set when the next heartbeat must not wait that long."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._loops: list[asyncio.Task[None]] = []
        self._unlisten: Callable[[], None] | None = None
        self._upkeep = Upkeep(service)
        self._chores = chores

    @property
    def running(self) -> int:
        """How many operations it runs now."""
        return len(self._runs)

    async def start(self) -> None:
        """Begin to claim."""
        self._unlisten = self._service.engine.listen(self._hint)
        create = asyncio.get_running_loop().create_task
        self._loops = [
            create(self._forever(self._claim_loop), name="ringback-claim"),
            create(self._forever(self._heartbeat_loop), name="ringback-heartbeat"),
            create(self._forever(self._upkeep.run), name="ringback-upkeep"),
            *(create(self._forever(chore), name="ringback-chore") for chore in self._chores),
        ]

    async def stop(self, grace: float) -> None:
        """Claim no more; let what runs go on for ``grace`` seconds; give the rest back."""
        if self._draining:
            return
        self._draining = True
        self._wake.set()
        self._loops[0].cancel()
        if self._runs:
            log.info("Draining: %d operations may run on for %g s.", len(self._runs), grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._idle.wait()
        for run in tuple(self._runs.values()):
            run.attempt.stop(Reason.DRAINED)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_GRACE):
                await self._idle.wait()
        for task in (*self._loops, *self._handlers):
            task.cancel()
        await asyncio.gather(*self._loops, *self._handlers, return_exceptions=True)
        if self._unlisten is not None:
            self._unlisten()
        self._runners.close()

    async def _forever(self, loop: Callable[[], Any]) -> None:
        """Run one of the loops; a store that is away, or a mistake, does not end it."""
        while True:
            try:
                await loop()
            except StoreUnavailable as error:
                log.warning("The store is unavailable: %s", error)
            except Exception:
                log.exception("The worker goes on after an unexpected error.")
            await asyncio.sleep(STORE_PAUSE)

    # Claiming

    def _hint(self, changed: frozenset[str]) -> None:
        if QUEUE in changed or EVERYTHING in changed:
            self._wake.set()
        for run in tuple(self._runs.values()):
            attempt = run.attempt
            if attempt.state.topic in changed and not attempt.closed:
                self._spawn(attempt.notice())

    async def _claim_loop(self) -> None:
        while not self._draining:
            self._wake.clear()
            wait = POLL_EVERY
            for kind in KINDS:
                free = self._capacity[kind] - self._busy[kind]
                if free > 0 and self._tasks[kind]:
                    wait = min(wait, await self._claim(kind, free))
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()

    async def _claim(self, kind: RunIn, free: int) -> float:
        """Claim for one kind of runner; the seconds until it is worth asking again."""
        now = self._service.clock()
        demands = [Demand(name, free) for name in self._tasks[kind]]
        claimed = await self._service.engine.claim(self.name, demands, free, now)
        for state in claimed.operations:
            self._begin(state)
        if len(claimed.operations) >= free:
            return POLL_EVERY
        if claimed.next_ready_at is not None:
            return max(0.001, claimed.next_ready_at - now)
        return POLL_EVERY

    def _begin(self, state: OperationState) -> None:
        task = self._service.registry.tasks[state.task]
        run = _Run(task, state.policy.lease)
        self._busy[run.kind] += 1
        self._idle.clear()

        def stopped(reason: Reason) -> None:
            self._interrupt(run, reason)

        run.attempt = RunningAttempt(self._service, state, (), stopped)
        self._runs[state.id] = run
        if run.lease / HEARTBEAT_FRACTION < self._pause:
            self._sooner.set()  # its lease would run out before the heartbeat that is due
        self._spawn(self._handle(run))

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    # Running

    async def _handle(self, run: _Run) -> None:
        attempt = run.attempt
        abandoned = False
        try:
            command = await self._outcome(run)
            # A thread cannot be stopped: after a timeout or a drain it keeps its slot until
            # it ends by itself, though its operation goes on elsewhere.
            abandoned = run.body is not None and not run.body.done()
            if command is not None:
                await attempt.settle(command)
        except Exception:
            log.exception(
                "%s of %s could not be settled; its lease will run out.", run.task.name, attempt.id
            )
        finally:
            attempt.closed = True
            self._runs.pop(attempt.id, None)
            if abandoned and run.body is not None and not self._draining:
                run.body.add_done_callback(lambda _: self._free(run.kind))
            else:
                self._free(run.kind)
            if not self._runs:
                self._idle.set()

    def _free(self, kind: RunIn) -> None:
        self._busy[kind] -= 1
        self._wake.set()

    async def _outcome(self, run: _Run) -> Command | None:
        """Run the function; the command that settles it, or None if there is nothing to settle."""
        attempt, task, state = run.attempt, run.task, run.attempt.state
        try:
            value = validate(task, state.input)
        except (InvalidInput, MalformedRequest) as error:
            # The task's model changed since it was accepted: no retry will help.
            return outcome.failure(self._service, attempt, error, retryable=False)
        if state.policy.resumable and state.part_count:
            attempt.earlier_parts = await self._earlier_parts(state)
        body = asyncio.get_running_loop().create_task(
            self._runners.call(task, attempt, value), name=f"ringback:{task.name}:{state.id}"
        )
        run.body = body
        if attempt.reason is not None:  # it was stopped before it began
            self._interrupt(run, attempt.reason)
        timed_out = await self._wait(run, body, state.policy.timeout)
        if attempt.reason is Reason.LOST:
            return None
        if timed_out:
            return outcome.failure(
                self._service, attempt, TimedOut(seconds=state.policy.timeout), retryable=True
            )
        if not body.done():  # a thread that does not listen, or cleaning up that takes too long
            return outcome.stopped(attempt)
        if body.cancelled():
            return outcome.stopped(attempt) or outcome.failure(
                self._service, attempt, asyncio.CancelledError(), retryable=True
            )
        raised = body.exception()
        if raised is None:
            return outcome.success(self._service, attempt, task, body.result())
        if isinstance(raised, OperationCancelled) and attempt.reason is not None:
            return outcome.stopped(attempt)
        return outcome.raised(self._service, attempt, task, raised)

    async def _wait(self, run: _Run, body: asyncio.Task[Any], timeout: float | None) -> bool:
        """Wait until the function ends or has to be left; whether its timeout passed."""
        attempt = run.attempt
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        while not body.done():
            stopping = attempt.reason in (Reason.LOST, Reason.DRAINED) or (
                attempt.reason is Reason.CANCELLED and run.kind != "thread"
            )
            if stopping:
                grace = run.task.cancel_grace if run.kind == "process" else STOP_GRACE
                if run.kind == "thread":
                    grace = min(grace, 1.0)  # it was told; nothing can make it hurry
                await asyncio.wait({body}, timeout=grace)
                if not body.done() and run.kind == "process":
                    self._runners.pool.kill(attempt.id)
                    await asyncio.wait({body}, timeout=STOP_GRACE)
                return False
            remaining = None if deadline is None else deadline - asyncio.get_running_loop().time()
            if remaining is not None and remaining <= 0:
                if run.kind == "process":
                    self._runners.pool.kill(attempt.id)
                if run.kind != "thread":
                    body.cancel()
                    await asyncio.wait({body}, timeout=STOP_GRACE)
                attempt.closed = True
                return True
            attempt.interrupted.clear()
            bell = asyncio.ensure_future(attempt.interrupted.wait())
            try:
                await asyncio.wait(
                    {body, bell}, timeout=remaining, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                bell.cancel()
        return False

    def _interrupt(self, run: _Run, reason: Reason) -> None:
        """Have the function end, as far as its runner can."""
        run.attempt.interrupted.set()
        if run.body is None or run.body.done():
            return
        if run.kind == "loop":
            run.body.cancel()
        elif run.kind == "process":
            self._runners.pool.cancel(run.attempt.id)

    async def _earlier_parts(self, state: OperationState) -> list[Any]:
        parts = await self._service.parts(state)
        return [msgspec.json.decode(part)["data"] for part in parts]

    # Keeping alive

    async def _heartbeat_loop(self) -> None:
        while True:
            started = time.monotonic()
            running = [run.attempt for run in self._runs.values() if not run.attempt.closed]
            if running:
                lost, cancelled = await self._service.engine.renew(
                    [(attempt.id, attempt.attempt) for attempt in running], self._service.clock()
                )
                for attempt in running:
                    if attempt.id in lost:
                        attempt.stop(Reason.LOST)
                    elif attempt.id in cancelled:
                        attempt.stop(Reason.CANCELLED)
            shortest = min((run.lease for run in self._runs.values()), default=HEARTBEAT_MAX)
            pause = min(max(shortest / HEARTBEAT_FRACTION, HEARTBEAT_MIN), HEARTBEAT_MAX)
            late = time.monotonic() - started
            if running and late > shortest:
                log.warning("Leases were renewed %.1f s late: something blocks the loop.", late)
            self._pause = pause
            await rung(self._sooner, pause)
            self._sooner.clear()
