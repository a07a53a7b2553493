"""Server-Sent Events (WHATWG HTML, 9.2 Server-sent events): the client's half of the codec."""

from __future__ import annotations

import re

import msgspec

from ringback.errors import LimitExceeded

MAX_EVENT = 300 * 1024 * 1024
"""Bytes of one event: a snapshot carries at most a thousand partial results of 256 KiB."""

_LINE = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class ReceivedEvent(msgspec.Struct, frozen=True):
    """One event, as a stream brought it."""

    kind: str
    data: bytes
    position: str | None
    """The last ``id`` of the stream so far: what ``Last-Event-ID`` resumes after."""


class Decoder:
    """Bytes in, in chunks of any size; events out."""

    def __init__(self) -> None:
        self.retry: float | None = None
        """Seconds to wait before a reconnect, as the server last said."""
        self._rest = b""
        self._begun = False
        self._after_cr = False
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0
        self._position: str | None = None
        self.position: str | None = None
        """Up to where all events are whole: what a reconnect resumes after. A stream may move it
        without any event."""

    def feed(self, chunk: bytes) -> list[ReceivedEvent]:
        """Take the next bytes. Raises ``LimitExceeded`` for an event larger than any of ours."""
        if not chunk:
            return []
        if self._after_cr:
            # A CR ends its line at once; the LF that may follow belongs to it.
            chunk = chunk[1:] if chunk[:1] == b"\n" else chunk
            self._after_cr = False
        data = self._rest + chunk
        if not self._begun:
            if len(data) < len(_BOM) and _BOM.startswith(data):
                self._rest = data
                return []
            data = data.removeprefix(_BOM)
            self._begun = True
        self._after_cr = data.endswith(b"\r")
        *lines, self._rest = _LINE.split(data)
        events = [event for line in lines if (event := self._line(line)) is not None]
        if self._size + len(self._rest) > MAX_EVENT:
            raise LimitExceeded(f"The server sent an event of more than {MAX_EVENT} bytes.")
        return events

    def _line(self, line: bytes) -> ReceivedEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._kind = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._position = value.decode("utf-8", "replace") or None
        elif name == b"retry" and value.isdigit():
            self.retry = int(value) / 1000
        return None

    def _dispatch(self) -> ReceivedEvent | None:
        self.position = self._position
        kind, data = self._kind or "message", self._data
        self._kind, self._data, self._size = "", [], 0
        if not data:
            return None
        return ReceivedEvent(kind, b"\n".join(data), self._position)
