"""A bound on the time of an attempt: what happens to the function, its operation and its slot."""

import asyncio
from pathlib import Path

import pytest

from ringback import Ringback, Status
from ringback.worker import run as runs
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
async def test_what_does_not_end_is_fenced_and_keeps_its_slot(
    data: Path, tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "STOP_GRACE", 0.1)
    rb = Ringback(data=data, concurrency=1, threads=1)
    rb.task(name="late_reports", run_in=kind, timeout=0.1, retries=0)(twin("late_reports", kind))
    rb.task(name="double", run_in=kind)(twin("double", kind))
    started, end, seen = (tmp_path / name for name in ("started", "end", "seen"))
    async with rb.running():
        late = await ended(rb, "late_reports", {"started": started, "end": end, "seen": seen})
        assert (late.status, late.part_count) == (Status.FAILED, 0)
        assert rb.started.worker is not None
        assert rb.started.worker.running == 0, "settled: nothing waits for it"
        behind = await rb.submit("double", {"n": 1})
        await asyncio.sleep(0.3)  # time in which a slot that is not free could be given away
        assert (await rb.get(behind.id)).status is Status.QUEUED
        end.touch()
        assert (await rb.wait(behind.id, LIMIT)).status is Status.SUCCEEDED
        await appears(seen)
        assert seen.read_text() == {"loop": "LeaseLost\n", "thread": "OperationCancelled\n"}[kind]
        assert (await rb.get(late.id)) == late, "what it sent too late changed nothing"


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
