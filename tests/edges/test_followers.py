"""What is held for a connection that cannot keep up."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from ringback.core.filters import parse
from ringback.core.model import BEGINNING
from ringback.edges.followers import Queued, Raw
from ringback.edges.places import Keeper
from ringback.hub import Hub
from tests.hub.following import LINES, hubbub, publish, room
from tests.serving import until

BUDGET = 100
MORE = 16 * 1024 * 1024
"""Bytes, more than a system takes of a connection that nobody reads."""


class Slow(Queued):
    """A connection that takes nothing for now."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, Keeper(), LINES, BUDGET)
        self.over = False
        self.congest()

    def overflow(self) -> None:
        self.over = True


async def test_who_is_cut_with_the_last_of_its_past_follows_no_more(data: Path) -> None:
    """The end of a replay is written, and its follower attached, in one turn."""
    async with hubbub(data) as (engine, hub):
        await publish(engine, *["t"] * BUDGET)
        slow = Slow(hub)
        await hub.join(slow, parse("t"), BEGINNING, room=room)
        assert slow.over
        await asyncio.sleep(0)
        assert not hub.is_attached(slow, parse("t"))


async def test_who_cannot_take_a_gap_leaves_while_all_are_told(data: Path) -> None:
    async with hubbub(data) as (_, hub):
        followers = [Slow(hub) for _ in range(3)]
        for follower in followers:
            follower.put(b"x" * BUDGET)
            hub.attach(follower, parse("t"))
        for topics in (["t"], []):
            hub._groups.tell_gap(topics, BEGINNING)
            assert [follower.over for follower in followers] == [True] * 3
            assert hub.followers == 0
            for follower in followers:
                hub.attach(follower, parse("t"))


class Frame(bytes):
    """One that knows how often its size was asked for."""

    asked = 0

    def __len__(self) -> int:
        Frame.asked += 1
        return super().__len__()


async def test_of_each_topic_only_what_is_held_counts(data: Path) -> None:
    async with hubbub(data) as (_, hub):
        slow = Slow(hub)
        for _ in range(2):
            for number in range(100):
                slow.write_newest(f"t/{number % 10}", b"x" * (number % 11))
            for topic in range(10):
                slow.write_newest(f"t/{topic}", b"x" * (BUDGET // 10))
            assert not slow.over, "it is as much as may wait"
            slow.relieve()
            assert slow.waiting == BUDGET
            slow = Slow(hub)
        slow.write_newest("t/1", b"x" * BUDGET)
        assert not slow.over
        slow.write_newest("t/2", b"x")
        assert slow.over


async def test_a_frame_that_is_held_is_not_counted_again_for_every_other(data: Path) -> None:
    async with hubbub(data) as (_, hub):
        slow = Slow(hub)
        Frame.asked = 0
        for topic in range(BUDGET):
            slow.write_newest(f"t/{topic}", Frame(b"x"))
        assert not slow.over
        assert 0 < Frame.asked <= 2 * BUDGET


class Before(asyncio.Protocol):
    """Who had a connection before it was handed over, and answers more than is read."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"x" * MORE)

    def pause_writing(self) -> None:
        self.paused = True


async def test_nothing_goes_past_what_waits_of_the_answer_before(data: Path) -> None:
    """Of a client that asks for more before it has read what it asked for: the transport has told
    whoever had the connection that it takes no more, and tells that only once.
    """
    async with hubbub(data) as (_, hub):
        loop = asyncio.get_running_loop()
        before = Before()
        server = await loop.create_server(lambda: before, "127.0.0.1", 0)
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            await until(lambda: before.paused)
            assert before.transport is not None
            connection = Raw(hub, Keeper(), LINES, BUDGET)
            before.transport.set_protocol(connection)
            connection.connection_made(before.transport)
            assert connection.descriptor is None
            left = MORE
            while left:
                left -= len(await loop.sock_recv(client, min(left, 1 << 20)))
            await until(lambda: connection.descriptor is not None)
            connection.transport.abort()
            await until(lambda: not len(connection.keeper))
        server.close()
