"""Work from SQS: a message names an operation, and the store says whether it is to be run.

A message is a hint. One for what is done or runs elsewhere does nothing, so duplicates cost little
and reordering nothing. A message is done once what it is about is settled, or another message for
it has been sent; else it comes again by itself, and in the end lands among the dead letters.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ringback.core.commands import Command, Expire
from ringback.core.model import HELD, Demand, OperationState, Status
from ringback.core.retry import lease_over
from ringback.errors import (
    LeaseLost,
    OperationForgotten,
    RingbackError,
    TransitionError,
    UnknownOperation,
)
from ringback.lambdas.queues import MAX_DELAY, Queues, is_late
from ringback.ports import Chosen
from ringback.service import Service, jitter
from ringback.worker.attempt import Reason
from ringback.worker.heartbeat import Heartbeat
from ringback.worker.run import STOP_GRACE, Run
from ringback.worker.runners import Runners

NEARLY = 0.9
"""Part of a function's time with which a run has had all that it can get."""
LAST = 3.0
"""Seconds of a function's time that are left when everything is to be settled."""
PAUSE = (2.0, 8.0)
"""Seconds after which what was at a limit is looked at again."""
UNBOUND = 60.0
"""Seconds that are thought of where an attempt may take any time."""
TAKE = 10
"""Operations that are taken at once beyond those that messages named, at most."""
TELL = 2
"""Operations that are told of a free place when there is no time left to run one here."""

log = logging.getLogger("ringback.lambda")


class Named(msgspec.Struct, frozen=True):
    """A message."""

    operation: str
    task: str


class Work:
    """Runs what messages name."""

    def __init__(self, service: Service, queues: Queues) -> None:
        self._service = service
        self._queues = queues
        self._runners = Runners(service, service.settings.processes)
        self._worker = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or f"lambda:{os.getpid()}"

    async def handle(self, records: Sequence[Mapping[str, Any]], remaining: float) -> list[str]:
        """Run what the records of a batch name; the ids of the messages that are to come again.

        ``remaining``: seconds that the function may still run.
        """
        batch = _Batch(self._service, self._runners, remaining)
        messages: dict[str, list[str]] = {}
        again: list[str] = []
        for record in records:
            try:
                named = msgspec.json.decode(record["body"], type=Named)
            except msgspec.DecodeError:
                log.error("A message of the work queue names no operation: %.200s", record["body"])
                again.append(record["messageId"])
                continue
            if named.task not in self._service.registry.tasks:
                log.error("There is no task %r to run %s.", named.task, named.operation)
                again.append(record["messageId"])
                continue
            messages.setdefault(named.operation, []).append(record["messageId"])
        if not messages:
            return again
        engine = self._service.engine
        if not isinstance(engine, Chosen):
            raise TypeError("This store cannot give out the operations that a message names.")
        claimed = await engine.claim_chosen(self._worker, tuple(messages), self._service.clock())
        async with batch:
            for state in claimed.operations:
                batch.begin(state)
            rest = messages.keys() - {state.id for state in claimed.operations}
            limited = await self._look(rest, messages, again)
            while (freed := await batch.freed()) or limited:
                await self._hand_on(engine, batch, freed, limited)
                limited = Counter()
        for operation in batch.unsettled & messages.keys():
            again += messages[operation]
        return again

    async def _hand_on(
        self, engine: Chosen, batch: _Batch, freed: Counter[str], limited: Counter[str]
    ) -> None:
        """Give on places of limits: the messages of who waits for them may be a minute away."""
        now, places = self._service.clock(), freed + limited
        able = [task for task in sorted(places) if batch.has_time(self._time(task))]
        try:
            if able:
                demands = [Demand(task, places[task]) for task in able]
                wanted = min(TAKE, sum(places[task] for task in able))
                more = await self._service.engine.claim(self._worker, demands, wanted, now)
                for state in more.operations:
                    batch.begin(state)
            # Where no place became free nobody is told, or messages would only breed messages.
            for task in sorted(freed.keys() - set(able)):
                await self._queues.send(await engine.due(now, TELL, task))
        except (RingbackError, RuntimeError) as error:  # what runs beside it goes on
            log.warning("A place that is free is not given on: %s", error)

    def _time(self, task: str) -> float:
        """Seconds that an attempt may take."""
        timeout = self._service.registry.tasks[task].policy.timeout
        return UNBOUND if timeout is None else timeout

    async def _look(
        self, rest: Sequence[str] | set[str], messages: Mapping[str, list[str]], again: list[str]
    ) -> Counter[str]:
        """See why operations were not given; of which tasks some are at a limit."""
        limited: Counter[str] = Counter()
        for operation in rest:
            try:
                state = await self._service.engine.load(operation)
                if state.status is Status.QUEUED and state.ready_at <= self._service.clock():
                    limited[state.task] += 1
                delay = await self._delay(state)
                if delay is not None:
                    await self._queues.send([state], delay)
            except (UnknownOperation, OperationForgotten):
                pass
            except (RingbackError, RuntimeError) as error:  # what runs beside it goes on
                log.warning("%s cannot be looked at: %s", operation, error)
                again += messages[operation]
        return limited

    async def _delay(self, state: OperationState) -> float | None:
        """Seconds after which an operation that was not given is to be looked at; None: never."""
        now = self._service.clock()
        if state.status is Status.RUNNING:
            if not lease_over(state, now):
                return max(1.0, (state.lease_until or now) - now + 1.0)
            with contextlib.suppress(LeaseLost, TransitionError):  # it may be settled after all
                await self._service.apply(state, Expire(state.attempt, jitter()))
            return None  # queued again, it is sent again
        if state.status is not Status.QUEUED or state.ready_at == HELD:
            return None
        wait = state.ready_at - now
        if wait > MAX_DELAY or is_late(state, now):
            return None  # it is sent when it is due
        return wait if wait > 0 else random.uniform(*PAUSE)  # noqa: S311 - no secret


class _Batch:
    """Operations that run in one invocation."""

    def __init__(self, service: Service, runners: Runners, remaining: float) -> None:
        self._service = service
        self._runners = runners
        self._end = time.monotonic() + remaining
        self._whole = remaining
        self._late: set[Run] = set()
        """Runs that were begun when much of the time was over."""
        self._freed: Counter[str] = Counter()
        """Places of limits that are free since they were last asked for, by task."""
        self._runs: dict[str, Run] = {}
        self._works: set[asyncio.Task[None]] = set()
        self._heartbeat = Heartbeat(service, self._runs.values)
        self._beating: asyncio.Task[None] | None = None
        self._stop: asyncio.TimerHandle | None = None
        self._stopped = False

    @property
    def _left(self) -> float:
        return self._end - time.monotonic()

    def has_time(self, seconds: float) -> bool:
        """Whether there is time for something more that takes so long."""
        return not self._stopped and self._left > seconds + STOP_GRACE + LAST

    @property
    def unsettled(self) -> set[str]:
        """Operations that were begun, and whose end is not stored."""
        return {run.attempt.id for run in self._runs.values()}

    async def __aenter__(self) -> _Batch:
        loop = asyncio.get_running_loop()
        self._beating = loop.create_task(self._beat())
        self._stop = loop.call_later(max(0.0, self._left - STOP_GRACE - LAST), self._drain)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._stop is not None:
            self._stop.cancel()
        left = {*self._works, *({self._beating} if self._beating else set())}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            try:
                await self._heartbeat.run()
            except Exception as error:  # or nobody would renew them any more
                log.warning("Leases could not be renewed: %s", error)
            await asyncio.sleep(1.0)

    def _drain(self) -> None:
        """The function's time is nearly over: what runs is given back.

        But what had all of it gets no more another time. That counts as an attempt, or it would be
        run without end.
        """
        self._stopped = True
        for run in self._runs.values():
            run.attempt.stop(Reason.DRAINED if run in self._late else Reason.TIMED_OUT)

    def begin(self, state: OperationState) -> None:
        """Run an operation that was claimed."""
        task = self._service.registry.tasks[state.task]
        run = Run(self._service, task, state, self._abandon)
        self._runs[state.id] = run
        if self._left < NEARLY * self._whole:
            self._late.add(run)
        self._heartbeat.begun(run)
        if self._stopped:
            run.attempt.stop(Reason.DRAINED)
        self._do(self._carry_out(run))

    def _do(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def freed(self) -> Counter[str]:
        """Wait until there are free places of limits; none, when all is settled or time is over."""
        while not self._freed and self._runs and self._works and self._left > LAST / 2:
            await asyncio.wait(
                tuple(self._works),
                timeout=self._left - LAST / 2,
                return_when=asyncio.FIRST_COMPLETED,
            )
        freed, self._freed = self._freed, Counter()
        return freed

    async def _carry_out(self, run: Run) -> None:
        command = None
        try:
            command = await run.carry_out(self._runners.call)
        except Exception:
            log.exception("%s of %s went wrong here.", run.task.name, run.attempt.id)
        if not run.abandoned:
            await self._settle(run, command)

    def _abandon(self, run: Run) -> None:
        log.warning(
            "%s of %s does not end; it is settled without it.", run.task.name, run.attempt.id
        )
        self._do(self._settle(run, run.left()))

    async def _settle(self, run: Run, command: Command | None) -> None:
        attempt = run.attempt
        try:
            if command is not None:
                await attempt.settle(command)
        except Exception:
            log.exception("%s of %s could not be settled.", run.task.name, attempt.id)
            return
        finally:
            attempt.release()
        self._runs.pop(attempt.id, None)
        policy = attempt.state.policy
        # What was given back was sent, too, and takes its place itself.
        if attempt.reason is not Reason.DRAINED and (
            policy.concurrency is not None or policy.concurrency_per_key is not None
        ):
            self._freed[attempt.task] += 1
