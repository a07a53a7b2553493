"""Descriptors are used again at once for the next connection: nobody gets what was another's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import socket
import struct

import websockets

from tests.edges.websocket.talking import Server, Talk

MESSAGES = 2000
"""That come, over all connections."""
FOLLOWERS = 8
TOPICS = 50


async def test_nobody_gets_what_was_meant_for_the_connection_before(server: Server) -> None:
    """Connections are reset wherever it happens, and others come, while messages are written."""
    numbers = itertools.count()
    over = asyncio.Event()
    came = cuts = 0
    following = FOLLOWERS

    async def follow(chance: random.Random) -> None:
        nonlocal came, cuts, following
        while not over.is_set():
            topic = f"passing/{next(numbers) % TOPICS}"
            async with server.talk() as talk:
                await talk.do("subscribe", filter=topic)
                for _ in range(chance.randint(1, 20)):
                    message = await talk.hear()
                    assert message["topic"] == topic
                    came += 1
                reset(talk)
                cuts += 1
        following -= 1

    async def publish() -> None:
        while not over.is_set():
            for number in range(TOPICS):
                await server.publish(f"passing/{number}", number)
            await asyncio.sleep(0)
            if came >= MESSAGES:
                over.set()
        while following:  # who still follows gets something to end by
            for number in range(TOPICS):
                await server.publish(f"passing/{number}", number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(FOLLOWERS):
            group.create_task(follow(random.Random(number)))
        group.create_task(publish())
    assert cuts >= FOLLOWERS * 2


def reset(talk: Talk) -> None:
    """End a connection at once, by a RST."""
    transport = talk.connection.transport
    own = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, websockets.ConnectionClosed):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
