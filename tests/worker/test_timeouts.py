"""A bound on the time of an attempt: what happens to the function, its operation and its slot."""

import asyncio
import time
from pathlib import Path

import pytest

from ringback import BlockingOperation, Operation, Ringback, Status
from ringback.worker import run as runs
from ringback.worker import worker as workers
from tests.serving import until
from tests.worker.following import LIMIT, appears, becomes, ended, problem
from tests.worker.jobs import KINDS, LONG, Kind, note, twin


@pytest.mark.parametrize("kind", KINDS)
async def test_an_attempt_over_its_time_has_failed(data: Path, tmp_path: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    # Whatever retry_on says: nothing is known of the function but that it took too long.
    rb.task(name="linger", run_in=kind, timeout=0.2, retries=1, backoff=0, retry_on=())(
        twin("linger", kind)
    )
    started = tmp_path / "started"
    async with rb.running():
        state = await ended(rb, "linger", {"started": started, "seconds": LONG})
    assert (state.status, state.attempt, state.dead_letter) == (Status.FAILED, 2, True)
    assert problem(state)["type"] == "urn:ringback:problem:timeout"
    assert (problem(state)["seconds"], problem(state)["attempt"]) == (0.2, 2)
    assert state.diagnosis is not None


async def test_a_retry_in_time_succeeds(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data)
    log = tmp_path / "log"

    @rb.task(timeout=0.3, backoff=0)
    async def slow_once() -> str:
        await asyncio.sleep(LONG if note(log, "x") == 1 else 0)
        return "in time"

    async with rb.running():
        state = await ended(rb, "slow_once")
    assert (state.status, state.attempt, state.failures) == (Status.SUCCEEDED, 2, 1)


async def test_time_is_over_though_the_function_returns_something(data: Path) -> None:
    rb = Ringback(data=data)

    @rb.task(timeout=0.1, retries=0)
    async def late() -> str:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return "late"
        return "never"

    async with rb.running():
        state = await ended(rb, "late")
    assert (state.status, state.result) == (Status.FAILED, None)


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_what_does_not_end_is_fenced(
    data: Path, tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "STOP_GRACE", 0.1)
    rb = Ringback(data=data)
    rb.task(name="late_reports", run_in=kind, timeout=0.1, retries=0)(twin("late_reports", kind))
    started, end, seen = (tmp_path / name for name in ("started", "end", "seen"))
    async with rb.running():
        late = await ended(rb, "late_reports", {"started": started, "end": end, "seen": seen})
        assert (late.status, late.part_count) == (Status.FAILED, 0)
        assert rb.started.worker is not None
        assert rb.started.worker.running == 0, "settled: nothing waits for it"
        end.touch()
        await appears(seen)
        assert seen.read_text() == {"loop": "LeaseLost\n", "thread": "OperationCancelled\n"}[kind]
        assert (await rb.get(late.id)) == late, "what it sent too late changed nothing"


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_what_does_not_end_keeps_no_other_from_running(
    data: Path, tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "STOP_GRACE", 0.1)
    rb = Ringback(data=data, concurrency=1, threads=1)
    rb.task(name="ignore", run_in=kind, timeout=0.1, retries=2, backoff=0)(twin("ignore", kind))
    inside, crowds = set[str](), list[int]()

    async def crowd_async(op: Operation) -> None:
        inside.add(op.id)
        await asyncio.sleep(0.02)
        crowds.append(len(inside))
        inside.discard(op.id)

    def crowd(op: BlockingOperation) -> None:
        inside.add(op.id)
        time.sleep(0.02)
        crowds.append(len(inside))
        inside.discard(op.id)

    rb.task(name="crowd")(crowd_async if kind == "loop" else crowd)
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        worker = rb.started.worker
        assert worker is not None
        late = await ended(rb, "ignore", {"started": started, "end": end})
        assert (late.status, late.attempt) == (Status.FAILED, 3)
        assert worker._left[kind] == 3, "all three attempts hang still"
        assert (await ended(rb, "crowd")).status is Status.SUCCEEDED
        end.touch()
        await until(lambda: worker._left[kind] == 0, LIMIT)
        # Had their ends freed the slot anew, several would run at once now.
        await asyncio.gather(*(ended(rb, "crowd") for _ in range(8)))
    assert crowds == [1] * 9


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_too_many_that_do_not_end_keep_their_slots(
    data: Path,
    tmp_path: Path,
    kind: Kind,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(runs, "STOP_GRACE", 0.1)
    monkeypatch.setattr(workers, "LEFT_PER_SLOT", 1)
    monkeypatch.setattr(workers, "LEFT_AT_LEAST", 1)
    rb = Ringback(data=data, concurrency=1, threads=1)
    rb.task(name="ignore", run_in=kind, timeout=0.1, retries=0)(twin("ignore", kind))
    rb.task(name="double", run_in=kind)(twin("double", kind))
    other: Kind = "thread" if kind == "loop" else "loop"
    rb.task(name="canary", run_in=other)(twin("double", other))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        assert (await ended(rb, "ignore", {"started": started, "end": end})).dead_letter
        assert (await ended(rb, "double", {"n": 1})).result == b"2"
        assert "restart this worker" not in caplog.text
        assert (await ended(rb, "ignore", {"started": started, "end": end})).dead_letter
        [error] = [each for each in caplog.records if each.levelname == "ERROR"]
        held = {"loop": "places on the event loop", "thread": "threads"}[kind]
        said = f"2 functions do not end and hold {held}; restart this worker."
        assert error.getMessage().startswith(said)
        behind = await rb.submit("double", {"n": 2})
        # What has room is claimed for all kinds at once: with the canary, were there any.
        assert (await ended(rb, "canary", {"n": 1})).result == b"2"
        assert (await rb.get(behind.id)).status is Status.QUEUED
        end.touch()
        assert (await rb.wait(behind.id, LIMIT)).result == b"4"


async def test_by_default_dozens_may_hang_before_one_keeps_its_slot(
    data: Path, tmp_path: Path
) -> None:
    rb = Ringback(data=data, threads=1)
    rb.task(name="ignore", run_in="thread", timeout=0.01, retries=0)(twin("ignore", "thread"))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        input = {"started": started, "end": end}
        states = await asyncio.gather(*(ended(rb, "ignore", input) for _ in range(33)))
        assert all(state.dead_letter for state in states)
        end.touch()


async def test_a_process_over_its_time_is_killed(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, processes=1)
    rb.task(name="ignore", run_in="process", timeout=3.0, retries=0)(twin("ignore", "process"))
    rb.task(name="double", run_in="process")(twin("double", "process"))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        accepted = await rb.submit("ignore", {"started": started, "end": end})
        await becomes(rb, accepted.id, status=Status.FAILED)
        assert (await ended(rb, "double", {"n": 1})).status is Status.SUCCEEDED, "its slot is free"


async def test_cancelled_and_then_over_its_time_it_is_cancelled(data: Path, tmp_path: Path) -> None:
    """A thread that never looks is left at its timeout, cancelled or not."""
    rb = Ringback(data=data)
    rb.task(name="ignore", run_in="thread", timeout=0.6)(twin("ignore", "thread"))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        accepted = await rb.submit("ignore", {"started": started, "end": end})
        await appears(started)
        service = rb.started.service
        await service.cancel(await service.engine.load(accepted.id))
        state = await rb.wait(accepted.id, LIMIT)
        end.touch()
    assert (state.status, state.failures) == (Status.CANCELLED, 0)
