"""Stopping a worker: what ends in time, what is given back, and that nothing hangs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ringback import Operation, Ringback, Status
from ringback.core.model import Claimed, Query
from ringback.engines.sqlite import SqliteEngine
from ringback.worker import run as runs
from tests.serving import ServerProcess, until
from tests.worker.application import APPLICATION
from tests.worker.following import LIMIT, appears, ended
from tests.worker.jobs import KINDS, Kind, twin


@asynccontextmanager
async def looking(data: Path) -> AsyncIterator[Ringback]:
    """The store, with nobody working on it."""
    rb = Ringback(data=data, open_topics=True)
    async with rb.running(worker=False):
        yield rb


@pytest.mark.parametrize("kind", KINDS)
async def test_what_ends_within_the_grace_is_let_end(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data, open_topics=True, grace=LIMIT)
    rb.task(name="linger", run_in=kind)(twin("linger", kind))
    async with rb.running():
        accepted = await rb.submit("linger", {"started": tmp_path / "started", "seconds": 0.5})
        await appears(tmp_path / "started")
    async with looking(data) as store:
        state = await store.get(accepted.id)
    assert (state.status, state.result) == (Status.SUCCEEDED, b"1")


@pytest.mark.parametrize("what", ["linger", "ignore"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_rest_is_given_back_and_that_is_no_failure(
    data: Path, tmp_path: Path, kind: Kind, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it listens or not: another worker goes on with it at once."""
    monkeypatch.setattr(runs, "DRAIN_GRACE", 0.3)
    monkeypatch.setattr(runs, "THREAD_DRAIN_GRACE", 0.3)
    first, second = Ringback(data=data, open_topics=True, grace=0.1), Ringback(data=data)
    for rb in (first, second):
        rb.task(name=what, run_in=kind, lease=3600, retries=0)(twin(what, kind))
    started, end = tmp_path / "started", tmp_path / "end"
    request = {"started": started, **({"end": end} if what == "ignore" else {"seconds": 2})}
    async with first.running():
        accepted = await first.submit(what, request)
        await appears(started)
    async with looking(data) as store:
        state = await store.get(accepted.id)
        assert (state.status, state.failures, state.attempt) == (Status.QUEUED, 0, 1)
        assert (state.worker, state.lease_until, state.error) == (None, None, None)
    end.touch()
    async with second.running():
        state = await second.wait(accepted.id, LIMIT)
    assert (state.status, state.attempt, state.failures) == (Status.SUCCEEDED, 2, 0)


async def test_an_error_on_being_interrupted_is_no_failure(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True, grace=0)
    started = asyncio.Event()

    @rb.task(retries=0)
    async def rude() -> None:
        try:
            started.set()
            await asyncio.sleep(LIMIT)
        except asyncio.CancelledError:
            raise ConnectionError("the other side hung up") from None

    async with rb.running():
        accepted = await rb.submit("rude")
        await started.wait()
    async with looking(data) as store:
        state = await store.get(accepted.id)
    assert (state.status, state.failures) == (Status.QUEUED, 0)


async def test_a_claim_that_is_under_way_is_not_cut_short(data: Path) -> None:
    """What it got would otherwise run, by the store, in a worker that knows nothing of it."""
    rb = Ringback(data=data, open_topics=True, grace=LIMIT, concurrency=200)

    @rb.task(lease=3600)
    async def noop(n: int) -> None: ...

    async with rb.running(worker=False):
        await asyncio.gather(*(rb.submit("noop", {"n": n}) for n in range(3000)))
    for turns in range(12):
        async with rb.running():
            for _ in range(turns * 3):
                await asyncio.sleep(0)
        async with looking(data) as store:
            engine = store.started.service.engine
            assert await engine.list(Query(status=Status.RUNNING)) == []
    async with looking(data) as store:
        done = await store.started.service.engine.list(Query(status=Status.SUCCEEDED, limit=9999))
        again = [state.id for state in done if state.attempt != 1]
    assert not again, "and nothing was done twice"


async def test_draining_claims_nothing_more(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True, grace=LIMIT, concurrency=1)
    first = asyncio.Event()
    release = asyncio.Event()

    @rb.task
    async def work(n: int) -> None:
        first.set()
        await release.wait()

    async with rb.running():
        ids = [(await rb.submit("work", {"n": n})).id for n in range(3)]
        await first.wait()
        worker = rb.started.worker
        assert worker is not None
        stopping = [asyncio.create_task(worker.stop(LIMIT)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in stopping)
        release.set()
        await asyncio.gather(*stopping)
    async with looking(data) as store:
        statuses = [(await store.get(each)).status for each in ids]
    assert statuses == [Status.SUCCEEDED, Status.QUEUED, Status.QUEUED]


async def test_several_stop_at_once_and_each_keeps_its_grace(data: Path) -> None:
    apps = [Ringback(data=data, open_topics=True, grace=0.2) for _ in range(3)]
    inside = asyncio.Barrier(6)

    async def work(op: Operation) -> None:
        await inside.wait()
        await asyncio.sleep(LIMIT)

    for rb in apps:
        rb.task(work)

    async def run(rb: Ringback) -> None:
        async with rb.running():
            await rb.submit("work")
            await inside.wait()  # all run, wherever

    await asyncio.gather(*(run(rb) for rb in apps))
    async with looking(data) as store:
        states = await store.started.service.engine.list(Query())
    assert [(state.status, state.failures) for state in states] == [(Status.QUEUED, 0)] * 3


@pytest.mark.parametrize("what", ["", "ignore_"])
async def test_sigterm_drains_a_worker_process(data: Path, tmp_path: Path, what: str) -> None:
    end = tmp_path / "end"
    async with looking(data) as store:

        def declare(name: str) -> Callable[..., object]:
            async def task(started: Path, end: Path) -> None: ...
            async def linger(started: Path) -> None: ...

            return store.task(name=name)(task if what else linger)

        for kind in KINDS:
            declare(f"{what}{kind}")
        with ServerProcess(APPLICATION, data=data) as server:
            ids = []
            for kind in KINDS:
                request = {"started": tmp_path / kind} | ({"end": end} if what else {})
                ids.append((await store.submit(f"{what}{kind}", request)).id)
            await appears(*(tmp_path / kind for kind in KINDS))
            assert await asyncio.to_thread(server.stop) == 0, server.output
        states = [await store.get(each) for each in ids]
    assert [(s.status, s.attempt, s.failures) for s in states] == [(Status.QUEUED, 1, 0)] * 3


async def test_a_worker_can_be_started_again(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="double")(twin("double", "loop"))
    for n in range(3):
        async with rb.running():
            assert (await ended(rb, "double", {"n": n})).result == b"%d" % (2 * n)


class Late(SqliteEngine):
    """Keeps what it has claimed to itself for a while."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.claimed = asyncio.Event()
        self.go_on = asyncio.Event()

    def claim(self, *arguments: Any) -> asyncio.Future[Claimed]:
        return asyncio.ensure_future(self._late(super().claim(*arguments)))

    async def _late(self, claim: asyncio.Future[Claimed]) -> Claimed:
        found = await claim
        self.claimed.set()
        await self.go_on.wait()
        return found


async def test_what_is_claimed_when_its_grace_is_over_is_given_back(data: Path) -> None:
    """Its function was never begun, and so it has not succeeded."""
    engine = Late(data)
    rb = Ringback(data=data, grace=0)
    ran = list[int]()

    @rb.task(retries=0)
    async def work() -> int:
        ran.append(1)
        return 1

    async with rb.running(worker=False):
        accepted = await rb.submit("work")
    async with rb.running(engine=engine) as running:
        worker = running.worker
        assert worker is not None
        await engine.claimed.wait()
        stopping = asyncio.create_task(worker.stop(0))
        await until(lambda: worker._giving_back, LIMIT)
        engine.go_on.set()
        await stopping
    async with looking(data) as store:
        state = await store.get(accepted.id)
    assert (state.status, state.attempt, state.failures) == (Status.QUEUED, 1, 0)
    assert ran == []
