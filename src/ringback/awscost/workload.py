"""What is to be paid for: who waits, how long, and for how much news."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from ringback.errors import ConfigurationError

BOUNDS: dict[str, tuple[float, float]] = {
    "users": (1, 1e9),
    "hours": (0.01, 24),
    "days": (1, 31),
    "messages": (1, 1e12),
    "fanout": (1, 1e9),
    "size": (1, 128 * 1024),
    "job_seconds": (0.1, 86_400),
    "poll": (0.1, 3600),
    "hold": (1, 29),
    "stream": (1, 900),
    "look": (0.1, 3600),
    "memory": (128, 10_240),
    "milliseconds": (1, 900_000),
    "qos": (0, 1),
}
"""Least and most. A message is bounded by WebSocket APIs and IoT Core, 128 KB; a held request by
HTTP APIs, 30 seconds, less one for the answer; a stream and a function by Lambda, 15 minutes."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A month. Raises ``ConfigurationError`` for what cannot be."""

    users: float = 1000
    hours: float = 8
    """A day, that each user has the page open."""
    days: float = 30
    messages: float = 750_000
    """A month, of all users together. In flight, each is the end of a job."""
    fanout: float = 1
    """Users that each message goes to."""
    size: float = 1024
    """Bytes of a message."""
    job_seconds: float = 10
    """Seconds that a job takes."""
    poll: float = 5
    """Seconds between polls."""
    hold: float = 20
    """Seconds that a long poll is held."""
    stream: float = 900
    """Seconds that a stream is open before it is opened again."""
    look: float = 1
    """Seconds between the reads of a long poll that is held."""
    memory: float = 128
    """MB of a function."""
    milliseconds: float = 50
    """That a function takes where it waits for nothing."""
    qos: int = 0
    """Of IoT Core."""
    pings: bool = False
    """Whether clients of a WebSocket API send something lest they be cut off as idle."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in BOUNDS:
                _check(field.name, getattr(self, field.name))
        if self.fanout > self.users:
            raise ConfigurationError(
                f"--fanout {self.fanout:g} is more than there are users: a message goes to each of "
                f"them at most. Lower it, or raise --users {self.users:g}."
            )

    @property
    def seconds(self) -> float:
        """That users are there, in all."""
        return self.users * self.hours * 3600 * self.days

    @property
    def deliveries(self) -> float:
        return self.messages * self.fanout

    @property
    def waits(self) -> float:
        """How often a user waits for a job: at most one after the other while there."""
        return min(self.deliveries, self.seconds / self.job_seconds)


def _check(name: str, value: Any) -> None:
    low, high = BOUNDS[name]
    if not isfinite(value) or not low <= value <= high:
        raise ConfigurationError(
            f"--{name.replace('_', '-')} {value:g} is out of range: give a number from "
            f"{low:,g} to {high:,.0f}."
        )
