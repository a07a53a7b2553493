"""A template's stack on this machine, and its summary for whoever asks.

``python -m bench.servers.ringback_aws_home TEMPLATE PORT SECRET`` runs it as ``ringback aws local``
does. A connection to PORT is answered, when no call is under way, with the figures so far, as one
line of JSON. SECRET is the key of callers' tokens; empty for a template that has none.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from ringback.awslocal.home import Home, Options
from ringback.awslocal.summary import summary

MEMORY = "512"
"""MB of every function, as in the classic pattern's template."""
PATIENCE = 30.0
"""Seconds that calls may take to end."""


async def main(template: Path, port: int, secret: str) -> None:
    """Until ended."""
    parameters = {"MemorySize": MEMORY, "WorkMemorySize": MEMORY, "JwtSecret": secret}
    options = Options(parameters=parameters if secret else {}, port=0, watch=False)
    async with Home(template, options) as home:

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await home.functions.drain(PATIENCE)
            writer.write(json.dumps(await summary(home)).encode() + b"\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", port)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
