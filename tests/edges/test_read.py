"""`GET /operations/{id}` and its result, and long polls."""

import asyncio
import contextlib
from pathlib import Path

import httpx
import pytest

from ringback.service import operations
from tests.edges.application import Caller, Tracked, problem_of, served
from tests.serving import until


async def running(caller: Caller, gate: str = "g") -> Tracked:
    """An operation that has begun, and stays where it is until its gate is opened."""
    held = await caller.submit("hold", {"gate": gate})
    await held.until(status="running", progress={"fraction": 0.5, "message": "waiting"})
    return held


# The representation


async def test_any_state_is_200(caller: Caller) -> None:
    held = await running(caller)
    answer = await held.get()
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["started_at"]
    caller.gates.open("g")
    shown = await held.until(status="succeeded")
    assert shown["result"] == "g"
    assert shown["finished_at"]
    assert shown["progress"] == {"fraction": 1.0, "message": "waiting"}
    assert "retry-after" not in (await held.get()).headers


async def test_a_failed_operation_is_200_with_a_problem(caller: Caller) -> None:
    refused = await caller.submit("refuse", {"reason": "out of stock"})
    shown = await refused.until(status="failed")
    assert shown["error"]["type"] == "urn:ringback:problem:task-failed"
    assert shown["error"]["detail"] == "out of stock"
    assert "result" not in shown


async def test_partial_results_are_shown_and_can_be_had_from_a_position(caller: Caller) -> None:
    operation = await caller.submit("steps", {"count": 4, "gate": "g"})
    shown = await operation.until(part_count=3)
    assert [part["data"]["number"] for part in shown["parts"]] == [0, 1, 2]
    caller.gates.open("g")
    await operation.until(status="succeeded")
    later = await operation.get(query={"after": shown["position"]})
    assert [part["data"]["number"] for part in later.json()["parts"]] == [3]


async def test_all_partial_results_can_be_read_however_many(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "SHOWN_PARTS", 10)
    operation = await caller.submit("steps", {"count": 12})
    shown = await operation.until(status="succeeded")
    assert [part["index"] for part in shown["parts"]] == list(range(2, 12))
    epoch = shown["position"].partition("-")[0]
    first = await operation.get(query={"after": f"{epoch}-0"})
    assert [part["index"] for part in first.json()["parts"]] == list(range(10))
    assert "etag" not in first.headers, "nothing has changed since, and yet there is more"
    after = first.json()["position"]
    rest = await operation.get(query={"after": after})
    assert [part["index"] for part in rest.json()["parts"]] == [10, 11]
    assert rest.json()["position"] == shown["position"]
    again = await operation.get(
        query={"after": shown["position"]}, **{"If-None-Match": rest.headers["etag"]}
    )
    assert again.status_code == 304


async def test_head_has_the_headers_alone(caller: Caller) -> None:
    held = await running(caller)
    head, get = await held.request("HEAD"), await held.get()
    assert head.status_code == 200
    assert head.content == b""
    for name in ("etag", "cache-control", "retry-after", "content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


async def test_an_unknown_operation_is_404_and_never_pending(caller: Caller) -> None:
    for name in (
        "01a1ffbd-a5eb-77f2-afca-7e37c437d37e",
        "01A1FFBD-A5EB-77F2-AFCA-7E37C437D37E",
        "x",
        "%00",
        "..%2F..",
        "0" * 20_000,
        "%ff%fe",
        "'; DROP TABLE operations; --",
    ):
        for part in ("", "/events", "/result"):
            answer = await caller.http.get(f"/operations/{name}{part}")
            assert answer.status_code == 404, name
            assert answer.json()["type"] == "urn:ringback:problem:unknown-operation"


# Validators


async def test_what_the_caller_has_is_304(caller: Caller) -> None:
    held = await running(caller)
    tag = (await held.get()).headers["etag"]
    for known in (tag, f"W/{tag}", f'"0", {tag}', "*"):
        answer = await held.get(If_None_Match=known)
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["etag"] == tag
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["cache-control"] == "private, no-cache"
    for other in ('"0"', '"x"', "x", ""):
        assert (await held.get(If_None_Match=other)).status_code == 200


async def test_a_version_that_is_not_wanted_is_412(caller: Caller) -> None:
    held = await running(caller)
    tag = (await held.get()).headers["etag"]
    assert (await held.get(If_Match=tag)).status_code == 200
    problem_of(await held.get(If_Match='"0"'), 412, "stale-version")


# Long polls


async def test_a_long_poll_is_answered_at_the_next_change(caller: Caller) -> None:
    held = await running(caller)
    tag = (await held.get()).headers["etag"]
    poll = asyncio.create_task(held.get(If_None_Match=tag, Prefer="wait=20"))
    await asyncio.wait({poll}, timeout=0.1)
    assert not poll.done()
    caller.gates.open("g")
    answer = await poll
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag
    assert answer.headers["preference-applied"] == "wait=20"


async def test_a_long_poll_without_a_change_is_304(data: Path) -> None:
    async with served(data, max_wait=0.1) as caller:
        held = await running(caller)
        tag = (await held.get()).headers["etag"]
        answer = await held.get(If_None_Match=tag, Prefer="wait=20")
        assert answer.status_code == 304
        assert answer.headers["etag"] == tag
        assert answer.headers["preference-applied"] == "wait=0"


async def test_a_change_that_was_missed_is_told_at_once(caller: Caller) -> None:
    held = await running(caller)
    answer = await held.get(If_None_Match='"0"', Prefer="wait=20")
    assert answer.status_code == 200
    assert "preference-applied" not in answer.headers


async def test_an_ended_operation_is_not_waited_for(caller: Caller) -> None:
    done = await caller.submit("double", {"n": 1})
    await done.until(status="succeeded")
    tag = (await done.get()).headers["etag"]
    assert (await done.get(If_None_Match=tag, Prefer="wait=20")).status_code == 304


async def test_a_long_poll_without_a_place_is_answered_at_once(data: Path) -> None:
    async with served(data, max_streams=1) as caller:
        held = await running(caller)
        tag = (await held.get()).headers["etag"]
        query = {"token": held.token}
        async with caller.http.stream("GET", f"{held.path}/events", params=query):
            answer = await held.get(If_None_Match=tag, Prefer="wait=20")
            assert answer.status_code == 304
            assert "preference-applied" not in answer.headers
            assert int(answer.headers["retry-after"]) >= 1


async def test_a_client_that_goes_away_gives_its_place_back(data: Path) -> None:
    async with served(data, max_streams=1) as caller:
        held = await running(caller)
        tag = (await held.get()).headers["etag"]
        for _ in range(3):
            async with httpx.AsyncClient(base_url=caller.url) as leaving:
                with contextlib.suppress(httpx.ReadTimeout):
                    await leaving.get(
                        held.path,
                        params={"token": held.token},
                        headers={"If-None-Match": tag, "Prefer": "wait=20"},
                        timeout=httpx.Timeout(20, read=0.1),
                    )
        query = {"token": held.token}

        async def has_room() -> bool:
            events = caller.http.stream("GET", f"{held.path}/events", params=query)
            async with events as stream:
                return stream.status_code == 200

        assert await until(has_room, limit=10)


# The result


async def test_the_result_alone(caller: Caller) -> None:
    asked = await caller.submit("ask", {"text": "where?", "cell": 3})
    answer = await asked.get("/result", Prefer="wait=20")
    assert answer.status_code == 200
    assert answer.json() == {"text": "where?", "length": 6}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["cache-control"] == "private, no-cache"
    tag = answer.headers["etag"]
    assert (await asked.get("/result", If_None_Match=tag)).status_code == 304


async def test_the_result_of_what_is_open_is_409(caller: Caller) -> None:
    held = await running(caller)
    answer = await held.get("/result")
    problem = problem_of(answer, 409, "not-finished")
    assert problem["operation_status"] == "running"
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_result_of_what_failed_is_the_problem(caller: Caller) -> None:
    refused = await caller.submit("refuse", {"reason": "out of stock"})
    answer = await refused.get("/result", Prefer="wait=20")
    problem = problem_of(answer, 424, "task-failed")
    assert problem["detail"] == "out of stock"


async def test_the_result_of_what_was_cancelled_is_410(caller: Caller) -> None:
    held = await running(caller)
    await held.request("POST", "/cancel")
    answer = await held.get("/result", Prefer="wait=20")
    problem_of(answer, 410, "cancelled")


async def test_a_large_result_is_read_at_its_own_place(caller: Caller) -> None:
    text = 40_000 * "x"
    announced = await caller.submit("announce", {"text": text})
    shown = await announced.until(status="succeeded")
    assert "result" not in shown
    assert shown["result_size"] == len(text) + 2
    assert (await announced.get("/result")).json() == text


async def test_polling_becomes_more_patient(data: Path) -> None:
    now = 1_000_000_000.0

    def clock() -> float:
        return now

    async with served(data, clock=clock, workers=0) as caller:
        waiting = await caller.submit("double", {"n": 1})
        seen = []
        for age in (0, 5, 30, 200, 100_000):
            now = 1_000_000_000.0 + age
            seen.append((await waiting.get()).headers["retry-after"])
        assert seen == ["1", "1", "3", "20", "30"]


async def test_a_failure_never_answers_as_if_it_were_about_the_request(caller: Caller) -> None:
    """A client that reads 409 as "not finished" would ask for ever."""
    for status, stored in ((404, 404), (409, 409), (410, 410), (429, 429), (503, 503), (202, 424)):
        refused = await caller.submit("refuse", {"reason": "no", "status": status})
        answer = await refused.get("/result", Prefer="wait=20")
        assert problem_of(answer, 424, "task-failed")["detail"] == "no"
        assert (await refused.get()).json()["error"]["status"] == stored
