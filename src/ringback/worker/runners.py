"""Running a function: on the event loop, in a thread, or in a process.

A thread is a daemon of its own for each run, so that one that never ends keeps neither its
slot's owner nor the process from stopping. A process is kept for further runs and is killed
when a cancelled or overdue function does not end by itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ringback.errors import LeaseLost
from ringback.tasks.operation import BlockingOperation, Operation
from ringback.tasks.registry import Task
from ringback.worker.attempt import RunningAttempt
from ringback.worker.processes import ProcessPool

T = TypeVar("T")


class ThreadChannel:
    """A blocking handle's way from its thread to the attempt on the loop."""

    def __init__(self, attempt: RunningAttempt, loop: asyncio.AbstractEventLoop) -> None:
        self._attempt = attempt
        self._loop = loop
        self._lock = threading.Lock()
        self._newest: tuple[float | None, str | None] | None = None
        self.id = attempt.id
        self.task = attempt.task
        self.attempt = attempt.attempt
        self.subject = attempt.subject
        self.traceparent = attempt.traceparent
        self.earlier_parts: Sequence[Any] = attempt.earlier_parts

    @property
    def cancelled(self) -> bool:
        return self._attempt.cancelled or self._attempt.closed

    def progress(self, fraction: float | None, message: str | None) -> None:
        with self._lock:
            waiting = self._newest
            if waiting is not None:
                fraction = waiting[0] if fraction is None else fraction
                message = waiting[1] if message is None else message
            self._newest = (fraction, message)
        if waiting is None:  # else the loop has been asked already, and will find the newest
            self._on_loop(self._take_progress())

    async def _take_progress(self) -> None:
        with self._lock:
            newest, self._newest = self._newest, None
        if newest is not None and not self._attempt.closed:
            await self._attempt.progress(*newest)

    def call(self, method: str, *arguments: Any) -> None:
        self._on_loop(getattr(self._attempt, method)(*arguments)).result()

    def _on_loop(self, coroutine: Any) -> Any:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the worker is gone; so is the lease
            coroutine.close()
            raise LeaseLost(operation=self.id, attempt=self.attempt) from None


async def in_thread(name: str, function: Callable[[], T]) -> T:
    """Call a function in a daemon thread of its own. Cancelling abandons the thread."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def finish(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type] # None only beside an error

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except StopIteration as stop:  # a future cannot carry it (PEP 479)
            error = RuntimeError(f"The function raised StopIteration: {stop}")
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


class Runners:
    """The three ways to run, with their resources."""

    def __init__(self, processes: int) -> None:
        self.pool = ProcessPool(processes)

    async def call(self, task: Task, attempt: RunningAttempt, value: Any) -> Any:
        """Run the task's function and return what it returns."""
        arguments = task.signature.arguments(value)
        operation = task.signature.operation
        if task.run_in == "loop":
            if operation is not None:
                arguments[operation] = Operation(attempt)
            return await task.function(**arguments)
        channel = ThreadChannel(attempt, asyncio.get_running_loop())
        if task.run_in == "thread":
            if operation is not None:
                arguments[operation] = BlockingOperation(channel)
            return await in_thread(f"ringback-{task.name}", lambda: task.function(**arguments))
        return await self.pool.run(task.function, arguments, operation, channel)

    def close(self) -> None:
        """End what can be ended."""
        self.pool.close()
