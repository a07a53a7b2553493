"""The application from Python: what a host's routes and scripts do with operations."""

import asyncio
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback import OperationCancelled, Ringback, TaskFailed
from ringback.errors import (
    ConfigurationError,
    InvalidInput,
    MalformedRequest,
    RingbackError,
    TransitionError,
    UnknownOperation,
)
from tests.serving import serve

LIMIT = 60.0


def application(data: Path) -> Ringback:
    rb = Ringback("app", data=data, grace=0)
    seen: list[int] = []

    @rb.task
    async def double(n: int) -> dict[str, int]:
        return {"twice": 2 * n}

    @rb.task(retries=0)
    async def once_broken() -> str:
        seen.append(1)
        if len(seen) == 1:
            raise ConnectionError("no route to the printer")
        return "printed"

    @rb.task
    async def broken() -> None:
        raise TaskFailed("The printer is on fire.", printer="lp0")

    @rb.task
    async def forever() -> None:
        await asyncio.Event().wait()

    return rb


async def test_a_result_comes_decoded(data: Path) -> None:
    rb = application(data)
    async with rb.running():
        assert await rb.result((await rb.submit("double", {"n": 4})).id, LIMIT) == {"twice": 8}


async def test_a_failure_comes_as_its_problem(data: Path) -> None:
    rb = application(data)
    async with rb.running():
        operation = await rb.submit("broken")
        with pytest.raises(TaskFailed, match="on fire") as failed:
            await rb.result(operation.id, LIMIT)
        assert failed.value.fields["printer"] == "lp0"


async def test_a_dead_letter_is_done_again(data: Path) -> None:
    rb = application(data)
    async with rb.running():
        operation = await rb.submit("once_broken")
        with pytest.raises(TaskFailed) as failed:
            await rb.result(operation.id, LIMIT)
        assert failed.value.fields["exception"] == "ConnectionError"
        again = await rb.redrive(operation.id)
        assert again.parent == operation.id
        assert await rb.result(again.id, LIMIT) == "printed"
        with pytest.raises(TransitionError):
            await rb.redrive(again.id)


async def test_a_cancelled_one_says_so(data: Path) -> None:
    rb = application(data)
    async with rb.running():
        operation = await rb.submit("forever")
        with pytest.raises(TimeoutError):
            await rb.result(operation.id, 0.01)
        await rb.cancel(operation.id)
        with pytest.raises(OperationCancelled, match=operation.id):
            await rb.result(operation.id, LIMIT)
        with pytest.raises(UnknownOperation):
            await rb.cancel("0" * 26)


async def test_the_token_of_a_submitted_operation_opens_it_and_no_other(data: Path) -> None:
    rb = application(data)
    async with serve(rb) as url, httpx.AsyncClient(base_url=url) as http:
        one, other = await rb.submit("double", {"n": 1}), await rb.submit("double", {"n": 2})
        shown = {"Authorization": f"Bearer {rb.token(one)}", "Prefer": "wait=10"}
        assert (await http.get(f"/operations/{one.id}/result", headers=shown)).json() == {
            "twice": 2
        }
        assert (await http.get(f"/operations/{other.id}", headers=shown)).status_code == 404


async def test_workers_that_nobody_starts_are_told_of(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rb = application(data)
    rb.configure(workers=3)
    async with serve(rb):
        assert "workers=3" in caplog.text
        assert "ringback worker" in caplog.text, "the cure"
    caplog.clear()
    rb.configure(workers=0)
    async with serve(rb):
        assert not caplog.text


async def test_operations_of_a_task_that_is_gone_are_told_of(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rb = application(data)
    async with rb.running(worker=False):
        await rb.submit("double", {"n": 1})
        await rb.submit("forever")
    renamed = Ringback("app", data=data)
    renamed.task(name="twice")(_nothing)
    renamed.task(name="forever")(_nothing)
    async with renamed.running():
        assert "1 queued operations are of 'double'" in caplog.text
        assert "'forever'" not in caplog.text


async def _nothing() -> None: ...


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        *(({"start_at": each}, InvalidInput, "epoch") for each in (math.nan, math.inf, -math.inf)),
        ({"start_at": datetime(2030, 1, 1, tzinfo=UTC)}, InvalidInput, r"timestamp\(\)"),
        ({"start_at": 10**400}, InvalidInput, "a year ahead"),
        ({"input": object()}, InvalidInput, "no JSON form"),
        ({"key": ""}, MalformedRequest, "1 to 255 characters"),
        ({"key": 5000 * "k"}, MalformedRequest, "1 to 255 characters"),
        ({"key": "schlüssel"}, MalformedRequest, "ASCII"),
        ({"key": "a\nb"}, MalformedRequest, "ASCII"),
        ({"key": 7}, MalformedRequest, r"str\(7\)"),
        ({"subject": ""}, ConfigurationError, "None for"),
    ],
)
async def test_what_cannot_be_submitted_is_refused_with_a_cure(
    data: Path, given: dict[str, Any], error: type[RingbackError], said: str
) -> None:
    rb = application(data)
    async with rb.running(worker=False):
        with pytest.raises(error, match=said):
            await rb.submit("double", **{"input": {"n": 1}, **given})
        assert await rb.started.service.engine.count_queued() == 0


async def test_any_moment_that_is_past_means_now(data: Path) -> None:
    rb = application(data)
    async with rb.running(worker=False):
        operation = await rb.submit("double", {"n": 1}, start_at=-(10**400))
        assert operation.ready_at == operation.created_at


async def test_a_message_without_a_json_form_is_refused(data: Path) -> None:
    rb = application(data)
    rb.topic("prices/{good}")
    async with rb.running(worker=False):
        with pytest.raises(InvalidInput, match="The message has no JSON form"):
            await rb.publish("prices/tea", object())
        published = await rb.publish("prices/tea", {"cents": 250})
        assert published.position is not None
        assert (published.position.offset, published.listeners) == (1, 0)
