"""What API Gateway allows, and how much of it a test may take away."""

from __future__ import annotations

from dataclasses import dataclass, replace

KB = 1024
MB = 1024 * KB

HTTP_TIMEOUT = 30.0
"""Seconds for an integration of an HTTP API; not adjustable."""
HTTP_BODY = 10 * MB
"""Bytes of a request to an HTTP API, and of its answer."""
HTTP_HEAD = 10_240
"""Bytes of request line and headers."""
FUNCTION_PAYLOAD = 6 * MB
"""Bytes of an event that a function is called with, and of what it returns."""

SOCKET_TIMEOUT = 29.0
"""Seconds for an integration of a WebSocket API."""
IDLE = 600.0
"""Seconds without a frame after which a connection ends."""
DURATION = 7200.0
"""Seconds a connection may last."""
FRAME = 32 * KB
"""Bytes of a WebSocket frame."""
MESSAGE = 128 * KB
"""Bytes of a WebSocket message, and of a post to ``@connections``."""
URL = 4096
"""Bytes of the address a WebSocket is opened with."""
CONNECTS = 500.0
"""New connections a second, for one account and region; as many at once."""
AUTHORIZER_RESULT = 8 * KB
"""Bytes of what an authorizer's function returns."""
CLOCK_SKEW = 300.0
"""Seconds a signature may be away from the clock."""

UNSENT = 1 * MB
"""Bytes that a client has not read yet, from which on posts to it are refused. AWS has a bound and
does not tell it."""
AT_ONCE = 100
"""Messages of one connection that may be under way before its next ones wait. A choice of this
machine's: API Gateway hands on whatever comes."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits in force. ``scaled`` makes the times shorter, so that a test need not wait."""

    http_timeout: float = HTTP_TIMEOUT
    http_body: int = HTTP_BODY
    http_head: int = HTTP_HEAD
    function_payload: int = FUNCTION_PAYLOAD
    socket_timeout: float = SOCKET_TIMEOUT
    idle: float = IDLE
    duration: float = DURATION
    frame: int = FRAME
    message: int = MESSAGE
    url: int = URL
    connects: float = CONNECTS
    connects_at_once: float = CONNECTS
    authorizer_result: int = AUTHORIZER_RESULT
    unsent: int = UNSENT
    at_once: int = AT_ONCE
    scale: float = 1.0
    """By what a second of the template is multiplied, as in an authorizer's time to live."""

    def scaled(self, scale: float) -> Limits:
        """The same sizes, the times multiplied by ``scale``."""
        return replace(
            self,
            http_timeout=self.http_timeout * scale,
            socket_timeout=self.socket_timeout * scale,
            idle=self.idle * scale,
            duration=self.duration * scale,
            scale=self.scale * scale,
        )


class Throttle:
    """A token bucket: ``rate`` a second, ``burst`` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether one more may pass at `now` (of a clock that never goes back)."""
        if self._at is not None:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
