"""What every bare server shares: reading and validating `{"n": 1}`, and sending the 202.

The peers pay for the same validation and the same answer shape as Ringback, so a difference
between two rows is the store. Routing, errors and idempotency are left out: that favours them.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]


class Body(msgspec.Struct, frozen=True):
    """The payload all servers validate."""

    n: int


_decode = msgspec.json.Decoder(Body).decode
_JSON = (b"content-type", b"application/json")


async def read(receive: Receive) -> bytes:
    """The whole request body."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


def valid(body: bytes) -> bool:
    """Whether the body fits the model."""
    try:
        _decode(body)
    except msgspec.DecodeError:
        return False
    return True


def new_id() -> str:
    """A tracking id, as each of the servers would have to make one."""
    return uuid.uuid4().hex


async def accepted(send: Send, tracking_id: str) -> None:
    """Send the 202 with the id of what was stored."""
    await _answer(send, 202, b'{"id":"%b","status":"queued"}' % tracking_id.encode())


async def refused(send: Send) -> None:
    """Send a 422 for a body that does not fit."""
    await _answer(send, 422, b'{"title":"payload does not fit"}')


async def failed(send: Send) -> None:
    """Send a 503: the store could not commit, so nothing was accepted."""
    await _answer(send, 503, b'{"title":"store cannot commit"}')


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(
    receive: Receive,
    send: Send,
    startup: Callable[[], Awaitable[None]],
    shutdown: Callable[[], Awaitable[None]],
) -> None:
    """Run the ASGI lifespan: open the store before the port, close it after."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await startup()
            await send({"type": "lifespan.startup.complete"})
        else:
            await shutdown()
            await send({"type": "lifespan.shutdown.complete"})
            return
