"""`GET /operations/{id}/events`, clause by clause."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ringback.edges.http import events
from tests.edges.application import Caller, Tracked, problem_of, served
from tests.edges.eventsource import Connection, Event, Parser
from tests.edges.test_read import running
from tests.security.keys import SECRET, bearer
from tests.serving import until


def connect(operation: Tracked, last_id: str = "", **query: str) -> Connection:
    query = {"token": operation.token, **query}
    return Connection(operation.caller.url, f"{operation.path}/events", query, last_id)


async def everything(connection: Connection) -> list[Event]:
    """All events until the server ends the stream."""
    parser = Parser()
    async with asyncio.timeout(60):
        return [event async for data in connection.body() for event in parser.feed(data)]


@contextlib.asynccontextmanager
async def following(connection: Connection) -> AsyncIterator["Follower"]:
    """A stream that is read in the background."""
    follower = Follower(connection)
    try:
        yield follower
    finally:
        follower.reading.cancel()
        await asyncio.wait({follower.reading})


class Follower:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.parser = Parser()
        self.events: list[Event] = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for data in self.connection.body():
            self.events += self.parser.feed(data)

    async def end(self) -> None:
        """Wait until the server ends it."""
        async with asyncio.timeout(60):
            await self.reading


async def ended(caller: Caller, count: int = 3) -> Tracked:
    """An operation with some messages, that has ended."""
    operation = await caller.submit("steps", {"count": count})
    await operation.until(status="succeeded")
    return operation


async def test_a_snapshot_comes_first_and_then_every_change(caller: Caller) -> None:
    held = await running(caller)
    async with following(connect(held)) as follower:
        await until(lambda: follower.events)
        shown = (await held.get()).json()
        caller.gates.open("g")
        await follower.end()
    snapshot, *changes = follower.events
    assert follower.connection.status == 200
    assert follower.connection.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert follower.connection.headers["cache-control"] == "no-store"
    assert follower.connection.headers["x-accel-buffering"] == "no"
    assert follower.parser.retry == 2000
    assert snapshot.kind == "snapshot"
    assert snapshot.data == shown
    assert snapshot.id == shown["position"]
    assert [change.kind for change in changes] == ["status"]
    assert changes[-1].data["status"] == "succeeded"
    assert changes[-1].data["result"] == "g"
    assert follower.connection.ended


async def test_every_message_has_a_position_and_its_kind(caller: Caller) -> None:
    operation = await ended(caller)
    found = await everything(connect(operation, after="earliest"))
    kinds = [event.kind for event in found]
    assert kinds == ["status", "part", "part", "part", "status"]
    epochs, offsets = zip(*(event.id.split("-") for event in found), strict=True)
    assert len(set(epochs)) == 1
    assert [int(offset) for offset in offsets] == list(range(1, len(found) + 1))
    assert [event.data["data"]["number"] for event in found if event.kind == "part"] == [0, 1, 2]


async def test_an_ended_operation_has_a_snapshot_and_then_204(caller: Caller) -> None:
    operation = await ended(caller)
    (snapshot,) = await everything(connect(operation))
    assert [part["data"]["number"] for part in snapshot.data["parts"]] == [0, 1, 2]
    again = connect(operation, last_id=snapshot.id)
    assert await everything(again) == []
    assert again.status == 204
    query = connect(operation, after=snapshot.id)
    assert await everything(query) == []
    assert query.status == 204


async def test_a_stream_resumes_after_every_position(caller: Caller) -> None:
    operation = await ended(caller)
    found = await everything(connect(operation, after="earliest"))
    for index, event in enumerate(found):
        assert await everything(connect(operation, last_id=event.id)) == found[index + 1 :]
        assert await everything(connect(operation, after=event.id)) == found[index + 1 :]


async def test_what_a_browser_resumes_after_counts_more_than_its_url(caller: Caller) -> None:
    operation = await ended(caller)
    found = await everything(connect(operation, after="earliest"))
    resumed = connect(operation, last_id=found[2].id, after="earliest")
    assert await everything(resumed) == found[3:]


async def test_a_position_that_is_not_of_this_log_is_a_gap(caller: Caller) -> None:
    operation = await ended(caller)
    (snapshot,) = await everything(connect(operation))
    epoch = snapshot.id.partition("-")[0]
    for foreign in ("abc-1", f"{epoch}-9999999", "1", "nonsense", f"{epoch}--1", 300 * "9", "é-1"):
        gap, after = await everything(connect(operation, after=foreign))
        assert (gap.kind, gap.data) == ("gap", {})
        assert after == snapshot


async def test_a_trimmed_log_says_so_and_goes_on_from_a_snapshot(data: Path) -> None:
    async with served(data) as caller:
        held = await running(caller)
        first = (await held.get()).json()
        epoch = first["position"].partition("-")[0]
        program = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute('DELETE FROM operation_messages WHERE offset <= 1')"
        )
        subprocess.run(  # noqa: ASYNC221
            [sys.executable, "-c", program, str(data / "ringback.db")], check=True
        )
        async with following(connect(held, after=f"{epoch}-0")) as follower:
            await until(lambda: len(follower.events) == 2)
            caller.gates.open("g")
            await follower.end()
        gap, snapshot, *changes = follower.events
        assert gap.kind == "gap"
        assert snapshot.data["position"] == first["position"]
        assert [change.kind for change in changes] == ["status"]


async def test_the_start_of_a_trimmed_log_is_a_gap_too(data: Path) -> None:
    """Whoever asks for everything is told that this is not everything."""
    async with served(data) as caller:
        operation = await ended(caller)
        program = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute('DELETE FROM operation_messages WHERE offset <= 2')"
        )
        subprocess.run(  # noqa: ASYNC221
            [sys.executable, "-c", program, str(data / "ringback.db")], check=True
        )
        gap, snapshot = await everything(connect(operation, after="earliest"))
        assert gap.kind == "gap"
        assert snapshot.kind == "snapshot"
        assert len(snapshot.data["parts"]) == 2


async def test_silence_is_filled_with_comments(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events.HEARTBEAT == 15
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    held = await running(caller)
    async with following(connect(held)) as follower:
        await until(lambda: follower.parser.comments >= 3)
        assert [event.kind for event in follower.events] == ["snapshot"]
        caller.gates.open("g")
        await follower.end()


async def test_many_follow_the_same_operation(caller: Caller) -> None:
    operation = await caller.submit("steps", {"count": 10, "gate": "g"})
    async with contextlib.AsyncExitStack() as stack:
        followers = [
            await stack.enter_async_context(following(connect(operation, after="earliest")))
            for _ in range(20)
        ]
        await until(lambda: all(len(follower.events) >= 5 for follower in followers))
        caller.gates.open("g")
        for follower in followers:
            await follower.end()
    assert all(follower.events == followers[0].events for follower in followers)
    assert len(followers[0].events) == 12


async def test_a_stream_without_a_place_is_503(data: Path) -> None:
    async with served(data, max_streams=2) as caller:
        held = await running(caller)
        async with following(connect(held)) as one, following(connect(held)) as two:
            await until(lambda: one.events and two.events)
            answer = await held.get("/events")
            problem_of(answer, 503, "queue-full")
            assert int(answer.headers["retry-after"]) >= 1

        async def has_room() -> bool:
            async with following(connect(held)) as other:
                await until(lambda: other.reading.done() or other.events)
                return other.connection.status == 200

        assert await until(has_room)


async def test_head_has_the_headers_of_a_stream(caller: Caller) -> None:
    held = await running(caller)
    answer = await held.request("HEAD", "/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def test_a_stream_ends_with_its_token(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    clock = Clock(2_000_000_000.0)
    async with served(data, clock=clock, token_lifetime=100, workers=0) as caller:
        waiting = await caller.submit("double", {"n": 1})
        async with following(connect(waiting)) as follower:
            await until(lambda: follower.parser.comments)
            clock.now += 99
            seen = follower.parser.comments
            await until(lambda: follower.parser.comments > seen + 2)
            clock.now += 1
            await follower.end()
        assert follower.connection.ended
        problem_of(await waiting.get("/events"), 401, "unauthenticated")


async def test_a_stream_ends_with_its_caller(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.02)
    clock = Clock(2_000_000_000.0)
    ann = bearer("ann", exp=int(clock.now) + 60)
    async with served(data, clock=clock, workers=0, jwt_secret=SECRET) as caller:
        waiting = await caller.submit("double", {"n": 1}, Authorization=ann)
        stream = caller.http.stream("GET", f"{waiting.path}/events", headers={"Authorization": ann})
        async with stream as answer:
            lines: list[str] = []

            async def read() -> None:
                async for line in answer.aiter_lines():
                    lines.append(line)

            reading = asyncio.create_task(read())
            await until(lambda: lines.count(":") >= 2)
            assert not reading.done()
            clock.now += 60
            async with asyncio.timeout(60):
                await reading


async def test_events_carry_what_polls_carry(caller: Caller) -> None:
    """One representation: what the last event said is what a poll says, but for the links."""
    operation = await ended(caller)
    found = await everything(connect(operation, after="earliest"))
    shown: dict[str, Any] = (await operation.get()).json()
    assert found[-1].data.items() <= shown.items()
    assert shown.keys() - found[-1].data.keys() == {"links", "position", "parts"}
