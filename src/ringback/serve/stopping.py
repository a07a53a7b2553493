"""How a process that serves or works is asked to stop, and the event loop it runs on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """The first signal asks for an orderly stop, the second ends the process at once.

    Under a supervisor neither Ctrl-C, which the terminal sends to all processes of a group, nor
    a second SIGTERM, which an init system may send beside the supervisor's own, cuts the drain
    short: the supervisor kills whoever takes too long. Its end is seen on standard input.
    """

    def __init__(self, *, supervised: bool = False) -> None:
        self.asked = asyncio.Event()
        self._asked_before = False
        self._supervised = supervised
        self._loop = asyncio.get_running_loop()

    @contextmanager
    def listening(self, at_once: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Take the signals while the context lasts; ``at_once`` is called before a sudden end."""

        def received(number: int, frame: FrameType | None) -> None:
            if self._supervised:
                if number == signal.SIGTERM:
                    self._loop.call_soon_threadsafe(self.asked.set)
            elif self._asked_before:
                at_once()
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            else:
                self._asked_before = True
                self._loop.call_soon_threadsafe(self.asked.set)

        # Not the loop's own handlers: these run even while a task blocks the loop.
        before = {
            number: signal.signal(number, received)
            for number in SIGNALS
            # A shell has its background jobs ignore Ctrl-C, which is for the one in front.
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        if self._supervised:
            self._loop.add_reader(0, self._parent_gone)
        try:
            yield
        finally:
            if self._supervised:
                self._loop.remove_reader(0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _parent_gone(self) -> None:
        if not os.read(0, 1024):
            self._loop.remove_reader(0)
            self.asked.set()


def run_to_end(main: Coroutine[Any, Any, T]) -> T:
    """Run on the fastest event loop there is here."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return None
    import uvloop

    return uvloop.new_event_loop
