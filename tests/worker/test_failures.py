"""Attempts that fail: what is tried again and when, what the caller is told, dead letters."""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from ringback import (
    Claims,
    Operation,
    OperationState,
    RetryLater,
    Ringback,
    Status,
    TaskFailed,
)
from ringback.core.model import Query
from ringback.errors import TransitionError
from tests.worker.following import LIMIT, becomes, ended, problem
from tests.worker.jobs import KINDS, LONG, Kind, Refusal, Unpicklable, note, twin


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failed_attempt_is_tried_again(data: Path, tmp_path: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    rb.task(name="mend", run_in=kind, backoff=0)(twin("mend", kind))
    async with rb.running():
        state = await ended(rb, "mend", {"log": tmp_path / "log"})
    assert (state.status, state.result, state.failures) == (Status.SUCCEEDED, b"2", 1)
    assert state.error is None, "what went wrong before is over"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "retry_on", "attempts"),
    [
        ("value", Exception, 3),
        ("value", (OSError, ValueError), 3),
        ("value", OSError, 1),
        ("refusal", Refusal, 3),
        ("refusal", ValueError, 1),
        ("failed", Exception, 1),
        ("exit", Exception, 1),
        ("exit", BaseException, 3),
        ("interrupt", Exception, 1),
        ("stop", Exception, 3),
        ("unpicklable", Unpicklable, 3),
        ("unpicklable refusal", Unpicklable, 3),
        ("unpicklable refusal", ValueError, 1),
        ("limit", Exception, 1),
        ("unpicklable limit", Exception, 1),
        ("full", Exception, 3),
    ],
)
async def test_what_is_tried_again(
    data: Path, tmp_path: Path, kind: Kind, error: str, retry_on: Any, attempts: int
) -> None:
    rb = Ringback(data=data)
    rb.task(name="fail", run_in=kind, retries=2, backoff=0, retry_on=retry_on)(twin("fail", kind))
    rb.task(name="double", run_in=kind)(twin("double", kind))
    log = tmp_path / "log"
    async with rb.running():
        state = await ended(rb, "fail", {"error": error, "log": log})
        assert (state.status, state.attempt, state.failures) == (Status.FAILED, attempts, attempts)
        assert log.read_text().split() == [str(n + 1) for n in range(attempts)]
        assert state.dead_letter is (error != "failed")
        assert state.finished_at is not None
        assert (await ended(rb, "double", {"n": 1})).result == b"2", "the worker goes on"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_caller_is_told_the_class_alone(data: Path, tmp_path: Path, kind: Kind) -> None:
    def authenticate(headers: Any) -> None:
        """That callers can be known at all makes this no development."""

    rb = Ringback(data=data, authenticate=authenticate)
    rb.task(name="fail", run_in=kind, retries=0)(twin("fail", kind))
    async with rb.running():
        for error, name in (
            ("value", "ValueError"),
            ("unpicklable", "Unpicklable"),
            ("another's", "UnknownOperation"),
            ("another's end", "OperationCancelled"),
            ("forbidden", "Forbidden"),
            ("full", "QueueFull"),
        ):
            state = await ended(rb, "fail", {"error": error, "log": tmp_path / "log"})
            assert problem(state) == {
                "type": "urn:ringback:problem:task-error",
                "title": "Task error",
                "status": 424,
                "detail": f"The task raised {name}.",
                "exception": name,
                "attempt": 1,
            }
            assert state.diagnosis is not None
            assert {"unpicklable": "1 and 2"}.get(error, "a secret") in state.diagnosis
            assert "jobs.py" in state.diagnosis, "operators see where"


async def test_a_developer_is_told_more(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data)
    for kind in KINDS:
        rb.task(name=kind, run_in=kind, retries=0)(twin("fail", kind))
    async with rb.running():
        for kind in KINDS:
            for error, text in (
                ("value", "ValueError: a secret"),
                ("unpicklable", "Unpicklable: 1 and 2"),
                ("another's", "UnknownOperation: a secret"),
            ):
                state = await ended(rb, kind, {"error": error, "log": tmp_path / "log"})
                assert problem(state)["detail"] == text


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_function_itself_says_is_shown(data: Path, tmp_path: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    rb.task(name="fail", run_in=kind)(twin("fail", kind))
    async with rb.running():
        state = await ended(rb, "fail", {"error": "failed", "log": tmp_path / "log"})
    shown = problem(state)
    assert isinstance(shown.pop("seen"), list | str), "a set has no JSON of its own"
    assert shown == {
        "type": "urn:ringback:problem:task-failed",
        "title": "Task failed",
        "status": 424,
        "detail": "No such address.",
        "street": "Elm Street",
        "attempt": 1,
    }
    assert not state.dead_letter, "it said itself that there is nothing to be mended"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Strange:
    """What no serializer knows, and what has no text."""

    __repr__ = __str__ = Mute.__str__


@pytest.mark.parametrize(
    "error", [Mute(), TaskFailed("x", strange=Strange()), ValueError("\ud800 half")]
)
async def test_no_exception_is_too_strange_to_be_settled(
    data: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rb = Ringback(data=data)

    @rb.task(retries=0)
    async def fail() -> None:
        raise error

    async with rb.running():
        state = await ended(rb, "fail")
    assert state.status is Status.FAILED
    assert json.loads(state.error or b"")["status"] == 424
    written = caplog.text.encode("utf-8", "replace").decode()
    assert written == caplog.text, "what is logged can be written"


async def test_each_failed_attempt_is_logged_once(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ringback.worker")
    rb, earlier = Ringback(data=data), Ringback(data=data)

    @earlier.task(name="changed")
    async def before(text: str) -> None: ...

    @rb.task
    async def changed(text: int) -> None: ...

    @rb.task
    async def unfit() -> int:
        return cast(int, "a secret")

    @rb.task(timeout=0.05, retries=1, backoff=0)
    async def slow(text: str) -> None:
        await asyncio.sleep(LONG)

    @rb.task(retries=1)
    async def busy() -> None:
        raise RetryLater("a secret", delay=0)

    rb.task(name="fail", retries=1, backoff=0)(twin("fail", "loop"))

    def lines(state: OperationState) -> list[tuple[str, str]]:
        """What the log says of an operation, by level, without what is the same in all."""
        assert state.status is Status.FAILED
        own = [each for each in caplog.records if state.id in each.getMessage()]
        head = f"{state.task} of {state.id}, attempt "
        assert all(each.getMessage().startswith(head) for each in own)
        return [(each.levelname, each.getMessage().removeprefix(head)) for each in own]

    async with earlier.running(worker=False):
        old = await earlier.submit("changed", {"text": "a secret"})
    async with rb.running():
        assert lines(await rb.wait(old.id, LIMIT)) == [
            ("WARNING", "1, failed and is a dead letter: UnfitInput"),
        ]
        assert lines(await ended(rb, "unfit")) == [
            ("WARNING", "1, failed and is a dead letter: UnfitResult"),
        ]
        assert lines(await ended(rb, "slow", {"text": "a secret"})) == [
            ("WARNING", "1, failed and is tried again: TimedOut"),
            ("WARNING", "2, failed and is a dead letter: TimedOut"),
        ]
        assert lines(await ended(rb, "busy")) == [
            ("INFO", "1, failed and is tried again: RetryLater"),
            ("WARNING", "2, failed and is a dead letter: RetryLater"),
        ]
        log = tmp_path / "log"
        assert lines(await ended(rb, "fail", {"error": "limit", "log": log})) == [
            ("WARNING", "1, failed and is a dead letter: LimitExceeded"),
        ]
        assert lines(await ended(rb, "fail", {"error": "failed", "log": log})) == [
            ("INFO", "1, failed and is over, as foreseen: TaskFailed"),
        ]
        assert "a secret" not in caplog.text
        first, second = lines(await ended(rb, "fail", {"error": "value", "log": log}))
    assert first[1].startswith("1, failed and is tried again; it raised:\nTraceback")
    assert second[1].startswith("2, failed and is a dead letter; it raised:\nTraceback")
    assert "ValueError: a secret" in second[1]


async def test_a_parent_fails_with_the_detail_of_its_child(data: Path) -> None:
    def authenticate(headers: Any) -> None:
        """That callers can be known at all makes this no development."""

    rb = Ringback(data=data, authenticate=authenticate)

    @rb.task(retries=1, backoff=0)
    async def slow() -> None:
        raise RetryLater("The printer is busy.")

    @rb.task
    async def child() -> None:
        raise TaskFailed("The printer is on fire.", printer="lp0")

    @rb.task
    async def parent(of: str) -> None:
        await rb.result((await rb.submit(of)).id)

    async with rb.running():
        for of, told in (
            ("child", {"detail": "The printer is on fire.", "printer": "lp0"}),
            ("slow", {"detail": "The printer is busy."}),
        ):
            state = await ended(rb, "parent", {"of": of})
            assert problem(state) == told | {
                "type": "urn:ringback:problem:task-failed",
                "title": "Task failed",
                "status": 424,
                "attempt": 1,
            }


async def test_retry_later_sets_the_delay_itself(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data)
    log = tmp_path / "log"

    @rb.task(backoff=LIMIT, retry_on=())
    async def busy(op: Operation) -> int:
        if note(log, op.attempt) < 3:
            raise RetryLater("The other side is busy.", delay=0.3)
        return op.attempt

    async with rb.running():
        accepted = await rb.submit("busy")
        waiting = await becomes(rb, accepted.id, status=Status.QUEUED, attempt=1)
        assert waiting.ready_at - waiting.updated_at == pytest.approx(0.3, abs=1e-3)
        assert problem(waiting)["detail"] == "The other side is busy."
        state = await rb.wait(accepted.id, LIMIT)
    assert (state.status, state.result, state.failures) == (Status.SUCCEEDED, b"3", 2)


async def test_backoff_grows_and_is_drawn_at_random(data: Path) -> None:
    rb = Ringback(data=data)

    @rb.task(retries=1, backoff=1000, backoff_max=5000)
    async def fail() -> None:
        raise ValueError("no")

    async with rb.running():
        waits = []
        for _ in range(6):
            accepted = await rb.submit("fail")
            state = await becomes(rb, accepted.id, status=Status.QUEUED, failures=1)
            waits.append(state.ready_at - state.updated_at)
    assert all(0 <= wait <= 1000 for wait in waits)
    assert len(set(waits)) > 1


async def test_a_poison_message_blocks_nothing(data: Path) -> None:
    """One slot, one operation that always fails, and work behind it."""
    rb = Ringback(data=data, concurrency=1)

    @rb.task(retries=2, backoff=0.05, priority=100)
    async def poison() -> None:
        raise ValueError("no")

    @rb.task
    async def work(n: int) -> int:
        return n

    async with rb.running(worker=False):
        bad = await rb.submit("poison")
        ids = [(await rb.submit("work", {"n": n})).id for n in range(20)]
    async with rb.running():
        for each in ids:
            assert (await rb.wait(each, LIMIT)).status is Status.SUCCEEDED
        state = await rb.wait(bad.id, LIMIT)
    assert (state.status, state.attempt, state.dead_letter) == (Status.FAILED, 3, True)


async def test_dead_letters_are_listed_inspected_and_redriven(data: Path) -> None:
    rb = Ringback(data=data)
    mended = asyncio.Event()

    @rb.task(retries=1, backoff=0)
    async def frail(n: int) -> int:
        if not mended.is_set():
            raise ConnectionError("the mail server is down")
        return n

    async with rb.running():
        service, engine = rb.started.service, rb.started.service.engine
        dead = await ended(rb, "frail", {"n": 7}, subject="ada")
        other = await ended(rb, "frail", {"n": 8}, subject="bob")
        listed = await engine.list(Query(dead_letter=True))
        assert [each.id for each in listed] == [other.id, dead.id]
        assert "the mail server is down" in (listed[1].diagnosis or "")

        mended.set()
        again = await service.redrive(dead.id, Claims(subject="ada"))
        assert (again.parent, again.subject, again.input) == (dead.id, "ada", dead.input)
        assert again.id != dead.id
        assert (again.traceparent or "")[3:35] == (dead.traceparent or "")[3:35]
        done = await rb.wait(again.id, LIMIT)
        assert (done.status, done.result, done.attempt) == (Status.SUCCEEDED, b"7", 1)

        kept = await rb.get(dead.id)
        assert (kept.status, kept.error, kept.diagnosis) == (
            dead.status,
            dead.error,
            dead.diagnosis,
        )
        assert [each.id for each in await engine.list(Query(dead_letter=True))] == [other.id]
        with pytest.raises(TransitionError, match="was redriven already"):
            await service.redrive(dead.id, Claims(subject="ada"))
        with pytest.raises(TransitionError, match="that is succeeded does not take redrive"):
            await service.redrive(done.id, Claims(subject="ada"))


async def test_two_who_redrive_at_once_do_it_once(data: Path) -> None:
    rb = Ringback(data=data)

    @rb.task(retries=0)
    async def frail() -> None:
        raise ValueError("no")

    async with rb.running():
        service = rb.started.service
        dead = await ended(rb, "frail", subject="ada")
        redriven = await asyncio.gather(
            *(service.redrive(dead.id, Claims(subject="ada")) for _ in range(5)),
            return_exceptions=True,
        )
        assert len([each for each in redriven if isinstance(each, TransitionError)]) == 4
        assert len(await service.engine.list(Query(parent=dead.id))) == 1
