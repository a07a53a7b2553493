"""Connections that break, servers that die: nothing is missed, nothing comes or is done twice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ringback.client import AsyncClient, Unreachable
from ringback.errors import OperationForgotten
from tests.client.proxy import Proxy
from tests.serving import ServerProcess


@pytest.fixture
def server(data: Path) -> Iterator[ServerProcess]:
    """A server that can be killed."""
    with ServerProcess("tests.client.app:rb", data=data, open_topics=True) as server:
        yield server


async def test_a_server_that_is_killed_in_the_middle(server: ServerProcess, gates: Path) -> None:
    async with AsyncClient(server.url) as client:
        operation = await client.submit("steps", {"folder": str(gates), "count": 4})
        (gates / "0").touch()
        (gates / "1").touch()
        parts = []
        attempts = []
        again: asyncio.Task[None] | None = None
        async for event in operation.events():
            if event.kind != "part":
                continue
            parts.append(event.data.data["step"])
            attempts.append(event.data.attempt)
            if len(parts) == 2:
                await asyncio.to_thread(server.kill)
                again = asyncio.create_task(asyncio.to_thread(server.start))
                for step in (2, 3):
                    (gates / str(step)).touch()
        assert again is not None
        await again
        # The lease of the worker that died runs out, and the work begins anew.
        assert parts == [0, 1, 0, 1, 2, 3]
        assert attempts == [1, 1, 2, 2, 2, 2]
        assert await operation.result() == 2


async def test_a_result_that_is_waited_for_over_a_restart(
    server: ServerProcess, gates: Path
) -> None:
    async with AsyncClient(server.url) as client:
        operation = await client.submit("steps", {"folder": str(gates), "count": 1})
        waiting = asyncio.create_task(operation.result())
        await asyncio.to_thread(server.stop)
        again = asyncio.create_task(asyncio.to_thread(server.start))
        (gates / "0").touch()
        # A request is tried while the server is away, as it was there before.
        other = await client.submit("count", {"to": 1})
        assert await other.result() == 1
        assert await waiting in (1, 2)
        await again


async def test_streams_that_are_cut_again_and_again(
    client: AsyncClient, between: Proxy, gates: Path
) -> None:
    steps = 6
    operation = await client.submit("steps", {"folder": str(gates), "count": steps})
    parts = []
    (gates / "0").touch()
    async for part in operation:
        parts.append(part["step"])
        between.cut()
        (gates / str(len(parts))).touch()
    assert parts == list(range(steps))
    assert len(between.requests) >= steps, "each on a connection of its own"


@pytest.mark.parametrize("size", range(200, 3000, 400))
async def test_a_stream_that_breaks_off_anywhere(
    client: AsyncClient, between: Proxy, size: int
) -> None:
    operation = await client.submit("count", {"to": 10})
    await operation.wait()
    later = await client.follow(operation.id, operation.token)
    between.cut()
    between.answer_bytes = size
    assert [part async for part in later] == list(range(10))


async def test_an_answer_that_is_lost_is_asked_for_again(url: str, between: Proxy) -> None:
    async with AsyncClient(between.url) as client:
        between.answers_lost = 2
        operation = await client.submit("count", {"to": 1})
        assert await operation.result() == 1
    keys = [_key(request) for request in between.requests[:3]]
    assert len(keys) == 3
    assert keys == [keys[0]] * 3
    async with httpx.AsyncClient() as http:  # it replays the one operation that there is
        headers = {"idempotency-key": keys[0]}
        again = await http.post(f"{url}/tasks/count", json={"to": 1}, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == operation.id


def _key(request: bytes) -> str:
    """The idempotency key in the head of a request."""
    return request.lower().partition(b"idempotency-key: ")[2].partition(b"\r\n")[0].decode()


async def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable):
            await client.submit("count", {"to": 1})


async def test_what_is_forgotten_while_the_connection_is_lost(
    client: AsyncClient, between: Proxy, url: str, gates: Path
) -> None:
    operation = await client.submit("steps", {"folder": str(gates), "count": 1})
    (gates / "0").touch()
    other = await client.follow(operation.id, operation.token)
    parts = aiter(operation)
    assert await anext(parts) == {"step": 0}
    await other.wait()
    between.cut()
    async with httpx.AsyncClient() as http:
        headers = {"authorization": f"Bearer {operation.token}"}
        await http.delete(f"{url}/operations/{operation.id}", headers=headers)
    with pytest.raises(OperationForgotten):
        await other.refresh()
    with pytest.raises(OperationForgotten):
        _ = [part async for part in operation]
    await parts.aclose()
