"""The loop that claims: idle, crowded, full, and beside workers that know other tasks."""

import asyncio
import time
from pathlib import Path
from typing import Any

from ringback import Operation, Ringback, Status
from ringback.core.model import Claimed, Query
from ringback.engines.sqlite import SqliteEngine
from ringback.errors import StoreUnavailable
from tests.serving import until
from tests.worker.following import LIMIT, becomes, ended
from tests.worker.jobs import twin


async def spent_in_a_second() -> float:
    """The processor's seconds in the calmest of a few, as the garbage collector may come in one.

    Who is busy is so in each, on a busy machine too.
    """
    calmest = 1.0
    for _ in range(5):
        before = time.process_time()
        await asyncio.sleep(1.0)
        calmest = min(calmest, time.process_time() - before)
        if calmest < 0.25:
            break
    return calmest


async def test_an_idle_worker_does_next_to_nothing(data: Path) -> None:
    rb = Ringback(data=data)
    rb.task(name="double")(twin("double", "loop"))
    rb.task(name="plain")(twin("double", "thread"))
    rb.task(name="heavy", run_in="process")(twin("double", "process"))
    async with rb.running():
        await ended(rb, "double", {"n": 1})
        spent = await spent_in_a_second()
    assert spent < 0.25, f"{spent:.2f} s of processor in a second of nothing to do"


async def test_neither_does_a_full_one(data: Path) -> None:
    """With work waiting that it has no room for, or that is not to start yet."""
    rb = Ringback(data=data, concurrency=1)
    release = asyncio.Event()

    @rb.task
    async def hold() -> None:
        await release.wait()

    @rb.task(concurrency=1)
    def one(n: int) -> None: ...

    async with rb.running():
        held = [(await rb.submit("hold")).id for _ in range(20)]
        later = await rb.submit("one", {"n": 1}, start_at=time.time() + 3600)
        await becomes(rb, held[0], status=Status.RUNNING)
        spent = await spent_in_a_second()
        release.set()
        for each in held:
            assert (await rb.wait(each, LIMIT)).status is Status.SUCCEEDED
        assert (await rb.get(later.id)).status is Status.QUEUED
    assert spent < 0.25, f"{spent:.2f} s of processor in a second of nothing to do"


async def test_thousands_that_are_ready_are_done_each_once(data: Path) -> None:
    rb = Ringback(data=data, concurrency=300)
    done: list[int] = []

    @rb.task
    async def note(n: int) -> None:
        done.append(n)

    async with rb.running(worker=False):
        ids = [
            state.id
            for state in await asyncio.gather(*(rb.submit("note", {"n": n}) for n in range(3000)))
        ]
    async with rb.running():
        await until(lambda: len(done) >= 3000, LIMIT)
        for each in ids[-300:]:
            assert (await rb.wait(each, LIMIT)).attempt == 1
    assert sorted(done) == list(range(3000))


async def test_two_workers_share_and_never_do_the_same(data: Path) -> None:
    apps = [Ringback(data=data, concurrency=10) for _ in range(2)]
    done: dict[int, list[int]] = {0: [], 1: []}
    for index, rb in enumerate(apps):

        async def note(n: int, index: int = index) -> None:
            await asyncio.sleep(0.001)
            done[index].append(n)

        rb.task(note)
    first, second = apps
    async with first.running(), second.running():
        await asyncio.gather(*(first.submit("note", {"n": n}) for n in range(500)))
        await until(lambda: len(done[0]) + len(done[1]) >= 500, LIMIT)
        await asyncio.sleep(0.1)
    # Where `index` is a parameter it is input, and each has its own default.
    assert sorted(done[0] + done[1]) == list(range(500))
    assert done[0]
    assert done[1]


async def test_tasks_it_does_not_know_are_left_to_others(data: Path) -> None:
    one, other = Ringback(data=data), Ringback(data=data)

    @one.task
    async def known(n: int) -> str:
        return "one"

    @other.task
    async def unknown(n: int) -> str:
        return "other"

    async with one.running(), other.running(worker=False):
        waiting = [(await other.submit("unknown", {"n": n})).id for n in range(50)]
        for n in range(20):
            assert (await ended(one, "known", {"n": n})).result == b'"one"'
        queued = await one.started.service.engine.list(Query(status=Status.QUEUED, limit=99))
        assert sorted(state.id for state in queued) == sorted(waiting)
        assert all(state.attempt == 0 for state in queued)
    async with other.running():
        for each in waiting:
            assert (await other.wait(each, LIMIT)).result == b'"other"'


async def test_a_loop_that_blows_up_is_taken_up_again(data: Path) -> None:
    """A mistake in one claim, of the store or ours, does not end the claiming."""
    rb = Ringback(data=data)
    rb.task(name="double")(twin("double", "loop"))
    async with rb.running() as running:
        engine = running.service.engine
        claim = type(engine).claim
        failed = list[object]()

        def broken(self: object, *arguments: object) -> object:
            if len(failed) < 2:
                failed.append(arguments)
                raise RuntimeError("a mistake")
            return claim(engine, *arguments)  # type: ignore[arg-type]

        type(engine).claim = broken  # type: ignore[method-assign,assignment]
        try:
            assert (await ended(rb, "double", {"n": 1})).status is Status.SUCCEEDED
        finally:
            type(engine).claim = claim  # type: ignore[method-assign]
    assert len(failed) == 2


class Crowded(SqliteEngine):
    """Has room for one claim more, and none for the next."""

    claims = 0

    def claim(self, *arguments: Any) -> asyncio.Future[Claimed]:
        self.claims += 1
        if self.claims == 2:
            raise StoreUnavailable
        return super().claim(*arguments)


async def test_a_claim_that_is_refused_takes_no_other_with_it(data: Path) -> None:
    """What the one got would wait, by the store, until its lease is over."""
    rb = Ringback(data=data)
    rb.task(name="first")(twin("double", "loop"))
    rb.task(name="other")(twin("double", "thread"))
    async with rb.running(worker=False):
        accepted = await rb.submit("first", {"n": 1})
    async with rb.running(engine=Crowded(data)):
        state = await rb.wait(accepted.id, LIMIT / 4)
    assert (state.status, state.attempt) == (Status.SUCCEEDED, 1)


async def test_a_task_that_submits_and_waits_for_another(data: Path) -> None:
    rb = Ringback(data=data)
    rb.task(name="double")(twin("double", "loop"))

    @rb.task
    async def quadruple(op: Operation, n: int) -> int:
        once = await ended(rb, "double", {"n": n}, subject=op.subject, traceparent=op.traceparent)
        return int((await ended(rb, "double", {"n": int(once.result or b"")})).result or b"")

    async with rb.running():
        assert (await ended(rb, "quadruple", {"n": 3})).result == b"12"
