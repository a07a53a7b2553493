"""The chat sample of every introduction to WebSocket APIs, run by `ringback aws local`.

Written from its documented behaviour: connections in a table, `sendmessage` posts to everyone, and
a connection that is gone (410) leaves the table.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio
import websockets

from tests.awslocal.waiting import until_async

TEMPLATE = Path(__file__).parent / "samples" / "chat" / "template.yaml"


class Command:
    """The command, its first line and its last."""

    def __init__(self, process: asyncio.subprocess.Process, started: dict[str, Any]) -> None:
        self._process = process
        self.started = started

    async def stop(self) -> tuple[dict[str, Any], str]:
        """Ctrl-C: the summary, and what was logged."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        out, errors = await self._process.communicate()
        assert self._process.returncode == 0, errors.decode()
        return json.loads(out.splitlines()[-1]), errors.decode()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """The command takes Ctrl-C, though tests may run in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest_asyncio.fixture
async def chat(interruptible: None) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ringback", "aws", "local", str(TEMPLATE)),
        *("--port", "0", "--json", "--no-reload"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    assert line, (await process.communicate())[1].decode()
    yield Command(process, json.loads(line))
    if process.returncode is None:
        process.terminate()
        await process.communicate()


async def test_chat(chat: Command) -> None:
    address = chat.started["outputs"]["Address"]
    assert address == chat.started["apis"]["Chat"].replace("http", "ws") + "/Prod"
    session = boto3.session.Session("testing", "testing", region_name="us-east-1")
    table = session.resource("dynamodb", endpoint_url=chat.started["endpoint"]).Table(
        "chat_connections"
    )

    async def connections(count: int) -> None:
        async def there() -> bool:
            found = await asyncio.to_thread(table.scan)
            return bool(found["Count"] == count)

        await until_async(there)

    async with (
        websockets.connect(address, proxy=None) as ada,
        websockets.connect(address, proxy=None) as bob,
    ):
        await connections(2)
        # One that nobody told of its end.
        await asyncio.to_thread(table.put_item, Item={"connectionId": "Zm9yZ290dGVu="})
        await ada.send(json.dumps({"action": "sendmessage", "data": "hello"}))
        assert [await ada.recv(decode=True), await bob.recv(decode=True)] == ["hello", "hello"]
        await connections(2)
        # No route is for it, and there is no $default.
        await bob.send(json.dumps({"action": "nothing"}))
        refused = json.loads(await bob.recv())
        assert refused["message"] == "Forbidden"
    await connections(0)
    table.meta.client.close()
    figures, logged = await chat.stop()
    calls = {name: usage["invocations"] for name, usage in figures["functions"].items()}
    assert calls == {"OnConnect": 2, "OnDisconnect": 2, "SendMessage": 1}
    assert figures["functions"]["SendMessage"]["cold_starts"] == 1
    assert figures["functions"]["SendMessage"]["gb_seconds"] > 0
    api = figures["apis"]["Chat"]
    assert (api["connects"], api["received"], api["calls"]) == (
        2,
        2,
        {"POST 200": 2, "POST 410": 1},
    )
    assert figures["requests"]["dynamodb"]["PutItem"] >= 2
    assert "SendMessage" in logged
    assert "found a stale connection, deleting Zm9yZ290dGVu=" in logged
