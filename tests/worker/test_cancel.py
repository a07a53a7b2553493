"""Cancelling what runs: in the loop, in a thread, in a process; what listens and what does not."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from ringback import BlockingOperation, Operation, OperationState, Ringback, Status
from ringback.core.model import Kind as Message
from tests.serving import until
from tests.worker.following import LIMIT, appears, becomes, ended, log_of, problem, topic
from tests.worker.jobs import KINDS, LONG, Kind, twin


async def cancel(rb: Ringback, operation: str) -> OperationState:
    service = rb.started.service
    return await service.cancel(await service.engine.load(operation))


@pytest.mark.parametrize("kind", KINDS)
async def test_what_listens_is_cancelled_long_before_it_would_end(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="linger", run_in=kind)(twin("linger", kind))
    async with rb.running():
        accepted = await rb.submit("linger", {"started": tmp_path / "started", "seconds": LONG})
        await appears(tmp_path / "started")
        asked = await cancel(rb, accepted.id)
        assert (asked.status, asked.cancel_requested) == (Status.RUNNING, True)
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.failures, state.error) == (Status.CANCELLED, 0, None)
        worker = rb.started.worker
        assert worker is not None
        await until(lambda: worker.running == 0, LIMIT)


async def test_another_process_may_ask_for_it(data: Path, tmp_path: Path) -> None:
    """The one that cancels need not be the one that works: the hint goes by the store."""
    rb, other = Ringback(data=data, open_topics=True), Ringback(data=data)
    for each in (rb, other):
        each.task(name="linger")(twin("linger", "loop"))
    async with rb.running(), other.running(worker=False):
        accepted = await other.submit("linger", {"started": tmp_path / "started"})
        await appears(tmp_path / "started")
        await cancel(other, accepted.id)
        assert (await other.wait(accepted.id, LIMIT)).status is Status.CANCELLED


async def test_a_heartbeat_tells_when_the_hint_was_lost(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="linger", lease=0.5)(twin("linger", "loop"))
    async with rb.running():
        worker = rb.started.worker
        assert worker is not None
        assert worker._unlisten is not None
        worker._unlisten()
        # No hint, so the claim has to come by the poll, and the cancelling by the heartbeat.
        accepted = await rb.submit("linger", {"started": tmp_path / "started"})
        await appears(tmp_path / "started")
        await cancel(rb, accepted.id)
        assert (await rb.wait(accepted.id, LIMIT)).status is Status.CANCELLED


async def test_an_async_function_may_clean_up(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    started = asyncio.Event()

    @rb.task
    async def tidy(op: Operation) -> None:
        try:
            started.set()
            await asyncio.sleep(LONG)
        finally:
            assert op.cancelled
            await op.progress(0.9, "tidying up")
            await op.publish("tidied", op.id)
            await asyncio.sleep(0.05)

    async with rb.running():
        accepted = await rb.submit("tidy")
        await started.wait()
        await cancel(rb, accepted.id)
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.progress_message) == (Status.CANCELLED, "tidying up")
        assert await topic(rb, "tidied") == [accepted.id]


async def test_what_finishes_all_the_same_has_succeeded(data: Path) -> None:
    """Best effort: the outcome is what happened, not what was asked for."""
    rb = Ringback(data=data, open_topics=True)
    started = asyncio.Event()

    @rb.task
    async def stubborn() -> str:
        try:
            started.set()
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    async with rb.running():
        accepted = await rb.submit("stubborn")
        await started.wait()
        await cancel(rb, accepted.id)
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.result) == (Status.SUCCEEDED, b'"done all the same"')
        # The worker is none the worse for it.
        started.clear()
        again = await rb.submit("stubborn")
        await started.wait()
        await cancel(rb, again.id)
        assert (await rb.wait(again.id, LIMIT)).status is Status.SUCCEEDED


async def test_what_it_raises_when_interrupted_is_no_failure(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    started = asyncio.Event()

    @rb.task
    async def rude() -> None:
        try:
            started.set()
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            raise ConnectionError("the other side hung up") from None

    async with rb.running():
        accepted = await rb.submit("rude")
        await started.wait()
        await cancel(rb, accepted.id)
        state = await rb.wait(accepted.id, LIMIT)
    assert (state.status, state.failures) == (Status.CANCELLED, 0)


@pytest.mark.parametrize("kind", ["loop", "thread"])
async def test_what_does_not_stop_is_said_to_run_on(data: Path, tmp_path: Path, kind: Kind) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="ignore", run_in=kind, cancel_grace=0.1)(twin("ignore", kind))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        accepted = await rb.submit("ignore", {"started": started, "end": end})
        await appears(started)
        await cancel(rb, accepted.id)

        async def told() -> str | None:
            return (await rb.get(accepted.id)).progress_message

        assert str(await until(told, LIMIT)).startswith("Asked to stop")
        state = await rb.get(accepted.id)
        assert (state.status, state.cancel_requested) == (Status.RUNNING, True)
        end.touch()
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.result) == (Status.SUCCEEDED, b'"cancelled: True"')
        log = await log_of(rb, accepted.id)
    messages = [json.loads(each.data)["message"] for each in log if each.kind is Message.PROGRESS]
    assert len(messages) == 2, "it is said once, and taken back"
    assert (messages[0][:14], messages[1]) == ("Asked to stop;", "")
    assert state.progress_message == "", "it has finished: that it may still is no news"


@pytest.mark.parametrize(
    ("kind", "later", "stands"),
    [("loop", None, "half"), ("loop", "all", "all"), ("thread", None, "half")],
)
async def test_what_the_function_said_last_stands_in_the_end(
    data: Path, tmp_path: Path, kind: Kind, later: str | None, stands: str
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="tell", run_in=kind, cancel_grace=0.1)(twin("tell_around", kind))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        accepted = await rb.submit("tell", {"started": started, "end": end, "later": later})
        await appears(started)
        await cancel(rb, accepted.id)

        async def told() -> bool:
            message = (await rb.get(accepted.id)).progress_message or ""
            return message.startswith("Asked to stop")

        await until(told, LIMIT)
        end.touch()
        state = await rb.wait(accepted.id, LIMIT)
        log = await log_of(rb, accepted.id)
    assert (state.status, state.progress_message) == (Status.SUCCEEDED, stands)
    messages = [json.loads(each.data)["message"] for each in log if each.kind is Message.PROGRESS]
    assert [each[:14] for each in messages] == ["half", "Asked to stop;", stands]


async def test_a_process_that_does_not_listen_is_killed(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="ignore", run_in="process", cancel_grace=0.2)(twin("ignore", "process"))
    started, end = tmp_path / "started", tmp_path / "end"
    async with rb.running():
        accepted = await rb.submit("ignore", {"started": started, "end": end})
        await appears(started)
        await cancel(rb, accepted.id)
        state = await rb.wait(accepted.id, LIMIT)
        assert (state.status, state.failures) == (Status.CANCELLED, 0)
        again = await rb.submit("ignore", {"started": started, "end": end})
        await becomes(rb, again.id, status=Status.RUNNING)
        end.touch()
        assert (await rb.wait(again.id, LIMIT)).status is Status.SUCCEEDED, "a slot is free again"


async def test_a_blocking_handle_stops_its_function_at_the_next_report(
    data: Path, tmp_path: Path
) -> None:
    rb = Ringback(data=data, open_topics=True)
    reports: list[str] = []

    @rb.task
    def work(op: BlockingOperation, by: str) -> None:
        while True:
            op.progress(0.5) if by == "progress" else op.send(1)
            reports.append(by)
            time.sleep(0.005)

    async with rb.running():
        for by in ("progress", "send"):
            accepted = await rb.submit("work", {"by": by})
            await until(lambda by=by: by in reports, LIMIT)
            await cancel(rb, accepted.id)
            assert (await rb.wait(accepted.id, LIMIT)).status is Status.CANCELLED


async def test_cancelled_between_claim_and_start_it_never_runs(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True, concurrency=1)
    ran: list[str] = []

    @rb.task
    async def note(op: Operation) -> None:
        ran.append(op.id)
        await asyncio.sleep(0)

    async with rb.running():
        ids = []
        for _ in range(40):
            accepted = await rb.submit("note")
            ids.append(accepted.id)
            await cancel(rb, accepted.id)
        states = [await rb.wait(each, LIMIT) for each in ids]
    for state in states:
        assert state.status in (Status.CANCELLED, Status.SUCCEEDED)
        if state.status is Status.SUCCEEDED:
            assert state.id in ran


async def test_cancelling_itself_is_a_failure_that_is_tried_again(
    data: Path, tmp_path: Path
) -> None:
    """Nobody asked for it, so it is an error of the function, like any other."""
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="fail", retries=1, backoff=0, retry_on=())(twin("fail", "loop"))

    @rb.task(backoff=0)
    async def lunatic(op: Operation) -> int:
        if op.attempt == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # and returns without waiting for it
        return op.attempt

    async with rb.running():
        state = await ended(rb, "fail", {"error": "cancelled", "log": tmp_path / "log"})
        assert (state.status, state.attempt, state.dead_letter) == (Status.FAILED, 2, True)
        assert problem(state)["exception"] == "CancelledError"
        assert (await ended(rb, "lunatic")).result in (b"1", b"2")
        assert (await ended(rb, "lunatic")).status is Status.SUCCEEDED
