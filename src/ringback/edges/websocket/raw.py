"""A session on a connection of its own: WebSocket frames straight from and to the transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ringback.core.access import Claims
from ringback.core.model import Message
from ringback.edges.followers import CLOSE_WITHIN, Raw
from ringback.edges.websocket.context import Context
from ringback.edges.websocket.frames import DEFLATED, PLAIN, Frames
from ringback.edges.websocket.session import Session
from ringback.wire import channel, websocket
from ringback.wire.close_codes import CloseCode

if TYPE_CHECKING:
    from ringback.service.revocations import Revoked

STEP = 64 * 1024
"""Bytes that are decoded at once."""
STEP_DEFLATED = 1024
"""The same where they may be compressed, a thousandfold at most."""
FAIR = 512 * 1024
"""Bytes of messages taken of one connection in one turn of the event loop."""
SILENT_TICKS = 2
"""Ticks, each with a ping, without any answer: the client is gone."""

PING = websocket.ping()


class RawConnection(Raw):
    """One connection."""

    __slots__ = ("_closing", "_decoder", "_paused", "_silent", "_unread", "session")

    format: Frames
    kind = "websocket"

    def __init__(
        self,
        context: Context,
        claims: Claims,
        token: str | None,
        address: str | None,
        *,
        deflate: bool,
    ) -> None:
        """``deflate``: permessage-deflate was agreed on."""
        frames = DEFLATED if deflate else PLAIN
        super().__init__(context.hub, context.keeper, frames, context.service.settings.send_buffer)
        self._decoder = websocket.Decoder(max_message=channel.MAX_FRAME, deflate=deflate)
        self._closing = False
        """Whether a close frame was sent: what comes is of interest until the other one does."""
        self._paused = False
        self._unread = b""
        """What came and is not decoded, since the session is busy or others are to have a turn."""
        self._silent = 0
        """Ticks since anything came."""
        self.session = Session(context, self, claims, token, address)

    def takes(self, message: Message) -> bool:
        return self.session.takes(message)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.session.opened()

    # In

    def data_received(self, data: bytes) -> None:
        self._silent = 0
        if self._unread:
            self._unread += data
        else:
            self._take(data)

    def _take(self, data: bytes) -> None:
        step = STEP if self.format is PLAIN else STEP_DEFLATED
        at = taken = 0
        while at < len(data):
            if self._paused or taken > FAIR:
                self._unread = data[at:]
                if not self._paused:
                    self.pause()
                    asyncio.get_running_loop().call_soon(self.go_on)
                return
            piece = data if len(data) <= step else data[at : at + step]
            at += step
            try:
                events = self._decoder.feed(piece)
            except websocket.ProtocolError as error:
                self._handle(error.events)
                self._fail(error.code, error.reason)
                return
            taken += self._handle(events)

    def _handle(self, events: list[websocket.Event]) -> int:
        """Returns how many bytes of messages there were."""
        size = 0
        for event in events:
            if type(event) is websocket.Text:  # nearly all there is
                size += len(event.data)
                self.session.receive(event.data)
                continue
            match event:
                case websocket.Ping(data):
                    if not self._closing:
                        self.write(websocket.pong(data))
                case websocket.Close(code):
                    self._closed(code)
                case websocket.Binary():
                    self.session.close(CloseCode.UNSUPPORTED_DATA, "All messages are text.")
                case websocket.Pong():
                    pass
        return size

    def pause(self) -> None:
        if not self._paused and not self._closing and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        if not self._paused or self.session.busy:
            return
        self._paused = False
        data, self._unread = self._unread, b""
        if data:
            self._take(data)
        if not self._paused and not self.transport.is_closing():
            self.transport.resume_reading()

    # The end

    def hang_up(self, code: int, reason: str) -> None:
        """The closing handshake (RFC 6455, 7.1.2): to close before the client has answered could
        take from it what is still on its way.
        """
        if self._closing or self.transport.is_closing():
            return
        self._hub.leave(self)
        self._closing = True
        self.transport.write(websocket.close(code, reason))
        self._end_soon()
        if self._paused:
            self._paused = False
            self._unread = b""
            self.transport.resume_reading()

    def _fail(self, code: int, reason: str) -> None:
        """The client broke the protocol: it is told, and nothing more it says counts (7.1.7)."""
        if self._closing or self.transport.is_closing():
            return
        self.session.finish()
        self._closing = True
        self.transport.write(websocket.close(code, reason))
        self.transport.write_eof()
        self._end_soon()

    def _closed(self, code: int) -> None:
        """A close frame came."""
        self.session.finish()
        if self._closing:
            self.transport.close()
        else:
            self._closing = True
            self.end(websocket.close(code))

    def _end_soon(self) -> None:
        if self._ending is None:
            loop = asyncio.get_running_loop()
            self._ending = loop.call_later(CLOSE_WITHIN, self.transport.abort)

    def overflow(self) -> None:
        self.session.close(CloseCode.TOO_SLOW, "More was to be sent than was read.")

    def tick(self, now: float) -> None:
        self.session.tick()
        if self._closing or self._paused:
            return
        if self._silent < SILENT_TICKS:
            self._silent += 1
            if not self.congested:
                self.transport.write(PING)
        elif self.congested:
            self.overflow()
        else:
            self.session.close(CloseCode.GOING_AWAY, "Nothing was heard of the client.")

    def farewell(self, reconnect_after: float) -> None:
        self.session.farewell(reconnect_after)

    def revoked(self, covers: Revoked) -> None:
        self.session.revoked(covers)

    def gone(self) -> None:
        self._closing = True
        self._paused = False
        self.session.gone()
        del self.session  # each knows the other, and both would be there until they are collected
