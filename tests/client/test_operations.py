"""Operations through the Python client: submitted, followed, ended."""

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import BaseModel

from ringback.client import AsyncClient, Gap, Part, Progress
from ringback.client.following import Known, Telling
from ringback.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    OperationCancelled,
    OperationForgotten,
    TaskFailed,
    TimedOut,
    UnfitResult,
    UnknownOperation,
    UnknownTask,
)
from ringback.wire.sse_client import ReceivedEvent
from tests.client.app import Order


async def test_parts_then_the_result(client: AsyncClient) -> None:
    operation = await client.submit("count", {"to": 5})
    assert (operation.task, operation.done) == ("count", False)
    assert operation.id
    assert str(operation.token).startswith("rbo_")
    assert [part async for part in operation] == [0, 1, 2, 3, 4]
    assert operation.status == "succeeded"
    assert operation.done
    assert operation.progress == Progress(1.0)
    assert await operation.result() == 5
    shown = operation.snapshot
    assert (shown["status"], shown["result"], shown["part_count"]) == ("succeeded", 5, 5)
    assert [part["data"] for part in shown["parts"]] == [0, 1, 2, 3, 4]


async def test_the_result_alone(client: AsyncClient) -> None:
    assert await (await client.submit("count", {"to": 3})).result() == 3


async def test_a_result_that_does_not_fit_into_an_event(client: AsyncClient) -> None:
    assert await (await client.submit("large", {"size": 100_000})).result() == "x" * 100_000


@dataclass
class Plain:
    good: str
    count: int


class Struct(msgspec.Struct):
    good: str
    count: int


class Wrong(BaseModel):
    colour: str


@pytest.mark.parametrize("kind", [Order, Plain, Struct])
async def test_models_in_and_out(client: AsyncClient, kind: type) -> None:
    operation = await client.submit("double", kind(good="tea", count=3))
    assert await operation.result(kind) == kind(good="tea", count=6)
    assert await operation.result(dict[str, str | int]) == {"good": "tea", "count": 6}
    with pytest.raises(UnfitResult, match="no Wrong"):
        await operation.result(Wrong)


async def test_what_has_no_json_form(client: AsyncClient) -> None:
    with pytest.raises(InvalidInput, match="no JSON form"):
        await client.submit("count", {"to": object()})


async def test_events_tell_all_in_order(client: AsyncClient) -> None:
    operation = await client.submit("count", {"to": 2})
    events = [event async for event in operation.events()]
    told = [event.data for event in events if event.kind == "progress"]
    assert told[0] == Progress(0.0)
    statuses = [event.data["status"] for event in events if event.kind == "status"]
    assert statuses == ["running", "succeeded"]
    assert [event.data for event in events if event.kind == "part"] == [
        Part(0, 1, 0),
        Part(1, 1, 1),
    ]
    again = await client.follow(operation.id, operation.token, after=events[2].position)
    assert [event async for event in again.events()] == events[3:]


async def test_a_new_attempt_sends_its_parts_anew(client: AsyncClient) -> None:
    operation = await client.submit("hesitate")
    assert [part async for part in operation] == ["attempt 1", "attempt 2"]
    assert await operation.result() == 2
    assert [part["data"] for part in operation.snapshot["parts"]] == ["attempt 2"]


async def test_a_failure_is_raised_as_what_it_was(client: AsyncClient) -> None:
    operation = await client.submit("refuse")
    with pytest.raises(TaskFailed, match="no such thing") as caught:
        await operation.result()
    assert caught.value.fields["good"] == "tea"
    assert operation.error is not None
    assert operation.error["type"] == "urn:ringback:problem:task-failed"
    with pytest.raises(TimedOut):
        await (await client.submit("dawdle")).result()


async def test_cancel(client: AsyncClient, gates: Path) -> None:
    (gates / "0").touch()
    operation = await client.submit("steps", {"folder": str(gates)})
    async for part in operation:
        assert part == {"step": 0}
        await operation.cancel()
    assert operation.status == "cancelled"
    with pytest.raises(OperationCancelled):
        await operation.result()
    await operation.cancel()  # nothing more


async def test_forgotten_and_unknown(client: AsyncClient, url: str) -> None:
    operation = await client.submit("count", {"to": 1})
    await operation.wait()
    other = await client.follow(operation.id, operation.token)
    headers = {"authorization": f"Bearer {operation.token}"}
    async with httpx.AsyncClient() as http:
        assert (
            await http.delete(f"{url}/operations/{operation.id}", headers=headers)
        ).status_code == 204
    with pytest.raises(OperationForgotten):
        await other.refresh()
    with pytest.raises(OperationForgotten):
        _ = [part async for part in other]
    with pytest.raises(UnknownOperation):
        await client.follow("01890000-0000-7000-8000-000000000000", "rbo_none")


async def test_one_that_is_followed_later_has_all_its_parts(client: AsyncClient) -> None:
    operation = await client.submit("count", {"to": 900})
    await operation.wait()
    later = await client.follow(operation.id, operation.token)
    assert [part async for part in later] == list(range(900))


async def test_parts_that_the_stream_has_dropped_are_a_gap(client: AsyncClient) -> None:
    operation = await client.submit("count", {"to": 2100})
    await operation.wait()
    later = await client.follow(operation.id, operation.token)
    with pytest.raises(Gap, match="no longer kept") as caught:
        _ = [part async for part in later]
    assert caught.value.topics == [f"operations/{operation.id}"]
    assert len(later.snapshot["parts"]) == 1000, "the newest there are"
    rest = await client.follow(operation.id, operation.token, after=caught.value.position)
    assert [part async for part in rest] == []


@pytest.mark.parametrize(
    ("had", "shown", "misses"),
    [
        ((1, 4), (1, 5), False),
        ((1, 4), (1, 6), True),
        ((2, 9), (1, 4), False),
        ((1, 4), (2, 5), True),
        ((1, 4), (2, 3), True),
    ],
)
def test_what_a_snapshot_behind_a_gap_does_not_have(
    had: tuple[int, int], shown: tuple[int, int], misses: bool
) -> None:
    fields: dict[str, Any] = {"id": "x", "status": "running", "version": 1, "part_count": 2000}
    telling = Telling(Known(fields))

    def event(kind: str, data: object) -> ReceivedEvent:
        return ReceivedEvent(kind, msgspec.json.encode(data), "e-1")

    attempt, index = had
    telling.tell(event("part", {"attempt": attempt, "index": index, "data": None}), whole=True)
    attempt, index = shown
    parts = [{"attempt": attempt, "index": index, "data": None}]
    with pytest.raises(Gap) if misses else contextlib.nullcontext():
        telling.tell(event("snapshot", {**fields, "parts": parts}), whole=True)


async def test_the_same_key_is_the_same_operation(client: AsyncClient) -> None:
    first = await client.submit("count", {"to": 1}, key="a key of some length")
    again = await client.submit("count", {"to": 1}, key="a key of some length")
    assert first.id == again.id
    with pytest.raises(IdempotencyKeyReused):
        await client.submit("count", {"to": 2}, key="a key of some length")
    other = await client.submit("count", {"to": 1})
    assert other.id != first.id
    quoted = await client.submit("count", {"to": 1}, key='"quoted" and \\')
    assert (await client.submit("count", {"to": 1}, key='"quoted" and \\')).id == quoted.id


async def test_what_no_header_can_carry(client: AsyncClient, url: str) -> None:
    for key in ("Schlüssel", "two\nlines"):
        with pytest.raises(InvalidInput, match="in a header"):
            await client.submit("count", {"to": 1}, key=key)
    async with AsyncClient(url, token="of a file\n") as careless:
        with pytest.raises(InvalidInput, match="strip it") as caught:
            await careless.submit("count", {"to": 1})
    assert "of a file\n" not in str(caught.value), "it is a secret"


async def test_not_before(client: AsyncClient) -> None:
    for operation in (
        await client.submit("count", {"to": 1}, delay=3600),
        await client.submit("count", {"to": 1}, delay=timedelta(hours=1)),
        await client.submit("count", {"to": 1}, start_at=time.time() + 3600),
        await client.submit("count", {"to": 1}, start_at=datetime.now(UTC) + timedelta(hours=1)),
    ):
        ready = datetime.fromisoformat(operation.snapshot["ready_at"])
        assert ready > datetime.now(UTC) + timedelta(minutes=55)
        await operation.cancel()
    at_once = await client.submit("count", {"to": 1}, delay=timedelta(microseconds=1))
    assert await at_once.result() == 1


async def test_what_the_server_refuses_is_raised_at_once(client: AsyncClient) -> None:
    with pytest.raises(UnknownTask) as caught:
        await client.submit("cuont", {"to": 1})
    assert caught.value.fields["near"] == ["count"]
    with pytest.raises(InvalidInput) as faults:
        await client.submit("count", {"to": "many"})
    assert faults.value.fields["errors"]
