"""Revoking: what a token allowed ends at once, in every process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ringback import Ringback
from ringback.errors import ConfigurationError
from tests.edges.application import Caller, Gates, application, problem_of, served
from tests.security.keys import SECRET, bearer
from tests.serving import serve, until


async def test_a_subjects_tokens_of_before_are_refused_and_a_fresh_one_is_good(data: Path) -> None:
    admin = {"Authorization": bearer("root", scope="ringback:admin")}
    now = int(time.time())
    async with served(data, jwt_secret=SECRET) as caller:
        old, unmarked = bearer("ann", iat=now - 100), bearer("ann")
        for token in (old, unmarked):
            answer = await caller.http.get("/operations", headers={"Authorization": token})
            assert answer.status_code == 200
        revoked = await caller.http.post("/revocations", json={"subject": "ann"}, headers=admin)
        assert revoked.status_code == 204
        for token in (old, unmarked):
            for method, path in (("GET", "/operations"), ("POST", "/tasks/double")):
                answer = await caller.http.request(
                    method, path, json={"n": 1}, headers={"Authorization": token}
                )
                assert "revoked" in problem_of(answer, 401, "unauthenticated")["detail"]
        for token in (bearer("ann", iat=now + 5), bearer("bob", iat=now - 100)):
            answer = await caller.http.get("/operations", headers={"Authorization": token})
            assert answer.status_code == 200


async def test_an_operations_token_is_over_and_its_stream_ends(data: Path) -> None:
    admin = {"Authorization": bearer("root", scope="ringback:admin")}
    async with served(data, jwt_secret=SECRET) as caller:
        tracked = await caller.submit("hold", {"gate": "g"}, authorization=bearer("ann"))
        other = await caller.submit("hold", {"gate": "g"}, authorization=bearer("ann"))
        events = caller.http.stream(
            "GET", f"{tracked.path}/events", params={"token": tracked.token}
        )
        async with events as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            body = {"operation": tracked.id}
            answer = await caller.http.post("/revocations", json=body, headers=admin)
            assert answer.status_code == 204
            async with asyncio.timeout(60):
                assert [line async for line in lines], "the rest of it, and then its end"
        answer = await caller.http.get(tracked.path, params={"token": tracked.token})
        problem_of(answer, 401, "unauthenticated")
        answer = await caller.http.get(other.path, params={"token": other.token})
        assert answer.status_code == 200
        answer = await caller.http.get(tracked.path, headers={"Authorization": bearer("ann")})
        assert answer.status_code == 200, "it is its owner's as before"
        caller.gates.open("g")


@contextlib.asynccontextmanager
async def seen(data: Path) -> AsyncIterator[tuple[Ringback, Caller]]:
    """The application, served, to be looked into."""
    gates = Gates()
    rb = application(data, gates, jwt_secret=SECRET, open_topics=True, grace=0)
    async with serve(rb) as url, httpx.AsyncClient(base_url=url) as client:
        yield rb, Caller(url, client, gates)


@pytest.mark.parametrize("way", ["an operation", "its result", "a topic"])
async def test_a_long_poll_ends(data: Path, way: str) -> None:
    async with seen(data) as (rb, caller):
        topics = {"subscribe": ["#"]}
        ann = {"Authorization": bearer("ann", topics=topics), "Prefer": "wait=60"}
        tracked = await caller.submit("hold", {"gate": "g"}, authorization=ann["Authorization"])
        await tracked.until(progress={"fraction": 0.5, "message": "waiting"})
        path = "/topics/quiet" if way == "a topic" else tracked.path
        if way == "its result":
            path += "/result"
        elif way == "an operation":
            ann["If-None-Match"] = (await caller.http.get(path, headers=ann)).headers["etag"]
        hub = rb.started.hub
        bells = len(hub._bells)
        waiting = asyncio.ensure_future(caller.http.get(path, headers=ann, timeout=50))
        await until(lambda: len(hub._bells) > bells)
        await rb.revoke(subject="ann")
        async with asyncio.timeout(15):  # a quarter of the wait
            problem_of(await waiting, 401, "unauthenticated")
        caller.gates.open("g")


async def test_a_submission_that_waits_is_acknowledged(data: Path) -> None:
    """It was accepted before the revocation: who submitted it is to know where it is."""
    async with seen(data) as (rb, caller):
        headers = {"Authorization": bearer("ann"), "Prefer": "wait=60"}
        submitting = asyncio.ensure_future(
            caller.http.post("/tasks/hold", json={"gate": "g"}, headers=headers, timeout=50)
        )
        await until(lambda: rb.started.hub._bells)
        await rb.revoke(subject="ann")
        async with asyncio.timeout(15):  # a quarter of the wait
            assert (await submitting).status_code == 202
        caller.gates.open("g")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid-input"),
        ({"subject": "a", "operation": "b"}, 422, "invalid-input"),
        ({"subject": ""}, 422, "invalid-input"),
        ({"subject": "x" * 256}, 422, "invalid-input"),
        ({"subject": 7}, 422, "invalid-input"),
        ({"everybody": True}, 422, "invalid-input"),
        ("no object", 422, "invalid-input"),
    ],
)
async def test_what_is_no_revocation_is_refused(
    data: Path, body: object, status: int, code: str
) -> None:
    admin = {"Authorization": bearer("root", scope="ringback:admin")}
    async with served(data, jwt_secret=SECRET) as caller:
        answer = await caller.http.post("/revocations", json=body, headers=admin)
        problem_of(answer, status, code)


async def test_only_who_administers_may(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        answer = await caller.http.post("/revocations", json={"subject": "ann"})
        problem_of(answer, 401, "unauthenticated")
        headers = {"Authorization": bearer("ann")}
        answer = await caller.http.post("/revocations", json={"subject": "ann"}, headers=headers)
        problem_of(answer, 403, "forbidden")


async def test_another_process_learns_of_it_and_so_does_one_that_starts_later(data: Path) -> None:
    gates = Gates()
    one, two = (application(data, gates, jwt_secret=SECRET) for _ in range(2))
    async with one.running(worker=False) as first, two.running(worker=False) as second:
        await one.revoke(subject="ann")
        await until(lambda: second.service.revocations._subjects)
        assert first.service.revocations._subjects == second.service.revocations._subjects
    later = application(data, gates, jwt_secret=SECRET)
    async with later.running(worker=False) as third:
        assert "ann" in third.service.revocations._subjects


async def test_one_thing_is_revoked_at_a_time(data: Path) -> None:
    rb = Ringback(data=data)
    async with rb.running(worker=False):
        for wrong in ({}, {"subject": "a", "operation": "b"}):
            with pytest.raises(ConfigurationError):
                await rb.revoke(**wrong)
