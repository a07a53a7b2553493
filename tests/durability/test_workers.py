"""Workers that die, that come back too late, and that are killed by what they run."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import msgspec

from ringback.core.lifecycle import accept
from ringback.core.model import Kind, Message, OperationState, Status
from ringback.engines.sqlite import SqliteEngine
from ringback.ids import new_id, wall
from tests.durability.application import rb
from tests.durability.processes import Scene, WorkerProcess, check_end
from tests.serving import until

LIMIT = 80.0
"""Seconds for what takes a few on an idle machine."""


async def submit(scene: Scene, task: str, body: bytes = b"{}") -> str:
    """A request, stored without a server."""
    now = wall()
    state = OperationState(
        id=new_id(now),
        task=task,
        input=body,
        policy=rb.registry.tasks[task].policy,
        created_at=now,
        updated_at=now,
        ready_at=now,
    )
    async with SqliteEngine(scene.data) as engine:
        await engine.accept(accept(state), None)
    return state.id


async def ended(scene: Scene, number: str) -> tuple[OperationState, list[Message]]:
    """The operation and its log, once it has ended."""

    async def terminal() -> bool:
        return (await scene.look([number]))[number][0].terminal

    await until(terminal, LIMIT, every=0.1)
    state, log = (await scene.look([number]))[number]
    check_end(state, log)
    return state, log


async def begun(scene: Scene, number: str, attempt: int) -> int:
    """The process that began this attempt, once one has."""

    def process() -> int | None:
        entries = [entry for entry in scene.lines("begin") if entry[1:] == (number, attempt)]
        return entries[0][0] if entries else None

    found: int = await until(process, LIMIT)
    return found


async def test_the_operation_of_a_killed_worker_is_done_elsewhere(scene: Scene) -> None:
    number = await submit(scene, "gated")
    with scene.worker() as first:
        assert await begun(scene, number, 1) == first.process.pid
        first.kill()
        with scene.worker() as second:
            assert await begun(scene, number, 2) == second.process.pid
            scene.gate.touch()
            state, _ = await ended(scene, number)
    assert (state.status, state.attempt, state.failures) == (Status.SUCCEEDED, 2, 1)
    assert state.result == str(second.process.pid).encode()


async def test_a_late_worker_changes_nothing(scene: Scene) -> None:
    """Stopped for longer than its lease, it goes on as if nothing had happened, and is fenced."""
    number = await submit(scene, "gated")
    with scene.worker() as late, contextlib.ExitStack() as stack:
        assert await begun(scene, number, 1) == late.process.pid
        await stop_between_writes(scene, late)
        other = stack.enter_context(scene.worker())
        assert await begun(scene, number, 2) == other.process.pid
        scene.gate.touch()
        state, log = await ended(scene, number)
        assert (state.result, state.attempt) == (str(other.process.pid).encode(), 2)
        late.signal(signal.SIGCONT)
        await until(lambda: ends_of(scene, late), LIMIT)
        late.signal(signal.SIGTERM)
        await asyncio.to_thread(late.process.wait, LIMIT)
        assert late.process.returncode == 0, "it stopped in order"
    after, log_after = (await scene.look([number]))[number]
    assert (after, log_after) == (state, log)
    sent = [msgspec.json.decode(each.data)["data"] for each in log if each.kind is Kind.PART]
    assert sent == [{"pid": other.process.pid}]


async def stop_between_writes(scene: Scene, worker: WorkerProcess) -> None:
    """SIGSTOP, but not in the middle of a transaction: then nobody could write any more."""
    while True:
        worker.signal(signal.SIGSTOP)
        try:
            async with SqliteEngine(scene.data) as engine:
                await engine.set_fact("test", b"")
            return
        except Exception:  # it holds the lock: let it finish
            worker.signal(signal.SIGCONT)


def ends_of(scene: Scene, worker: WorkerProcess) -> list[tuple[int, str, int]]:
    """How the first attempt ended in the late worker's own eyes."""
    entries = scene.lines("raised") + scene.lines("end")
    return [entry for entry in entries if entry[0] == worker.process.pid]


async def test_what_kills_its_worker_becomes_a_dead_letter_and_the_others_go_on(
    scene: Scene,
) -> None:
    poisoned = await submit(scene, "poison")
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(scene.worker())
        others: list[str] = []
        deaths = 0

        async def over() -> bool:
            nonlocal deaths
            if worker.process.poll() is not None:
                deaths += 1
                worker.kill()  # reaps it
                await asyncio.to_thread(worker.start)
                others.append(await submit(scene, "count", b'{"number": 1}'))
            return (await scene.look([poisoned]))[poisoned][0].terminal

        await until(over, LIMIT, every=0.05)
        state, _ = await ended(scene, poisoned)
        for number in others:
            assert (await ended(scene, number))[0].status is Status.SUCCEEDED
    assert deaths == 3 == len([entry for entry in scene.lines("begin") if entry[1] == poisoned])
    assert (state.status, state.dead_letter, state.failures) == (Status.FAILED, True, 3)
    problem = msgspec.json.decode(state.error or b"{}")
    assert problem["type"] == "urn:ringback:problem:worker-lost"


async def test_a_worker_that_is_asked_to_stop_gives_back_what_it_cannot_finish(
    scene: Scene,
) -> None:
    """At once and without a failure, not after its lease."""
    number = await submit(scene, "gated")
    with scene.worker(grace=0) as first:
        await begun(scene, number, 1)
        first.signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.process.wait, LIMIT) == 0
    state, _ = (await scene.look([number]))[number]
    assert (state.status, state.failures, state.attempt) == (Status.QUEUED, 0, 1)
    scene.gate.touch()
    with scene.worker():
        state, _ = await ended(scene, number)
    assert (state.status, state.failures, state.attempt) == (Status.SUCCEEDED, 0, 2)
