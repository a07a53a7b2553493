"""What AWS would meter of a gateway, counted as it happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

HTTP_UNIT = 512 * 1024
"""Bytes of a request to an HTTP API that are one request on the bill."""
MESSAGE_UNIT = 32 * 1024
"""Bytes of a WebSocket message that are one message on the bill."""


def units(size: int, unit: int) -> int:
    """How often something of this size is counted: once at least."""
    return max(1, -(-size // unit))


@dataclass
class HttpCounts:
    """Of an HTTP API."""

    requests: int = 0
    """Those that reached a route and came past its authorizer: others cost nothing."""
    billed: int = 0
    """The same in units of 512 KB."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Answers to all, by status."""

    def request(self, size: int) -> None:
        self.requests += 1
        self.billed += units(size, HTTP_UNIT)


@dataclass
class SocketCounts:
    """Of a WebSocket API."""

    connects: int = 0
    refused: int = 0
    """Handshakes."""
    received: int = 0
    sent: int = 0
    """Messages, whether posted, answers of routes or errors."""
    billed: int = 0
    """Both in units of 32 KB."""
    calls: Counter[str] = field(default_factory=Counter)
    """Of ``@connections``, by method and status: ``POST 200``."""
    seconds: float = 0.0
    """Of connections that have ended."""

    def message(self, size: int, *, sent: bool) -> None:
        if sent:
            self.sent += 1
        else:
            self.received += 1
        self.billed += units(size, MESSAGE_UNIT)
