"""One WebSocket connection: frames, their bounds, and how it ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from ringback.awslocal.gateway.counts import SocketCounts
from ringback.awslocal.gateway.limits import Limits
from ringback.awslocal.gateway.socket_events import Peer
from ringback.wire import websocket
from ringback.wire.close_codes import CloseCode

CLOSE_WITHIN = 5.0
"""Seconds a client has to answer a close frame."""
LINGER = 0.5
"""Seconds in which a close frame is read over TLS by a client that may be sending yet."""
GOING_AWAY = "Going away"
NO_STATUS = "Client-side close frame status not set"
LOST = "Connection closed abnormally"
NORMALLY = "Connection Closed Normally"
NO_BINARY = "Binary frames are not supported"

_FIN = 0x80
_TEXT, _BINARY, _CONTINUATION = 1, 2, 0


class Owner(Protocol):
    """The gateway, as its connections know it."""

    limits: Limits
    clock: Callable[[], float]
    counts: SocketCounts

    def opened(self, connection: Connection) -> None: ...

    def received(self, connection: Connection, text: str) -> None: ...

    def closed(self, connection: Connection, code: int, reason: str) -> None: ...


class Connection(asyncio.Protocol):
    """Frames in, messages to its owner; messages in, frames out."""

    def __init__(self, owner: Owner, peer: Peer, answer: bytes) -> None:
        """`answer`: the 101 that opens it."""
        self.peer = peer
        self._owner = owner
        self._limits = owner.limits
        self._answer = answer
        self._decoder = websocket.Decoder(
            max_message=self._limits.message, max_frame=self._limits.frame
        )
        self._transport: asyncio.Transport
        self._ends_at: tuple[int, str] | None = None
        """With which code and reason it ends, once that is decided."""
        self._timers: list[asyncio.TimerHandle] = []
        self._idle: asyncio.TimerHandle | None = None
        self._under_way = 0
        """Messages of it whose functions run."""
        self._backlog: deque[str] = deque()
        """Those that came with them and wait."""
        self._heard = 0.0

    @property
    def is_open(self) -> bool:
        return self._ends_at is None

    @property
    def unsent(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._answer)
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._timers.append(loop.call_later(self._limits.duration, self._go_away))
        self._idle = loop.call_later(self._limits.idle, self._look)
        self._owner.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (*self._timers, self._idle):
            if timer is not None:
                timer.cancel()
        if self._ends_at is None:
            self._ends_at = (CloseCode.LOST, LOST)
        self._owner.closed(self, *self._ends_at)

    def data_received(self, data: bytes) -> None:
        self._touch()
        try:
            events = self._decoder.feed(data)
        except websocket.ProtocolError as error:
            self._handle(error.events)
            self.end(error.code, error.reason)
            self._hang_up()
        else:
            self._handle(events)

    def _handle(self, events: list[websocket.Event]) -> None:
        for event in events:
            match event:
                case websocket.Close(code, reason):
                    self._answer_close(code, reason)
                case _ if self._ends_at is not None:
                    pass
                case websocket.Text(data):
                    self._owner.counts.message(len(data), sent=False)
                    self._backlog.append(data.decode())
                case websocket.Binary():
                    self.end(CloseCode.UNSUPPORTED_DATA, NO_BINARY)
                case websocket.Ping(data):
                    self._transport.write(websocket.pong(data))
                case websocket.Pong():
                    pass
        self._hand_on()

    def handled(self) -> None:
        """One message of it is done with."""
        self._under_way -= 1
        self._hand_on()

    def _hand_on(self) -> None:
        while self._backlog and self._under_way < self._limits.at_once:
            self._under_way += 1
            self._owner.received(self, self._backlog.popleft())
        if self._transport.is_closing():
            return
        if self._backlog and self.is_open:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Out

    def send(self, payload: bytes) -> None:
        """A message, in frames that are no longer than a frame may be: text if it is UTF-8."""
        self._touch()
        self._owner.counts.message(len(payload), sent=True)
        try:
            payload.decode()
            opcode = _TEXT
        except UnicodeDecodeError:
            opcode = _BINARY
        size = self._limits.frame
        for at in range(0, max(len(payload), 1), size):
            piece = payload[at : at + size]
            fin = _FIN if at + size >= len(payload) else 0
            self._transport.write(_frame(fin | (_CONTINUATION if at else opcode), piece))

    def end(self, code: int, reason: str) -> None:
        """Close it from here. What comes afterwards is only waited for."""
        if self._ends_at is not None:
            return
        self._ends_at = (code, reason)
        self._transport.write(websocket.close(code, reason))
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(CLOSE_WITHIN, self._transport.abort))
        self._transport.resume_reading()

    def _hang_up(self) -> None:
        """After an error of the protocol: what comes cannot be read any more, and so neither can
        the client's own close frame."""
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:  # TLS has no half of a connection, and to close at once could lose our close frame
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(LINGER, self._transport.close))

    def abort(self) -> None:
        self._transport.abort()

    def _answer_close(self, code: int, reason: str) -> None:
        if self._ends_at is None:
            if code == CloseCode.NO_CODE:
                self._ends_at = (code, NO_STATUS)
            else:
                self._ends_at = (code, reason)
            self._transport.write(websocket.close(code))
        self._transport.close()

    # Time

    def _touch(self) -> None:
        self._heard = asyncio.get_running_loop().time()
        self.peer.active_at = self._owner.clock()

    def _look(self) -> None:
        """Whether anything went either way since the last look."""
        loop = asyncio.get_running_loop()
        left = self._heard + self._limits.idle - loop.time()
        if left <= 0:
            self._go_away()
        else:
            self._idle = loop.call_later(left, self._look)

    def _go_away(self) -> None:
        self.end(CloseCode.GOING_AWAY, GOING_AWAY)


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size <= websocket.MAX_CONTROL:
        return bytes((first, size)) + payload
    return bytes((first, 126)) + size.to_bytes(2, "big") + payload
