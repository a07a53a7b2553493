"""Frames of a WebSocket client, made by the letter of RFC 6455, 5.2, right or wrong as asked."""

from __future__ import annotations

from ringback.wire import websocket as ws

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = bytes.fromhex("37fa213d")  # the one of the RFC's examples


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length_bytes: int | None = None,
    length: int | None = None,
) -> bytes:
    """``length_bytes`` (0, 2, 8) forces the form of the length, ``length`` a false one."""
    size = len(payload) if length is None else length
    form = length_bytes
    if form is None:
        form = 0 if size < 126 else 2 if size < 1 << 16 else 8
    masked = 0x80 if mask is not None else 0
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    if form == 0:
        head = bytes((first, masked | size))
    else:
        head = bytes((first, masked | (126 if form == 2 else 127))) + size.to_bytes(form, "big")
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def outcome(
    decoder: ws.Decoder, chunks: list[bytes]
) -> tuple[list[ws.Event], tuple[int, str] | None]:
    """Everything a decoder says to these bytes: the events, and the error that ends them."""
    events: list[ws.Event] = []
    for chunk in chunks:
        try:
            events += decoder.feed(chunk)
        except ws.ProtocolError as error:
            return events + error.events, (error.code, error.reason)
    return events, None
