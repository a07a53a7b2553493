"""NATS JetStream: publish to a file-backed stream and wait for its acknowledgement."""

from __future__ import annotations

import os

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig

from bench.servers.body import (
    Receive,
    Scope,
    Send,
    accepted,
    failed,
    lifespan,
    new_id,
    read,
    refused,
    valid,
)

URL = os.environ.get("BENCH_STORE_URL", "nats://127.0.0.1:4222")
STREAM, SUBJECT = "ACCEPTED", "accepted"

client: Client | None = None
stream: JetStreamContext | None = None


async def _open() -> None:
    global client, stream
    client = await nats.connect(URL)
    stream = client.jetstream()
    await stream.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT], storage=StorageType.FILE))


async def _close() -> None:
    assert client is not None
    await client.close()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send, _open, _close)
        return
    body = await read(receive)
    if not valid(body):
        await refused(send)
        return
    assert stream is not None
    tracking_id = new_id()
    try:
        # The id goes along as JSON rather than a header: that is the cheaper of the two here.
        await stream.publish(SUBJECT, b'{"id":"%b","body":%b}' % (tracking_id.encode(), body))
    except (NatsError, OSError):
        await failed(send)
        return
    await accepted(send, tracking_id)
