"""One run of a task function: what it reported and has not yet been stored.

The attempt is the worker's side of ``Operation``. It commits one change at a time, in the
order of the reports, and it coalesces progress: what comes within ``FLUSH_EVERY`` is one change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from ringback.core.commands import Command, Report
from ringback.core.model import Event, OperationState, Publication
from ringback.errors import InvalidInput, LeaseLost, LimitExceeded, StoreUnavailable
from ringback.service import MAX_MESSAGE, Service, publication
from ringback.tasks.encoding import to_json_bytes

FLUSH_EVERY = 0.1
"""Seconds: progress is for people, who see ten changes a second as a movement."""
YIELD_EVERY = 0.005
"""Seconds a loop of ``await op.progress()`` may keep the event loop to itself."""
MAX_PARTS = 10_000
"""Partial results of one attempt: a page can hold and show about as many."""
MAX_PENDING = 1000
"""Messages and events one attempt may gather before they are committed."""
SETTLE_PAUSE = 0.2
"""Seconds before the first new try to settle when the store could not commit; doubles, to 5."""

log = logging.getLogger("ringback.worker")


class Reason(StrEnum):
    """Why a run is being stopped from outside."""

    CANCELLED = "cancelled"
    LOST = "lost"
    DRAINED = "drained"


class RunningAttempt:
    """What ``operation.Attempt`` asks for, on a service."""

    def __init__(
        self,
        service: Service,
        state: OperationState,
        earlier_parts: Sequence[Any],
        stopped: Callable[[Reason], None],
    ) -> None:
        """``stopped`` is called once when the run ought to end: cancelled, or the lease lost."""
        self.state = state
        self.id = state.id
        self.task = state.task
        self.attempt = state.attempt
        self.subject = state.subject
        self.traceparent = state.traceparent or ""
        self.earlier_parts = earlier_parts
        self.reason: Reason | None = None
        self.interrupted = asyncio.Event()
        """Set when ``reason`` is."""
        self.closed = False
        """Settled or given up: nothing it still reports counts."""
        self._service = service
        self._stopped = stopped
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._fraction: float | None = None
        self._message: str | None = None
        self._publications: list[Publication] = []
        self._events: list[Event] = []
        self._emitted = 0
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._flushed_at = float("-inf")
        self._yielded_at = self._loop.time()

    @property
    def cancelled(self) -> bool:
        return self.reason is not None

    def stop(self, reason: Reason) -> None:
        """Have the run end. Only the first reason counts."""
        if self.reason is None and not self.closed:
            self.reason = reason
            self._stopped(reason)

    # What the function calls

    async def progress(self, fraction: float | None, message: str | None) -> None:
        if fraction is not None:
            self._fraction = float(fraction)
        if message is not None:
            self._message = str(message)
        self._schedule()
        now = self._loop.time()
        if now - self._yielded_at > YIELD_EVERY:
            await asyncio.sleep(0)  # a tight loop must leave room for the flush, and for others
            self._yielded_at = self._loop.time()

    async def send(self, part: Any) -> None:
        encoded = to_json_bytes(part)
        if len(encoded) > MAX_MESSAGE:
            raise LimitExceeded(
                f"A partial result has at most {MAX_MESSAGE} bytes; this one has {len(encoded)}. "
                "Store it elsewhere and send a link.",
                limit=MAX_MESSAGE,
            )
        if self.state.part_count >= MAX_PARTS:
            raise LimitExceeded(
                f"An operation sends at most {MAX_PARTS} partial results. Send larger ones, or "
                "publish to a topic.",
                limit=MAX_PARTS,
            )
        await self._commit((encoded,))

    async def publish(self, topic: str, data: Any) -> None:
        self._check_room(self._publications)
        self._publications.append(publication(topic, data))
        self._schedule()

    async def emit(self, event_type: str, data: Any, subject: str | None) -> None:
        self._check_room(self._events)
        if not event_type or len(event_type) > 200:
            raise InvalidInput("An event's type has 1 to 200 characters.")
        encoded = to_json_bytes(data)
        if len(encoded) > MAX_MESSAGE:
            raise LimitExceeded(
                f"An event has at most {MAX_MESSAGE} bytes; this one has {len(encoded)}.",
                limit=MAX_MESSAGE,
            )
        self._emitted += 1
        self._events.append(
            Event(
                id=f"{self.id}:{self.attempt}:{self._emitted}",
                source=f"/{self._service.name}/operations/{self.id}",
                type=event_type,
                time=self._service.clock(),
                data=encoded,
                subject=subject,
                sequence=self._emitted,
                traceparent=self.state.traceparent,
            )
        )

    async def commit(self) -> None:
        await self._commit(())

    # What the worker calls

    async def settle(self, command: Command) -> OperationState | None:
        """Commit how it ended, and try until the store can; None if the lease was lost."""
        self._cancel_flush()
        self.closed = True
        pause = SETTLE_PAUSE
        async with self._lock:
            while True:
                try:
                    self.state = await self._service.apply(self.state, command)
                    return self.state
                except LeaseLost:
                    return None
                except StoreUnavailable as error:
                    log.warning("%s of %s cannot be settled yet: %s", self.task, self.id, error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5.0)

    def pending(self) -> tuple[Report | None, tuple[Event, ...]]:
        """What is to be committed together with success."""
        return self._report(()), tuple(self._events)

    async def notice(self) -> None:
        """Look whether the stored operation was cancelled, or taken away."""
        try:
            state = await self._service.engine.load(self.id)
        except Exception as error:  # a look that fails is made up for by the next heartbeat
            log.debug("Looking at %s failed: %s", self.id, error)
            return
        if state.attempt != self.attempt or state.terminal:
            self.stop(Reason.LOST)
        elif state.cancel_requested:
            self.stop(Reason.CANCELLED)

    # Committing

    def _check_room(self, gathered: Sequence[object]) -> None:
        if len(gathered) >= MAX_PENDING:
            raise LimitExceeded(
                f"At most {MAX_PENDING} messages or events wait for a commit; await op.commit() "
                "now and then.",
                limit=MAX_PENDING,
            )

    def _schedule(self) -> None:
        if self._flush is None and not self.closed:
            wait = self._flushed_at + FLUSH_EVERY - self._loop.time()
            self._flush = self._loop.call_later(max(wait, 0.0), self._start_flush)

    def _start_flush(self) -> None:
        self._flush = None
        if self._flushing is None or self._flushing.done():
            self._flushing = self._loop.create_task(self._flush_now())

    async def _flush_now(self) -> None:
        try:
            await self._commit(())
        except LeaseLost:
            pass  # _commit has said so to the worker
        except StoreUnavailable as error:
            log.warning("Progress of %s cannot be stored yet: %s", self.id, error)
            self._flushed_at = self._loop.time() + 1.0
            self._schedule()

    def _cancel_flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None

    def _report(self, parts: tuple[bytes, ...]) -> Report | None:
        changed = self._fraction is not None or self._message is not None
        if not (changed or parts or self._publications):
            return None
        return Report(
            attempt=self.attempt,
            progress=self._fraction,
            message=self._message,
            parts=parts,
            publications=tuple(self._publications),
        )

    async def _commit(self, parts: tuple[bytes, ...]) -> None:
        async with self._lock:
            if self.closed:
                raise LeaseLost(operation=self.id, attempt=self.attempt)
            self._cancel_flush()
            report = self._report(parts)
            if report is None:
                return
            self._flushed_at = self._loop.time()
            kept = (self._fraction, self._message, self._publications)
            self._fraction = self._message = None
            self._publications = []
            try:
                self.state = await self._service.apply(self.state, report)
            except LeaseLost:
                self.stop(Reason.LOST)
                raise
            except BaseException:
                self._restore(*kept)
                raise
            if self.state.cancel_requested:
                self.stop(Reason.CANCELLED)

    def _restore(
        self, fraction: float | None, message: str | None, publications: list[Publication]
    ) -> None:
        """What could not be committed, unless something newer was reported meanwhile."""
        self._fraction = fraction if self._fraction is None else self._fraction
        self._message = message if self._message is None else self._message
        self._publications = publications + self._publications


def problem_bytes(problem: dict[str, object]) -> bytes:
    """A problem object as JSON."""
    return msgspec.json.encode(problem)
