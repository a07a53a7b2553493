"""Paths, methods, limits: what holds on every route."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.edges.application import Caller, problem_of, served

ID = "01a1ffbd-a5eb-77f2-afca-7e37c437d37e"


async def raw(caller: Caller, request: bytes) -> tuple[int, bytes]:
    """Send these bytes and read one answer: its status, and all that came."""
    host, port = caller.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(request)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), answer


METHODS = {
    "/tasks/double": "OPTIONS, POST",
    "/operations": "GET, HEAD, OPTIONS",
    f"/operations/{ID}": "DELETE, GET, HEAD, OPTIONS",
    f"/operations/{ID}/events": "GET, HEAD, OPTIONS",
    f"/operations/{ID}/result": "GET, HEAD, OPTIONS",
    f"/operations/{ID}/cancel": "OPTIONS, POST",
    f"/operations/{ID}/redrive": "OPTIONS, POST",
    "/openapi.json": "GET, HEAD, OPTIONS",
    "/asyncapi.json": "GET, HEAD, OPTIONS",
    "/healthz": "GET, HEAD, OPTIONS",
    "/metrics": "GET, HEAD, OPTIONS",
    "/ringback.js": "GET, HEAD, OPTIONS",
    "/ringback.js.map": "GET, HEAD, OPTIONS",
    "/ringback/part.js": "GET, HEAD, OPTIONS",
}


async def test_a_path_says_which_methods_it_takes(caller: Caller) -> None:
    for path, allow in METHODS.items():
        options = await caller.http.options(path)
        assert options.status_code == 204
        assert options.headers["allow"] == allow
        assert "content-length" not in options.headers
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "MKCOL"} - set(
            allow.split(", ")
        ):
            answer = await caller.http.request(method, path)
            problem = problem_of(answer, 405, "method-not-allowed")
            assert answer.headers["allow"] == allow
            assert problem["allow"] == allow.split(", ")


async def test_a_path_that_is_none_of_ours_is_404(caller: Caller) -> None:
    for path in (
        "/",
        "//",
        "/tasks",
        "/tasks/",
        "//tasks/double",
        "/tasks//double",
        "/tasks/double/",
        "/tasks/double/x",
        "/tasks%2Fdouble",
        "/TASKS/double",
        "/tasks;x=1/double",
        "/operations/",
        f"//operations/{ID}",
        f"/operations/{ID}/",
        f"/operations/{ID}/nothing",
        f"/operations/{ID}/result/",
        f"/operations%2F{ID}",
        f"/operations/{ID}%2Fresult",
        "/./healthz",
        "/x/../healthz",
        "/healthz%00",
        "/healthz.",
        "/openapi.json/",
        "/favicon.ico",
    ):
        status, answer = await raw(
            caller,
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            "Content-Length: 0\r\n\r\n".encode(),
        )
        assert status == 404, path
        assert b"content-type: application/problem+json" in answer


async def test_an_escaped_name_is_the_same_name(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/dou%62le", json={"n": 1})
    assert answer.status_code == 202


async def test_a_slash_in_a_name_is_no_separator(caller: Caller) -> None:
    answer = await caller.http.post("/tasks/a%2Fb", json={})
    problem_of(answer, 404, "unknown-task")


async def test_headers_over_the_limit_are_431(caller: Caller) -> None:
    headers = {f"X-{number}": 1000 * "x" for number in range(70)}
    answer = await caller.http.get("/healthz", headers=headers)
    assert problem_of(answer, 431, "headers-too-large")["limit"] == 64 * 1024


async def test_a_query_over_the_limit_is_400(caller: Caller) -> None:
    answer = await caller.http.get(f"/operations/{ID}?token={20_000 * 'x'}")
    problem_of(answer, 400, "malformed-request")


async def test_a_content_length_that_is_huge_is_413(caller: Caller) -> None:
    status, answer = await raw(
        caller,
        b"POST /tasks/double HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Length: 18446744073709551615\r\n\r\n",
    )
    assert status in (400, 413)
    assert status == 400 or b"application/problem+json" in answer


async def test_what_is_not_http_gets_400_and_the_server_goes_on(caller: Caller) -> None:
    for request in (b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET\r\n\r\n"):
        status, _ = await raw(caller, request)
        assert status == 400
    assert (await caller.http.get("/healthz")).status_code == 200


async def test_nothing_in_a_request_gets_into_the_headers_of_the_answer(caller: Caller) -> None:
    for path in ("/tasks/a%0d%0aX-Evil:%201", "/operations/%0d%0aX-Evil:%201", "/%0d%0aX-Evil: 1"):
        answer = await caller.http.post(path, json={})
        assert answer.status_code == 404
        assert "x-evil" not in answer.headers
        assert answer.headers["content-type"] == "application/problem+json"


async def test_health_is_for_anybody_and_says_little(caller: Caller) -> None:
    answer = await caller.http.get("/healthz")
    assert answer.json() == {"status": "ok", "queued": 0}
    assert answer.headers["cache-control"] == "no-store"
    assert (await caller.http.head("/healthz")).content == b""


async def test_a_mistake_of_ours_is_a_problem_without_details(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def authorize(action: str, claims: object, target: object) -> bool:
        raise ZeroDivisionError("a secret of the server")

    async with served(data, authorize=authorize) as caller:
        answer = await caller.http.post("/tasks/double", json={"n": 1})
        problem_of(answer, 500, "internal-error")
        assert "secret" not in answer.text
        assert "a secret of the server" in caplog.text


async def test_a_connection_is_kept_for_the_next_request(caller: Caller) -> None:
    async with httpx.AsyncClient(
        base_url=caller.url, limits=httpx.Limits(max_connections=1)
    ) as client:
        for path in ("/healthz", "/nothing", f"/operations/{ID}"):
            answer = await client.get(path)
            assert "connection" not in answer.headers
        assert (await client.options("/healthz")).status_code == 204
        assert (await client.get("/healthz")).status_code == 200


async def test_no_cache_keeps_what_is_somebodys(data: Path) -> None:
    """RFC 9111: nothing that only its owner may see is stored for others, nor any token."""
    async with served(data) as caller:
        done = await caller.submit("double", {"n": 1})
        await done.until(status="succeeded")
        waited = await caller.http.post(
            "/tasks/double", json={"n": 1}, headers={"Prefer": "wait=20"}
        )
        position = (await done.get()).json()["position"]
        for answer, directive in (
            (done.answer, "no-store"),
            (waited, "no-store"),
            (await done.get(), "private, no-cache"),
            (await done.get("/result"), "private, no-cache"),
            (await done.get("/events"), "no-store"),
            (await done.get("/events", query={"after": position}), "no-store"),
            (await done.request("POST", "/cancel"), "private, no-cache"),
            (await done.get("/nothing"), "no-store"),
            (await caller.http.get("/operations"), "no-store"),
            (await caller.http.get(f"/operations/{ID}"), "no-store"),
        ):
            assert answer.headers["cache-control"] == directive, answer.request.url


async def test_whoever_does_not_read_keeps_nobody_waiting(caller: Caller) -> None:
    operation = await caller.submit("bulky", {"count": 60})
    host, port = caller.url.removeprefix("http://").split(":")
    stalled = []
    for _ in range(5):
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(
            f"GET {operation.path}/events?after=earliest&token={operation.token} HTTP/1.1\r\n"
            "Host: localhost\r\n\r\n".encode()
        )
        await reader.readline()  # it has begun, and is not read any further
        stalled.append(writer)
    async with asyncio.timeout(60):
        await operation.until(status="succeeded")
        events = await operation.get("/events", query={"after": "earliest"})
        assert events.text.count("event: part") == 60
    for writer in stalled:
        writer.transport.abort()
