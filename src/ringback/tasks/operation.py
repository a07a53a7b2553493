"""What a task function holds while it runs: ``Operation``, and its blocking twin.

``Operation`` is for async functions; ``BlockingOperation`` has the same methods for functions
that run in a thread or a process. Both report to an ``Attempt``, which knows the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol

import msgspec
from typing_extensions import TypeVar

from ringback.errors import OperationCancelled
from ringback.tasks.encoding import to_json_bytes
from ringback.tasks.parts import Parts

PartT = TypeVar("PartT", default=Any)
"""What is sent as a partial result."""
ANY_PARTS = Parts()


class Attempt(Protocol):
    """What both kinds of handle report to, on the worker's event loop."""

    id: str
    task: str
    attempt: int
    subject: str | None
    traceparent: str
    earlier_parts: Sequence[Any]

    @property
    def cancelled(self) -> bool: ...

    async def progress(self, fraction: float | None, message: str | None) -> None: ...

    async def send(self, part: Any) -> None: ...

    async def publish(self, topic: str, data: Any) -> None: ...

    async def emit(self, event_type: str, data: Any, subject: str | None) -> None: ...

    async def commit(self) -> None: ...


class Operation(Generic[PartT]):
    """The operation an async task function works on.

    ``Operation[Month]`` says that its partial results are of that type: each is checked when it is
    sent, and the documents for callers (OpenAPI, ``ringback types``) say it too.
    """

    __slots__ = ("_attempt", "_parts")

    def __init__(self, attempt: Attempt, parts: Parts = ANY_PARTS) -> None:
        self._attempt = attempt
        self._parts = parts

    @property
    def id(self) -> str:
        """The tracking id."""
        return self._attempt.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self._attempt.task

    @property
    def attempt(self) -> int:
        """Counts from 1; higher after a retry, a lost worker or a drained one."""
        return self._attempt.attempt

    @property
    def subject(self) -> str | None:
        """Who submitted it, as the token said; None: anonymous."""
        return self._attempt.subject

    @property
    def traceparent(self) -> str:
        """The W3C trace context of this operation, to be sent on with requests it makes."""
        return self._attempt.traceparent

    @property
    def earlier_parts(self) -> Sequence[PartT]:
        """Partial results kept from earlier attempts; always empty unless ``resumable=True``.

        Raises ``UnfitResult`` where they are not of the type that is annotated by now.
        """
        return self._parts.decode(self._attempt.earlier_parts)

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop: the caller wants it, its time is over, or its worker stops.

        An async function need not look: it is interrupted, by ``asyncio.CancelledError``.
        """
        return self._attempt.cancelled

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """Tell how far it is: ``fraction`` from 0 to 1, ``message`` for a person.

        Coalesced: of many calls in a short time only the newest is stored, so a tight loop may
        call it every round.
        """
        await self._attempt.progress(fraction, message)

    async def send(self, part: PartT) -> None:
        """Send a partial result. Returns when it is stored; parts arrive in order, each once.

        Waits while the store cannot commit. Raises ``UnfitResult`` for a part that is not of the
        annotated type, ``LimitExceeded`` when there are too many or it is too large, and
        ``LeaseLost`` when another worker has the operation now.
        """
        await self._attempt.send(self._parts.encode(part))

    async def publish(self, topic: str, data: Any) -> None:
        """Publish to a topic, committed with the operation's next change (see ``commit``)."""
        await self._attempt.publish(topic, data)

    async def emit(self, event_type: str, data: Any = None, *, subject: str | None = None) -> None:
        """Emit a CloudEvent for ``@rb.on`` handlers: committed with the operation's success.

        An attempt that fails emits nothing, so that a retry does not emit twice.
        """
        await self._attempt.emit(event_type, data, subject)

    async def commit(self) -> None:
        """Store what was reported and published so far, now."""
        await self._attempt.commit()


class Channel(Protocol):
    """How a blocking handle reaches the attempt on the worker's loop."""

    id: str
    task: str
    attempt: int
    subject: str | None
    traceparent: str
    earlier_parts: Sequence[Any]

    @property
    def cancelled(self) -> bool: ...

    def progress(self, fraction: float | None, message: str | None) -> None:
        """Hand over progress; may drop all but the newest of a burst."""

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of the attempt and wait for it; raises what it raises.

        Values for others are handed over as JSON: the application's types stay where they are.
        """


class BlockingOperation(Generic[PartT]):
    """The operation a plain task function works on, in a thread or a process.

    Nothing can interrupt a thread from outside: a function that may take long looks at
    ``cancelled`` now and then, or calls ``progress`` or ``send``, which raise
    ``OperationCancelled`` once the caller wants it to stop. A process that does neither is
    killed after the task's ``cancel_grace``. ``BlockingOperation[Month]`` types its partial
    results, as ``Operation[Month]`` does.
    """

    __slots__ = ("_channel", "_parts")

    def __init__(self, channel: Channel, parts: Parts = ANY_PARTS) -> None:
        self._channel = channel
        self._parts = parts

    @property
    def id(self) -> str:
        """The tracking id."""
        return self._channel.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self._channel.task

    @property
    def attempt(self) -> int:
        """Counts from 1; higher after a retry, a lost worker or a drained one."""
        return self._channel.attempt

    @property
    def subject(self) -> str | None:
        """Who submitted it, as the token said; None: anonymous."""
        return self._channel.subject

    @property
    def traceparent(self) -> str:
        """The W3C trace context of this operation, to be sent on with requests it makes."""
        return self._channel.traceparent

    @property
    def earlier_parts(self) -> Sequence[PartT]:
        """As ``Operation.earlier_parts``."""
        return self._parts.decode(self._channel.earlier_parts)

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop: the caller wants it, its time is over, or its worker stops."""
        return self._channel.cancelled

    def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        """As ``Operation.progress``; raises ``OperationCancelled`` once it is to stop."""
        self._stop_if_cancelled()
        self._channel.progress(fraction, message)

    def send(self, part: PartT) -> None:
        """As ``Operation.send``; raises ``OperationCancelled`` once it is to stop."""
        self._stop_if_cancelled()
        self._channel.call("send", self._parts.encode(part))

    def publish(self, topic: str, data: Any) -> None:
        """As ``Operation.publish``."""
        self._channel.call("publish", topic, _json(data))

    def emit(self, event_type: str, data: Any = None, *, subject: str | None = None) -> None:
        """As ``Operation.emit``."""
        self._channel.call("emit", event_type, _json(data), subject)

    def commit(self) -> None:
        """As ``Operation.commit``."""
        self._channel.call("commit")

    def _stop_if_cancelled(self) -> None:
        if self._channel.cancelled:
            raise OperationCancelled


def _json(value: Any) -> msgspec.Raw:
    """A value encoded here, so that the loop of the worker need not."""
    return msgspec.Raw(to_json_bytes(value))
