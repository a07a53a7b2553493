"""Telling the other processes of this machine that a commit happened.

Each process that has the store open binds a Unix datagram socket in the data folder, and
sends what it changed to all the others. A datagram is not lost but refused, and then sent
again. A process that dies between a commit and its hint leaves others uninformed: the watch on
SQLite's ``data_version`` notices, a little later, that somebody committed something.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import secrets
import socket
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

import apsw

from ringback.ports import EVERYTHING

MAX_NAMES = 32 * 1024
"""Bytes; a longer list of names is sent as ``EVERYTHING``."""
MAX_DATAGRAM = 192 * 1024
"""Bytes that are sent or taken at once: what Linux lets a datagram have by default is little
more (``net.core.wmem_default``)."""
RELAYED = b"\x00"
"""What a datagram begins with that carries messages and no names."""
MAX_SOCKET_PATH = 100
"""Characters: ``sun_path`` holds 108, or 104 on some systems."""
WATCH_EVERY = 0.5
"""Seconds between two looks at ``data_version``: how late a lost hint can be."""
TOLD_WITHIN = 0.1
"""Seconds that a hint may be later than the commit it is about."""
LIST_EVERY = 1.0
"""Seconds for which the list of the other processes' sockets is kept."""
OWED_EVERY = 0.05
"""Seconds between two tries to tell a process whose buffer was full."""
RELAY_EVERY = 0.002
"""Seconds between two tries to send messages that there was no room for."""
MAX_BACKLOG = 256
"""Datagrams of messages that wait to be sent: some 25 MB, and far behind."""
HELLO = "$hello"
"""What a process says that has just begun to listen."""

log = logging.getLogger("ringback.sqlite")


class Neighbours:
    """The other processes with the same store."""

    def __init__(
        self,
        folder: Path,
        received: Callable[[frozenset[str]], None],
        relayed: Callable[[bytes], None],
    ) -> None:
        """Both are called on the event loop, with what another process told or relayed."""
        self._received = received
        self._relayed = relayed
        self._folder = _socket_folder(folder)
        self._own = self._folder / f"{os.getpid()}-{secrets.token_hex(3)}"
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._others: set[str] = set()
        self._listed_at = float("-inf")
        self._owed: set[str] = set()
        """Those whose buffer was full: they are told of everything as soon as it has room."""
        self._retry: asyncio.TimerHandle | None = None
        self._backlog: deque[tuple[bytes, str]] = deque()
        """Messages that are yet to be sent."""
        self._sending: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin to listen. Without Unix sockets there is only the watch on ``data_version``."""
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._bind(self._socket)
        except (OSError, AttributeError) as error:
            log.warning("Changes by other processes are seen %g s late: %s", WATCH_EVERY, error)
            self.close()
            return
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)
        self.tell(frozenset({HELLO}))

    def _bind(self, listening: socket.socket) -> None:
        for last in (False, False, True):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{self._folder} belongs to somebody else")
            try:
                listening.bind(str(self._own))
                return
            except FileNotFoundError:  # the last of the others has just removed the folder
                if last:
                    raise

    def close(self) -> None:
        """Stop listening, and leave nothing behind."""
        for timer in (self._retry, self._sending):
            if timer is not None:
                timer.cancel()
        if self._socket is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None
            with contextlib.suppress(OSError):  # others still listen in the folder, or it is gone
                self._own.unlink(missing_ok=True)
                self._folder.rmdir()

    def tell(self, changed: frozenset[str]) -> None:
        """Send a hint to all the others; never waits."""
        if not self.present():
            return
        data = "\n".join(changed).encode()
        if len(data) > MAX_NAMES:
            data = EVERYTHING.encode()
        for other in self._others - self._owed:
            self._send(data, other)

    def relay(self, data: bytes) -> None:
        """Send messages to all the others, in order. Whoever does not take them for long loses
        them.
        """
        if not self.present():
            return
        for other in self._others:
            if len(self._backlog) >= MAX_BACKLOG:
                log.warning("Another process does not keep up: messages for it are lost.")
                return
            self._backlog.append((RELAYED + data, other))
        if self._sending is None:
            self._send_backlog()

    def _send_backlog(self) -> None:
        self._sending = None
        while self._backlog and self._socket is not None:
            data, other = self._backlog[0]
            try:
                self._socket.sendto(data, other)
            except (ConnectionRefusedError, FileNotFoundError):
                self._lose(other)
            except OSError:  # its buffer is full, or ours
                if self._loop is not None:
                    self._sending = self._loop.call_later(RELAY_EVERY, self._send_backlog)
                return
            self._backlog.popleft()

    def present(self) -> bool:
        """Whether there are others, as far as that is known."""
        if self._socket is None or self._loop is None:
            return False
        now = self._loop.time()
        if now - self._listed_at > LIST_EVERY:
            self._listed_at = now
            self._list()
        return bool(self._others)

    def _list(self) -> None:
        try:
            found = {str(path) for path in self._folder.iterdir()}
        except OSError:  # the data folder was removed: the commits say so
            found = set()
        self._others = found - {str(self._own)}
        self._owed &= self._others

    def _send(self, data: bytes, other: str) -> bool:
        """Send to one of the others; whether it has been told."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(data, other)
        except (ConnectionRefusedError, FileNotFoundError):
            self._lose(other)
        except OSError:  # its buffer is full, or ours
            self._owed.add(other)
            if self._retry is None and self._loop is not None:
                self._retry = self._loop.call_later(OWED_EVERY, self._send_owed)
            return False
        return True

    def _send_owed(self) -> None:
        self._retry = None
        owed, self._owed = self._owed, set()
        for other in owed:
            self._send(EVERYTHING.encode(), other)

    def _lose(self, other: str) -> None:
        """A process is gone, perhaps after a commit that it had no time to tell of."""
        self._others.discard(other)
        with contextlib.suppress(OSError):
            Path(other).unlink(missing_ok=True)
        self._received(frozenset({EVERYTHING}))

    def _receive(self) -> None:
        changed: set[str] = set()
        if self._socket is None:
            return
        for _ in range(100):  # then let the loop do other things
            try:
                data = self._socket.recv(MAX_DATAGRAM + 1)
                if data.startswith(RELAYED):
                    self._relayed(data[len(RELAYED) :])
                else:
                    changed.update(data.decode().split("\n"))
            except BlockingIOError:
                break
            except (OSError, UnicodeDecodeError):
                changed.add(EVERYTHING)
        if HELLO in changed:
            self._listed_at = float("-inf")
            changed.discard(HELLO)
        if changed:
            self._received(frozenset(changed))


class Watch:
    """Notices commits of other connections by SQLite's own counter.

    Those that a hint told of need no second one, which would wake every follower: so it only
    speaks up when the counter moved and nobody said why. While the engine is young the others
    may not know of it, and it speaks up at any move.
    """

    def __init__(
        self, version: Callable[[], int], changed: Callable[[frozenset[str]], None]
    ) -> None:
        self._version = version
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._explained = False

    def open(self) -> None:
        watching = self._run(self._version())
        self._task = asyncio.get_running_loop().create_task(watching, name="ringback-watch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def explained(self) -> None:
        """A commit was told of, our own or another's."""
        self._explained = True

    async def _run(self, seen: int) -> None:
        clock = asyncio.get_running_loop().time
        young_until = clock() + LIST_EVERY + WATCH_EVERY
        while True:
            await asyncio.sleep(WATCH_EVERY)
            with contextlib.suppress(apsw.Error):
                version = self._version()
                if version != seen and not self._explained:
                    await asyncio.sleep(TOLD_WITHIN)
                if version != seen and (not self._explained or clock() < young_until):
                    self._changed(frozenset({EVERYTHING}))
                seen = version
            self._explained = False


def _socket_folder(folder: Path) -> Path:
    own = folder.resolve() / "wake"
    if len(str(own)) + 24 <= MAX_SOCKET_PATH:
        return own
    # The name of a socket is short by law: a long data folder has its sockets elsewhere.
    digest = hashlib.blake2b(str(own).encode(), digest_size=8).hexdigest()
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"ringback-{user}-{digest}"
