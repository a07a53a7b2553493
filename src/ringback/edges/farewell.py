"""Ending what is held open when the process is asked to stop.

A server first waits for the answers it is giving, and only then tells the application to stop.
An event stream is an answer that ends with its operation: with one open, the server would wait
for hours. So the same signal that stops the server ends the streams, and their clients come
back elsewhere, or when the server is up again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def farewell(end: Callable[[], None]) -> Iterator[None]:
    """Call ``end`` on this event loop when either signal comes, then whoever handled it before.

    Signals that nobody handles are left alone, and so is a loop that is not in the main thread:
    there no signal stops a server.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    installed: list[tuple[signal.Signals, Any, Any]] = []
    for number in SIGNALS:
        earlier = signal.getsignal(number)
        if callable(earlier):
            handler = _before(loop, end, earlier)
            signal.signal(number, handler)
            installed.append((number, handler, earlier))
    try:
        yield
    finally:
        for number, handler, earlier in installed:
            if signal.getsignal(number) is handler:  # else somebody has put it right already
                signal.signal(number, earlier)


def _before(
    loop: asyncio.AbstractEventLoop,
    end: Callable[[], None],
    earlier: Callable[[int, FrameType | None], Any],
) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        # The loop may be over, where somebody has put this handler back after we took it away.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(end)
        earlier(number, frame)

    return handle
