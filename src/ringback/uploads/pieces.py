"""The objects of one upload: its pieces as they come, then the file made of them.

    {id}/declared                     exists from the declaration on, so that no upload is lost
    {id}/{generation}/{offset}        pieces; each begins where the one before it ends
    {id}/{generation}/begun           from generation 1 on: the bytes start anew
    {id}/file-…                       the whole: each that was made, to be checked, has a name of
                                      its own, and the operation's input says which was started
    {id}/redriven/{operation}         which operations were made to do its work again

A piece is put whole and only where there is none, so a piece once stored never changes, and of
two requests that write at one offset, in whatever processes, one is refused. The pieces of the
newest generation that follow one another from offset 0 are what is stored; starting anew is a
new generation, which no late writer of the old one can reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from ringback.errors import OffsetMismatch, PayloadTooLarge
from ringback.ids import is_id
from ringback.uploads.store import FILE, Store, reaching, sync

PIECE = 4 * 1024 * 1024
"""Bytes of a piece: what a cut connection may cost when a server dies with it, and what one
request holds in memory. Objects of this size are cheap to list and to join."""
EXTRA_PIECES = 5_000
"""Pieces an upload may have beyond those its size needs: each cut connection leaves a short one,
and somebody who sends a byte at a time must not fill the disk with files."""
JOINED_AT_ONCE = 4
"""Uploads whose pieces are joined at once: more fill the memory and are no faster."""
READ = 1024 * 1024
"""Bytes read and hashed at once when pieces are joined."""
DECLARED = "declared"
BEGUN = "begun"
REDRIVEN = "redriven"
OFFSET_DIGITS = 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What is there of an upload."""

    generation: int = 0
    pieces: tuple[tuple[int, int], ...] = ()
    """(offset, size), in order, without a hole."""
    newest: float | None = None
    """When the last of them was stored."""

    @property
    def offset(self) -> int:
        """Where the next bytes go."""
        if not self.pieces:
            return 0
        offset, size = self.pieces[-1]
        return offset + size


class Pieces:
    """The objects of all uploads. Methods raise ``StoreUnavailable`` when the store fails."""

    def __init__(self, store: Store) -> None:
        self._objects = store.objects
        self._folder = store.folder
        self._joining = asyncio.Semaphore(JOINED_AT_ONCE)

    async def declare(self, upload: str, description: bytes) -> None:
        """Note that there is such an upload."""
        with reaching():
            await self._objects.put_async(f"{upload}/{DECLARED}", description, use_multipart=False)
            await self._sync(f"{upload}/{DECLARED}", new_folders=True)

    async def stored(self, upload: str) -> Stored:
        """Which bytes of an upload are there."""
        with reaching():
            found = await self._objects.list(upload).collect_async()
        sizes: dict[int, dict[int, int]] = {0: {}}
        times: dict[tuple[int, int], float] = {}
        for each in found:
            _, folder, *rest = each["path"].split("/")
            name = rest[0] if rest else ""
            if folder.isdecimal():
                generation = sizes.setdefault(int(folder), {})
                if name.isdecimal():
                    generation[int(name)] = each["size"]
                    times[int(folder), int(name)] = each["last_modified"].timestamp()
        newest = max(sizes)
        pieces: list[tuple[int, int]] = []
        offset = 0
        while size := sizes[newest].get(offset, 0):
            pieces.append((offset, size))
            offset += size
        return Stored(
            generation=newest,
            pieces=tuple(pieces),
            newest=times[newest, pieces[-1][0]] if pieces else None,
        )

    async def add(self, upload: str, stored: Stored, data: bytes, limit: int) -> Stored:
        """Store the next piece; what is there then. It is on disk, or replicated.

        Raises ``OffsetMismatch`` if another request has stored one there, and
        ``PayloadTooLarge`` for more pieces than ``limit``.
        """
        if len(stored.pieces) >= limit:
            raise PayloadTooLarge(
                f"This upload came in more than {limit} pieces. Declare it anew, and send more "
                f"bytes with each request: {PIECE} or more.",
                limit=limit,
            )
        from obstore.exceptions import AlreadyExistsError

        name = _piece(upload, stored.generation, stored.offset)
        with reaching():
            try:
                await self._objects.put_async(name, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                raise OffsetMismatch(
                    "Another request stores bytes of this upload. Ask for its offset and go on "
                    "there."
                ) from None
            await self._sync(name, new_folders=not stored.pieces)
        return Stored(
            generation=stored.generation, pieces=(*stored.pieces, (stored.offset, len(data)))
        )

    async def join(self, upload: str, stored: Stored) -> tuple[str, str]:
        """Make a file of the pieces: its name, and its SHA-256, in hex. May be done again.

        Made under one name, that of a server which has not heard that the bytes start anew could
        take the place of what another has checked and started.
        """
        digest = hashlib.sha256()

        async def content() -> AsyncIterator[bytes]:
            for offset, _ in stored.pieces:
                piece = _piece(upload, stored.generation, offset)
                found = await self._objects.get_async(piece)
                async for chunk in found.stream(min_chunk_size=READ):
                    # In a thread: a megabyte takes milliseconds, and others want to be served.
                    await asyncio.to_thread(digest.update, chunk)
                    yield bytes(chunk)

        file = new_file()
        name = f"{upload}/{file}"
        async with self._joining:
            with reaching():
                await self._objects.put_async(name, content(), max_concurrency=2)
                await self._sync(name)
        return file, digest.hexdigest()

    async def drop_file(self, upload: str, file: str) -> None:
        """Delete a file that no operation is to read."""
        await self._delete(upload, lambda name: name == file)

    async def start_anew(self, upload: str, stored: Stored) -> None:
        """Forget the bytes: the offset is 0 from here on."""
        name = f"{upload}/{stored.generation + 1}/{BEGUN}"
        with reaching():
            await self._objects.put_async(name, b"", use_multipart=False)
            await self._sync(name, new_folders=True)
        # But no file: should another process have started the operation by now, it is that one's.
        await self._delete(upload, lambda name: name.isdecimal() and int(name) <= stored.generation)

    async def drop_pieces(self, upload: str, file: str) -> None:
        """Delete all but the file that was started, that it was declared, and who else reads it."""
        kept = (DECLARED, REDRIVEN, file)
        await self._delete(upload, lambda name: name not in kept)

    async def drop(self, upload: str) -> None:
        """Delete all there is of an upload."""
        await self._delete(upload, lambda name: True)

    async def note_redriven(self, upload: str, operation: str) -> None:
        """Note that an operation does an upload's work again."""
        name = f"{upload}/{REDRIVEN}/{operation}"
        with reaching():
            await self._objects.put_async(name, b"", use_multipart=False)
            await self._sync(name, new_folders=True)

    async def redriven(self, upload: str) -> set[str]:
        """The operations of which that was noted."""
        with reaching():
            found = await self._objects.list(f"{upload}/{REDRIVEN}").collect_async()
        return {each["path"].rpartition("/")[2] for each in found}

    async def ids(self) -> list[str]:
        """The ids of all uploads there is something of. Nothing else in the store is looked at."""
        with reaching():
            found = await self._objects.list_with_delimiter_async()
        names = (prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])
        return sorted(name for name in names if is_id(name))

    async def _delete(self, upload: str, gone: Callable[[str], bool]) -> None:
        """Delete those objects of an upload whose name's first segment is to go."""
        with reaching():
            if self._folder is not None:
                await asyncio.to_thread(_delete_in, self._folder / upload, gone)
                return
            found = await self._objects.list(upload).collect_async()
            paths = [each["path"] for each in found if gone(each["path"].split("/")[1])]
            if paths:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    await self._objects.delete_async(paths)

    async def _sync(self, name: str, *, new_folders: bool = False) -> None:
        if self._folder is None:
            return
        path = self._folder / name
        paths = [path, path.parent]
        if new_folders:
            paths += [folder for folder in path.parents if self._is_ours(folder)]
        await asyncio.to_thread(sync, *paths)

    def _is_ours(self, folder: Path) -> bool:
        return self._folder is not None and folder.is_relative_to(self._folder)


def new_file() -> str:
    """A name for a file, below its upload's id, that no other has."""
    return f"{FILE}-{secrets.token_hex(8)}"


def most_pieces(size: int) -> int:
    """How many pieces an upload of ``size`` bytes may have."""
    return size // PIECE + EXTRA_PIECES


def _piece(upload: str, generation: int, offset: int) -> str:
    return f"{upload}/{generation}/{offset:0{OFFSET_DIGITS}}"


def _delete_in(folder: Path, gone: Callable[[str], bool]) -> None:
    """The same in a folder, which takes along what a killed process left half written: obstore
    names that like the object, with a number sign behind it, and does not list it."""
    if not folder.is_dir():
        return
    for entry in tuple(folder.iterdir()):
        if not gone(entry.name):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty
        folder.rmdir()
