"""OpenTelemetry spans, where ``opentelemetry-api`` is installed.

An operation and all that comes of it is one trace. Where it is accepted there is a producer span,
whose context is stored with it; each attempt has a consumer span below that, and is the parent of
what the function traces and of the operations that handle its events. Without the package there
are the trace contexts alone (W3C Trace Context), and this costs next to nothing.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable
from typing import TypeVar

from ringback.errors import RingbackError
from ringback.ids import child_trace

try:
    from opentelemetry import context, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
    from opentelemetry.trace.propagation import tracecontext
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True
    _tracer = trace.get_tracer("ringback")
    _propagator = tracecontext.TraceContextTextMapPropagator()

T = TypeVar("T")
log = logging.getLogger("ringback.tracing")


def provided() -> bool:
    """Whether anything can record a span: the application has loaded OpenTelemetry's SDK.

    Asked for each acceptance and each attempt: making a span that nobody records costs more than
    most of what they do.
    """
    return INSTALLED and "opentelemetry.sdk.trace" in sys.modules


def produce(task: str, operation: str, parent: str | None) -> tuple[str, Span | None]:
    """The trace context of a new operation, below ``parent`` or whatever is traced now.

    With it the span of its acceptance, if one is recorded: to be ended by ``until_stored``.
    """
    if not provided():
        return child_trace(parent), None
    span = _tracer.start_span(
        f"send {task}",
        context=_below(parent),
        kind=SpanKind.PRODUCER,
        attributes=_attributes("send", task, operation),
    )
    if not span.is_recording():
        return child_trace(parent or _header(context.get_current())), None
    return _header(trace.set_span_in_context(span)) or child_trace(parent), span


def produced(task: str, operation: str, parent: str | None) -> str:
    """The trace context of a new operation that is stored with what caused it."""
    traceparent, span = produce(task, operation, parent)
    if span is not None:
        span.end()
    return traceparent


async def until_stored(span: Span, stored: Awaitable[T]) -> T:
    """Wait until the operation is stored, and end the span."""
    try:
        return await stored
    except BaseException as error:
        _record(span, error)
        raise
    finally:
        span.end()


class Consumed:
    """The span of one attempt; only where it is ``provided``."""

    def __init__(self, task: str, operation: str, attempt: int, parent: str) -> None:
        """Begin it; what the current asyncio task does from now on is below it."""
        self._span = _tracer.start_span(
            f"process {task}",
            context=_below(parent),
            kind=SpanKind.CONSUMER,
            attributes=_attributes("process", task, operation) | {"ringback.attempt": attempt},
        )
        within = trace.set_span_in_context(self._span)
        context.attach(within)
        self.traceparent = _header(within) or parent
        """What the function's own requests and events are below."""

    def end(self, error: BaseException | None) -> None:
        """End it; ``error`` is what made the attempt fail."""
        if error is not None:
            _record(self._span, error)
        self._span.end()


def enter(traceparent: str) -> None:
    """Have what this thread traces be below ``traceparent``: in a process of its own."""
    if provided():
        context.attach(_below(traceparent) or context.Context())


def _below(parent: str | None) -> context.Context | None:
    """The context of a parent elsewhere; None for the current one."""
    return None if parent is None else _propagator.extract({"traceparent": parent})


def _header(within: context.Context) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, within)
    return carrier.get("traceparent")


def _attributes(verb: str, task: str, operation: str) -> dict[str, str | int]:
    """By the semantic conventions for messaging."""
    return {
        "messaging.system": "ringback",
        "messaging.operation.name": verb,
        "messaging.operation.type": verb,
        "messaging.destination.name": task,
        "messaging.message.id": operation,
    }


def _record(span: Span, error: BaseException) -> None:
    if not span.is_recording():
        return
    kind = error.code if isinstance(error, RingbackError) else type(error).__name__
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, kind))
    try:
        span.record_exception(error)
    except Exception:  # one whose text cannot be had
        log.debug("A %s cannot be recorded.", kind, exc_info=True)
