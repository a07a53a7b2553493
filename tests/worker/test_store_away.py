"""The store is away for a while: what runs goes on, and nothing of it is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from ringback import Operation, Ringback, Status
from ringback.core.model import Change, Demand
from ringback.core.model import Kind as EventKind
from ringback.engines.sqlite import SqliteEngine, writer
from ringback.errors import StoreUnavailable
from ringback.worker.upkeep import Upkeep
from tests.serving import until
from tests.worker.following import LIMIT, appears, parts_of, topic
from tests.worker.jobs import KINDS, Kind, there, twin


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BUSY_TIMEOUT", 0.3)


@asynccontextmanager
async def away(rb: Ringback, data: Path) -> AsyncIterator[None]:
    """Another program holds the database locked; the store has been seen to be away."""
    connection = apsw.Connection(str(data / "ringback.db"))
    connection.set_busy_timeout(int(LIMIT * 1000))
    connection.execute("BEGIN IMMEDIATE")

    async def refused() -> bool:
        try:
            await rb.publish("anything", 1)
        except StoreUnavailable:
            return True
        return False

    try:
        assert await refused()
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_what_ends_meanwhile_is_settled_afterwards(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="ignore", run_in=kind)(twin("ignore", kind))
    end = tmp_path / "end"
    async with rb.running():
        ids = []
        for n in range(2):
            ids.append((await rb.submit("ignore", {"started": tmp_path / str(n), "end": end})).id)
        await appears(*(tmp_path / str(n) for n in range(2)))
        worker = rb.started.worker
        assert worker is not None
        async with away(rb, data):
            end.touch()
            await until(lambda: sum(worker._busy.values()) == 0, LIMIT)
            assert worker.running == 2, "both have ended, and wait to be settled"
            await asyncio.sleep(1.0)
        states = [await rb.wait(each, LIMIT) for each in ids]
    assert [(state.status, state.attempt) for state in states] == [(Status.SUCCEEDED, 1)] * 2


async def test_reports_wait_for_the_store(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    begin, sent = asyncio.Event(), list[int]()

    @rb.task
    async def report(op: Operation) -> int:
        await begin.wait()
        for n in range(3):
            await op.progress(n / 3, f"part {n}")
            await op.publish("parts", n)
            await op.send(n)
            sent.append(n)
        return op.attempt

    async with rb.running():
        accepted = await rb.submit("report")
        async with away(rb, data):
            begin.set()
            await asyncio.sleep(1.5)
            assert sent == [], "it is stored when send returns, and not before"
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.result, state.failures) == (Status.SUCCEEDED, b"1", 0)
        assert [part["data"] for part in await parts_of(rb, state.id)] == [0, 1, 2]
        assert await topic(rb, "parts") == [0, 1, 2]


async def test_what_is_cancelled_while_it_waits_to_report_ends(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    gone, sending = asyncio.Event(), asyncio.Event()

    @rb.task(timeout=2.0, retries=0)
    async def report(op: Operation) -> None:
        try:
            await op.progress(0.5)
            await gone.wait()
        finally:  # on a machine so slow that its time is over first, too
            sending.set()
        await op.send(1)

    async with rb.running():
        accepted = await rb.submit("report")
        await until(lambda: rb.started.worker and rb.started.worker._runs, LIMIT)
        async with away(rb, data):
            gone.set()
            await sending.wait()
            await asyncio.sleep(2.5)
        state = await rb.wait(accepted.id, LIMIT)
    assert (state.status, state.dead_letter) == (Status.FAILED, True), "its time was over"


async def test_nobody_is_blamed_for_a_lease_that_could_not_be_renewed(data: Path) -> None:
    """Longer away than the lease: for as long again, nobody takes what may well be alive."""
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="linger", lease=1.0)(twin("linger", "loop"))
    async with rb.running(worker=False) as running:
        service = running.service
        accepted = await rb.submit("linger", {"started": data / "started"})
        upkeep = Upkeep(service)
        await claim(rb)
        async with away(rb, data):
            await asyncio.sleep(1.2)
            with pytest.raises(StoreUnavailable):
                await upkeep.expire()
        assert await upkeep.expire() == 0
        claimed = await rb.get(accepted.id)
        await service.engine.renew([(accepted.id, 1)], service.clock())
        assert (await rb.get(accepted.id)).lease_until != claimed.lease_until

        async def over() -> bool:
            return await upkeep.expire() == 1

        await until(over, LIMIT, every=0.1)
        assert (await rb.get(accepted.id)).failures == 1, "then it is over like any other"


async def claim(rb: Ringback) -> None:
    """What a worker elsewhere does."""
    engine = rb.started.service.engine
    await engine.claim("elsewhere", [Demand("linger", 1)], 1, time.time())


async def test_a_function_that_has_cancelled_itself_is_settled_too(data: Path) -> None:
    """What it left behind for the next wait must not hit the settling."""
    rb = Ringback(data=data, open_topics=True)
    begin = asyncio.Event()

    @rb.task
    async def lunatic() -> int:
        await begin.wait()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return 1

    async with rb.running():
        worker = rb.started.worker
        assert worker is not None
        accepted = await rb.submit("lunatic")
        await until(lambda: worker.running, LIMIT)
        async with away(rb, data):
            begin.set()
            await asyncio.sleep(1.0)
        state = await rb.wait(accepted.id, LIMIT)
    assert (state.result, state.attempt) == (b"1", 1)


async def test_stopping_while_it_is_away_does_not_hang(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True, grace=0.2)
    rb.task(name="linger", lease=1.0)(twin("linger", "loop"))
    started = tmp_path / "started"
    connection = apsw.Connection
    async with asyncio.timeout(LIMIT):
        async with rb.running():
            accepted = await rb.submit("linger", {"started": started, "seconds": 0})
            await rb.wait(accepted.id, LIMIT)
            accepted = await rb.submit("linger", {"started": tmp_path / "again"})
            await appears(tmp_path / "again")
            lock = connection(str(data / "ringback.db"))
            lock.set_busy_timeout(int(LIMIT * 1000))
            lock.execute("BEGIN IMMEDIATE")
    lock.execute("ROLLBACK")
    lock.close()
    async with rb.running(worker=False):
        # It could not be given back: its lease will run out.
        assert (await rb.get(accepted.id)).status is Status.RUNNING
    async with rb.running() as running:
        await until(lambda: there(tmp_path / "again") and running.worker, LIMIT)

        async def tried_again() -> bool:
            return (await rb.get(accepted.id)).attempt == 2

        await until(tried_again, LIMIT)


class Unanswering(SqliteEngine):
    """Refuses the first of the reports, and keeps what parts are in each."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.parts: list[list[bytes]] = []
        self.go_on = asyncio.Event()
        self.again = asyncio.Event()

    def commit(self, change: Change) -> asyncio.Future[None]:
        parts = [each.data for each in change.messages if each.kind is EventKind.PART]
        if parts:
            self.parts.append(parts)
        if len(self.parts) == 1:
            return asyncio.ensure_future(self._refuse())
        if len(self.parts) == 2:
            return asyncio.ensure_future(self._late(change))
        return super().commit(change)

    async def _late(self, change: Change) -> None:
        await self.again.wait()
        await super().commit(change)

    async def _refuse(self) -> None:
        await self.go_on.wait()
        raise StoreUnavailable


async def test_a_report_without_an_answer_is_repeated_as_it_was(data: Path) -> None:
    """It may be stored all the same: together with what came since, it would be stored twice."""
    engine = Unanswering(data)
    rb = Ringback(data=data)

    @rb.task
    async def report(op: Operation) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(op.send(1))
            await until(lambda: engine.parts, LIMIT)
            group.create_task(op.send(2))
            group.create_task(op.send(3))
            group.create_task(leave())
            await until(lambda: len(engine.parts) == 2, LIMIT)
            group.create_task(op.send(4))
            await asyncio.sleep(0)  # it has been reported
            engine.again.set()

    async def leave() -> None:
        engine.go_on.set()

    async with rb.running(engine=engine):
        state = await rb.wait((await rb.submit("report")).id, LIMIT)
        assert state.status is Status.SUCCEEDED
        assert [part["data"] for part in await parts_of(rb, state.id)] == [1, 2, 3, 4]
    first, second, *others = engine.parts
    assert first == second
    assert len(first) == 1
    assert sum(map(len, others)) == 3
