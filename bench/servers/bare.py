"""The baseline: validate the body, answer a constant 202, store nothing."""

from __future__ import annotations

from bench.servers.body import Receive, Scope, Send, accepted, read, refused, valid

CONSTANT_ID = "0" * 32


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application; started with `--lifespan off`."""
    if not valid(await read(receive)):
        await refused(send)
        return
    await accepted(send, CONSTANT_ID)
