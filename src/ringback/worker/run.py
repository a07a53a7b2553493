"""One claimed operation: its function from its begin to its end, however that comes.

A run is asked to end when the caller cancels, the time is over, the worker drains, or the lease
is lost. What asking means depends on where the function runs:

- on the loop: its asyncio task is cancelled;
- in a thread: nothing can be done but to let it see ``op.cancelled``;
- in a process: the same, and after a grace it is killed.

A function that does not end is *abandoned*: its operation is settled without it, and whatever
it still does changes nothing. Its slot is another's, unless too many hang already (``worker``).
Only a cancelled one is waited for: to call it cancelled while it works on would be a lie, and it
may still succeed; the caller is told that it has not stopped yet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ringback import tracing
from ringback.core.commands import Command, Fail
from ringback.core.model import OperationState
from ringback.errors import TimedOut
from ringback.service import Service
from ringback.tasks.registry import RunIn, Task
from ringback.worker import outcome
from ringback.worker.attempt import Reason, RunningAttempt

if TYPE_CHECKING:
    from ringback.worker.processes import Execution

STOP_GRACE = 5.0
"""Seconds a stopping worker takes, after its operations' own grace, to stop and give back what
still runs; and what an async function has to clean up when it is not the worker that stops."""
DRAIN_GRACE = 3.0
"""Seconds of those in which a function may end by itself; the rest is for giving back."""
THREAD_DRAIN_GRACE = 1.0
"""The same in a thread: one that looks at ``op.cancelled`` does so sooner."""

UNBOUND = (
    "The task has no timeout, and ran longer than the function that ran it may. Split the work, or "
    "run it by a worker that is no function."
)
"""What is told of what ended by no time-out of its own."""
UNHEARD: dict[RunIn, str] = {
    "loop": "Asked to stop; the function has not stopped yet, and may still finish.",
    "thread": "Asked to stop; the function runs in a thread, which cannot be interrupted, and has "
    "not looked yet. It may still finish.",
}
"""What a caller is told who cancelled what has not stopped within ``cancel_grace``."""


class Run:
    """One claimed operation, from the claim until its function has ended."""

    __slots__ = (
        "_abandon",
        "_begun",
        "_fence",
        "_loop",
        "_service",
        "_span",
        "_task",
        "_timeout",
        "_unheard",
        "abandoned",
        "attempt",
        "execution",
        "inside",
        "task",
    )

    def __init__(
        self,
        service: Service,
        task: Task,
        state: OperationState,
        abandon: Callable[[Run], None],
    ) -> None:
        """``abandon`` is called when the function has to be left: settle without it."""
        self.task = task
        self.attempt = RunningAttempt(service, state, self._stopped)
        self.execution: Execution | None = None
        """In a process: what can be told and killed."""
        self.inside = False
        """Whether the function runs now."""
        self.abandoned = False
        self._service = service
        self._abandon = abandon
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        """The asyncio task that carries it out; on the loop, the function runs in it."""
        self._span: tracing.Consumed | None = None
        self._timeout: asyncio.TimerHandle | None = None
        self._unheard: asyncio.TimerHandle | None = None
        self._fence: asyncio.TimerHandle | None = None

    async def carry_out(self, call: Callable[[Run], Awaitable[bytes]]) -> Command | None:
        """Run the function; the command that settles it, or None if there is nothing to settle."""
        attempt = self.attempt
        result = b""
        error: BaseException | None = asyncio.CancelledError()
        if attempt.reason is None:  # else it was stopped before it began
            error = None
            if tracing.provided():
                self._span = tracing.Consumed(
                    attempt.task, attempt.id, attempt.attempt, attempt.traceparent
                )
                attempt.traceparent = self._span.traceparent
            self._begin()
            try:
                result = await call(self)
            except GeneratorExit:
                raise  # the loop is gone
            except BaseException as raised:  # SystemExit too: it is the function that failed
                error = raised
            finally:
                self._end()
            if self._task is not None and self._task.cancelling():
                await self._calm_down(self._task)
        try:
            return None if self.abandoned else self._conclude(result, error)
        finally:
            # Its traceback leads here, and so to itself: what the function held would outlive it.
            del error

    def left(self) -> Command | None:
        """The command that settles an abandoned run."""
        return self._conclude(b"", asyncio.CancelledError())

    def _conclude(self, result: bytes, error: BaseException | None) -> Command | None:
        attempt = self.attempt
        if attempt.reason is Reason.TIMED_OUT:
            timeout = attempt.state.policy.timeout
            error = TimedOut(UNBOUND) if timeout is None else TimedOut(seconds=timeout)
        command = outcome.of(self._service, attempt, self.task, result, error)
        if self._span is not None:
            self._span.end(error if isinstance(command, Fail) else None)
        return command

    def _begin(self) -> None:
        self.inside = True
        self._task = asyncio.current_task()
        timeout = self.attempt.state.policy.timeout
        if timeout is not None:
            self._timeout = self._loop.call_later(timeout, self.attempt.stop, Reason.TIMED_OUT)

    def _end(self) -> None:
        self.inside = False
        for timer in (self._timeout, self._unheard, self._fence):
            if timer is not None:
                timer.cancel()

    async def _calm_down(self, task: asyncio.Task[None]) -> None:
        """Take back the cancelling of this asyncio task: what is left to do is ours."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # one may be on its way that the function did not wait for
        while task.cancelling():
            task.uncancel()

    # Being asked to end

    def _stopped(self, reason: Reason) -> None:
        if not self.inside or self._fence is not None:
            return
        self._ask()
        if reason is Reason.CANCELLED:
            if self._unheard is None:
                self._unheard = self._loop.call_later(self.task.cancel_grace, self._say_unheard)
        else:
            self._fence = self._loop.call_later(self._grace(reason), self._overdue)

    def _ask(self) -> None:
        if self.execution is not None:
            self.execution.cancel()
        elif self.task.run_in == "loop" and self._task is not None:
            self._task.cancel()

    def _grace(self, reason: Reason) -> float:
        """Seconds the function has to end by itself."""
        match self.task.run_in:
            case "loop":
                return DRAIN_GRACE if reason is Reason.DRAINED else STOP_GRACE
            case "thread":
                return THREAD_DRAIN_GRACE if reason is Reason.DRAINED else 0.0
            case "process":
                drained = min(self.task.cancel_grace, DRAIN_GRACE)
                return drained if reason is Reason.DRAINED else 0.0

    def _say_unheard(self) -> None:
        if self.execution is not None:
            self.execution.kill()
        else:
            self.attempt.say(UNHEARD[self.task.run_in])

    def _overdue(self) -> None:
        if self.execution is not None:
            self.execution.kill()
        self.abandoned = True
        self._abandon(self)
