"""One run of a task function: what it reported and has not yet been stored.

The attempt is the worker's side of ``Operation``. It commits one change at a time, in the
order of the reports, and it coalesces progress: what comes within ``FLUSH_EVERY`` is one change.
When and why the function ends is ``run``'s affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from ringback.core.commands import Command, Fail, Report, Succeed
from ringback.core.model import Event, OperationState
from ringback.errors import (
    InvalidInput,
    LeaseLost,
    LimitExceeded,
    OperationForgotten,
    PayloadTooLarge,
    StoreUnavailable,
    UnknownOperation,
)
from ringback.service import Service
from ringback.tasks.encoding import to_text_bytes
from ringback.worker.pending import Pending, check_text, encoded

FLUSH_EVERY = 0.1
"""Seconds: progress is for people, who see ten changes a second as a movement."""
YIELD_EVERY = 0.005
"""Seconds a loop of ``await op.progress()`` may keep the event loop to itself."""
MAX_PARTS = 10_000
"""Partial results of one operation: a page can hold and show about as many."""
MAX_PENDING = 1000
"""Messages and events one attempt may gather before they are committed."""
MAX_EVENT_TYPE = 200
"""Characters of an event's type: CloudEvents asks to support far less in what carries them."""
STORE_PAUSE = 0.2
"""Seconds before the first new try when the store could not commit; doubles with each."""
STORE_PAUSE_MAX = 5.0
"""Seconds between two tries at most: how late the store's return may be noticed."""

GONE = (LeaseLost, UnknownOperation, OperationForgotten)
"""What says that the operation is no longer this attempt's: taken away, perhaps even deleted."""

log = logging.getLogger("ringback.worker")


class Reason(StrEnum):
    """Why a run is being stopped from outside."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed out"
    DRAINED = "drained"
    LOST = "lost"


class RunningAttempt:
    """What ``operation.Attempt`` asks for, on a service."""

    def __init__(
        self, service: Service, state: OperationState, stopped: Callable[[Reason], None]
    ) -> None:
        """``stopped`` is called when the run ought to end, and again for a further reason."""
        self.state = state
        self.id = state.id
        self.task = state.task
        self.attempt = state.attempt
        self.subject = state.subject
        self.traceparent = state.traceparent or ""
        self.earlier_parts: Sequence[Any] = ()
        self.reason: Reason | None = None
        """The first there was; but once the lease is lost nothing else counts."""
        self.closed = False
        """Being settled or given up: nothing the function still reports counts."""
        self.writing = False
        """Whether a commit of its own is under way, and the hint about it no news."""
        self.newest: Callable[[], tuple[float | None, str | None]] | None = None
        """Fetches the progress that a thread has reported."""
        self._service = service
        self._stopped = stopped
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Lock | None = None
        self._pending: Pending | None = None
        self._unsure: Report | None = None
        """A report that may be stored though no answer said so. It is repeated as it was, and not
        together with what came since: then the store knows it again."""
        self._parts = state.part_count
        """Partial results, with those that are yet to be stored."""
        self._message = state.progress_message
        """The newest message of the function's own."""
        self._outspoken = False
        """Whether one of the worker's own has taken its place."""
        self._events: list[Event] = []
        self._flush: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._flushed_at = float("-inf")
        self._yielded_at = self._loop.time()

    @property
    def cancelled(self) -> bool:
        return self.reason is not None or self.closed

    def stop(self, reason: Reason) -> None:
        """Have the run end."""
        if self.closed:
            return
        if self.reason is None or reason is Reason.LOST:
            self.reason = reason
        self._stopped(reason)

    # What the function calls

    async def progress(self, fraction: float | None, message: str | None) -> None:
        self._heard(self._waiting(), fraction, message)
        self.schedule()
        if self._loop.time() - self._yielded_at > YIELD_EVERY:
            await asyncio.sleep(0)  # a tight loop must leave room for the flush, and for others
            self._yielded_at = self._loop.time()

    async def send(self, part: Any) -> None:
        pending = self._waiting()
        if self._parts >= MAX_PARTS:
            raise LimitExceeded(
                f"An operation sends at most {MAX_PARTS} partial results. Send larger ones, or "
                "publish to a topic.",
                limit=MAX_PARTS,
            )
        pending.parts.append(encoded(part, "A partial result"))
        self._parts += 1
        await self.commit()

    async def publish(self, topic: str, data: Any) -> None:
        publications = self._waiting().publications
        _check_room(publications)
        publications.append(self._service.publisher.publication(topic, data))
        self.schedule()

    async def emit(self, event_type: str, data: Any, subject: str | None) -> None:
        self._check_open()
        _check_room(self._events)
        if not 0 < len(event_type) <= MAX_EVENT_TYPE:
            raise InvalidInput(f"An event's type has 1 to {MAX_EVENT_TYPE} characters.")
        check_text(event_type, "An event's type")
        if subject is not None:
            check_text(subject, "An event's subject")
        sequence = len(self._events) + 1
        self._events.append(
            Event(
                id=f"{self.id}:{self.attempt}:{sequence}",
                source=f"/{self._service.name}/operations/{self.id}",
                type=event_type,
                time=self._service.clock(),
                data=encoded(data, "An event"),
                subject=subject,
                sequence=sequence,
                traceparent=self.traceparent,
            )
        )

    async def commit(self) -> None:
        """Store what waits; while the store cannot, wait for it."""
        pause = STORE_PAUSE
        while True:
            try:
                await _unbroken(self._commit_now())
                return
            except StoreUnavailable as error:
                if self.cancelled:
                    raise
                log.warning("%s of %s cannot be reported yet: %s", self.task, self.id, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, STORE_PAUSE_MAX)

    # What the worker calls

    def say(self, message: str) -> None:
        """A progress message of the worker's own, which does not outlast a success."""
        if not self.closed:
            self._fetch()
            self._waiting().report(None, message)
            self._outspoken = True
            self.schedule()

    def schedule(self) -> None:
        """Have what waits stored soon."""
        if self._flush is None and not self.closed:
            wait = self._flushed_at + FLUSH_EVERY - self._loop.time()
            self._flush = self._loop.call_later(max(wait, 0.0), self._start_flush)

    async def settle(self, command: Command) -> None:
        """Commit how it ended, and try until the store can; nothing, if the lease was lost.

        What can never be stored has failed; left running, it would be done again for nothing.
        """
        self.closed = True
        self._cancel_flush()
        async with self._turn or _NOBODY:
            self._fetch()
            if self._outspoken and isinstance(command, Succeed):
                self._pending = self._pending or Pending()
                self._pending.report(None, self._message or "")
            report = self._report()
            self._pending = None
            try:
                if self._unsure is not None:
                    await self._unstored(self._unsure)
                if isinstance(command, Succeed):
                    if report is not None or self._events:
                        command = msgspec.structs.replace(
                            command, report=report, events=tuple(self._events)
                        )
                elif report is not None:
                    await self._unstored(report)
                if why := await self._unstored(command):
                    await self._persist(self._unfit(why))
            except GONE as error:
                log.debug("%s of %s is no longer ours: %s", self.task, self.id, error)

    def release(self) -> None:
        """It is over: let go of what knows it, so that no cycle keeps it in memory."""
        self.closed = True
        self._stopped = _ignore
        self.newest = None

    async def notice(self) -> None:
        """Look whether the stored operation was cancelled, or taken away."""
        try:
            state = await self._service.engine.load(self.id)
        except StoreUnavailable as error:  # the next heartbeat makes up for it
            log.debug("Looking at %s failed: %s", self.id, error)
        except GONE:
            self.stop(Reason.LOST)
        else:
            if state.attempt != self.attempt or state.terminal:
                self.stop(Reason.LOST)
            elif state.cancel_requested and self.reason is None:
                self.stop(Reason.CANCELLED)

    # Committing

    def _waiting(self) -> Pending:
        """Where a report is to be put."""
        self._check_open()
        if self._pending is None:
            self._pending = Pending()
        return self._pending

    def _check_open(self) -> None:
        if self.closed:
            raise LeaseLost(operation=self.id, attempt=self.attempt)

    def _heard(self, pending: Pending, fraction: float | None, message: str | None) -> None:
        """Note progress that the function has reported."""
        pending.report(fraction, message)
        if message is not None:
            self._message, self._outspoken = pending.message, False

    def _fetch(self) -> None:
        """Note the progress that a thread has reported."""
        if self.newest is not None:
            fraction, message = self.newest()
            if fraction is not None or message is not None:
                self._pending = self._pending or Pending()
                self._heard(self._pending, fraction, message)

    def _report(self) -> Report | None:
        """All that waits, as one command."""
        self._fetch()
        return None if self._pending is None else self._pending.command(self.attempt)

    def _start_flush(self) -> None:
        if self._flushing is None:  # else it sees to what has come since, when it is done
            self._flush = None
            self._flushing = self._loop.create_task(self._flush_now())

    async def _flush_now(self) -> None:
        try:
            await self._commit_now()
        except LeaseLost:
            pass  # the worker has been told
        except StoreUnavailable as error:
            log.warning("Progress of %s cannot be stored yet: %s", self.id, error)
            self._flushed_at = self._loop.time() + 1.0
            self.schedule()
        except Exception:
            log.exception("Progress of %s cannot be stored.", self.id)
        self._flushing = None
        if self._flush is not None:
            self._cancel_flush()
            self.schedule()

    def _cancel_flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None

    async def _commit_now(self) -> None:
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            self._cancel_flush()
            if self._unsure is not None:
                self._check_open()
                await self._store(self._unsure)
            report = self._report()  # with what came meanwhile
            if report is not None:
                self._check_open()
                taken, self._pending = self._pending, None
                try:
                    await self._store(report)
                except BaseException:
                    if taken is not None and self._unsure is None:
                        self._pending = taken.followed_by(self._pending)
                    raise
        if self.state.cancel_requested and self.reason is None:
            self.stop(Reason.CANCELLED)

    async def _store(self, report: Report) -> None:
        self._flushed_at = self._loop.time()
        self.writing = True
        try:
            self.state = await self._service.apply(self.state, report)
            self._unsure = None
        except StoreUnavailable:
            self._unsure = report
            raise
        except GONE:
            self.stop(Reason.LOST)
            raise LeaseLost(operation=self.id, attempt=self.attempt) from None
        finally:
            self.writing = False

    async def _unstored(self, command: Command) -> str:
        """Commit a command; why it is too large for the store, or nothing."""
        try:
            await self._persist(command)
        except PayloadTooLarge as error:
            log.error("%s of %s came to what cannot be stored: %s", self.task, self.id, error)
            return error.detail
        return ""

    def _unfit(self, why: str) -> Fail:
        """What it came to is too large for the store, as another attempt's would be."""
        error = LimitExceeded(f"What the task came to cannot be stored. {why}")
        problem = to_text_bytes(error.problem() | {"attempt": self.attempt})
        return Fail(attempt=self.attempt, problem=problem, retryable=False)

    async def _persist(self, command: Command) -> None:
        pause = STORE_PAUSE
        while True:
            try:
                self.state = await self._service.apply(self.state, command)
                return
            except StoreUnavailable as error:
                log.warning("%s of %s cannot be settled yet: %s", self.task, self.id, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, STORE_PAUSE_MAX)


def _ignore(reason: Reason) -> None:
    """Nothing is left to be stopped."""


_NOBODY = contextlib.nullcontext()
"""Whose turn it is while nothing was ever reported."""


async def _unbroken(commit: Coroutine[Any, Any, None]) -> None:
    """Await a commit to its end even when cancelled: one under way cannot be taken back, and
    what it stored must not be stored again.
    """
    task = asyncio.get_running_loop().create_task(commit)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # whoever is cancelled need not hear of it
        raise


def _check_room(gathered: Sequence[object]) -> None:
    if len(gathered) >= MAX_PENDING:
        raise LimitExceeded(
            f"At most {MAX_PENDING} messages or events wait for a commit; await op.commit() now "
            "and then, and emit fewer events.",
            limit=MAX_PENDING,
        )
