"""Events between operations: handlers, their tracking, and the trace they all belong to."""

import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ringback import BlockingOperation, CloudEvent, Operation, OperationState, Ringback, Status
from ringback.core.model import Query
from ringback.errors import InvalidInput
from tests.serving import until
from tests.worker import jobs
from tests.worker.following import LIMIT, becomes, ended, problem, topic
from tests.worker.jobs import note

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Question(BaseModel):
    text: str


async def caused_by(rb: Ringback, parent: OperationState) -> list[OperationState]:
    """The operations that handled what this one emitted, once they have ended; by name."""
    caused = await rb.started.service.engine.list(Query(parent=parent.id))
    ended = [await rb.wait(each.id, LIMIT) for each in caused]
    return sorted(ended, key=lambda state: state.task)


async def test_a_chain_of_work_is_one_trace(data: Path) -> None:
    """Submitted, done, told, handled, acknowledged: each step an operation of the same caller."""
    rb = Ringback("chain", data=data, open_topics=True)
    seen: list[CloudEvent[Question]] = []

    @rb.task
    async def ask(op: Operation, question: Question) -> Question:
        await op.emit("question.asked", question, subject="cell/42")
        return question

    @rb.on("question.asked")
    async def tell(op: Operation, event: CloudEvent[Question]) -> str:
        seen.append(event)
        await op.emit("question.told", {"by": op.id})
        return event.data.text

    @rb.on("question.told")
    def acknowledge(op: BlockingOperation, event: CloudEvent) -> str:
        op.publish("acknowledged", event.data)
        return op.traceparent

    async with rb.running():
        asked = await ended(rb, "ask", {"text": "why?"}, subject="ada", traceparent=TRACE)
        (told,) = await caused_by(rb, asked)
        (acknowledged,) = await caused_by(rb, told)
        assert await topic(rb, "acknowledged") == [{"by": told.id}]
        chain = [asked, told, acknowledged]
    assert [state.status for state in chain] == [Status.SUCCEEDED] * 3
    assert [state.subject for state in chain] == ["ada"] * 3
    assert [state.parent for state in chain] == [None, asked.id, told.id]
    assert {(state.traceparent or "")[:36] for state in chain} == {TRACE[:36]}
    assert len({state.traceparent for state in chain}) == 3, "each has a span of its own"
    (event,) = seen
    assert event.data == Question(text="why?")
    assert event.model_dump(exclude={"data", "time", "traceparent"}) == {
        "id": f"{asked.id}:1:1",
        "source": f"/chain/operations/{asked.id}",
        "type": "question.asked",
        "specversion": "1.0",
        "subject": "cell/42",
        "datacontenttype": "application/json",
        "sequence": "1",
    }
    assert event.time is not None
    assert (event.traceparent or "")[:36] == TRACE[:36]


async def test_each_handler_is_tracked_and_retried_on_its_own(data: Path, tmp_path: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    log = tmp_path / "log"

    @rb.task
    async def act(op: Operation) -> None:
        await op.emit("acted", 1)

    @rb.on("acted", name="a:steady")
    async def steady(event: CloudEvent) -> str:
        note(log, "steady")
        return "steady"

    @rb.on("acted", name="b:shaky", backoff=0)
    async def shaky(op: Operation, event: CloudEvent) -> str:
        note(log, "shaky")
        if op.attempt == 1:
            raise ValueError("not yet")
        return "shaky"

    @rb.on("act*", name="c:hopeless", retries=0)
    async def hopeless(event: CloudEvent) -> None:
        raise ValueError("never")

    @rb.on("other", name="d:other")
    async def other(event: CloudEvent) -> None:
        note(log, "other")

    async with rb.running():
        acted = await ended(rb, "act")
        states = await caused_by(rb, acted)
        assert (await rb.get(acted.id)).status is Status.SUCCEEDED, "whatever its handlers do"
    assert [(state.task, state.status, state.attempt) for state in states] == [
        ("a:steady", Status.SUCCEEDED, 1),
        ("b:shaky", Status.SUCCEEDED, 2),
        ("c:hopeless", Status.FAILED, 1),
    ]
    assert states[2].dead_letter
    assert sorted(log.read_text().split()) == ["shaky", "shaky", "steady"]


async def test_handlers_run_in_threads_and_processes_too(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)

    @rb.task
    async def act(op: Operation) -> None:
        await op.emit("acted", {"n": 3})

    rb.on("acted", name="process", run_in="process")(jobs.handle)

    @rb.on("acted", name="thread")
    def handle(event: CloudEvent) -> Any:
        return event.data

    async with rb.running():
        process, thread = await caused_by(rb, await ended(rb, "act"))
    assert (process.result, thread.result) == (b"4", b'{"n":3}'), process.diagnosis


async def test_an_event_whose_data_does_not_fit_is_a_dead_letter(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)

    @rb.task
    async def act(op: Operation) -> None:
        await op.emit("acted", {"txet": "why?"})

    @rb.on("acted")
    async def handle(event: CloudEvent[Question]) -> None: ...

    async with rb.running():
        (state,) = await caused_by(rb, await ended(rb, "act"))
    assert (state.status, state.dead_letter, state.attempt) == (Status.FAILED, True, 1)
    assert problem(state)["errors"][0]["pointer"] == "/data/text"


async def test_events_are_numbered_in_the_order_they_were_emitted(data: Path) -> None:
    rb = Ringback(data=data, open_topics=True)
    heard: list[tuple[int, Any]] = []

    @rb.task
    async def act(op: Operation) -> None:
        for n in range(50):
            await op.emit("acted", n)

    @rb.on("acted")
    async def handle(event: CloudEvent) -> None:
        heard.append((int(event.sequence or 0), event.data))

    async with rb.running():
        acted = await ended(rb, "act")
        await until(lambda: len(heard) == 50, LIMIT)
        assert len(await caused_by(rb, acted)) == 50
    assert sorted(heard) == [(n + 1, n) for n in range(50)]


async def test_what_is_emitted_stays_until_its_handler_is_there(data: Path) -> None:
    """The handler's operation is stored with the success, in one commit: no crash parts them."""
    rb = Ringback(data=data, open_topics=True, threads=1, grace=0)
    release = threading.Event()

    @rb.task
    async def act(op: Operation) -> None:
        await op.emit("acted")

    @rb.task
    def hold(op: BlockingOperation) -> None:
        release.wait(LIMIT)

    @rb.on("acted")
    def handle(event: CloudEvent) -> None: ...

    async with rb.running():
        await becomes(rb, (await rb.submit("hold")).id, status=Status.RUNNING)
        acted = await ended(rb, "act")
        (waiting,) = await rb.started.service.engine.list(Query(parent=acted.id))
        assert waiting.status is Status.QUEUED, "the only thread is taken"
    release.set()
    async with rb.running():
        assert (await rb.wait(waiting.id, LIMIT)).status is Status.SUCCEEDED


@pytest.mark.parametrize("how", [{"subject": "a name \ud83d cut in half"}, {"subject": 1}])
async def test_what_is_no_text_is_told_at_once(data: Path, how: dict[str, Any]) -> None:
    """Else it could not be stored when the function has succeeded."""
    rb = Ringback(data=data)

    @rb.task
    async def emit(op: Operation) -> str:
        try:
            await op.emit("done", 1, **how)
        except InvalidInput as error:
            return str(error)
        return ""

    @rb.task
    async def name(op: Operation) -> str:
        try:
            await op.emit("a \ud83d")
        except InvalidInput as error:
            return str(error)
        return ""

    async with rb.running():
        for task in ("emit", "name"):
            state = await rb.wait((await rb.submit(task)).id, LIMIT / 4)
            assert state.status is Status.SUCCEEDED
            assert b"text" in (state.result or b"")
