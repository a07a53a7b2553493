"""Server-Sent Events (WHATWG HTML, 9.2 Server-sent events): the server's half of the codec."""

from __future__ import annotations

import re

_LINE = re.compile(rb"\r\n|\r|\n")

COMMENT = b":\n\n"
"""Says nothing, and keeps proxies from taking the connection for dead."""


def event(kind: str, data: bytes, position: str | None = None) -> bytes:
    """One event. ``position`` becomes the id that a client sends back to resume."""
    head = f"event: {kind}\n" if position is None else f"event: {kind}\nid: {position}\n"
    if b"\n" in data or b"\r" in data:
        lines = b"".join(b"data: " + line + b"\n" for line in _LINE.split(data))
        return head.encode() + lines + b"\n"
    return head.encode() + b"data: " + data + b"\n\n"


def retry(seconds: float) -> bytes:
    """How long a client is to wait before it reconnects; a field of the event that follows."""
    return b"retry: %d\n" % int(seconds * 1000)
