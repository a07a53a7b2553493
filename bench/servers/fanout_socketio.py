"""python-socketio under uvicorn: a room for each topic, `emit` to the room.

Events: `join TOPIC` (acknowledged) subscribes, `publish TOPIC DATA` emits to the topic's room.
"""

from __future__ import annotations

from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi", ping_interval=600)
app = socketio.ASGIApp(server)


@server.on("join")
async def join(sid: str, topic: str) -> bool:
    """Subscribe."""
    await server.enter_room(sid, topic)
    return True


@server.on("publish")
async def publish(_sid: str, topic: str, data: Any) -> None:
    """Send to all who joined."""
    await server.emit("message", data, room=topic)
