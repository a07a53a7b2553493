"""Slow motion: how long a step waits, so that a person can watch what takes milliseconds."""

from __future__ import annotations

import re
import time

from ringback.tasks.operation import BlockingOperation

MAX_PACE = 3.0
"""Seconds a step waits at most."""
LOOK_EVERY = 0.05
"""Seconds between two looks at whether the operation was cancelled meanwhile."""

_PACED = re.compile(r"[^/]*/(?:(\d{1,2}(?:\.\d{1,3})?)s/)?(.+)", re.DOTALL)


def pace_of(name: str) -> tuple[float, str]:
    """Pace and file name of an upload's name: ``photos/0.6s/cat.jpg`` gives 0.6 and cat.jpg.

    A declaration has a name and no further input, so the page says the pace there.
    """
    match = _PACED.fullmatch(name)
    if match is None:
        return 0.0, name
    return min(float(match[1] or 0), MAX_PACE), match[2]


def pause(op: BlockingOperation, seconds: float) -> None:
    """Wait; raises ``OperationCancelled`` as soon as the operation is to stop."""
    deadline = time.monotonic() + seconds
    while True:
        op.progress()
        left = deadline - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, LOOK_EVERY))
