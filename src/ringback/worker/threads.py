"""Functions in threads: daemons of their own for each run.

So one that never ends keeps neither its slot's owner nor the process from stopping, and nothing
that one run leaves in its thread is there in another's.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ringback.errors import LeaseLost
from ringback.worker.attempt import RunningAttempt

T = TypeVar("T")


def in_thread(name: str, function: Callable[[], T]) -> asyncio.Future[T]:
    """Call a function in a daemon thread, with the context variables there are now."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def finish(result: T | None, error: BaseException | None) -> None:
        if future.done():  # nobody waits any more
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
        finally:
            # Its traceback leads here, and so to itself: what the function held would outlive it.
            del error

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


class ThreadChannel:
    """A blocking handle's way from its thread to the attempt on the loop."""

    def __init__(self, attempt: RunningAttempt) -> None:
        self._attempt = attempt
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._newest: tuple[float | None, str | None] = (None, None)
        self._asked = False
        """Whether the loop knows that there is something to fetch."""
        self.id = attempt.id
        self.task = attempt.task
        self.attempt = attempt.attempt
        self.subject = attempt.subject
        self.traceparent = attempt.traceparent
        self.earlier_parts: Sequence[Any] = attempt.earlier_parts
        attempt.newest = self._fetch

    @property
    def cancelled(self) -> bool:
        return self._attempt.cancelled

    def progress(self, fraction: float | None, message: str | None) -> None:
        with self._lock:
            earlier = self._newest
            self._newest = (
                earlier[0] if fraction is None else fraction,
                earlier[1] if message is None else message,
            )
            asked, self._asked = self._asked, True
        if not asked:  # else it will find the newest when it comes to store it
            try:
                self._loop.call_soon_threadsafe(self._attempt.schedule)
            except RuntimeError:
                raise self._lost() from None

    def _fetch(self) -> tuple[float | None, str | None]:
        with self._lock:
            newest, self._newest = self._newest, (None, None)
            self._asked = False
        return newest

    def call(self, method: str, *arguments: Any) -> None:
        coroutine = getattr(self._attempt, method)(*arguments)
        try:
            done = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise self._lost() from None
        done.result()

    def _lost(self) -> LeaseLost:
        """The worker's loop is gone; so is the lease."""
        return LeaseLost(operation=self.id, attempt=self.attempt)
