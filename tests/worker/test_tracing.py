"""OpenTelemetry spans, seen by the SDK's own exporter; and that nothing needs them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ringback import BlockingOperation, CloudEvent, Operation, RetryLater, Ringback, Status
from ringback.core.model import Query
from ringback.errors import InvalidInput
from tests.serving import ROOT
from tests.worker.following import LIMIT, ended
from tests.worker.jobs import note

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EXPORTER = InMemorySpanExporter()


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        # There is one provider for the life of a process.
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
        trace.set_tracer_provider(provider)
    EXPORTER.clear()
    yield EXPORTER
    EXPORTER.clear()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    found = [span for span in spans.get_finished_spans() if span.name == name]
    return sorted(found, key=lambda span: span.start_time or 0)


def header(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def parent(span: ReadableSpan) -> str:
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


async def test_an_operation_and_all_that_comes_of_it_is_one_trace(
    data: Path, spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    rb = Ringback(data=data)
    log = tmp_path / "log"
    tracer = trace.get_tracer("the application's own")

    @rb.task(backoff=0)
    async def ask(op: Operation) -> str:
        with tracer.start_as_current_span("look up"):
            await asyncio.sleep(0)
        if note(log, op.attempt) == 1:
            raise ValueError("not yet")
        await op.emit("asked")
        return op.traceparent

    @rb.on("asked", name="tell")
    def tell(op: BlockingOperation, event: CloudEvent) -> str:
        with tracer.start_as_current_span("mail"):
            return event.traceparent or ""

    async with rb.running():
        state = await ended(rb, "ask", traceparent=TRACE)
        (told,) = await rb.started.service.engine.list(Query(parent=state.id))
        told = await rb.wait(told.id, LIMIT)
        await asyncio.sleep(0)

    (sent,) = named(spans, "send ask")
    first, second = named(spans, "process ask")
    (sent_on,) = named(spans, "send tell")
    (handled,) = named(spans, "process tell")
    looked_up = named(spans, "look up")
    (mailed,) = named(spans, "mail")

    assert {header(span)[:36] for span in spans.get_finished_spans()} == {TRACE[:36]}
    assert parent(sent) == TRACE[36:52]
    assert header(sent) == state.traceparent, "what is stored is the span of its acceptance"
    assert [parent(span) for span in (first, second)] == [header(sent)[36:52]] * 2
    assert [parent(span) for span in looked_up] == [header(s)[36:52] for s in (first, second)]
    assert json.loads(state.result or b"") == header(second)
    assert json.loads(told.result or b"") == header(second), "an event comes from its attempt"
    assert parent(sent_on) == header(second)[36:52]
    assert header(sent_on) == told.traceparent
    assert parent(handled) == header(sent_on)[36:52]
    assert parent(mailed) == header(handled)[36:52], "in its thread, too"

    assert [span.kind for span in (sent, first)] == [SpanKind.PRODUCER, SpanKind.CONSUMER]
    assert dict(second.attributes or {}) == {
        "messaging.system": "ringback",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "ask",
        "messaging.message.id": state.id,
        "ringback.attempt": 2,
    }
    assert first.status.status_code is StatusCode.ERROR
    assert (first.attributes or {})["error.type"] == "ValueError"
    (event,) = first.events
    assert (event.attributes or {})["exception.message"] == "not yet"
    assert second.status.status_code is StatusCode.UNSET


async def test_what_is_traced_already_is_the_parent(
    data: Path, spans: InMemorySpanExporter
) -> None:
    """A route of the application's own that submits: nobody hands over a traceparent."""
    rb = Ringback(data=data)

    @rb.task
    async def work() -> None: ...

    async with rb.running():
        with trace.get_tracer("the application's own").start_as_current_span("route") as route:
            await ended(rb, "work")
        alone = await ended(rb, "work")
    (sent, sent_alone) = named(spans, "send work")
    assert parent(sent) == f"{route.get_span_context().span_id:016x}"
    assert sent_alone.parent is None
    assert header(sent_alone) == alone.traceparent


async def test_how_attempts_end(data: Path, spans: InMemorySpanExporter) -> None:
    rb = Ringback(data=data)
    started = asyncio.Event()

    @rb.task
    async def hold() -> None:
        started.set()
        await asyncio.sleep(LIMIT)

    @rb.task(timeout=0.05, retries=0)
    async def late() -> None:
        await asyncio.sleep(LIMIT)

    @rb.task
    async def busy(op: Operation) -> None:
        if op.attempt == 1:
            raise RetryLater("busy", delay=0)

    async with rb.running():
        service = rb.started.service
        held = await rb.submit("hold")
        await started.wait()
        await service.cancel(await service.engine.load(held.id))
        assert (await rb.wait(held.id, LIMIT)).status is Status.CANCELLED
        await ended(rb, "late")
        await ended(rb, "busy")
    (cancelled,) = named(spans, "process hold")
    assert cancelled.status.status_code is StatusCode.UNSET, "that is no error"
    assert not cancelled.events
    (timed_out,) = named(spans, "process late")
    assert (timed_out.attributes or {})["error.type"] == "timeout"
    first, _ = named(spans, "process busy")
    assert (first.attributes or {})["error.type"] == "retry-later"


async def test_an_acceptance_that_is_refused(data: Path, spans: InMemorySpanExporter) -> None:
    rb = Ringback(data=data, max_queued=1)

    @rb.task
    async def work(n: int) -> None: ...

    async with rb.running(worker=False):
        await rb.submit("work", {"n": 1})
        with pytest.raises(InvalidInput):
            await rb.submit("work", {"n": "x"})
        with pytest.raises(Exception, match="queue is at its bound"):
            await rb.submit("work", {"n": 2})
    accepted, refused = named(spans, "send work")
    assert accepted.status.status_code is StatusCode.UNSET
    assert (refused.attributes or {})["error.type"] == "queue-full"


PROGRAM = """
import asyncio, sys
sys.modules["opentelemetry"] = None  # as where it is not installed
from ringback import CloudEvent, Operation, Ringback, tracing
from ringback.core.model import Query

assert not tracing.INSTALLED
rb = Ringback(data=sys.argv[1])

@rb.task
async def ask(op: Operation) -> str:
    await op.emit("asked")
    return op.traceparent

@rb.on("asked")
def tell(event: CloudEvent) -> str:
    return event.traceparent or ""

async def main() -> None:
    async with rb.running():
        asked = await rb.wait((await rb.submit("ask", traceparent=sys.argv[2])).id, 30)
        (told,) = await rb.started.service.engine.list(Query(parent=asked.id))
        told = await rb.wait(told.id, 30)
        print(asked.traceparent, asked.result.decode(), told.traceparent, told.result.decode())

asyncio.run(main())
"""


def test_without_the_package_there_are_the_trace_contexts(data: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, data, TRACE],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    contexts = run.stdout.replace('"', "").split()
    assert {each[:36] for each in contexts} == {TRACE[:36]}
    assert len(set(contexts)) == 2, "one span each, and the function and its event have the same"
