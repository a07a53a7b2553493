"""Connections that follow topics: how bytes leave, and when a connection is cut.

``Raw`` owns its transport: a write is the transport's own, or the hub's to its socket, which costs
nothing but the system call. ``Queued`` speaks through an ASGI server, a message at a time. Both are
bounded by a byte budget: who does not read fast enough is cut, told to come back and replay, and
nobody waits.

While a connection is congested (the system takes no more of its bytes for now), its writes are
counted, and of topics of which only the newest message matters only that is held.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, cast

from ringback.core.access import Claims
from ringback.core.model import Message
from ringback.edges.handover import Taker
from ringback.edges.places import Keeper
from ringback.hub import Format, Hub

CONGESTED = 64 * 1024
"""Bytes that wait to be sent beyond which a connection is congested, and no further page of a
replay is read for it."""
WRITABLE = os.name == "posix"
"""Whether ``os.write`` writes to sockets."""
CLOSE_WITHIN = 5.0
"""Seconds in which a connection that was cut has to take what is still to be sent."""


class Connection:
    """What raw and queued connections have in common. A subclass speaks a protocol."""

    __slots__ = (
        "_held",
        "_held_size",
        "_hub",
        "_room",
        "budget",
        "congested",
        "format",
        "keeper",
        "subject",
    )

    def __init__(self, hub: Hub, keeper: Keeper, format: Format, budget: int) -> None:
        """``budget``: bytes that may wait to be sent."""
        self._hub = hub
        self.keeper = keeper
        self.format = format
        self.budget = budget
        self.subject: str | None = None
        """Whose connection it is, before it follows anything."""
        self.congested = False
        self._held: dict[str, bytes] | None = None
        """The newest frame of topics that are coalesced, while congested."""
        self._held_size = 0
        """Bytes of those."""
        self._room: asyncio.Future[None] | None = None

    kind: ClassVar[str]
    """By which it is counted: the transport's name."""

    # What the hub writes

    def takes(self, message: Message) -> bool:
        """Whether to hand on a message that is private, or one of several that are the same."""
        return not message.private

    @property
    def write(self) -> Callable[[bytes], object]:
        """Takes frames; another one while the connection is congested."""
        return self._write_counted if self.congested else self.put

    @property
    def write_newest(self) -> Callable[[str, bytes], object]:
        """Takes the newest frame of a topic."""
        return self._write_newest

    @property
    def descriptor(self) -> int | None:
        """The socket that frames may be written to, where there is one and nothing waits."""
        return None

    @property
    def put(self) -> Callable[[bytes], object]:
        """Puts bytes behind those that wait to be sent."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        raise NotImplementedError

    def _write_counted(self, data: bytes) -> None:
        if self._held:
            self._put_held()
        self.put(data)
        if self.waiting > self.budget:
            self._leave()

    def _write_newest(self, topic: str, data: bytes) -> None:
        if not self.congested:
            self.put(data)
            return
        if self._held is None:
            self._held, self._held_size = {}, 0
        self._held_size += len(data) - len(self._held.pop(topic, b""))  # the newest is last
        self._held[topic] = data
        if self.waiting + self._held_size > self.budget:
            self._leave()

    def _leave(self) -> None:
        self._hub.cut += self._hub.leave(self)
        # And again: if this was the last of its past, it is attached in this very turn.
        asyncio.get_running_loop().call_soon(self._hub.leave, self)
        self.overflow()

    def _put_held(self) -> None:
        held, self._held = self._held, None
        if held:
            self.put(b"".join(held.values()))

    async def room(self) -> None:
        """Wait until the connection is not congested."""
        if self.congested:
            if self._room is None:
                self._room = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._room)

    def congest(self) -> None:
        """The system takes no more for now."""
        if not self.congested:
            self.congested = True
            self._hub.refresh(self)

    def relieve(self) -> None:
        """It does again, or never will."""
        if self.congested:
            self.congested = False
            self._hub.refresh(self)
            self._put_held()
        if self._room is not None:
            self._room.set_result(None)
            self._room = None

    # What a subclass does

    def overflow(self) -> None:
        """More waits to be sent than may. The hub writes no more; end the connection."""
        raise NotImplementedError

    def tick(self, now: float) -> None:
        """Called every ``places.TICK`` seconds (monotonic): heartbeat, expiry."""

    def farewell(self, reconnect_after: float) -> None:
        """The process stops: tell the client to come back, after so many seconds, and end."""
        raise NotImplementedError

    def revoked(self, covers: Callable[[Claims], bool]) -> None:
        """Tokens were revoked: end, if ``covers`` says so of the claims this follows by."""
        raise NotImplementedError


class Raw(Connection, Taker):
    """A connection that owns its transport."""

    __slots__ = ("_descriptor", "_ending", "server", "transport")

    transport: asyncio.Transport

    def __init__(self, hub: Hub, keeper: Keeper, format: Format, budget: int) -> None:
        super().__init__(hub, keeper, format, budget)
        self._descriptor: int | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.server: set[Any] | None = None
        """The server's own set of connections, which it waits for when it stops."""

    @property
    def descriptor(self) -> int | None:
        # What waits in the transport has to be sent first: then ``congested`` is set. The socket is
        # closed after ``connection_lost``, by which this has left the hub: until then the number
        # is no other connection's.
        return None if self.congested else self._descriptor

    @property
    def put(self) -> Callable[[bytes], object]:
        return self.transport.write

    @property
    def waiting(self) -> int:
        return self.transport.get_write_buffer_size()

    def kept_in(self, connections: set[Any]) -> None:
        self.server = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        # With no room for what waits, uvloop sends at once, in the order of the connections, and
        # pauses whoever does not take it all. Otherwise it gathers writers in a set, and goes
        # through it in whatever order: at thousands of connections that misses the caches.
        self.transport.set_write_buffer_limits(high=0)
        if self.waiting:  # of an earlier answer, as when whoever had the connection was paused
            self.congest()
        if WRITABLE and transport.get_extra_info("sslcontext") is None:
            self._descriptor = transport.get_extra_info("socket").fileno()
        self.keeper.add(self)

    def pause_writing(self) -> None:
        self.congest()

    def resume_writing(self) -> None:
        self.relieve()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._descriptor = None  # it is closed next, and may be another connection's then
        if self._ending is not None:
            self._ending.cancel()
        self._hub.leave(self)
        self.keeper.discard(self)
        if self.server is not None:
            self.server.discard(self)
        self._held = None
        self.congested = False
        self.relieve()
        self.gone()

    def shutdown(self) -> None:
        """What uvicorn calls when it stops: the hub has said farewell by then."""

    def end(self, last: bytes = b"") -> None:
        """Send what waits and these bytes, and close; whoever does not take them is cut."""
        self._hub.leave(self)
        if self.transport.is_closing():
            return
        if last:
            self.transport.write(last)
        self.transport.close()
        loop = asyncio.get_running_loop()
        self._ending = loop.call_later(CLOSE_WITHIN, self.transport.abort)

    def gone(self) -> None:
        """The connection is over, for whatever reason."""


class Queued(Connection):
    """A connection behind an ASGI server: ``run`` sends what is written, until ``end``."""

    __slots__ = ("_ended", "_loaded", "_queue", "_size")

    def __init__(self, hub: Hub, keeper: Keeper, format: Format, budget: int) -> None:
        super().__init__(hub, keeper, format, budget)
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._loaded = asyncio.Event()
        self._ended = False

    @property
    def put(self) -> Callable[[bytes], object]:
        return self._put

    @property
    def waiting(self) -> int:
        return self._size

    def _put(self, data: bytes) -> None:
        if self._ended:
            return
        self._queue.append(data)
        self._size += len(data)
        self._loaded.set()
        if self._size > CONGESTED:
            self.congest()

    async def run(self) -> None:
        """Send until the connection was ended and all is sent. Cancel it when the client goes."""
        self.keeper.add(self)
        try:
            while True:
                while self._queue:
                    data = b"".join(self._queue)
                    self._queue.clear()
                    await self.send(data)
                    self._size -= len(data)
                    if self._size < CONGESTED // 4:
                        self.relieve()
                if self._ended:
                    return
                self._loaded.clear()
                await self._loaded.wait()
        finally:
            self._hub.leave(self)
            self.keeper.discard(self)
            self._ended = True
            self.congested = False
            self.relieve()

    def end(self) -> None:
        """Take no more; ``run`` returns once the rest is sent."""
        self._hub.leave(self)
        self._ended = True
        self._loaded.set()

    async def send(self, data: bytes) -> None:
        """Hand bytes to the server; may take as long as the client does."""
        raise NotImplementedError
