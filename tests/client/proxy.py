"""A proxy between a client and a server that breaks connections where a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Passes bytes on, both ways."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self.answers_lost = 0
        """So many answers to come are not passed on: their connections break instead."""
        self.answer_bytes: int | None = None
        """The next connection breaks after so many bytes of answers."""
        self.request_bytes: int | None = None
        """The next connection breaks after so many bytes of requests."""
        self.requests: list[bytes] = []
        """The beginning of all that was asked, one for each connection."""
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, outer}
        self._writers |= both
        asked, self.request_bytes = self.request_bytes, None
        answered, self.answer_bytes = self.answer_bytes, None
        try:
            await asyncio.gather(
                self._requests(reader, outer, asked), self._answers(inner, writer, answered)
            )
        except OSError:
            pass
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None
    ) -> None:
        first = True
        while chunk := await reader.read(65536):
            if first:
                self.requests.append(chunk)
                first = False
            if left is not None:
                chunk, left = chunk[:left], left - len(chunk)
            writer.write(chunk)
            await writer.drain()
            if left is not None and left <= 0:
                raise ConnectionResetError
        writer.write_eof()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None
    ) -> None:
        while chunk := await reader.read(65536):
            if self.answers_lost:
                self.answers_lost -= 1
                raise ConnectionResetError
            if left is not None:
                chunk, left = chunk[:left], left - len(chunk)
            writer.write(chunk)
            await writer.drain()
            if left is not None and left <= 0:
                raise ConnectionResetError
        raise ConnectionResetError  # what the server has ended is over


@contextlib.asynccontextmanager
async def proxy(port: int) -> AsyncIterator[Proxy]:
    """One in front of a port."""
    made = Proxy(port)
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        made.cut()
        await server.wait_closed()
