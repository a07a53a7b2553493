"""How messages look on a WebSocket: framed once for all connections that get the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ringback.core.model import Message, Position
from ringback.wire import channel, websocket

COMPRESS_FROM = 1024
"""Bytes from which what is for one connection alone is worth the processor's time."""


class Frames:
    """Messages to all who follow, in whole WebSocket frames. One object for each way to frame."""

    __slots__ = ("_frame", "own")

    def __init__(self, frame: Callable[[bytes], bytes], own: Callable[[bytes], bytes]) -> None:
        self._frame = frame
        self.own = own
        """Frames what is for one connection alone."""

    def message(self, message: Message) -> bytes:
        return self._frame(
            channel.message(message.topic, message.position, message.data, message.at, message.kind)
        )

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return self._frame(channel.gap(position, topics))


def _deflated_if_large(payload: bytes) -> bytes:
    large = len(payload) >= COMPRESS_FROM
    return websocket.deflated(payload) if large else websocket.text(payload)


PLAIN = Frames(websocket.text, websocket.text)
DEFLATED = Frames(websocket.deflated, _deflated_if_large)
"""For connections that agreed on permessage-deflate."""


class Replayed:
    """The same for the past of one subscription: each names its filter."""

    __slots__ = ("_allows", "_filter", "_own")

    def __init__(self, frames: Frames, filter: str, allows: Callable[[str], bool]) -> None:
        """``allows``: whether the subscriber may see a topic, as of now; what it may not see is
        left out.
        """
        self._own = frames.own
        self._filter = filter
        self._allows = allows

    def message(self, message: Message) -> bytes:
        if not self._allows(message.topic):
            return b""
        return self._own(
            channel.message(
                message.topic,
                message.position,
                message.data,
                message.at,
                message.kind,
                self._filter,
            )
        )

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        seen = [topic for topic in topics if self._allows(topic)]
        if topics and not seen:
            return b""
        return self._own(channel.gap(position, seen, self._filter))


def payloads(frames: bytes) -> list[bytes]:
    """What is in frames that ``PLAIN`` made, for a server that frames by itself."""
    found: list[bytes] = []
    at = 0
    while at < len(frames):
        size = frames[at + 1]
        at += 2
        if size > websocket.MAX_CONTROL:
            width = 2 if size == 126 else 8
            size = int.from_bytes(frames[at : at + width], "big")
            at += width
        found.append(frames[at : at + size])
        at += size
    return found
