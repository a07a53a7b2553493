"""uvicorn's own ASGI `send`, in a loop over the subscribers, over WebSocket and SSE.

`/ws/TOPIC` and `/sse/TOPIC` subscribe; `/publish` takes `TOPIC MESSAGE` over WebSocket or POST.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

sockets: defaultdict[str, list[Send]] = defaultdict(list)
streams: defaultdict[str, list[Send]] = defaultdict(list)


async def publish(text: str) -> None:
    """Send to all who subscribed."""
    topic, _, message = text.partition(" ")
    if followers := sockets.get(topic):
        frame = {"type": "websocket.send", "text": message}
        for send in tuple(followers):  # awaiting lets it change
            await send(frame)
    if followers := streams.get(topic):
        event = {
            "type": "http.response.body",
            "body": f"data: {message}\n\n".encode(),
            "more_body": True,
        }
        for send in tuple(followers):  # awaiting lets it change
            await send(event)


async def websocket(path: str, receive: Receive, send: Send) -> None:
    """A subscriber, or the publisher."""
    await receive()
    await send({"type": "websocket.accept"})
    mine = None if path == "/publish" else sockets[path.rpartition("/")[2]]
    if mine is not None:
        mine.append(send)
    while (message := await receive())["type"] != "websocket.disconnect":
        await publish(message["text"])
    if mine is not None:
        mine.remove(send)


async def http(path: str, receive: Receive, send: Send) -> None:
    """A subscriber, or one message."""
    body = (await receive()).get("body", b"")
    if path == "/publish":
        await publish(body.decode())
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"0")]})  # fmt: skip
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/event-stream")]})  # fmt: skip
    # The head goes out with the first piece of the body.
    await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
    mine = streams[path.rpartition("/")[2]]
    mine.append(send)
    while (await receive())["type"] != "http.disconnect":
        pass
    mine.remove(send)


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """ASGI application; started with `--lifespan off`."""
    serve = websocket if scope["type"] == "websocket" else http
    await serve(scope["path"], receive, send)
