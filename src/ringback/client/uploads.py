"""Sending a file: declared, sent, and gone on with where it broke off.

All of it goes to where the server says, its bucket; else to the server itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from ringback.client.answers import Fields, Refused
from ringback.client.bucket import put
from ringback.client.connection import JSON, REQUEST_PATIENCE, Connection, keyed
from ringback.client.tries import Tries, worth_trying
from ringback.errors import ConfigurationError, OffsetMismatch, RingbackError

CHUNK = 256 * 1024
"""Bytes that are read and handed to the connection at once."""

AT_ONCE = 3
"""Times that all bytes are put where the server says, which begins anew after a cut."""
PAUSE = 2.0
"""Seconds at most until the next of these."""
PIECE = 4 * 1024 * 1024
"""Bytes of a piece, once all that is left was too much for one request."""
LEAST = 64 * 1024
"""Bytes of a piece at least."""

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
        upload, token = acknowledged["id"], acknowledged.get("token")
        path, standing = f"/uploads/{upload}", acknowledged["upload"]
        for _ in range(AT_ONCE):
            url = standing.get("signed_url")
            if url is None or standing["offset"]:
                break
            self._on_sent(0, self._size)
            is_there = await put(url, self._chunks(0), self._size)
            if not is_there:
                await asyncio.sleep(random.uniform(0, PAUSE))  # noqa: S311 - no secret
                standing = await self._standing(path, token)  # the address may have expired
                is_there = standing["complete"]
            if is_there:
                return await self._connection.persist(
                    lambda: self._connection.show(upload, token=token)
                )
        return await self._in_pieces(path, token, int(standing["offset"]))

    async def _in_pieces(self, path: str, token: str | None, offset: int) -> Fields:
        """What is left at once; where that is too much, in smaller pieces, one after another."""
        tries = Tries(REQUEST_PATIENCE, reached=True)
        most = self._size
        while True:
            self._on_sent(offset, self._size)
            end = min(self._size, offset + most)
            pause = 0.0
            try:
                found = await self._piece(path, token, offset, end)
                if "id" in found:
                    return found
            except RingbackError as error:
                # What stands before the server may take less: API Gateway and Lambda some 4 MB.
                if isinstance(error, Refused) and error.http_status == 413 and most > LEAST:
                    most = max(LEAST, min(PIECE, (end - offset) // 2))
                elif isinstance(error, OffsetMismatch) or worth_trying(error, tries):
                    if (wait := tries.pause(error.retry_after)) is None:
                        raise
                    pause = wait
                else:
                    raise
            await asyncio.sleep(pause)
            stored = int((await self._standing(path, token))["offset"])
            if stored > offset:
                tries = Tries(REQUEST_PATIENCE, reached=True)
            elif pause:
                most = max(LEAST, min(most, end - offset) // 2)
            offset = stored

    async def _piece(self, path: str, token: str | None, offset: int, end: int) -> Fields:
        is_last = end == self._size
        headers = {
            "content-type": "application/octet-stream",
            "content-length": str(end - offset),
            "upload-offset": str(offset),
            "upload-complete": "?1" if is_last else "?0",
        }
        return await self._connection.object(
            "PATCH",
            path,
            # Of others too it is the operation, where the bucket had all of it after all.
            "id" if is_last else None,
            lambda: self._chunks(offset, end),
            headers,
            token=token,
        )

    async def _standing(self, path: str, token: str | None) -> Fields:
        """How many bytes the server has, and where to put them."""
        return await self._connection.persist(
            lambda: self._connection.object("GET", path, "offset", token=token)
        )

    async def _chunks(self, offset: int, end: int | None = None) -> AsyncIterator[bytes]:
        end = self._size if end is None else end
        await asyncio.to_thread(self._file.seek, self._start + offset)
        while offset < end:
            chunk = await asyncio.to_thread(self._file.read, min(CHUNK, end - offset))
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
