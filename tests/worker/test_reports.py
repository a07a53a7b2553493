"""What a function reports while it runs: progress, parts, messages, events."""

import asyncio
import json
from pathlib import Path

import pytest

from ringback import CloudEvent, Operation, Ringback, Status
from ringback.core.model import Kind as Message
from ringback.core.model import Query
from ringback.errors import InvalidInput, LimitExceeded, PayloadTooLarge
from ringback.service import MAX_MESSAGE
from ringback.worker import attempt as attempts
from tests.worker.following import (
    LIMIT,
    becomes,
    ended,
    log_of,
    parts_of,
    problem,
    topic,
)
from tests.worker.jobs import KINDS, Kind, note, twin


@pytest.mark.parametrize("kind", KINDS)
async def test_progress_arrives_though_nothing_follows_it(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="tell_once", run_in=kind)(twin("tell_once", kind))
    flag = tmp_path / "flag"
    async with rb.running():
        accepted = await rb.submit("tell_once", {"flag": flag})
        told = await becomes(rb, accepted.id, progress=0.5)
        assert (told.status, told.progress_message) == (Status.RUNNING, "second")
        flag.touch()
        state = await rb.wait(accepted.id, LIMIT)
    assert (state.progress, state.progress_message) == (1.0, "second")


async def test_what_progress_takes(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    steps = asyncio.Queue[None]()

    @rb.task
    async def tell(op: Operation) -> None:
        for fraction, message in (
            (0.5, None),
            (float("nan"), "no number"),
            (7, "far too much"),
            (-1, "a name \ud83d cut in half"),
            (None, "m" * 1000),
        ):
            await op.progress(fraction, message)
            await op.commit()
        steps.put_nowait(None)

    @rb.task(retries=0)
    async def wrong(op: Operation) -> None:
        await op.progress("half")  # type: ignore[arg-type]

    async with rb.running():
        state = await ended(rb, "tell")
        log = await log_of(rb, state.id)
        assert (await ended(rb, "wrong")).status is Status.FAILED
    told = [json.loads(each.data) for each in log if each.kind is Message.PROGRESS]
    assert [(each["fraction"], each["message"]) for each in told] == [
        (0.5, None),
        (0.5, "no number"),
        (1.0, "far too much"),
        (0.0, "a name ? cut in half"),
        (0.0, "m" * 500),
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_parts_arrive_in_order_and_once(data: Path, kind: Kind) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="report", run_in=kind)(twin("report", kind))
    heard: list[CloudEvent] = []

    @rb.on("reported")
    async def hear(event: CloudEvent) -> None:
        heard.append(event)

    async with rb.running():
        state = await ended(rb, "report", {"parts": 20}, subject="ada")
        assert (state.status, state.part_count) == (Status.SUCCEEDED, 20)
        parts = await parts_of(rb, state.id)
        assert [(part["index"], part["data"]) for part in parts] == [
            (n, {"x": n}) for n in range(20)
        ]
        assert await topic(rb, "parts") == [{"n": n} for n in range(20)]
        await _handled(rb, state.id, 1)
    (event,) = heard
    assert (event.type, event.data, event.subject) == ("reported", {"parts": 20}, "all")


async def _handled(rb: Ringback, parent: str, count: int) -> None:
    """Wait for the handlers of what an operation emitted."""
    handlers = await rb.started.service.engine.list(Query(parent=parent))
    assert len(handlers) == count
    for handler in handlers:
        assert (await rb.wait(handler.id, LIMIT)).status is Status.SUCCEEDED


async def test_parts_sent_at_once_keep_their_order(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)

    @rb.task
    async def burst(op: Operation) -> None:
        await asyncio.gather(*(op.send(n) for n in range(200)))

    async with rb.running():
        state = await ended(rb, "burst")
        parts = await parts_of(rb, state.id)
    assert [part["data"] for part in parts] == list(range(200))


async def test_a_part_is_stored_when_send_returns(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    counts: list[int] = []

    @rb.task
    async def send(op: Operation) -> None:
        for n in range(5):
            await op.send(n)
            counts.append((await rb.get(op.id)).part_count)

    async with rb.running():
        await ended(rb, "send")
    assert counts == [1, 2, 3, 4, 5]


async def test_a_part_under_way_when_cancelled_is_stored_once(data: Path) -> None:
    """The commit cannot be taken back, so what it holds must not be sent again."""
    rb = Ringback(data=data, open_topics=True)
    rounds = 70

    @rb.task
    async def hasty(op: Operation) -> int:
        interrupted = 0
        for n in range(rounds):
            await op.publish("hasty", n)
            sending = asyncio.ensure_future(op.send(n))
            for _ in range(n % 7):
                await asyncio.sleep(0)
            sending.cancel()
            try:
                await sending
            except asyncio.CancelledError:
                interrupted += 1
        await op.commit()
        return interrupted

    async with rb.running():
        state = await ended(rb, "hasty")
        parts = [part["data"] for part in await parts_of(rb, state.id)]
        published = await topic(rb, "hasty")
    assert int(state.result or b"0") > 0, "some were cut"
    assert sorted(set(parts)) == parts, "none twice, none out of order"
    assert published == list(range(rounds))


async def test_what_is_published_comes_with_the_next_change(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    seen: list[list[object]] = []

    @rb.task
    async def speak(op: Operation) -> None:
        await op.publish("news", 1)
        seen.append(await topic(rb, "news"))
        await op.commit()
        seen.append(await topic(rb, "news"))
        await op.publish("news", 2)

    async with rb.running():
        await ended(rb, "speak")
        assert await topic(rb, "news") == [1, 2]
    assert seen == [[], [1]]


async def test_what_was_reported_before_a_failure_is_not_lost(data: Path) -> None:
    """The next change of an attempt that fails is its failure."""
    rb = Ringback(data=data, open_topics=True)

    @rb.task(retries=0)
    async def stumble(op: Operation) -> None:
        await op.progress(0.7, "line 3041")
        await op.publish("news", "stumbling")
        raise ValueError("here")

    async with rb.running():
        state = await ended(rb, "stumble")
        assert await topic(rb, "news") == ["stumbling"]
    assert (state.status, state.progress, state.progress_message) == (
        Status.FAILED,
        0.7,
        "line 3041",
    )


async def test_only_a_success_emits(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    heard: list[tuple[str, object, str]] = []

    @rb.on("*")
    async def hear(event: CloudEvent) -> None:
        heard.append((event.type, event.data, event.id))

    log = tmp_path / "log"

    @rb.task(backoff=0)
    async def twice(op: Operation) -> None:
        await op.emit("tried", {"attempt": op.attempt})
        await op.commit()
        if note(log, op.attempt) == 1:
            raise ValueError("not yet")
        await op.emit("done")

    @rb.task(retries=0)
    async def never(op: Operation) -> None:
        await op.emit("never")
        raise ValueError("no")

    async with rb.running():
        assert (await ended(rb, "never")).status is Status.FAILED
        state = await ended(rb, "twice")
        await _handled(rb, state.id, 2)
    assert sorted(heard) == [
        ("done", None, f"{state.id}:2:2"),
        ("tried", {"attempt": 2}, f"{state.id}:2:1"),
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_retry_begins_anew_or_goes_on_after_its_parts(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data, open_topics=True)
    rb.task(name="anew", run_in=kind, backoff=0)(twin("resume", kind))
    rb.task(name="on", run_in=kind, backoff=0, resumable=True)(twin("resume", kind))
    async with rb.running():
        anew = await ended(rb, "anew", {"log": tmp_path / "anew", "parts": 6})
        on = await ended(rb, "on", {"log": tmp_path / "on", "parts": 6})
        assert (anew.result, anew.part_count) == (b"[2,0]", 6)
        assert (on.result, on.part_count) == (b"[2,3]", 6)
        shown = await rb.started.service.parts(on)
        assert [part["data"] for part in map(json.loads, map(bytes, shown))] == list(range(6))
        assert [part["index"] for part in await parts_of(rb, on.id)] == list(range(6))
        assert len(await parts_of(rb, anew.id)) == 9, "the log keeps those of both attempts"


async def test_all_parts_are_handed_to_a_retry_however_many(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    log, count = tmp_path / "log", 1500

    @rb.task(resumable=True, backoff=0)
    async def many(op: Operation) -> int:
        if note(log, op.attempt) == 1:
            for start in range(0, count, 300):
                await asyncio.gather(*(op.send(start + n) for n in range(300)))
                await op.progress(start / count)
                await op.commit()
            raise ValueError("now again")
        assert list(op.earlier_parts) == list(range(count))
        return len(op.earlier_parts)

    async with rb.running():
        state = await ended(rb, "many")
    assert (state.status, state.result) == (Status.SUCCEEDED, b"%d" % count), state.diagnosis


async def test_bounds_are_told_to_the_function(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "MAX_PARTS", 3)
    monkeypatch.setattr(attempts, "MAX_PENDING", 5)
    rb = Ringback(data=data, open_topics=True)
    large = "x" * (MAX_MESSAGE + 1)

    @rb.task
    async def bound(op: Operation) -> list[str]:
        said = []

        async def refused(what: object, kind: type[Exception]) -> None:
            try:
                await what  # type: ignore[misc]
            except kind as error:
                said.append(str(error))

        for n in range(3):
            await op.send(n)
        await refused(op.send(4), LimitExceeded)
        await refused(op.emit("a", large), LimitExceeded)
        await refused(op.publish("t", large), PayloadTooLarge)
        await refused(op.publish("operations/x", 1), InvalidInput)
        await refused(op.publish("a//b", 1), InvalidInput)
        await refused(op.emit(""), InvalidInput)
        await refused(op.emit("x" * 201), InvalidInput)
        for _ in range(5):
            await op.emit("a")
        await refused(op.emit("a"), LimitExceeded)
        return said

    async with rb.running():
        state = await ended(rb, "bound")
    said = json.loads(state.result or b"[]")
    assert [text[:40] for text in said] == [
        "An operation sends at most 3 partial res",
        "An event has at most 262144 bytes; this ",
        "A message of t has at most 262144 bytes;",
        "Topics beginning with 'operations/' or '",
        "A topic is segments joined by '/', none ",
        "An event's type has 1 to 200 characters.",
        "An event's type has 1 to 200 characters.",
        "At most 5 messages or events wait for a ",
    ]


async def test_a_part_without_a_json_form_fails_the_attempt_and_nothing_else(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)

    @rb.task(retries=0)
    async def send(op: Operation) -> None:
        await op.send(object())

    async with rb.running():
        state = await ended(rb, "send")
        assert (state.status, state.part_count) == (Status.FAILED, 0)
        assert problem(state)["exception"] == "PydanticSerializationError"


async def test_a_straggler_of_a_finished_function_changes_nothing(
    data: Path, tmp_path: Path
) -> None:
    """An asyncio task that the function left behind still reports."""
    rb = Ringback(data=data, open_topics=True)
    said: list[str] = []
    stragglers = []
    go_on = asyncio.Event()

    @rb.task
    async def leave(op: Operation) -> None:
        async def straggle() -> None:
            await go_on.wait()
            for report in (op.progress(0.1), op.send(1), op.publish("late", 1), op.emit("late")):
                try:
                    await report
                except Exception as error:
                    said.append(type(error).__name__)

        stragglers.append(asyncio.create_task(straggle()))

    async with rb.running():
        state = await ended(rb, "leave")
        go_on.set()
        await asyncio.gather(*stragglers)
        assert await rb.get(state.id) == state
        assert await topic(rb, "late") == []
    assert said == ["LeaseLost"] * 4


async def test_parts_under_way_count_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait for the store are neither in the state nor among what waits to be sent."""
    monkeypatch.setattr(attempts, "MAX_PARTS", 10)
    rb = Ringback(data=data)

    @rb.task
    async def flood(op: Operation) -> int:
        sending = []
        for n in range(40):
            sending.append(asyncio.ensure_future(op.send(n)))
            await asyncio.sleep(0)
        told = await asyncio.gather(*sending, return_exceptions=True)
        return sum(isinstance(each, LimitExceeded) for each in told)

    async with rb.running():
        state = await ended(rb, "flood")
        parts = await parts_of(rb, state.id)
    assert (state.result, state.part_count) == (b"30", 10)
    assert [part["data"] for part in parts] == list(range(10))
