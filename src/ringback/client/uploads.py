"""Sending a file: declared, sent, and gone on with where it broke off."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from ringback.client.answers import Fields
from ringback.client.connection import JSON, REQUEST_PATIENCE, Connection, keyed
from ringback.client.tries import Tries, worth_trying
from ringback.errors import ConfigurationError, OffsetMismatch, RingbackError

CHUNK = 256 * 1024
"""Bytes that are read and handed to the connection at once."""

Source = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes themselves, or a file that is open for reading bytes."""
OnSent = Callable[[int, int], object]
"""Told how many bytes are on their way or stored, and of how many."""


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The file. One that the caller opened stays open. Raises ``ConfigurationError`` for text."""
    given: object = source
    if isinstance(given, io.TextIOBase):
        raise ConfigurationError("This file is open for reading text: open it with mode 'rb'.")
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source


def name_of(source: Source) -> str:
    """A path's last segment. Raises ``ConfigurationError`` for what has no name."""
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    raise ConfigurationError(
        "Bytes have no name: give one with name=, by which a handler is chosen."
    )


class Sending:
    """One file on its way."""

    def __init__(self, connection: Connection, file: BinaryIO, on_sent: OnSent | None) -> None:
        self._connection = connection
        self._file = file
        self._on_sent = on_sent or (lambda sent, size: None)
        # What the caller has read of a file already is not sent.
        self._start = file.tell()
        self._size = file.seek(0, io.SEEK_END) - self._start

    async def declare(self, name: str, type: str | None, key: str) -> Fields:
        """Say what comes; the acknowledgement. The same key and file: the same upload."""
        digest = await asyncio.to_thread(self._digest)
        declared: Fields = {"name": name, "size": self._size, "sha256": digest}
        if type is not None:
            declared["type"] = type
        body = msgspec.json.encode(declared)
        headers = {**JSON, **keyed(key)}
        return await self._connection.persist(
            lambda: self._connection.object("POST", "/uploads", "upload", body, headers)
        )

    async def send(self, acknowledged: Fields) -> Fields:
        """Send what the server has not; the operation then."""
        path, token = f"/uploads/{acknowledged['id']}", acknowledged.get("token")
        offset = int(acknowledged["upload"]["offset"])
        tries = Tries(REQUEST_PATIENCE, reached=True)
        while True:
            self._on_sent(offset, self._size)
            try:
                return await self._rest(path, token, offset)
            except RingbackError as error:
                if not isinstance(error, OffsetMismatch) and not worth_trying(error, tries):
                    raise
                pause = tries.pause(error.retry_after)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            stored = await self._stored(path, token)
            if stored > offset:
                tries = Tries(REQUEST_PATIENCE, reached=True)
            offset = stored

    async def _rest(self, path: str, token: str | None, offset: int) -> Fields:
        headers = {
            "content-type": "application/octet-stream",
            "content-length": str(self._size - offset),
            "upload-offset": str(offset),
            "upload-complete": "?1",
        }
        return await self._connection.object(
            "PATCH", path, "id", lambda: self._chunks(offset), headers, token=token
        )

    async def _stored(self, path: str, token: str | None) -> int:
        """How many bytes the server has."""
        found = await self._connection.persist(
            lambda: self._connection.object("GET", path, "offset", token=token)
        )
        return int(found["offset"])

    async def _chunks(self, offset: int) -> AsyncIterator[bytes]:
        await asyncio.to_thread(self._file.seek, self._start + offset)
        while offset < self._size:
            chunk = await asyncio.to_thread(self._file.read, min(CHUNK, self._size - offset))
            if not chunk:
                raise ConfigurationError("The file has become shorter while it was sent.")
            yield chunk
            offset += len(chunk)
            self._on_sent(offset, self._size)

    def _digest(self) -> str:
        """The checksum: so a file that has changed is not mistaken for the one begun with."""
        self._file.seek(self._start)
        digest = hashlib.sha256()
        while chunk := self._file.read(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()
