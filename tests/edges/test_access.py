"""Who may do what: development mode, tokens, other people's operations, hooks."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback import Claims, Operation, OperationState, Ringback
from ringback.tasks.registry import Task
from tests.edges.application import Caller, Gates, application, problem_of, served
from tests.edges.test_read import running
from tests.security.keys import SECRET, bearer
from tests.serving import serve

REMOTE = "198.51.100.7"


@contextlib.asynccontextmanager
async def from_address(
    data: Path, address: str, port: int = 40000, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A caller whose requests come from an address that is not this machine's."""
    app = application(data, Gates(), **settings)
    async with app.running():
        transport = httpx.ASGITransport(app.asgi, client=(address, port))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


# Development mode


async def test_in_development_only_loopback_is_served(data: Path) -> None:
    async with from_address(data, REMOTE) as client:
        for path in ("/healthz", "/openapi.json", "/nothing"):
            problem = problem_of(await client.get(path), 403, "forbidden")
            assert "RINGBACK_JWT_SECRET" in problem["detail"]
        problem_of(await client.post("/tasks/double", json={"n": 1}), 403, "forbidden")
    for address in ("127.0.0.1", "127.9.8.7", "::1"):
        async with from_address(data, address) as client:
            assert (await client.post("/tasks/double", json={"n": 1})).status_code == 202


async def test_with_a_key_anybody_is_served(data: Path) -> None:
    async with from_address(data, REMOTE, jwt_secret=SECRET) as client:
        headers = {"Host": "example.org", "Authorization": bearer("ann")}
        answer = await client.post("/tasks/double", json={"n": 1}, headers=headers)
        assert answer.status_code == 202


async def test_in_development_a_page_that_rebinds_its_name_is_refused(caller: Caller) -> None:
    for host in (
        "example.org",
        "example.org:8000",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "10.0.0.1",
        "testserver",
        "[::1",
        "[::2]",
        "",
        "@localhost@example.org",
    ):
        answer = await caller.http.get("/healthz", headers={"Host": host})
        assert answer.status_code == 403, host
        assert "RINGBACK_JWT_SECRET" in answer.json()["detail"]
    for host in ("localhost", "localhost:1", "app.localhost", "127.0.0.1:80", "[::1]:8000"):
        answer = await caller.http.get("/healthz", headers={"Host": host})
        assert answer.status_code == 200, host


async def test_in_development_a_token_is_refused_and_says_why(caller: Caller) -> None:
    headers = {"Authorization": bearer("ann")}
    answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
    assert "RINGBACK_JWT_SECRET" in problem_of(answer, 401, "unauthenticated")["detail"]


# Pages of other origins


async def test_a_page_of_another_origin_changes_nothing(caller: Caller) -> None:
    held = await running(caller)
    for origin in ("https://evil.example", "null", "http://localhost:1", "file://", "http://"):
        headers = {"Origin": origin}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
        problem_of(answer, 403, "forbidden")
        problem_of(await held.request("POST", "/cancel", Origin=origin), 403, "forbidden")
        problem_of(await held.request("DELETE", Origin=origin), 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_our_own_origin_may(caller: Caller) -> None:
    headers = {"Origin": caller.url}
    answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
    assert answer.status_code == 202


async def test_a_page_of_an_allowed_origin_may(data: Path) -> None:
    page = "https://app.example"
    async with served(data, cors_origins=(page,)) as caller:
        preflight = await caller.http.options(
            "/tasks/double",
            headers={
                "Origin": page,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type, idempotency-key, prefer",
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == page
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
        for path, status in (("/tasks/double", 202), ("/tasks/nothing", 404)):
            answer = await caller.http.post(path, json={"n": 1}, headers={"Origin": page})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == page
            assert "Origin" in answer.headers["vary"]
            exposed = answer.headers["access-control-expose-headers"].lower()
            for name in ("location", "retry-after", "etag", "link", "idempotency-replayed"):
                assert name in exposed
        other = {"Origin": "https://evil.example"}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=other)
        problem_of(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
        assert (
            "access-control-allow-origin"
            not in (await caller.http.get("/healthz", headers=other)).headers
        )


async def test_when_every_origin_may_no_credentials_go_along(data: Path) -> None:
    async with served(data, cors_origins=("*",)) as caller:
        headers = {"Origin": "https://anywhere.example"}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
        assert answer.status_code == 202
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


# Other people's operations


async def test_who_may_submit(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:

        async def post(task: str, body: object, **headers: str) -> httpx.Response:
            return await caller.http.post(f"/tasks/{task}", json=body, headers=headers)

        answer = await post("double", {"n": 1})
        problem_of(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="ringback"'
        assert (await post("announce", {"text": "x"})).status_code == 202
        ann, printer = bearer("ann"), bearer("ann", scope="read print")
        assert (await post("double", {"n": 1}, Authorization=ann)).status_code == 202
        problem_of(await post("print_out", {"text": "x"}, Authorization=ann), 403, "forbidden")
        answer = await post("print_out", {"text": "x"}, Authorization=printer)
        assert answer.status_code == 202


async def test_what_is_wrong_with_a_token_is_said(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        for authorization, word in (
            ("Bearer x", "JWT"),
            (bearer("ann", exp=1), "expired"),
            (bearer("ann")[:-4] + "AAAA", "signature"),
            ("Basic YTpi", "Bearer"),
            (f"{bearer('ann')}, {bearer('bob')}", "signature"),
        ):
            headers = {"Authorization": authorization}
            answer = await caller.http.post("/tasks/announce", json={"text": "x"}, headers=headers)
            assert word in problem_of(answer, 401, "unauthenticated")["detail"], authorization
            assert answer.headers["www-authenticate"].endswith('error="invalid_token"')
        answer = await caller.http.get("/operations", headers={"Authorization": "Bearer"})
        problem_of(answer, 400, "malformed-request")


async def test_the_operations_of_others_do_not_exist(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        held = await caller.submit("hold", {"gate": "g"}, Authorization=bearer("ann"))
        unknown = "01a1ffbd-a5eb-77f2-afca-7e37c437d37e"
        for headers in ({}, {"Authorization": bearer("bob")}):
            for method, part in (
                ("GET", ""),
                ("HEAD", ""),
                ("GET", "/events"),
                ("GET", "/result"),
                ("POST", "/cancel"),
                ("POST", "/redrive"),
                ("DELETE", ""),
            ):
                answer = await caller.http.request(method, held.path + part, headers=headers)
                nothing = await caller.http.request(
                    method, f"/operations/{unknown}{part}", headers=headers
                )
                assert answer.status_code == nothing.status_code == 404
                assert answer.text.replace(held.id, unknown) == nothing.text
                ignored = {"date", "content-length"}
                assert {k: v for k, v in answer.headers.items() if k not in ignored} == {
                    k: v for k, v in nothing.headers.items() if k not in ignored
                }
        for who in (bearer("ann"), bearer("root", scope="ringback:admin")):
            answer = await caller.http.get(held.path, headers={"Authorization": who})
            assert answer.status_code == 200


async def test_a_key_is_of_one_subject(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        ids = {
            (
                await caller.submit(
                    "announce", {"text": "x"}, Idempotency_Key='"k"', Authorization=bearer(who)
                )
            ).id
            for who in ("ann", "bob", "ann")
        }
        assert len(ids) == 2


# The token of one operation


async def test_a_token_opens_one_operation(caller: Caller) -> None:
    one, other = await running(caller, "a"), await running(caller, "b")
    for path, token, status in (
        (one.path, one.token, 200),
        (one.path, other.token, 404),
        (one.path, one.token[:-1], 404),
        (one.path, one.token[:-1] + ("A" if one.token[-1] != "A" else "B"), 404),
        (one.path, one.token + "=", 404),
        (one.path, one.token.upper(), 401),
        (one.path, "", 401),
        (one.path, "rbo_", 404),
        (one.path, "rbo_" + 28 * "é", 404),
    ):
        answer = await caller.http.get(path, params={"token": token})
        assert answer.status_code == status, token
    headers = {"Authorization": f"Bearer {one.token}"}
    assert (await caller.http.get(one.path, headers=headers)).status_code == 200
    assert (await caller.http.get(other.path, headers=headers)).status_code == 404


async def test_a_token_of_an_operation_submits_nothing(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        operation = await caller.submit("announce", {"text": "x"})
        query = {"token": operation.token}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, params=query)
        problem_of(answer, 401, "unauthenticated")
        headers = {"Authorization": f"Bearer {operation.token}"}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=headers)
        problem_of(answer, 401, "unauthenticated")


async def test_a_callers_own_token_is_not_taken_from_the_url(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as caller:
        operation = await caller.submit("double", {"n": 1}, Authorization=bearer("ann"))
        token = bearer("ann").partition(" ")[2]
        answer = await caller.http.get(operation.path, params={"token": token})
        assert "Authorization" in problem_of(answer, 401, "unauthenticated")["detail"]


async def test_a_token_expires(data: Path) -> None:
    now = 2_000_000_000.0
    async with served(data, clock=lambda: now, token_lifetime=60, workers=0) as caller:
        waiting = await caller.submit("double", {"n": 1})
        now += 59
        assert (await waiting.get()).status_code == 200
        now += 1
        problem = problem_of(await waiting.get(), 401, "unauthenticated")
        assert "expired" in problem["detail"]


async def test_a_token_is_good_in_another_process_and_after_a_restart(data: Path) -> None:
    async with served(data, workers=0) as caller:
        waiting = await caller.submit("double", {"n": 1})
    async with served(data, workers=0) as caller:
        query = {"token": waiting.token}
        assert (await caller.http.get(waiting.path, params=query)).status_code == 200
    async with served(data, workers=0, secret="another secret of thirty-two bytes") as caller:
        assert (await caller.http.get(waiting.path, params=query)).status_code == 404


# Hooks


async def test_an_application_may_say_who_is_calling(data: Path) -> None:
    asked: list[Mapping[str, str]] = []

    async def authenticate(headers: Mapping[str, str]) -> Claims | None:
        asked.append(headers)
        who = headers.get("x-user")
        return Claims(subject=who) if who else None

    async with served(data, authenticate=authenticate) as caller:
        answer = await caller.http.post("/tasks/double", json={"n": 1})
        problem_of(answer, 401, "unauthenticated")
        held = await caller.submit("hold", {"gate": "g"}, X_User="ann", Cookie="a=b")
        assert asked[-1]["cookie"] == "a=b"
        for who, status in (("ann", 200), ("bob", 404)):
            answer = await caller.http.get(held.path, headers={"X-User": who})
            assert answer.status_code == status
        assert (await caller.http.get(held.path)).status_code == 404
        assert (await held.get()).status_code == 200  # its own token is good beside the hook
        headers = {"Authorization": f"Bearer {held.token}"}
        assert (await caller.http.get(held.path, headers=headers)).status_code == 200
        listed = await caller.http.get("/operations", headers={"X-User": "ann"})
        assert len(listed.json()["operations"]) == 1


async def test_with_a_hook_the_server_is_not_in_development(data: Path) -> None:
    app = application(data, Gates(), authenticate=lambda headers: Claims(subject="ann"))
    async with app.running():
        transport = httpx.ASGITransport(app.asgi, client=(REMOTE, 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://x.example") as client:
            assert (await client.post("/tasks/double", json={"n": 1})).status_code == 202


@pytest.mark.parametrize("colour", ["plain", "async"])
async def test_an_application_may_say_who_may_do_what(data: Path, colour: str) -> None:
    asked: list[tuple[str, str]] = []

    def rule(action: str, claims: Claims, target: Task | OperationState | None) -> bool:
        asked.append((action, type(target).__name__))
        return claims.subject == "ann" and action != "cancel"

    async def later(action: str, claims: Claims, target: Task | OperationState | None) -> bool:
        return rule(action, claims, target)

    hook = rule if colour == "plain" else later
    async with served(data, jwt_secret=SECRET, authorize=hook) as caller:
        ann, bob = {"Authorization": bearer("ann")}, {"Authorization": bearer("bob")}
        answer = await caller.http.post("/tasks/double", json={"n": 1}, headers=bob)
        problem_of(answer, 403, "forbidden")
        held = await caller.submit("hold", {"gate": "g"}, Authorization=ann["Authorization"])
        assert (await caller.http.get(held.path, headers=ann)).status_code == 200
        assert (await caller.http.get(held.path, headers=bob)).status_code == 404
        assert (await caller.http.post(f"{held.path}/cancel", headers=ann)).status_code == 404
        assert (await caller.http.get("/operations", headers=ann)).status_code == 200
        problem_of(await caller.http.get("/operations", headers=bob), 403, "forbidden")
    assert {("submit", "Task"), ("follow", "OperationState"), ("cancel", "OperationState")} <= set(
        asked
    )
    assert ("list", "NoneType") in asked


async def test_in_development_a_task_for_some_says_what_is_missing(data: Path) -> None:
    rb = Ringback("some", data=data)

    @rb.task(allow=lambda claims: "printing" in claims.scopes)
    async def print_it() -> None: ...

    async with serve(rb) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.post("/tasks/print_it", json={})
        assert answer.status_code == 403
        assert "RINGBACK_JWT_SECRET" in answer.json()["detail"], "the cure"


@pytest.mark.parametrize("origins", [("*",), ("*", "https://good.example")])
async def test_where_every_origin_may_a_cookie_speaks_for_none(
    data: Path, origins: tuple[str, ...]
) -> None:
    """A page can have a browser send it without asking first, and a WebSocket be read too."""

    def known(headers: Mapping[str, str]) -> Claims | None:
        name = headers.get("x-user") or headers.get("cookie", "").removeprefix("user=")
        return Claims(subject=name) if name else None

    rb = Ringback("cookies", data=data, authenticate=known, cors_origins=origins)

    @rb.task
    async def who(op: Operation) -> str | None:
        return op.subject

    async with serve(rb) as url, httpx.AsyncClient(base_url=url) as client:
        for page, user, cookie in (
            ("https://evil.example", 202, 401),
            ("null", 202, 401),
            ("https://good.example", 202, 202 if "https://good.example" in origins else 401),
            (url, 202, 202),
        ):
            for shown, status in (({"X-User": "ann"}, user), ({"Cookie": "user=ann"}, cookie)):
                headers = {"Origin": page, **shown}
                answer = await client.post("/tasks/who", content=b"{}", headers=headers)
                assert answer.status_code == status, (page, shown)
        answer = await client.post("/tasks/who", headers={"Cookie": "user=ann"})
        assert answer.status_code == 202
        answer = await client.get("/operations", headers={"Origin": "null", "Cookie": "user=ann"})
        assert answer.status_code == 401
