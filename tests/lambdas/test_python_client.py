"""The Python client and functions: its event streams are long polls there, and it need not know."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ringback import Ringback
from ringback.client.asynchronous import AsyncClient
from tests.lambdas.cloud import Cloud, cloud
from tests.lambdas.events import http
from tests.lambdas.memory import Memory

PATIENCE = 60.0


def app(**settings: Any) -> Ringback:
    rb = Ringback(open_topics=True, **settings)

    @rb.task
    async def double(x: int) -> int:
        return 2 * x

    return rb


async def publish(home: Cloud, *numbers: int) -> None:
    for number in numbers:
        event = http("POST", "/topics/tea", str(number))
        answer = await asyncio.to_thread(home.functions.call, event)
        assert answer["statusCode"] == 202


async def test_follows_topics_and_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        cloud(app, Memory(tmp_path), monkeypatch) as home,
        AsyncClient(home.url) as client,
        asyncio.timeout(PATIENCE),
    ):
        await publish(home, 0, 1)
        told: list[Any] = []
        async for message in client.subscribe("tea", after="earliest"):
            told.append(message.data)
            if len(told) in (2, 3):
                await publish(home, len(told))
            if len(told) == 4:
                break
        assert told == [0, 1, 2, 3]
        operation = await client.submit("double", {"x": 2})
        await operation.cancel()
        await operation.wait()
        assert operation.status == "cancelled"
