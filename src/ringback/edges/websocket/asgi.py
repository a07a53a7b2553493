"""The same session behind any ASGI server: it frames, compresses and pings as it likes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from ringback.core.access import Claims
from ringback.core.model import Message
from ringback.edges.followers import CLOSE_WITHIN, Queued
from ringback.edges.http.message import Receive, Send
from ringback.edges.websocket.context import Context
from ringback.edges.websocket.frames import PLAIN, Frames, payloads
from ringback.edges.websocket.session import Session
from ringback.wire import channel
from ringback.wire.close_codes import CloseCode

if TYPE_CHECKING:
    from ringback.service.revocations import Revoked


class AsgiConnection(Queued):
    """One connection."""

    __slots__ = ("_code", "_may_read", "_reason", "_send", "_sending", "session")

    format: Frames
    kind = "websocket"

    def __init__(
        self,
        context: Context,
        claims: Claims,
        token: str | None,
        address: str | None,
        send: Send,
    ) -> None:
        super().__init__(context.hub, context.keeper, PLAIN, context.service.settings.send_buffer)
        self._send = send
        self._code: int | None = None
        """With which to close; None: the connection goes on, or the client has closed it."""
        self._reason = ""
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._sending: asyncio.Task[None] | None = None
        self.session = Session(context, self, claims, token, address)

    def takes(self, message: Message) -> bool:
        return self.session.takes(message)

    async def serve(self, receive: Receive) -> None:
        """Speak until one of the two closes."""
        self.put(self.session.welcome())
        self.keeper.add(self)
        self.session.opened()
        loop = asyncio.get_running_loop()
        reading = loop.create_task(self._read(receive))
        sending = self._sending = loop.create_task(self._send_all())
        try:
            await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and not reading.done():  # the client is to answer
                await asyncio.wait({reading}, timeout=CLOSE_WITHIN)
        finally:
            for task in (reading, sending):
                task.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)
            self.keeper.discard(self)  # which ``run`` does not where it was cancelled at once
            self.session.gone()

    async def _read(self, receive: Receive) -> None:
        while True:
            await self._may_read.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] != "websocket.receive":
                continue
            text = message.get("text")
            if text is None:
                self.session.close(CloseCode.UNSUPPORTED_DATA, "All messages are text.")
            elif len(text) > channel.MAX_FRAME or len(text.encode()) > channel.MAX_FRAME:
                self.session.close(
                    CloseCode.TOO_BIG, f"A message may have {channel.MAX_FRAME} bytes."
                )
            else:
                self.session.receive(text)

    async def _send_all(self) -> None:
        # A server may raise OSError for what is sent to a client that went away.
        with contextlib.suppress(OSError):
            await self.run()
            if self._code is not None:
                await self._send(
                    {"type": "websocket.close", "code": self._code, "reason": self._reason}
                )

    async def send(self, data: bytes) -> None:
        for payload in payloads(data):
            await self._send({"type": "websocket.send", "text": payload.decode()})

    # What the session asks

    def pause(self) -> None:
        self._may_read.clear()

    def go_on(self) -> None:
        self._may_read.set()

    def hang_up(self, code: int, reason: str) -> None:
        if not self._ended:
            self._code, self._reason = code, reason
            self.end()
            if self._sending is not None:  # and it may wait for a client who does not read
                asyncio.get_running_loop().call_later(CLOSE_WITHIN, self._sending.cancel)

    # What it is told

    def overflow(self) -> None:
        self._queue.clear()
        self._held = None
        self.session.close(CloseCode.TOO_SLOW, "More was to be sent than was read.")

    def tick(self, now: float) -> None:
        self.session.tick()

    def farewell(self, reconnect_after: float) -> None:
        self.session.farewell(reconnect_after)

    def revoked(self, covers: Revoked) -> None:
        self.session.revoked(covers)
