"""An event loop in a thread of its own, for callers who block.

What belongs here: how a blocking caller waits, is interrupted, and ends it. What does not: what
it waits for (``blocking``).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from ringback.errors import ConfigurationError

CLOSED = "This client is closed. Use it inside of its `with` block."
WITHIN = (
    "This was called by the client itself (get_token=, on_gap=, on_sent=), which would wait for "
    "ever. Do it outside of that function, or use AsyncClient."
)
T = TypeVar("T")


class Loop:
    """Runs coroutines for threads that wait for them."""

    def __init__(self, last: Callable[[], Awaitable[None]]) -> None:
        """``last`` is done at the end, when nothing else is."""
        self._last = last
        self._begun: concurrent.futures.Future[asyncio.AbstractEventLoop] = (
            concurrent.futures.Future()
        )
        self._closing = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: set[concurrent.futures.Future[Any]] = set()
        """Those who would wait for ever if nobody told them that the loop has ended."""
        self._refusing = self._ended = False
        # A daemon: a script that forgets to close its client ends all the same.
        self._thread = threading.Thread(target=self._run, name="ringback-client", daemon=True)
        self._thread.start()
        self._loop = self._begun.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        finally:
            with self._lock:
                self._ended, left = True, list(self._waiting)
            # What came after the loop had looked for the last time was never begun.
            for outcome in left:
                if not outcome.done():
                    outcome.set_exception(ConfigurationError(CLOSED))

    async def _live(self) -> None:
        self._begun.set_result(asyncio.get_running_loop())
        await self._closing.wait()
        self._refusing = True
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await self._last()

    @property
    def closed(self) -> bool:
        # When Python itself ends, a daemon does nothing more: what is tidied up then (an iterator
        # that was left in the middle) would wait for it for ever.
        return self._loop.is_closed() or sys.is_finalizing()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for it. What ends the wait, Ctrl-C for one, ends the work first."""
        if self.closed:
            work.close()
            raise ConfigurationError(CLOSED)
        if threading.current_thread() is self._thread:
            work.close()
            raise ConfigurationError(WITHIN)
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        with self._lock:
            if self._ended:
                work.close()
                raise ConfigurationError(CLOSED)
            self._waiting.add(outcome)
        begun: list[asyncio.Task[T]] = []

        def begin() -> None:
            if self._refusing:
                outcome.set_exception(ConfigurationError(CLOSED))
                return
            task = self._loop.create_task(work)
            task.add_done_callback(lambda ended: _hand_over(ended, outcome))
            begun.append(task)

        try:
            self._soon(begin)
            return outcome.result()
        except BaseException:
            if not outcome.done():
                self._soon(lambda: begun[0].cancel())
                # What it holds is not to be closed under its hands; a second Ctrl-C does not wait.
                concurrent.futures.wait([outcome])
            raise
        finally:
            if not begun:
                work.close()
            with self._lock:
                self._waiting.discard(outcome)

    def _soon(self, call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended: whoever waits is told
            self._loop.call_soon_threadsafe(call)

    def read(self, stream: AsyncGenerator[T]) -> Iterator[T]:
        """What a stream brings. Left early, it is closed."""
        try:
            while (found := self.run(following(stream))) is not None:
                yield found[0]
        finally:
            # The garbage collector may do this, in any thread; in the loop's own, the loop itself
            # closes a stream that nobody has any more.
            if not self.closed and threading.current_thread() is not self._thread:
                self.run(stream.aclose())

    def close(self) -> None:
        """End what still runs, then the thread."""
        if threading.current_thread() is self._thread:
            raise ConfigurationError(WITHIN)
        if not self.closed:
            self._soon(self._closing.set)
            self._thread.join()


async def following(stream: AsyncGenerator[T]) -> tuple[T] | None:
    """The next that a stream brings; None at its end."""
    async for found in stream:
        return (found,)
    return None


def _hand_over(ended: asyncio.Task[T], outcome: concurrent.futures.Future[T]) -> None:
    if ended.cancelled():
        outcome.set_exception(ConfigurationError(CLOSED))  # by another thread
        return
    error = ended.exception()
    if error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(ended.result())
