"""permessage-deflate (RFC 7692), the server's side: the offer that is taken, and both directions.

Every message is compressed by itself. So one compressed frame serves every connection that took
the extension, and no connection keeps a zlib window between messages (32 KiB and more each).
What a frame is belongs to ``websocket``; how the offer arrives, to ``handshake``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

NAME = b"permessage-deflate"

WINDOW_BITS = 12
"""The window we compress with: 4 KiB, which most messages fit into.

Some clients offer no more (the ``websockets`` package asks for 12), and one frame has to do for
all of them. A small window is also quicker to set up, which each message pays anew.
"""

_MEMORY_LEVEL = 5
"""zlib's tables for such a window; its default (8) is made for one eight times as large."""

_TRAIL = b"\0\0\xff\xff"
"""The end of a flushed block: left out on the wire (7.2.1), put back by the receiver (7.2.2)."""

_MOST_STREAMS = 16
"""Deflate streams in one message. A sender may end one within a message (7.2.3.5), none has a
reason to do it often, and each costs the receiver a fresh inflater for two bytes of input."""

Parameters = tuple[tuple[bytes, bytes | None], ...]
Offers = Iterable[tuple[bytes, Parameters]]


def choose(offers: Offers) -> bytes | None:
    """The answer to the first offer that can be taken, for ``Sec-WebSocket-Extensions``.

    None when there is none: then the connection goes on without compression (5.1). Both
    directions go without context takeover, which a server may ask for unasked (7.1.1.1, 7.1.1.2).
    """
    for name, parameters in offers:
        if name == NAME and (bits := _agreeable(parameters)) is not None:
            window = b"; server_max_window_bits=%d" % WINDOW_BITS if bits else b""
            return NAME + b"; server_no_context_takeover; client_no_context_takeover" + window
    return None


def _agreeable(parameters: Parameters) -> int | None:
    """The window an offer allows us (0: it does not say); None for one to be declined (5.1, 7.1).

    Declined are parameters that are unknown, come twice or have a wrong value, and a window
    smaller than the one that is shared.
    """
    bits, seen = 0, set()
    for name, value in parameters:
        if name in seen:
            return None
        seen.add(name)
        match name:
            case b"server_no_context_takeover" | b"client_no_context_takeover":
                if value is not None:
                    return None
            case b"client_max_window_bits":
                # Says that we might ask for a smaller window; we inflate any (7.1.2.2).
                if value is not None and _window(value) is None:
                    return None
            case b"server_max_window_bits":
                window = None if value is None else _window(value)
                if window is None or window < WINDOW_BITS:
                    return None
                bits = window
            case _:
                return None
    return bits


def _window(value: bytes) -> int | None:
    """8 to 15, without a leading zero (7.1.2)."""
    return int(value) if value in (b"8", b"9") or value in _TWO_DIGITS else None


_TWO_DIGITS = frozenset(b"%d" % bits for bits in range(10, 16))


def compress(payload: bytes) -> bytes:
    """The payload of a compressed message (7.2.1)."""
    deflater = zlib.compressobj(wbits=-WINDOW_BITS, memLevel=_MEMORY_LEVEL)
    flushed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return flushed.removesuffix(_TRAIL)


class Inflater:
    """Inflates one message, in pieces as they arrive (7.2.2)."""

    __slots__ = ("_stream", "_streams")

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._streams = 1

    def feed(self, data: bytes, room: int, *, last: bool) -> bytes:
        """The next bytes of the message; more than ``room`` (by one) when it does not fit.

        No more than that is ever inflated, however much a bomb holds. Raises ``zlib.error``.
        """
        if last:
            data += _TRAIL
        inflated = self._stream.decompress(data, room + 1)
        while self._stream.eof and (rest := self._stream.unused_data) and len(inflated) <= room:
            if self._streams == _MOST_STREAMS:
                raise zlib.error(f"more than {_MOST_STREAMS} streams in one message")
            self._streams += 1
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
            inflated += self._stream.decompress(rest, room + 1 - len(inflated))
        return inflated
