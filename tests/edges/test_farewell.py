"""A server that is asked to stop ends its streams, and stops."""

import asyncio
import contextlib
import signal
from pathlib import Path
from types import FrameType

import httpx
import pytest

from ringback.edges.farewell import farewell
from tests.edges.eventsource import Connection, Event, Parser
from tests.serving import ServerProcess, until


def test_streams_and_long_polls_do_not_keep_a_server_from_stopping(data: Path) -> None:
    with ServerProcess("tests.edges.application:rb", data=data, grace=0) as server:
        accepted = httpx.post(f"{server.url}/tasks/hold", json={"gate": "never"}).json()
        own, query = accepted["links"]["self"], {"token": accepted["token"]}
        seen = asyncio.run(follow_until_the_end(server, own, query))
        assert seen[0].kind == "snapshot"
        assert seen[-1].data.get("status") != "succeeded"
        server.start()
        shown = httpx.get(f"{server.url}{own}", params=query).json()
        assert shown["status"] in ("queued", "running")  # it goes on, and so may its followers


async def follow_until_the_end(
    server: ServerProcess, own: str, query: dict[str, str]
) -> list[Event]:
    parser, seen = Parser(), list[Event]()
    connection = Connection(server.url, f"{own}/events", query)

    async def follow() -> None:
        async for data in connection.body():
            seen.extend(parser.feed(data))

    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        following = asyncio.create_task(follow())
        await until(lambda: seen)
        headers = {"If-None-Match": "*", "Prefer": "wait=25"}
        polling = asyncio.create_task(client.get(own, params=query, headers=headers))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(server.stop) == 0
        await following
        assert connection.ended
        with contextlib.suppress(httpx.TransportError):  # it may not have been read any more
            assert (await polling).status_code == 304
    return seen


async def test_both_the_streams_and_whoever_was_there_before_are_told() -> None:
    told: list[str] = []

    def before(number: int, frame: FrameType | None) -> None:
        told.append("before")

    original = signal.signal(signal.SIGTERM, before)
    try:
        with farewell(lambda: told.append("end")):
            signal.raise_signal(signal.SIGTERM)
            await until(lambda: len(told) == 2)
        assert signal.getsignal(signal.SIGTERM) is before
        assert told == ["before", "end"]
    finally:
        signal.signal(signal.SIGTERM, original)


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
async def test_a_signal_that_nobody_handles_is_left_alone(handler: signal.Handlers) -> None:
    original = signal.signal(signal.SIGTERM, handler)
    try:
        with farewell(lambda: None):
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, original)


async def test_what_was_set_meanwhile_stays() -> None:
    def later(number: int, frame: FrameType | None) -> None:
        return None

    original = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with farewell(lambda: None):
            signal.signal(signal.SIGTERM, later)
        assert signal.getsignal(signal.SIGTERM) is later
    finally:
        signal.signal(signal.SIGTERM, original)


async def test_outside_the_main_thread_nothing_is_touched() -> None:
    async def enter() -> bool:
        before = signal.getsignal(signal.SIGTERM)
        with farewell(lambda: None):
            return signal.getsignal(signal.SIGTERM) is before

    assert await asyncio.to_thread(asyncio.run, enter())
