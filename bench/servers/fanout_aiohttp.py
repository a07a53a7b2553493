"""aiohttp: what one writes by hand, `send_str` to each subscriber; the same over SSE.

`/ws/TOPIC` and `/sse/TOPIC` subscribe; `/publish` takes `TOPIC MESSAGE` over WebSocket or POST.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import defaultdict

import uvloop
from aiohttp import WSMsgType, web

sockets: defaultdict[str, list[web.WebSocketResponse]] = defaultdict(list)
streams: defaultdict[str, list[web.StreamResponse]] = defaultdict(list)


async def publish(text: str) -> None:
    """Send to all who subscribed."""
    topic, _, message = text.partition(" ")
    for socket in tuple(sockets.get(topic, ())):
        with contextlib.suppress(ConnectionError):  # its end is noticed by its handler
            await socket.send_str(message)
    if followers := streams.get(topic):
        event = f"data: {message}\n\n".encode()
        for stream in tuple(followers):
            with contextlib.suppress(ConnectionError):
                await stream.write(event)


async def subscribe(request: web.Request) -> web.WebSocketResponse:
    """A subscriber's WebSocket, until it ends."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    mine = sockets[request.match_info["topic"]]
    mine.append(socket)
    try:
        async for _ in socket:
            pass
    finally:
        mine.remove(socket)
    return socket


async def follow(request: web.Request) -> web.StreamResponse:
    """A subscriber's event stream, until it ends."""
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    mine = streams[request.match_info["topic"]]
    mine.append(stream)
    try:
        await asyncio.Event().wait()
    finally:
        mine.remove(stream)
    return stream


async def publisher(request: web.Request) -> web.WebSocketResponse:
    """The publisher's WebSocket."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await publish(message.data)
    return socket


async def post(request: web.Request) -> web.Response:
    """One message."""
    await publish(await request.text())
    return web.Response()


app = web.Application()
app.add_routes(
    [
        web.get("/ws/{topic}", subscribe),
        web.get("/sse/{topic}", follow),
        web.get("/publish", publisher),
        web.post("/publish", post),
    ]
)
uvloop.install()
web.run_app(
    app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, backlog=2048,
    handler_cancellation=True, loop=uvloop.new_event_loop(), shutdown_timeout=0.1,
)  # fmt: skip
