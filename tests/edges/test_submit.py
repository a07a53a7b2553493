"""`POST /tasks/{task}`, clause by clause."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringback.ids import is_id
from tests.edges.application import Caller, problem_of, served

# What is acknowledged


async def test_a_stored_request_is_acknowledged_with_202(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/hold", json={"gate": "a"})
    assert answer.status_code == 202
    body = answer.json()
    assert is_id(body["id"])
    own = f"/operations/{body['id']}"
    assert answer.headers["location"] == own
    assert answer.headers["link"] == f'<{own}/events>; rel="monitor"'
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["cache-control"] == "no-store"
    assert "preference-applied" not in answer.headers
    assert "idempotency-replayed" not in answer.headers
    assert {name: body[name] for name in ("task", "status", "progress", "links")} == {
        "task": "hold",
        "status": "queued",
        "progress": None,
        "links": {
            "self": own,
            "events": f"{own}/events",
            "result": f"{own}/result",
            "cancel": f"{own}/cancel",
        },
    }
    created = datetime.fromisoformat(body["created_at"])
    expires = datetime.fromisoformat(body["token_expires_at"])
    assert timedelta(days=6) < expires - created <= timedelta(days=7)
    assert (await caller.http.get(own, params={"token": body["token"]})).status_code == 200


async def test_an_acknowledgement_has_the_same_members_whatever_makes_it(caller: Caller) -> None:
    usual = await caller.submit("double", {"n": 1})
    delayed = await caller.http.post("/tasks/double?delay=3600", json={"n": 1})
    assert delayed.json().keys() - usual.answer.json().keys() == {"ready_at"}
    assert usual.answer.json().keys() <= delayed.json().keys()


async def test_no_body_is_an_empty_object(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/trace", headers={"Prefer": "wait=20"})
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/ld+json", None])
async def test_a_body_may_be_any_kind_of_json(caller: Caller, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await caller.http.post("/tasks/double", content=b'{"n": 1}', headers=headers)
    assert answer.status_code == 202


# Preferences


async def test_what_ends_within_the_wait_is_answered_with_200(caller: Caller) -> None:
    question = {"text": "where?", "cell": 3}
    answer = await caller.http.post("/tasks/ask", json=question, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"
    body = answer.json()
    assert answer.headers["content-location"] == f"/operations/{body['id']}"
    assert answer.headers["etag"] == f'"{body["version"]}"'
    assert body["status"] == "succeeded"
    assert body["result"] == {"text": "where?", "length": 6}
    assert body["token"]
    assert body["token_expires_at"]


async def test_a_preference_is_applied_or_passed_over(caller: Caller) -> None:
    for prefer, applied in (
        ("wait=0", "wait=0"),
        ("respond-async", "respond-async"),
        ("respond-async, wait=0", "wait=0, respond-async"),
        ('WAIT="0"; why=not', "wait=0"),
        ("wait=-1", None),
        ("wait=soon", None),
        ("wait", None),
        ("handling=lenient", None),
        (",;=,", None),
    ):
        body = {"gate": "never"}
        answer = await caller.http.post("/tasks/hold", json=body, headers={"Prefer": prefer})
        assert answer.status_code == 202
        assert answer.headers.get("preference-applied") == applied, prefer


async def test_a_wait_is_capped(data: Path) -> None:
    async with served(data, max_wait=0.05) as caller:
        headers = {"Prefer": "wait=86400"}
        answer = await caller.http.post("/tasks/hold", json={"gate": "x"}, headers=headers)
        assert answer.status_code == 202
        assert answer.json()["status"] in ("queued", "running")
        assert answer.headers["preference-applied"] == "wait=0"


async def test_a_failed_operation_within_the_wait_is_still_200(caller: Caller) -> None:
    headers = {"Prefer": "wait=20"}
    answer = await caller.http.post("/tasks/refuse", json={"reason": "no"}, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["status"] == "failed"
    assert answer.json()["error"]["detail"] == "no"


async def test_a_wait_without_a_place_is_no_error_after_the_storing(data: Path) -> None:
    async with served(data, max_streams=1) as caller:
        held = await caller.submit("hold", {"gate": "x"})
        stream = caller.http.stream("GET", f"{held.path}/events", params={"token": held.token})
        async with stream as open_stream:
            assert open_stream.status_code == 200
            headers = {"Prefer": "wait=20"}
            answer = await caller.http.post("/tasks/hold", json={"gate": "y"}, headers=headers)
            assert answer.status_code == 202
            assert "preference-applied" not in answer.headers


# Idempotency


@pytest.mark.parametrize("again", ['"k-1"', "k-1", '"k-1";v=1'])
async def test_the_same_key_gives_the_same_operation(caller: Caller, again: str) -> None:
    first = await caller.submit("hold", {"gate": "x"}, Idempotency_Key='"k-1"')
    second = await caller.submit("hold", {"gate": "x"}, Idempotency_Key=again)
    assert second.id == first.id
    assert second.token == first.token
    assert "idempotency-replayed" not in first.answer.headers
    assert second.answer.headers["idempotency-replayed"] == "true"
    assert second.answer.headers["location"] == first.answer.headers["location"]


async def test_a_replay_of_a_finished_operation_shows_it(caller: Caller) -> None:
    first = await caller.submit("double", {"n": 4}, Idempotency_Key='"k"')
    await first.until(status="succeeded")
    answer = await caller.http.post(
        "/tasks/double", json={"n": 4}, headers={"Idempotency-Key": '"k"', "Prefer": "wait=20"}
    )
    assert answer.status_code == 200
    assert answer.json()["id"] == first.id
    assert answer.json()["result"] == 8
    assert answer.headers["idempotency-replayed"] == "true"


async def test_a_finished_operation_is_shown_only_to_whoever_would_have_waited(
    caller: Caller,
) -> None:
    first = await caller.submit("double", {"n": 4}, Idempotency_Key='"k"')
    await first.until(status="succeeded")
    for prefer, status in (("wait=0", 200), ("respond-async", 202), ("x", 202)):
        headers = {"Idempotency-Key": '"k"', "Prefer": prefer}
        answer = await caller.http.post("/tasks/double", json={"n": 4}, headers=headers)
        assert answer.status_code == status
        assert answer.json()["status"] == "succeeded"


async def test_a_key_is_of_one_task_and_one_payload(caller: Caller) -> None:
    headers = {"Idempotency-Key": '"k"', "Content-Type": "application/json"}
    first = await caller.http.post("/tasks/ask", content=b'{"text":"a","cell":1}', headers=headers)
    spaced = b' {"cell" : 1, "text": "\\u0061"}'
    same = await caller.http.post("/tasks/ask", content=spaced, headers=headers)
    assert same.json()["id"] == first.json()["id"]
    other = await caller.http.post("/tasks/ask", content=b'{"text":"b","cell":1}', headers=headers)
    problem = problem_of(other, 422, "idempotency-key-reused")
    assert problem["operation"] == first.json()["id"]
    elsewhere = await caller.http.post("/tasks/double", content=b'{"n":1}', headers=headers)
    assert elsewhere.status_code == 202


async def test_a_task_may_require_a_key(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/pay", json={"amount": 1})
    problem_of(answer, 400, "idempotency-key-missing")
    answer = await caller.http.post(
        "/tasks/pay", json={"amount": 1}, headers={"Idempotency-Key": '"x"'}
    )
    assert answer.status_code == 202


async def test_a_malformed_key_is_refused(caller: Caller) -> None:
    for key in ('"', '"a', '"a"b"', '"a", "b"', '"a\\x"', '""', "a b", '"' + 256 * "x" + '"'):
        headers = {"Idempotency-Key": key}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
        problem_of(answer, 400, "malformed-request")


async def test_a_repeated_key_header_is_refused(caller: Caller) -> None:
    headers = [("Idempotency-Key", '"a"'), ("Idempotency-Key", '"b"')]
    answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
    problem_of(answer, 400, "malformed-request")


async def test_of_concurrent_equal_requests_one_is_stored(caller: Caller) -> None:
    answers = await asyncio.gather(
        *(
            caller.http.post(
                "/tasks/hold", json={"gate": "x"}, headers={"Idempotency-Key": '"same"'}
            )
            for _ in range(50)
        )
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None", *["true"] * 49]
    assert (await caller.http.get("/healthz")).json()["queued"] <= 1


# When


async def test_a_delayed_operation_waits_and_says_until_when(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/double?delay=3600", json={"n": 1})
    ready = datetime.fromisoformat(answer.json()["ready_at"])
    created = datetime.fromisoformat(answer.json()["created_at"])
    assert timedelta(seconds=3599) < ready - created < timedelta(seconds=3601)
    assert answer.json()["status"] == "queued"


async def test_a_start_may_be_given_as_a_moment(caller: Caller) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    query = {"start_at": moment.isoformat(timespec="seconds")}
    answer = await caller.http.post("/tasks/double", json={"n": 1}, params=query)
    ready = datetime.fromisoformat(answer.json()["ready_at"])
    assert ready == moment.replace(microsecond=0)


async def test_of_two_bounds_the_later_counts(caller: Caller) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    for delay, later in (("7200", False), ("60", True)):
        query = {"start_at": soon.isoformat(), "delay": delay}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, params=query)
        ready = datetime.fromisoformat(answer.json()["ready_at"])
        assert (ready == soon) is later
        assert ready >= soon


async def test_a_moment_that_is_past_means_now(caller: Caller) -> None:
    query = {"start_at": "2001-01-01T00:00:00Z"}
    headers = {"Prefer": "wait=20"}
    answer = await caller.http.post("/tasks/double", json={"n": 1}, params=query, headers=headers)
    assert answer.json()["result"] == 2


async def test_a_start_that_is_none_is_refused(caller: Caller) -> None:
    for query in (
        "delay=-1",
        "delay=nan",
        "delay=inf",
        "delay=1_0",
        "delay=",
        "start_at=tomorrow",
        "start_at=2030-02-30T00:00:00Z",
        "start_at=2030-01-01",
    ):
        answer = await caller.http.post(f"/tasks/double?{query}", json={"n": 1})
        problem_of(answer, 400, "malformed-request")


@pytest.mark.parametrize("query", ["delay=99999999", "start_at=9999-12-31T23:59:59Z"])
async def test_a_start_too_far_ahead_is_refused(caller: Caller, query: str) -> None:
    answer = await caller.http.post(f"/tasks/double?{query}", json={"n": 1})
    problem_of(answer, 422, "invalid-input")


# What is carried on


async def test_the_trace_is_carried_on(caller: Caller) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"traceparent": parent, "Prefer": "wait=20"}
    answer = await caller.http.post("/tasks/trace", headers=headers)
    version, trace, span, flags = answer.json()["result"].split("-")
    assert (version, trace, flags) == tuple(parent.split("-")[i] for i in (0, 1, 3))
    assert span != parent.split("-")[2]


@pytest.mark.parametrize("parent", ["00-" + 32 * "0" + "-b7ad6b7169203331-01", "nonsense"])
async def test_a_malformed_trace_is_replaced(caller: Caller, parent: str) -> None:
    headers = {"traceparent": parent, "Prefer": "wait=20"}
    answer = await caller.http.post("/tasks/trace", headers=headers)
    trace = answer.json()["result"].split("-")[1]
    assert trace not in parent
    assert set(trace) != {"0"}
