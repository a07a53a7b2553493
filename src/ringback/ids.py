"""Where identity and time come from: ids, trace contexts, the wall clock.

The core takes these as arguments; this is the one place that makes them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the Unix epoch."""

wall: Clock = time.time

_ENTROPY_BLOCK = 4096
"""Bytes of randomness fetched at once: a system call for each id would cost more than the rest."""


class _Entropy:
    def __init__(self) -> None:
        self._block = b""
        self._used = 0
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._block = b""
        self._used = 0

    def take(self, size: int) -> bytes:
        if self._used + size > len(self._block):
            self._block = os.urandom(_ENTROPY_BLOCK)
            self._used = 0
        start = self._used
        self._used += size
        return self._block[start : self._used]


_entropy = _Entropy()


def new_id(now: float) -> str:
    """A UUID version 7 (RFC 9562 §5.7): 48 bits of milliseconds, then 74 random bits.

    Ids made later sort later, so an index on them grows at its end, and a list in order of
    id is a list in order of time.
    """
    time_part = f"{int(now * 1000) & 0xFFFFFFFFFFFF:012x}"
    random = _entropy.take(10).hex()
    variant = _VARIANT[random[3]]
    return f"{time_part[:8]}-{time_part[8:]}-7{random[:3]}-{variant}{random[4:7]}-{random[7:19]}"


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The hexadecimal digit that holds the variant, 0b10, and two of the random bits."""


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def made_at(identity: str) -> float:
    """When ``new_id`` made this id: seconds since the Unix epoch."""
    return int(identity[:8] + identity[9:13], 16) / 1000


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of an operation's id."""
    return _UUID.fullmatch(text) is not None


_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def child_trace(traceparent: str | None) -> str:
    """A trace context (W3C Trace Context §3.2) below the given one, or a new trace.

    What does not parse is replaced by a new trace, as the specification asks (§3.2.2.3).
    """
    span = _entropy.take(8).hex()
    if traceparent is not None and _TRACEPARENT.fullmatch(traceparent):
        return f"{traceparent[:36]}{span}{traceparent[-3:]}"
    return f"00-{_entropy.take(16).hex()}-{span}-01"
