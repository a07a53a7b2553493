"""picows: a frame to each subscriber from its Cython transport, over uvloop.

`/ws/TOPIC` subscribes; `/publish` takes `TOPIC MESSAGE`.
"""

from __future__ import annotations

import sys
from collections import defaultdict

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

subscribers: defaultdict[str, list[WSTransport]] = defaultdict(list)


class Subscriber(WSListener):
    """One that only receives."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribe."""
        subscribers[self.topic].append(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Unsubscribe."""
        subscribers[self.topic].remove(transport)


class Publisher(WSListener):
    """One that only publishes."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send to all who subscribed."""
        topic, _, message = frame.get_payload_as_bytes().partition(b" ")
        for subscriber in subscribers.get(topic.decode(), ()):
            subscriber.send(WSMsgType.TEXT, message)


def listener(request: WSUpgradeRequest) -> WSListener:
    """Who it is, by the path."""
    path = request.path.decode()
    return Publisher() if path == "/publish" else Subscriber(path.rpartition("/")[2])


async def main() -> None:
    """Serve until killed."""
    server = await ws_create_server(
        listener, "127.0.0.1", int(sys.argv[1]), enable_auto_ping=False, backlog=2048
    )
    async with server:
        await server.serve_forever()


uvloop.run(main())
