"""Tasks of every kind: what goes in, what comes out, and what the options of a task do."""

import asyncio
import contextvars
import json
import threading
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from ringback import BlockingOperation, Claims, Operation, Ringback, Status
from ringback.errors import (
    IdempotencyKeyMissing,
    InvalidInput,
    OperationForgotten,
    UnknownOperation,
    UnknownTask,
)
from tests.serving import until
from tests.worker.following import LIMIT, becomes, ended, problem
from tests.worker.jobs import KINDS, Kind, twin

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_task_of_each_kind_takes_and_gives_models(data: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    rb.task(name="move", run_in=kind)(twin("move", kind))
    rb.task(name="double", run_in=kind)(twin("double", kind))
    async with rb.running():
        moved = await ended(rb, "move", {"x": 4})
        doubled = await ended(rb, "double", {"n": 4})
    assert (moved.status, moved.result) == (Status.SUCCEEDED, b'{"x":5}')
    assert (doubled.status, doubled.result, doubled.attempt) == (Status.SUCCEEDED, b"8", 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_function_knows_its_operation(data: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    rb.task(name="know", run_in=kind)(twin("know", kind))
    async with rb.running():
        state = await ended(rb, "know", subject="ada", traceparent=TRACE)
    known = json.loads(state.result or b"")
    assert known.pop("traceparent")[3:35] == TRACE[3:35], "the trace goes on"
    assert known == {
        "id": state.id,
        "task": "know",
        "attempt": 1,
        "subject": "ada",
        "cancelled": False,
        "earlier": [],
    }


async def test_input_is_validated_at_the_door(data: Path) -> None:
    rb = Ringback(data=data)
    rb.task(name="move")(twin("move", "loop"))
    async with rb.running():
        with pytest.raises(InvalidInput) as refused:
            await rb.submit("move", {"x": "far"})
        assert refused.value.fields["error_count"] == 1
        with pytest.raises(UnknownTask) as unknown:
            await rb.submit("mvoe")
        assert unknown.value.fields["near"] == ["move"]
        assert await rb.started.service.engine.count_queued() == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_input_that_no_longer_fits_is_a_dead_letter_at_once(data: Path, kind: Kind) -> None:
    before = Ringback(data=data)

    @before.task
    async def move(x: str) -> None: ...

    async with before.running(worker=False):
        accepted = await before.submit("move", {"x": "far"})
    after = Ringback(data=data)
    after.task(name="move", run_in=kind)(twin("move", kind))
    async with after.running():
        state = await after.wait(accepted.id, LIMIT)
    assert (state.status, state.dead_letter, state.attempt) == (Status.FAILED, True, 1)
    assert problem(state)["type"] == "urn:ringback:problem:invalid-input"
    assert problem(state)["errors"][0]["pointer"] == "/x"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_result_that_does_not_fit_is_never_tried_again(data: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    rb.task(name="large", run_in=kind, max_result=1)(twin("double", kind))

    @rb.task
    async def wrong() -> int:
        return "many"  # type: ignore[return-value]

    async with rb.running():
        small, large = await ended(rb, "large", {"n": 4}), await ended(rb, "large", {"n": 5})
        unfit = await ended(rb, "wrong")
    assert (small.status, small.result) == (Status.SUCCEEDED, b"8")
    for state in (large, unfit):
        assert (state.status, state.attempt, state.dead_letter) == (Status.FAILED, 1, True)
        assert problem(state)["type"] == "urn:ringback:problem:unfit-result"
    assert problem(large)["detail"].startswith("The result has 2 bytes, and the task allows 1.")
    assert problem(large)["limit"] == 1
    assert "Input should be a valid integer" in (unfit.diagnosis or "")


async def test_start_at_delays_the_start(data: Path) -> None:
    rb = Ringback(data=data)
    started: list[float] = []

    @rb.task
    async def note() -> None:
        started.append(time.time())

    async with rb.running():
        start_at = time.time() + 1.2
        accepted = await rb.submit("note", start_at=start_at)
        assert accepted.ready_at == start_at
        assert (await rb.wait(accepted.id, LIMIT)).status is Status.SUCCEEDED
    assert started[0] >= start_at


async def test_higher_priority_goes_first(data: Path) -> None:
    rb = Ringback(data=data, concurrency=1)
    order: list[str] = []

    @rb.task
    async def low(n: int) -> None:
        order.append(f"low {n}")

    @rb.task(priority=5)
    async def high(n: int) -> None:
        order.append(f"high {n}")

    async with rb.running(worker=False):
        for n in range(2):
            await rb.submit("low", {"n": n})
        ids = [(await rb.submit("high", {"n": n})).id for n in range(2)]
    async with rb.running():
        await until(lambda: len(order) == 4, LIMIT)
        assert (await rb.wait(ids[0], LIMIT)).priority == 5
    assert order == ["high 0", "high 1", "low 0", "low 1"]


class Crowd:
    """Counts how many are inside at once, overall and for each key."""

    def __init__(self) -> None:
        self.inside: dict[str, int] = {}
        self.most = 0
        self.most_of_a_key = 0
        self.starts: list[str] = []

    async def enter(self, key: str, seconds: float) -> None:
        self.starts.append(key)
        self.inside[key] = self.inside.get(key, 0) + 1
        self.most = max(self.most, sum(self.inside.values()))
        self.most_of_a_key = max(self.most_of_a_key, *self.inside.values())
        await asyncio.sleep(seconds)
        self.inside[key] -= 1


async def test_concurrency_holds_over_all_workers(data: Path) -> None:
    crowd = Crowd()
    first, second = Ringback(data=data), Ringback(data=data)

    async def crowded(n: int) -> None:
        await crowd.enter("all", 0.02)

    for rb in (first, second):
        rb.task(concurrency=3)(crowded)
    async with first.running(), second.running():
        ids = [(await first.submit("crowded", {"n": n})).id for n in range(24)]
        for each in ids:
            assert (await first.wait(each, LIMIT)).status is Status.SUCCEEDED
    assert crowd.most == 3, "no more, and no fewer where there is work"


async def test_concurrency_for_each_key_counts_by_the_caller(data: Path) -> None:
    crowd = Crowd()
    rb = Ringback(data=data)

    @rb.task(concurrency_per_key=1)
    async def crowded(op: Operation) -> None:
        await crowd.enter(op.subject or "", 0.05)

    async with rb.running():
        ids = [
            (await rb.submit("crowded", subject=subject)).id
            for subject in ("ada", "ada", "ada", "bob", "bob", "cyd")
        ]
        for each in ids:
            await rb.wait(each, LIMIT)
    assert crowd.most_of_a_key == 1
    assert crowd.most == 3, "one caller's backlog keeps nobody else waiting"


async def test_a_key_may_come_from_the_input(data: Path) -> None:
    crowd = Crowd()
    rb = Ringback(data=data)

    def city(city: str, n: int) -> str:
        return city

    @rb.task(concurrency_per_key=1, key=city)
    async def crowded(city: str, n: int) -> None:
        await crowd.enter(city, 0.5)

    async with rb.running():
        ids = [
            (await rb.submit("crowded", {"city": city, "n": n}, subject="ada")).id
            for n, city in enumerate(["Rome", "Rome", "Oslo", "x" * 300 + "1", "x" * 300 + "2"])
        ]
        for each in ids:
            await rb.wait(each, LIMIT)
    assert (crowd.most_of_a_key, crowd.most) == (1, 4)


async def test_rate_for_each_key_spaces_the_starts(data: Path) -> None:
    crowd = Crowd()
    rb = Ringback(data=data)

    @rb.task(rate_per_key=4.0)
    async def paced(op: Operation) -> None:
        await crowd.enter(op.subject or "", 0.0)

    async with rb.running():
        ids = [
            (await rb.submit("paced", subject=subject)).id
            for subject in ("ada", "bob", "ada", "ada")
        ]
        states = [await rb.wait(each, LIMIT) for each in ids]
    starts = [state.started_at or 0.0 for state in states if state.subject == "ada"]
    assert all(later - earlier > 0.249 for earlier, later in pairwise(starts))
    assert crowd.starts[1] == "bob", "whose turn does not depend on others"


async def test_a_key_for_repeats_may_be_required(data: Path) -> None:
    rb = Ringback(data=data)
    rb.task(name="double", idempotency_key=True)(twin("double", "loop"))
    async with rb.running():
        with pytest.raises(IdempotencyKeyMissing):
            await rb.submit("double", {"n": 1})
        once = await ended(rb, "double", {"n": 1}, key="k")
        again = await rb.submit("double", {"n": 1}, key="k")
    assert (again.id, again.result) == (once.id, b"2")


async def test_what_is_finished_is_kept_for_its_retention(data: Path) -> None:
    rb = Ringback(data=data)
    rb.task(name="brief", retention=0)(twin("double", "loop"))
    rb.task(name="kept", retention=60)(twin("double", "loop"))
    async with rb.running():
        brief = await rb.submit("brief", {"n": 1})
        kept = await ended(rb, "kept", {"n": 1})
        assert (kept.expires_at, kept.finished_at) == (
            (kept.finished_at or 0) + 60,
            kept.finished_at,
        )

        async def forgotten() -> bool:
            try:
                await rb.get(brief.id)
            except OperationForgotten:
                return True
            return False

        await until(forgotten, LIMIT)
        with pytest.raises(UnknownOperation):
            await rb.started.service.load(brief.id, Claims())
        assert (await rb.get(kept.id)).result == b"2"


current: contextvars.ContextVar[str] = contextvars.ContextVar("current", default="none")
local = threading.local()


async def test_runs_see_nothing_of_one_another(data: Path) -> None:
    rb = Ringback(data=data)
    current.set("of the application")

    @rb.task
    async def on_the_loop(n: int) -> str:
        before = current.get()
        current.set(f"run {n}")
        await asyncio.sleep(0.01)
        return f"{before}, {current.get()}"

    @rb.task
    def in_a_thread(n: int) -> str:
        before = f"{current.get()}, {getattr(local, 'seen', 'nothing')}"
        current.set(f"run {n}")
        local.seen = n
        return f"{before}, {current.get()}"

    async with rb.running():
        states = await asyncio.gather(
            *(ended(rb, "on_the_loop", {"n": n}) for n in range(3)),
            *(ended(rb, "in_a_thread", {"n": n}) for n in range(3)),
        )
    assert [msgspec.json.decode(state.result or b"") for state in states] == [
        *(f"of the application, run {n}" for n in range(3)),
        *(f"of the application, nothing, run {n}" for n in range(3)),
    ]


async def test_threads_and_loop_run_at_once(data: Path) -> None:
    """Each kind has its own slots: a full one keeps no other from starting."""
    rb = Ringback(data=data, concurrency=1, threads=2)
    release = threading.Event()

    @rb.task
    def hold(op: BlockingOperation) -> None:
        release.wait(LIMIT)

    @rb.task
    async def quick() -> int:
        return 1

    async with rb.running():
        held = [(await rb.submit("hold")).id for _ in range(3)]
        for each in held[:2]:
            await becomes(rb, each, status=Status.RUNNING)
        assert (await ended(rb, "quick")).status is Status.SUCCEEDED
        assert (await rb.get(held[2])).status is Status.QUEUED, "both threads are taken"
        release.set()
        for each in held:
            assert (await rb.wait(each, LIMIT)).status is Status.SUCCEEDED
