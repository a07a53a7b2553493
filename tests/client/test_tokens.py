"""Who the Python client says it is, and what it does when that is good no longer."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ringback.client import AsyncClient
from ringback.errors import Unauthenticated
from tests.client.app import application
from tests.security.keys import SECRET, bearer
from tests.serving import serve, until

SHORT = 2
"""Seconds a token is good that is to expire in a test; JWTs count whole ones."""


class Tokens:
    """Gives tokens, and counts them."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.lifetime = lifetime
        self.given = 0

    def jwt(self) -> str:
        self.given += 1
        topics: dict[str, Any] = {"subscribe": ["#"], "publish": ["#"]}
        named = bearer("ann", exp=int(time.time() + self.lifetime), topics=topics, jti=self.given)
        return named.removeprefix("Bearer ")

    async def later(self) -> str:
        await asyncio.sleep(0)
        return self.jwt()


@pytest.fixture
async def url(data: Path) -> AsyncIterator[str]:
    """A server that knows its callers by JWTs; tokens of operations are good for a moment."""
    settings = {"jwt_secret": SECRET, "jwt_leeway": 0, "token_lifetime": SHORT}
    async with serve(application(data=data, **settings)) as url:
        yield url


async def test_it_is_asked_for_at_first_need_and_once(url: str) -> None:
    tokens = Tokens()
    async with AsyncClient(url, get_token=tokens.later) as client:
        assert tokens.given == 0
        results = await asyncio.gather(*(_result(client) for _ in range(5)))
    assert results == [1] * 5
    assert tokens.given == 1


async def _result(client: AsyncClient) -> object:
    return await (await client.submit("count", {"to": 1})).result()


async def test_one_that_is_refused_is_replaced(url: str) -> None:
    tokens = Tokens()
    expired = Tokens(lifetime=-60).jwt()
    async with AsyncClient(url, token=expired, get_token=tokens.jwt) as client:
        assert await asyncio.gather(*(_result(client) for _ in range(5))) == [1] * 5
    assert tokens.given == 1


async def test_without_another_it_is_told(url: str) -> None:
    expired = Tokens(lifetime=-60).jwt()
    async with AsyncClient(url, token=expired) as client:
        with pytest.raises(Unauthenticated):
            await client.submit("count", {"to": 1})
    async with AsyncClient(url, token=expired, get_token=lambda: expired) as same:
        with pytest.raises(Unauthenticated):
            await same.submit("count", {"to": 1})


async def test_a_server_that_refuses_all_is_not_asked_expired(url: str) -> None:
    tokens = Tokens(lifetime=-60)
    async with AsyncClient(url, get_token=tokens.jwt) as client:
        with pytest.raises(Unauthenticated):
            await client.submit("count", {"to": 1})
    assert tokens.given == 3


async def test_a_subscription_outlives_its_token(url: str) -> None:
    tokens = Tokens(lifetime=SHORT)
    got: list[int] = []
    async with (
        AsyncClient(url, token=Tokens().jwt()) as publisher,
        AsyncClient(url, get_token=tokens.jwt) as client,
        client.subscribe("a/1") as messages,
    ):

        async def read() -> None:
            async for message in messages:
                got.append(message.data)

        reading = asyncio.create_task(read())
        count = 0
        while tokens.given < 3:
            await publisher.publish("a/1", count)
            count += 1
            await asyncio.sleep(0.01)
        await until(lambda: len(got) == count)
        reading.cancel()
    assert got == list(range(count))


async def test_an_operation_outlives_its_own_token(url: str, gates: Path) -> None:
    tokens = Tokens(lifetime=SHORT)
    async with AsyncClient(url, get_token=tokens.jwt) as client:
        operation = await client.submit("steps", {"folder": str(gates), "count": 3})
        parts = []
        expired = time.time() + SHORT + 1  # then both are good no longer
        (gates / "0").touch()
        async for part in operation:
            parts.append(part["step"])
            if len(parts) == 1:
                await until(lambda: time.time() > expired)
            (gates / str(len(parts))).touch()
        assert parts == [0, 1, 2]
        await operation.refresh()
    assert tokens.given > 1


async def test_operations_are_listed_over_pages(url: str) -> None:
    async with AsyncClient(url, token=Tokens().jwt()) as client:
        made = [await client.submit("count", {"to": 1}) for _ in range(60)]
        await client.submit("large", {"size": 1})
        await asyncio.gather(*(operation.wait() for operation in made))
        found = [operation async for operation in client.operations(task="count")]
        assert [each.id for each in found] == [each.id for each in reversed(made)]
        assert [part async for part in found[0]] == [0]
        assert [each async for each in client.operations(status="failed")] == []
