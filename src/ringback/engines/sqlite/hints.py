"""Telling the other processes of this machine that a commit happened.

Each process that has the store open binds a Unix datagram socket in the data folder, and
sends what it changed to all the others. A datagram may be lost: then the watch on SQLite's
``data_version`` notices, a little later, that somebody committed something.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import apsw

from ringback.ports import EVERYTHING

MAX_DATAGRAM = 32 * 1024
"""Bytes; a longer list of names is sent as ``EVERYTHING``."""
MAX_SOCKET_PATH = 100
"""Characters: ``sun_path`` holds 108, or 104 on some systems."""
WATCH_EVERY = 0.5
"""Seconds between two looks at ``data_version``: how late a lost hint can be."""
LIST_EVERY = 1.0
"""Seconds for which the list of the other processes' sockets is kept."""


class Neighbours:
    """The other processes with the same store."""

    def __init__(self, folder: Path, received: Callable[[frozenset[str]], None]) -> None:
        self._received = received
        self._folder = _socket_folder(folder)
        self._own = self._folder / f"{os.getpid()}-{secrets.token_hex(3)}"
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._others: list[str] = []
        self._listed_at = 0.0

    def open(self) -> None:
        """Begin to listen. Without Unix sockets there is only the watch on ``data_version``."""
        if not hasattr(socket, "AF_UNIX"):
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self._own))
        self._loop.add_reader(self._socket, self._receive)

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            self._own.unlink(missing_ok=True)

    def tell(self, changed: frozenset[str]) -> None:
        """Send a hint to all the others; never waits."""
        if self._socket is None or self._loop is None:
            return
        now = self._loop.time()
        if now - self._listed_at > LIST_EVERY:
            self._listed_at = now
            self._others = [str(path) for path in self._folder.iterdir() if path != self._own]
        if not self._others:
            return
        data = "\n".join(changed).encode()
        if len(data) > MAX_DATAGRAM:
            data = EVERYTHING.encode()
        for other in tuple(self._others):
            try:
                self._socket.sendto(data, other)
            except BlockingIOError:
                continue  # it is busy, and will see by itself that something changed
            except OSError:  # its process is gone
                self._others.remove(other)
                with contextlib.suppress(OSError):
                    Path(other).unlink(missing_ok=True)

    def _receive(self) -> None:
        changed: set[str] = set()
        if self._socket is None:
            return
        for _ in range(100):  # then let the loop do other things
            try:
                changed.update(self._socket.recv(MAX_DATAGRAM + 1).decode().split("\n"))
            except BlockingIOError:
                break
            except (OSError, UnicodeDecodeError):
                changed.add(EVERYTHING)
        if changed:
            self._received(frozenset(changed))


class Watch:
    """Notices commits of other connections by SQLite's own counter."""

    def __init__(
        self, connection: apsw.Connection, changed: Callable[[frozenset[str]], None]
    ) -> None:
        self._connection = connection
        self._changed = changed
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="ringback-watch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        seen = None
        while True:
            with contextlib.suppress(apsw.Error):
                version = self._connection.pragma("data_version")
                if seen is not None and version != seen:
                    self._changed(frozenset({EVERYTHING}))
                seen = version
            await asyncio.sleep(WATCH_EVERY)


def _socket_folder(folder: Path) -> Path:
    own = folder.resolve() / "wake"
    if len(str(own)) + 24 <= MAX_SOCKET_PATH:
        return own
    # The name of a socket is short by law: a long data folder has its sockets elsewhere.
    digest = hashlib.blake2b(str(own).encode(), digest_size=8).hexdigest()
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"ringback-{user}-{digest}"
