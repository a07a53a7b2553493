"""websockets: its own `broadcast()`, over uvloop, without compression.

`/ws/TOPIC` subscribes; `/publish` takes `TOPIC MESSAGE`.
"""

from __future__ import annotations

import sys
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

subscribers: defaultdict[str, set[ServerConnection]] = defaultdict(set)


async def handle(connection: ServerConnection) -> None:
    """A subscriber, or the publisher."""
    assert connection.request is not None
    path = connection.request.path
    if path == "/publish":
        async for text in connection:
            topic, _, message = str(text).partition(" ")
            broadcast(subscribers.get(topic, ()), message)
        return
    mine = subscribers[path.rpartition("/")[2]]
    mine.add(connection)
    try:
        await connection.wait_closed()
    finally:
        mine.discard(connection)


async def main() -> None:
    """Serve until killed."""
    async with serve(
        handle, "127.0.0.1", int(sys.argv[1]), compression=None, ping_interval=None, backlog=2048
    ) as server:
        await server.serve_forever()


uvloop.run(main())
