"""What `POST /tasks/{task}` does not take, and what it says then."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ringback.errors import RingbackError
from tests.edges.application import Caller, problem_of, served


async def test_an_unknown_task_is_told_near_names(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/duoble", json={})
    assert "double" in str(problem_of(answer, 404, "unknown-task")["near"])


async def test_what_does_not_fit_is_pointed_at(caller: Caller) -> None:
    body = {"text": "", "cell": -1, "tags": ["fine", 7]}
    problem = problem_of(await caller.http.post("/tasks/ask", json=body), 422, "invalid-input")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert [error["pointer"] for error in errors] == ["/text", "/cell", "/tags/1"]
    assert all(error["detail"] for error in errors)


async def test_a_pointer_is_escaped(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/double", json={"n": 1, "a/b~c": 2})
    problem = problem_of(answer, 422, "invalid-input")
    assert [error["pointer"] for error in list(problem["errors"])] == ["/a~1b~0c"]


async def test_what_is_no_json_is_400(caller: Caller) -> None:
    for body in (
        b"{",
        b"not json",
        b"\xff\xfe",
        b'{"n": 1} {"n": 2}',
        b'{"n": NaN}',
        b'{"n": -Infinity}',
        b'{"n": "\\ud800"}',
        b'{"n": ' + 1000 * b"[" + 1000 * b"]" + b"}",
    ):
        for keyed in ({}, {"Idempotency-Key": '"k"'}):
            headers = {"Content-Type": "application/json", **keyed}
            answer = await caller.http.post("/tasks/double", content=body, headers=headers)
            problem_of(answer, 400, "malformed-request")


async def test_a_name_for_no_number_is_text_like_any_other(caller: Caller) -> None:
    question = {"text": "NaN, Infinity", "cell": 1}
    answer = await caller.http.post("/tasks/ask", json=question, headers={"Prefer": "wait=20"})
    assert answer.json()["result"]["text"] == "NaN, Infinity"


async def test_another_media_type_is_415(caller: Caller) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "json", ""):
        headers = {"Content-Type": kind}
        answer = await caller.http.post("/tasks/double", content=b'{"n": 1}', headers=headers)
        problem_of(answer, 415, "unsupported-media-type")


async def test_a_compressed_body_is_415(caller: Caller) -> None:
    for path, body in (
        ("/tasks/double", b'{"n": 1}'),
        ("/uploads", b'{"name": "photos/a.png", "size": 1, "type": "image/png"}'),
    ):
        for coding, status in (("gzip", 415), ("x, identity", 415), ("", 415), ("Identity", 0)):
            headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
            answer = await caller.http.post(path, content=body, headers=headers)
            if status:
                detail = problem_of(answer, status, "unsupported-media-type")["detail"]
                assert "Content-Encoding" in detail
            else:
                assert answer.is_success


async def test_a_declared_body_over_the_limit_is_413(data: Path) -> None:
    async with served(data, max_body=100) as caller:
        answer = await caller.http.post("/tasks/announce", json={"text": 100 * "x"})
        assert problem_of(answer, 413, "payload-too-large")["limit"] == 100


async def test_a_chunked_body_over_the_limit_is_413(data: Path) -> None:
    async def chunks() -> object:
        yield b'{"text":"'
        for _ in range(1000):
            yield 1000 * b"x"
        yield b'"}'

    async with served(data, max_body=5000) as caller:
        headers = {"Content-Type": "application/json"}
        answer = await caller.http.post("/tasks/announce", content=chunks(), headers=headers)  # type: ignore[arg-type]
        assert problem_of(answer, 413, "payload-too-large")["limit"] == 5000


async def test_a_body_of_exactly_the_limit_is_taken(data: Path) -> None:
    body = b'{"text":"abc"}'
    async with served(data, max_body=len(body)) as caller:
        headers = {"Content-Type": "application/json"}
        answer = await caller.http.post("/tasks/announce", content=body, headers=headers)
        assert answer.status_code == 202


async def test_a_caller_over_its_rate_is_429(data: Path) -> None:
    async with served(data, rate=0.001, burst=3) as caller:
        for _ in range(3):
            await caller.submit("double", {"n": 1})
        answer = await caller.http.post("/tasks/double", json={"n": 1})
        problem_of(answer, 429, "rate-limited")
        assert 900 < int(answer.headers["retry-after"]) <= 1000


async def test_a_queue_at_its_bound_is_503_and_stores_nothing(data: Path) -> None:
    async with served(data, max_queued=2, workers=0) as caller:
        first = await caller.submit("double", {"n": 1}, Idempotency_Key='"k"')
        await caller.submit("double", {"n": 1})
        answer = await caller.http.post("/tasks/double", json={"n": 1})
        problem_of(answer, 503, "queue-full")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await caller.http.get("/healthz")).json()["queued"] == 2
        again = await caller.submit("double", {"n": 1}, Idempotency_Key='"k"')
        assert again.id == first.id  # what is stored already needs no room


async def test_a_store_that_cannot_commit_is_503_and_never_202(data: Path) -> None:
    async with served(data, workers=0) as caller:
        await caller.submit("double", {"n": 1})
        with locked(data / "ringback.db"):
            answer = await caller.http.post("/tasks/double", json={"n": 1})
            problem_of(answer, 503, "store-unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert (await caller.http.get("/healthz")).json()["queued"] == 1
        await caller.submit("double", {"n": 1})


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds the database's lock for writing, as a careless backup does."""
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield
        holder.communicate()


def test_every_error_is_a_problem_with_a_cure() -> None:
    def below(kind: type[RingbackError]) -> list[type[RingbackError]]:
        return [kind, *(each for sub in kind.__subclasses__() for each in below(sub))]

    for kind in below(RingbackError):
        if not kind.__module__.startswith("ringback."):
            continue  # a test's own
        problem = kind().problem()
        assert str(problem["type"]).startswith("urn:ringback:problem:")
        assert str(problem["detail"]).endswith(".")
        assert 400 <= kind.status <= 599


async def test_an_input_of_nothing_but_faults_is_refused_without_a_list(caller: Caller) -> None:
    body = {"text": "x", "cell": 1, "tags": [1] * 400_000}
    answer = await caller.http.post("/tasks/ask", json=body)
    problem = problem_of(answer, 422, "invalid-input")
    assert problem["errors"] == []
    assert problem["error_count"] == 400_000
