"""The wall clock is set while workers work: nobody is robbed, nothing hangs, ids stay unique."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from ringback import Operation, Ringback
from ringback.core.model import Demand, OperationState, Query, Status
from ringback.ids import is_id, wall
from tests.serving import until

HOUR = 3600.0
LEASE = 1.0
LIMIT = 60.0
"""Seconds for what takes a few on an idle machine, and an hour if it hung on the clock."""


class Clock:
    """The machine's clock, as somebody sets it."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return wall() + self.offset


class Machine:
    """Two applications on one store, as in two processes, and the clock they share."""

    def __init__(self, data: Path) -> None:
        self.clock = Clock()
        self.gate = asyncio.Event()
        self.runs: list[str] = []
        self.failing = True
        self.apps = [self._application(data) for _ in range(2)]

    def _application(self, data: Path) -> Ringback:
        rb = Ringback("clock", clock=self.clock, data=data)

        @rb.task(lease=LEASE, retries=3, backoff=0.1)
        async def gated(op: Operation) -> int:
            self.runs.append(op.id)
            await self.gate.wait()
            return op.attempt

        @rb.task(lease=LEASE)
        async def quick(op: Operation) -> int:
            self.runs.append(op.id)
            return op.attempt

        @rb.task(lease=LEASE, backoff=2.0)
        async def flaky(op: Operation) -> int:
            self.runs.append(op.id)
            if self.failing:
                raise OSError("not yet")
            return op.attempt

        return rb

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Ringback]:
        async with self.apps[0].running(worker=True), self.apps[1].running(worker=True):
            yield self.apps[0]

    async def looked_twice(self) -> None:
        """Wait until upkeep had every chance to act on the clock: some leases' time."""
        await asyncio.sleep(2 * LEASE)


@pytest.fixture
def machine(data: Path) -> Machine:
    return Machine(data)


async def ended(rb: Ringback, number: str) -> OperationState:
    async def terminal() -> OperationState | None:
        state = await rb.get(number)
        return state if state.terminal else None

    found: OperationState = await until(terminal, LIMIT)
    return found


@pytest.mark.parametrize(
    "jumps", [[HOUR] * 6, [-HOUR] * 6, [HOUR, -HOUR] * 3], ids=["on", "back", "to and fro"]
)
async def test_no_lease_is_stolen_from_a_worker_that_is_alive(
    machine: Machine, jumps: list[float]
) -> None:
    """Several jumps, at whatever moment between a renewal and a look at leases that are over."""
    async with machine.running() as rb:
        states = [await rb.submit("gated") for _ in range(10)]
        await until(lambda: len(machine.runs) == 10, LIMIT)
        for jump in jumps:
            machine.clock.offset += jump
            await asyncio.sleep(0.7 * LEASE)
        await machine.looked_twice()
        machine.gate.set()
        for state in states:
            done = await ended(rb, state.id)
            assert (done.status, done.result, done.failures) == (Status.SUCCEEDED, b"1", 0)
    assert len(machine.runs) == 10


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_the_operation_of_a_dead_worker_is_recovered(machine: Machine, jump: float) -> None:
    machine.gate.set()
    async with machine.running() as rb:
        engine = rb.started.service.engine
        state = await rb.submit("gated", start_at=machine.clock() + HOUR)
        claimed = await engine.claim("dead", [Demand("gated", 1)], 1, machine.clock() + HOUR + 1)
        assert [each.id for each in claimed.operations] == [state.id]
        machine.clock.offset += jump
        done = await ended(rb, state.id)
    assert (done.result, done.failures) == (b"2", 1)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_what_is_queued_does_not_hang(machine: Machine, jump: float) -> None:
    """Neither what was queued before the jump, nor what comes after it, nor a retry."""
    async with machine.running() as rb:
        flaky = await rb.submit("flaky")
        await until(lambda: flaky.id in machine.runs, LIMIT)
        async with asyncio.TaskGroup() as group:
            before = [group.create_task(rb.submit("quick")) for _ in range(50)]
            machine.clock.offset += jump
            after = [group.create_task(rb.submit("quick")) for _ in range(50)]
        for task in (*before, *after):
            assert (await ended(rb, task.result().id)).status is Status.SUCCEEDED
        machine.failing = False
        assert (await ended(rb, flaky.id)).status is Status.SUCCEEDED


async def test_what_was_queued_before_a_restart_does_not_hang(machine: Machine) -> None:
    """The clock was ahead when the server stopped, and was mended before it started again."""
    machine.clock.offset = HOUR
    async with machine.apps[0].running(worker=False) as running:
        assert running.worker is None
        states = [await machine.apps[0].submit("quick") for _ in range(5)]
    machine.clock.offset = 0.0
    async with machine.running() as rb:
        for state in states:
            assert (await ended(rb, state.id)).status is Status.SUCCEEDED


async def test_a_time_that_was_named_is_kept(machine: Machine) -> None:
    async with machine.running() as rb:
        state = await rb.submit("quick", start_at=machine.clock() + 2 * HOUR)
        machine.clock.offset += HOUR
        await machine.looked_twice()
        assert (await rb.get(state.id)).status is Status.QUEUED
        machine.clock.offset -= 2 * HOUR
        await machine.looked_twice()
        assert (await rb.get(state.id)).status is Status.QUEUED
        machine.clock.offset += 3 * HOUR
        await ended(rb, state.id)


async def test_ids_stay_unique_and_lists_whole(machine: Machine) -> None:
    async with machine.running() as rb:
        numbers: list[str] = []
        for offset in (0.0, HOUR, 0.0, -HOUR, 0.0):
            machine.clock.offset = offset
            numbers += [(await rb.submit("quick", subject="me")).id for _ in range(100)]
        assert len(set(numbers)) == 500
        assert all(is_id(number) for number in numbers)
        engine = rb.started.service.engine
        listed: list[str] = []
        query = Query(subject="me", limit=70)
        while page := await engine.list(query):
            listed += [state.id for state in page]
            query = msgspec.structs.replace(query, after=listed[-1])
        assert sorted(listed) == sorted(numbers)
        for number in numbers:
            await ended(rb, number)
