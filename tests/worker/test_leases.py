"""Leases: kept while the function runs, lost with the worker, and fenced when taken away."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ringback import Operation, OperationState, Ringback, Status
from ringback.core.commands import Expire
from ringback.core.model import Demand, Policy
from ringback.engines.sqlite import SqliteEngine
from ringback.errors import LeaseLost, StoreUnavailable
from ringback.ports import Hint
from ringback.worker import upkeep
from ringback.worker.heartbeat import LONGEST, Heartbeat
from ringback.worker.upkeep import Upkeep
from ringback.worker.worker import Worker
from tests.core.states import NOW, operation
from tests.serving import ROOT, ServerProcess, until
from tests.worker.application import APPLICATION, LEASE
from tests.worker.following import LIMIT, appears, becomes, ended, parts_of, problem
from tests.worker.jobs import KINDS, Kind, note, twin


@pytest.mark.parametrize("kind", KINDS)
async def test_a_lease_is_renewed_while_the_function_runs(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    """Another worker watches all the time, and would take what looks abandoned."""
    first, second = Ringback(data=data, open_topics=True), Ringback(data=data)
    for rb in (first, second):
        rb.task(name="linger", run_in=kind, lease=2.5)(twin("linger", kind))
    async with first.running(), second.running():
        ids = [
            (await first.submit("linger", {"started": tmp_path / str(n), "seconds": 6})).id
            for n in range(4)
        ]
        states = [await first.wait(each, LIMIT) for each in ids]
    assert [(state.status, state.attempt) for state in states] == [(Status.SUCCEEDED, 1)] * 4


async def test_a_short_lease_is_renewed_in_time_by_an_idle_worker(data: Path) -> None:
    """It would sleep longer than the lease, did the claim not wake its heartbeat."""
    lease = 0.6
    assert 3 * lease < LONGEST
    first, second = Ringback(data=data, open_topics=True), Ringback(data=data)

    @first.task(lease=lease)
    async def brief(op: Operation) -> int:
        await asyncio.sleep(3 * lease)
        return op.attempt

    async with first.running(), second.running():
        await asyncio.sleep(0.2)  # its heartbeat sleeps by now
        state = await ended(first, "brief")
    assert (state.status, state.result) == (Status.SUCCEEDED, b"1")


async def test_what_ends_soon_is_never_renewed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rb = Ringback(data=data, open_topics=True)

    @rb.task
    async def brief() -> int:
        return 1

    async with rb.running():
        engine, renewed = rb.started.service.engine, 0

        async def renew(leases: object, now: float) -> tuple[frozenset[str], frozenset[str]]:
            nonlocal renewed
            renewed += 1
            return frozenset(), frozenset()

        monkeypatch.setattr(engine, "renew", renew)
        for _ in range(3):
            await ended(rb, "brief")
    assert renewed == 0


@pytest.mark.parametrize(("left", "most"), [(30.0, LONGEST), (1.5, 0.5), (-5.0, 0.1)])
async def test_what_was_claimed_slowly_is_renewed_sooner(left: float, most: float) -> None:
    service: Any = SimpleNamespace(clock=lambda: NOW)
    state = operation(policy=Policy(lease=30.0), lease_until=NOW + left)
    run: Any = SimpleNamespace(attempt=SimpleNamespace(state=state))
    heartbeat = Heartbeat(service, list)
    begun = time.monotonic()
    heartbeat.begun(run)
    assert begun + most <= heartbeat._due <= time.monotonic() + most


async def test_a_blocked_loop_does_not_lose_its_own_operations(data: Path) -> None:
    """The worker itself finds the lease over before it could renew it: it knows better."""
    rb = Ringback(data=data, open_topics=True)

    @rb.task(lease=0.3)
    async def block(op: Operation) -> int:
        time.sleep(1.5)  # noqa: ASYNC251 - that is the mistake it is about
        await asyncio.sleep(0.5)
        return op.attempt

    async with rb.running():
        states = await asyncio.gather(*(ended(rb, "block") for _ in range(3)))
    assert [(state.status, state.attempt) for state in states] == [(Status.SUCCEEDED, 1)] * 3


async def end_lease(rb: Ringback, operation: str) -> None:
    """Have the first attempt's lease be over, by the store."""
    service = rb.started.service
    await service.engine.renew([(operation, 1)], service.clock() - 3600)


async def test_who_runs_it_knows_that_it_is_alive(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True, grace=0)
    rb.task(name="linger", lease=60)(twin("linger", "loop"))
    async with rb.running() as running:
        accepted = await rb.submit("linger", {"started": tmp_path / "started"})
        await appears(tmp_path / "started")
        assert running.worker is not None
        await end_lease(rb, accepted.id)
        assert await running.worker._upkeep.expire() == 0
        assert await Upkeep(running.service).expire() == 1, "another process would take it"


async def test_who_was_late_itself_looks_twice(data: Path) -> None:
    """A machine that let a look wait may have let a renewal wait as well."""
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="linger", lease=3.0)(twin("linger", "loop"))
    async with rb.running(worker=False) as running:
        accepted = await rb.submit("linger", {"started": data / "started"})
        engine = running.service.engine
        await engine.claim("worker", [Demand("linger", 1)], 1, time.time())
        await end_lease(rb, accepted.id)
        looking = Upkeep(running.service)
        assert await looking.expire(late=1.1) == 0
        assert await looking.expire(late=1.1) == 1, "but no more than twice"


async def test_those_that_are_left_alone_hide_no_others(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "OVERDUE_BATCH", 2)
    rb = Ringback(data=data)
    rb.task(name="first", lease=3600)(twin("linger", "loop"))
    rb.task(name="then", lease=0.2)(twin("linger", "loop"))
    async with rb.running(worker=False) as running:
        engine, ids = running.service.engine, []
        for name in ("first", "first", "first", "then"):
            ids.append((await rb.submit(name, {"started": data / "started"})).id)
            await engine.claim("worker", [Demand(name, 1)], 1, time.time())
            await end_lease(rb, ids[-1])
        looking = Upkeep(running.service)
        looking.distrust()
        await asyncio.sleep(0.3)
        assert sum([await looking.expire() for _ in range(3)]) == 1
        assert (await rb.get(ids[-1])).status is Status.QUEUED


async def expire(rb: Ringback, operation: str) -> OperationState:
    """Take an operation from its worker, as another process that has missed it would."""
    service = rb.started.service
    await end_lease(rb, operation)
    state = await service.engine.load(operation)
    return await service.apply(state, Expire(state.attempt))


async def test_who_lost_the_lease_changes_nothing(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    go_on, seen = asyncio.Event(), list[str]()
    log = tmp_path / "log"

    @rb.task(lease=60)
    async def work(op: Operation) -> str:
        if note(log, op.attempt) == 1:
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                try:
                    await op.send("late")
                except LeaseLost as error:
                    seen.append(str(error))
                return "of the first"
        return f"of attempt {op.attempt}"

    async with rb.running():
        accepted = await rb.submit("work")
        await becomes(rb, accepted.id, status=Status.RUNNING)
        await appears(log)
        expired = await expire(rb, accepted.id)
        assert (expired.status, expired.failures) == (Status.QUEUED, 1)
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.result) == (Status.SUCCEEDED, b'"of attempt 2"')
        await until(lambda: seen, LIMIT)
        assert await parts_of(rb, accepted.id) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_frozen_worker_is_replaced_and_fenced(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name=kind, run_in=kind, lease=LEASE)(twin("linger", kind))
    started = tmp_path / "started"
    # Long enough to be frozen in the midst of it, short enough to end after the thaw.
    request = {"started": started, "seconds": 1.0}
    with ServerProcess(APPLICATION, data=data) as server:
        async with rb.running(worker=False):
            accepted = await rb.submit(kind, request)
            await appears(started)
            await freeze(rb, server.pid)
        async with rb.running():
            state = await rb.wait(accepted.id, LIMIT)
            assert (state.status, state.result, state.failures) == (Status.SUCCEEDED, b"2", 1)
            os.kill(server.pid, signal.SIGCONT)
            assert (await rb.get(accepted.id)) == state
        # Still alive, and none the worse: it stops in order.
        assert server.stop() == 0
        async with rb.running(worker=False):
            assert (await rb.get(accepted.id)) == state


async def freeze(rb: Ringback, pid: int) -> None:
    """SIGSTOP, but not in the middle of a transaction: then nobody could write any more."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        try:
            await rb.started.service.engine.set_fact("test", b"")
            return
        except StoreUnavailable:  # it holds the lock: let it finish
            os.kill(pid, signal.SIGCONT)


async def test_what_kills_every_worker_ends_as_a_dead_letter(data: Path, tmp_path: Path) -> None:
    """And keeps nothing else from being done."""
    rb = Ringback(data=data, open_topics=True)

    @rb.task(retries=1, backoff=0, lease=LEASE)
    async def poison(log: Path) -> None: ...

    @rb.task(lease=LEASE)
    async def work(n: int) -> None: ...

    log = tmp_path / "log"
    async with rb.running(worker=False):
        bad = await rb.submit("poison", {"log": log})
        good = await rb.submit("work", {"n": 1})
        for _ in range(2):
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ringback", "worker", APPLICATION, f"--data={data}"),
                cwd=ROOT,
                stderr=asyncio.subprocess.DEVNULL,
            )
            assert await worker.wait() == 1
    async with rb.running():
        state = await rb.wait(bad.id, LIMIT)
        assert (await rb.wait(good.id, LIMIT)).status is Status.SUCCEEDED
    assert (state.status, state.attempt, state.dead_letter) == (Status.FAILED, 2, True)
    assert problem(state)["type"] == "urn:ringback:problem:worker-lost"
    assert log.read_text().split() == ["1", "2"]


class Deaf(SqliteEngine):
    """Loses all hints."""

    def listen(self, hint: Hint) -> Callable[[], None]:
        return lambda: None


async def test_who_gets_again_what_it_has_lost_ends_what_it_had(data: Path) -> None:
    """No renewal asks for the first attempt any more, so nothing else would tell it."""
    rb = Ringback(data=data)
    told = asyncio.Event()

    @rb.task(lease=60)
    async def work(op: Operation) -> int:
        if op.attempt == 1:
            try:
                await asyncio.sleep(LIMIT)
            finally:
                told.set()
        await told.wait()
        return op.attempt

    async with rb.running(engine=Deaf(data)):
        accepted = await rb.submit("work")
        await becomes(rb, accepted.id, status=Status.RUNNING)
        await expire(rb, accepted.id)
        await becomes(rb, accepted.id, attempt=2)
        async with asyncio.timeout(LIMIT / 2):
            await told.wait()
        state = await becomes(rb, accepted.id, status=Status.SUCCEEDED)
    assert state.result == b"2"


async def test_a_chore_that_fails_excuses_no_worker(data: Path) -> None:
    """It may be about another store: where uploads are kept, say."""
    rb, other = Ringback(data=data), Ringback(data=data)
    rb.task(name="linger", lease=3.0)(twin("linger", "loop"))
    failed = asyncio.Event()

    async def away() -> None:
        failed.set()
        raise StoreUnavailable

    async with rb.running(worker=False) as running, other.running(worker=False) as elsewhere:
        worker = Worker(elsewhere.service, chores=(away,))
        await worker.start()
        try:
            await failed.wait()
            accepted = await rb.submit("linger", {"started": data / "started"})
            engine = running.service.engine
            await engine.claim("elsewhere", [Demand("linger", 1)], 1, time.time())
            await end_lease(rb, accepted.id)
            async with asyncio.timeout(LIMIT / 4):
                await becomes(rb, accepted.id, status=Status.QUEUED, failures=1)
        finally:
            await worker.stop(0)
