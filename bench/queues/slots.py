"""When each operation started: one float in a file shared by worker, client and benchmark.

Operation `i` owns slot `i`, so that nobody needs a lock and a repeated execution cannot be
counted twice. Only the standard library may be imported here: this runs in every environment.
"""

from __future__ import annotations

import array
import mmap
import struct
import time
from pathlib import Path

SLOT = struct.Struct("d")
CAPACITY = 500_000  # backlog + latency + the steady phase at 80,000/s


class Slots:
    """The shared file, mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @staticmethod
    def create(path: Path) -> None:
        """Make the file, all slots empty."""
        with path.open("wb") as file:
            file.truncate(CAPACITY * SLOT.size)

    def mark(self, index: int) -> None:
        """Note that this operation starts now; the first start is the one that counts."""
        if not self.started(index):
            SLOT.pack_into(self._map, index * SLOT.size, time.time())

    def started(self, index: int) -> float:
        """When it started; 0.0 while it has not."""
        value: float = SLOT.unpack_from(self._map, index * SLOT.size)[0]
        return value

    def times(self, first: int, count: int) -> list[float]:
        """The start times of those of a range that have started, in order of time."""
        values = array.array("d")
        values.frombytes(self._map[first * SLOT.size : (first + count) * SLOT.size])
        return sorted(value for value in values if value)

    def done(self, first: int, count: int) -> int:
        """How many of a range have started."""
        values = array.array("d")
        values.frombytes(self._map[first * SLOT.size : (first + count) * SLOT.size])
        return count - values.count(0.0)
