"""``Upload``: what a handler gets, and how it reads the bytes.

The record is plain data with a JSON form, and can be sent to another process. What does not
belong here: how the bytes came (``pieces``, ``transfer``).
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict

from ringback.errors import ConfigurationError, LimitExceeded
from ringback.uploads.store import Store, known, make_known, open_store

READ_LIMIT = 64 * 1024 * 1024
"""Bytes that ``read`` takes into memory unless told otherwise."""
CHUNK = 1024 * 1024
"""Bytes of a chunk: few enough calls for a fast disk, little enough memory for many readers."""


class Upload(BaseModel):
    """A complete upload. ``read``, ``chunks`` are for async handlers; ``read_bytes``, ``open``,
    ``path`` for those in threads and processes.

    The bytes are kept as long as the upload's operation can be read; copy what is to stay.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    """The operation's."""
    name: str
    """As the client declared it: segments joined by ``/``. Never use it as a path on disk."""
    size: int
    """Bytes."""
    type: str
    """The media type the client declared, in lower case and without parameters."""
    sha256: str = ""
    """SHA-256 of the bytes, in hex; in a handler always there."""
    store: str = ""
    """Which store holds the bytes; opaque."""
    file: str = "file"
    """Which of the upload's objects they are; opaque."""

    @property
    def key(self) -> str:
        """The name of the object in the store."""
        return f"{self.id}/{self.file}"

    @property
    def path(self) -> Path:
        """The file, where uploads are kept in a folder on this machine. Do not change it.

        Raises ``ConfigurationError`` where they are not: ``read`` and ``open`` work everywhere.
        """
        folder = self._store.folder
        if folder is None:
            raise ConfigurationError(
                "Uploads are kept in an object store here, so there is no path. Use "
                "upload.chunks(), upload.read() or upload.open()."
            )
        return folder / self.id / self.file

    async def read(self, limit: int = READ_LIMIT) -> bytes:
        """All bytes. Raises ``LimitExceeded`` if they are more than ``limit``."""
        self._check(limit)
        found = await self._store.objects.get_async(self.key)
        return bytes(await found.bytes_async())

    async def chunks(self, size: int = CHUNK) -> AsyncIterator[bytes]:
        """The bytes, in chunks of about ``size``: ``async for chunk in upload.chunks()``."""
        found = await self._store.objects.get_async(self.key)
        async for chunk in found.stream(min_chunk_size=size):
            yield bytes(chunk)

    def read_bytes(self, limit: int = READ_LIMIT) -> bytes:
        """As ``read``; blocks."""
        self._check(limit)
        return bytes(self._store.objects.get(self.key).bytes())

    def open(self) -> BinaryIO:
        """A file to read from, as ``open(path, "rb")`` gives; blocks. Close it, or use ``with``."""
        if self._store.folder is not None:
            return self.path.open("rb")
        return io.BufferedReader(_RemoteFile(self._store, self.key, self.size), CHUNK)

    @property
    def _store(self) -> Store:
        return open_store(known(self.store))

    def _check(self, limit: int) -> None:
        if self.size > limit:
            raise LimitExceeded(
                f"{self.name} has {self.size} bytes, more than the {limit} that are read into "
                "memory. Use upload.chunks() or upload.open(), or give a higher limit.",
                limit=limit,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process does not know where the store is, so the record tells it.
        return _arrived, (type(self), self.model_dump(), known(self.store))


def _arrived(kind: type[Upload], fields: dict[str, Any], where: str) -> Upload:
    make_known(fields["store"], where)
    return kind.model_validate(fields)


class _RemoteFile(io.RawIOBase):
    """An object elsewhere, read by ranges: what ``io.BufferedReader`` needs."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._objects = store.objects
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        found = self._objects.get_range(self._key, start=self._at, end=end)
        size = len(found)
        buffer[:size] = memoryview(found)
        self._at += size
        return size
