"""The WebSocket edge as it is served, but that it echoes: for peers that put it to the test.

Handshake, frames, closing and back-pressure are the edge's own; the session behind it says nothing
by itself and answers every message with the same.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ringback import Ringback
from ringback.edges.websocket import edge
from ringback.edges.websocket.frames import PLAIN
from ringback.edges.websocket.raw import RawConnection
from ringback.edges.websocket.session import Session
from ringback.wire import websocket as ws
from tests.serving import serve

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes; Autobahn's largest message has 16 MiB."""


class _Quiet(Session):
    __slots__ = ()

    def welcome(self) -> bytes:
        return b""

    def opened(self) -> None:
        """No time runs: peers say when they are done."""


class Echo(RawConnection):
    """One connection."""

    __slots__ = ()

    def __init__(self, *arguments: Any, deflate: bool) -> None:
        super().__init__(*arguments, deflate=deflate)
        self._decoder = ws.Decoder(max_message=MAX_MESSAGE, deflate=deflate)
        self.session.__class__ = _Quiet

    def _handle(self, events: list[ws.Event]) -> int:
        for event in events:
            match event:
                case ws.Text(data) if not self._closing:
                    self.write(ws.text(data) if self.format is PLAIN else ws.deflated(data))
                case ws.Binary(data) if not self._closing:
                    plain = self.format is PLAIN
                    self.write(ws.binary(data) if plain else ws.deflated(data, binary=True))
                case _:
                    super()._handle([event])
        return 0


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[str]:
    """The edge on a free port of the loopback; its address."""
    own = vars(edge)["RawConnection"]
    vars(edge)["RawConnection"] = Echo
    try:
        with tempfile.TemporaryDirectory(prefix="rb-") as data:
            rb = Ringback("echo", data=Path(data), send_buffer=2 * MAX_MESSAGE)
            async with serve(rb) as url:
                yield url.replace("http", "ws", 1) + "/ws"
    finally:
        vars(edge)["RawConnection"] = own
