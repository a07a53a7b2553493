"""What the reporting tasks of the progress benchmark share. Standard library only.

A part carries the time right before it was sent, and the time at which the send of the part
before it had returned. The client takes its own time at each arrival: one clock, one machine.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

JITTER = 0.5  # of the pause, either way: parts of 100 operations must not lock in step


def pauses(begin: float, parts: int, pause_s: float) -> Iterator[float]:
    """How long to sleep before each part, in seconds.

    `begin` (seconds since the epoch) is when all followers are there; the first part comes
    somewhere within the first pause.
    """
    yield max(0.0, begin - time.time()) + random.uniform(0, pause_s)
    for _ in range(parts - 1):
        yield pause_s * random.uniform(1 - JITTER, 1 + JITTER)
