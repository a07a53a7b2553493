"""WebSocket frames (RFC 6455), the server's side, once the handshake is done.

Bytes in, events out (``Decoder``); payloads in, frames out (the functions below it). The opening
is in ``handshake``, compression in ``deflate``, masks in ``masking``. When to answer what,
time-outs and the closing dance are the edge's.
"""

from __future__ import annotations

import codecs
import zlib

import msgspec

from ringback.wire.deflate import Inflater, compress
from ringback.wire.masking import LANES_FROM, MASK_BYTES, as_number, unmask

MAX_CONTROL = 125
"""Bytes of a control frame's payload (5.5)."""

NO_STATUS = 1005
"""What a close frame without a code stands for; never sent (7.1.5, 7.4.1)."""

PROTOCOL_ERROR = 1002
INVALID_DATA = 1007
TOO_BIG = 1009

_FIN, _RSV1, _RSV2_3 = 0x80, 0x40, 0x30
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_MASKED = 0x80

_WHOLE_TEXT = _FIN | _TEXT
"""What a text begins with that is in one frame and not compressed."""


class Text(msgspec.Struct, frozen=True, gc=False):
    """A whole text message, checked to be UTF-8."""

    data: bytes


class Binary(msgspec.Struct, frozen=True, gc=False):
    """A whole binary message."""

    data: bytes


class Ping(msgspec.Struct, frozen=True, gc=False):
    """To be answered with a pong of the same data (5.5.2)."""

    data: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """The peer is there."""

    data: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The peer sends nothing more; to be answered with a close frame (5.5.1)."""

    code: int
    reason: str


Event = Text | Binary | Ping | Pong | Close


class ProtocolError(Exception):
    """The peer broke the protocol or a bound: send ``close(code, reason)`` and hang up (7.1.7)."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        self.events: list[Event] = []
        """What the same bytes held before that, and is good."""
        super().__init__(f"{code}: {reason}")


class Decoder:
    """A client's bytes in, in chunks of any size; events out.

    Bounds are checked when a frame's head says its length, so nothing too large is ever held.
    What it holds is at most one message and what came of it since; between messages, nothing.
    """

    __slots__ = (
        "_deflate",
        "_fin",
        "_head",
        "_inflater",
        "_kind",
        "_left",
        "_mask",
        "_max_frame",
        "_max_message",
        "_message",
        "_over",
        "_tail",
    )

    def __init__(
        self, *, max_message: int, max_frame: int | None = None, deflate: bool = False
    ) -> None:
        """``max_message`` bounds what a message is inflated to, too; ``max_frame`` (by default
        the same) what one frame brings. ``deflate``: the extension was agreed on."""
        self._max_message = max_message
        self._max_frame = max_message if max_frame is None else max_frame
        self._deflate = deflate
        self._over = False
        self._head = b""
        """The start of a frame of which too little came to go on."""
        self._left = 0
        """Bytes of the data frame under way that are still to come."""
        self._mask = b""
        """Its mask, turned to the next byte."""
        self._fin = False
        self._kind = 0
        """The opcode of the message under way; 0 between messages."""
        self._message: bytearray | None = None
        self._tail = b""
        """The start of a character of the message's text."""
        self._inflater: Inflater | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes. Raises ``ProtocolError``; after it and after a close frame the
        rest is of no interest (1.4), and feeding it gives nothing."""
        events: list[Event] = []
        if self._over:
            return events
        try:
            self._decode(data, events)
        except ProtocolError as error:
            self._finish()
            error.events = events
            raise
        return events

    def _decode(self, data: bytes, events: list[Event]) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        at, end = 0, len(data)
        if self._left:
            at = min(self._left, end)
            self._more(data[:at], events)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            if first == _WHOLE_TEXT and (stop := self._short(data, at, events)):
                at = stop
                continue
            self._check(first, second)
            length, body = second & 0x7F, at + 2 + MASK_BYTES
            if length > MAX_CONTROL:
                body += 2 if length == 126 else 8
                if end < body:
                    break
                length = self._extended(data[at + 2 : body - MASK_BYTES])
            elif end < body:
                break
            stop = body + length
            mask = data[body - MASK_BYTES : body]
            if first & 0x08:
                if end < stop:
                    break
                events.append(_control(first & 0x0F, unmask(data[body:stop], mask)))
                if first & 0x0F == _CLOSE:
                    self._finish()
                    return
            else:
                self._begin(first, length)
                if stop > end:
                    self._left, self._mask = length, mask
                    self._more(data[body:], events)
                    return
                self._take(unmask(data[body:stop], mask), events)
            at = stop
        self._head = data[at:]

    def _short(self, data: bytes, at: int, events: list[Event]) -> int:
        """Take what nearly all there is looks like: a short text in ASCII, in one frame that has
        come as a whole. Where it ends; 0 if it is anything else, right or wrong.
        """
        length, body = data[at + 1] - _MASKED, at + 2 + MASK_BYTES
        if length == 126 and len(data) >= body:
            length, body = data[at + 2] << 8 | data[at + 3], body + 2
            if length <= MAX_CONTROL:
                return 0
        elif length > MAX_CONTROL:
            return 0
        stop = body + length
        if (
            self._kind
            or length < 0
            or stop > len(data)
            or length >= LANES_FROM
            or length > self._max_frame
            or length > self._max_message
        ):
            return 0
        text = as_number(data[body:stop], data[body - MASK_BYTES : body])
        if not text.isascii():
            return 0
        events.append(Text(text))
        return stop

    def _check(self, first: int, second: int) -> None:
        """What the first two bytes of a frame tell (5.2, 5.4, 5.5)."""
        opcode = first & 0x0F
        if first & _RSV2_3:
            raise ProtocolError(PROTOCOL_ERROR, "A reserved bit is set.")
        if first & _RSV1 and not (self._deflate and opcode in (_TEXT, _BINARY)):
            raise ProtocolError(PROTOCOL_ERROR, "RSV1 is set where no compression begins.")
        if not second & _MASKED:
            raise ProtocolError(PROTOCOL_ERROR, "A client has to mask its frames.")
        if opcode & 0x08:
            if opcode > _PONG:
                raise ProtocolError(PROTOCOL_ERROR, "The opcode is unknown.")
            if not first & _FIN:
                raise ProtocolError(PROTOCOL_ERROR, "A control frame is fragmented.")
            if second & 0x7F > MAX_CONTROL:
                raise ProtocolError(PROTOCOL_ERROR, "A control frame is longer than 125 bytes.")
        elif opcode > _BINARY:
            raise ProtocolError(PROTOCOL_ERROR, "The opcode is unknown.")
        elif opcode == _CONTINUATION and not self._kind:
            raise ProtocolError(PROTOCOL_ERROR, "There is no message to go on with.")
        elif opcode != _CONTINUATION and self._kind:
            raise ProtocolError(PROTOCOL_ERROR, "The message before is not finished.")

    def _extended(self, field: bytes) -> int:
        """A length of 16 or 64 bits, which has to be the shortest form (5.2)."""
        length = int.from_bytes(field, "big")
        if length <= (MAX_CONTROL if len(field) == 2 else 0xFFFF):
            raise ProtocolError(PROTOCOL_ERROR, "The length is not in its shortest form.")
        return length

    def _begin(self, first: int, length: int) -> None:
        """A data frame of this length follows."""
        if length > self._max_frame:
            raise ProtocolError(TOO_BIG, f"A frame may have {self._max_frame} bytes.")
        if first & 0x0F:
            self._kind = first & 0x0F
            if first & _RSV1:
                self._inflater = Inflater()
        if self._inflater is None and length > self._room():
            raise self._too_big()
        self._fin = first & _FIN != 0

    def _more(self, data: bytes, events: list[Event]) -> None:
        """The next bytes of a data frame that comes in pieces."""
        mask = self._mask
        self._left -= len(data)
        if turned := len(data) % MASK_BYTES:
            self._mask = mask[turned:] + mask[:turned]
        self._take(unmask(data, mask), events)

    def _take(self, data: bytes, events: list[Event]) -> None:
        """Add to the message. Its last bytes end it."""
        last = self._fin and not self._left
        if self._inflater is not None:
            data = self._inflate(self._inflater, data, last)
        kind = self._kind
        if kind == _TEXT and (self._tail or not data.isascii()):
            self._validate(data, last)
        if last:
            if self._message is not None:
                self._message += data
                data, self._message = bytes(self._message), None
            self._kind, self._inflater = 0, None
            events.append(Text(data) if kind == _TEXT else Binary(data))
        elif self._message is None:
            self._message = bytearray(data)
        else:
            self._message += data

    def _inflate(self, inflater: Inflater, data: bytes, last: bool) -> bytes:
        room = self._room()
        try:
            inflated = inflater.feed(data, room, last=last)
        except zlib.error:
            raise ProtocolError(INVALID_DATA, "A message does not inflate.") from None
        if len(inflated) > room:
            raise self._too_big()
        return inflated

    def _validate(self, data: bytes, last: bool) -> None:
        """Fails at the first byte that no character can have there (8.1)."""
        text = self._tail + data
        try:
            _, used = codecs.utf_8_decode(text, "strict", last)
        except UnicodeDecodeError:
            raise _not_utf_8() from None
        self._tail = tail = text[used:]
        # The half of a surrogate; Python waits for its third byte, as it might let one pass.
        if tail[:1] == b"\xed" and tail[1:] > b"\x9f":
            raise _not_utf_8()

    def _room(self) -> int:
        return self._max_message - (0 if self._message is None else len(self._message))

    def _too_big(self) -> ProtocolError:
        return ProtocolError(TOO_BIG, f"A message may have {self._max_message} bytes.")

    def _finish(self) -> None:
        self._over = True
        self._head = self._tail = b""
        self._message = self._inflater = None


def _not_utf_8() -> ProtocolError:
    return ProtocolError(INVALID_DATA, "A text is not UTF-8.")


def _control(opcode: int, data: bytes) -> Event:
    if opcode == _PING:
        return Ping(data)
    if opcode == _PONG:
        return Pong(data)
    if not data:
        return Close(NO_STATUS, "")
    # Half a code is below all of them.
    if not is_close_code(code := int.from_bytes(data[:2], "big")):
        raise ProtocolError(PROTOCOL_ERROR, "The close code is not one that may be sent.")
    try:
        return Close(code, data[2:].decode())
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "The reason of a close is not UTF-8.") from None


def is_close_code(code: int) -> bool:
    """Whether a close frame may carry it: 7.4, and 1012 to 1014 of IANA's registry."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size <= MAX_CONTROL:
        return bytes((first, size)) + payload
    if size <= 0xFFFF:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def text(payload: bytes) -> bytes:
    """A text message in one frame; the payload is UTF-8."""
    return _frame(_FIN | _TEXT, payload)


def binary(payload: bytes) -> bytes:
    """A binary message in one frame."""
    return _frame(_FIN | _BINARY, payload)


def deflated(payload: bytes, *, binary: bool = False) -> bytes:
    """A message for every connection that agreed on compression: compressed where that is
    shorter, and plain otherwise, which may be mixed (RFC 7692, 6)."""
    opcode, compressed = _BINARY if binary else _TEXT, compress(payload)
    if len(compressed) < len(payload):
        return _frame(_FIN | _RSV1 | opcode, compressed)
    return _frame(_FIN | opcode, payload)


def ping(payload: bytes = b"") -> bytes:
    """Asks whether the peer is there."""
    return _control_frame(_PING, payload)


def pong(payload: bytes) -> bytes:
    """The answer to a ping: its payload."""
    return _control_frame(_PONG, payload)


def close(code: int = NO_STATUS, reason: str = "") -> bytes:
    """The last frame of a connection. A reason that is too long is cut, between characters."""
    if code == NO_STATUS:
        return _control_frame(_CLOSE, b"")
    if not is_close_code(code):
        raise ValueError(f"{code} may not be sent in a close frame (RFC 6455, 7.4)")
    said = reason.encode()[: MAX_CONTROL - 2].decode(errors="ignore").encode()
    return _control_frame(_CLOSE, code.to_bytes(2, "big") + said)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > MAX_CONTROL:
        raise ValueError(f"A control frame holds {MAX_CONTROL} bytes, not {len(payload)}")
    return _frame(_FIN | opcode, payload)
