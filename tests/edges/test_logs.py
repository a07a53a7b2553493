"""Tokens and inputs never get into a log."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from ringback.edges.http.message import MAX_QUERY
from tests.edges.application import Gates, application
from tests.edges.eventsource import Connection
from tests.security.keys import SECRET, bearer
from tests.serving import ServerProcess


def test_no_token_and_no_input_is_logged(data: Path) -> None:
    """With everything logged, by us and by the server: every route, well and badly asked."""
    with ServerProcess(
        "tests.edges.application:rb", data=data, jwt_secret=SECRET, grace=0
    ) as server:
        authorization = bearer("ann")
        forged = bearer("bob")[:-3] + "AAA"
        secrets = [authorization.partition(" ")[2], forged.partition(" ")[2], SECRET]
        with httpx.Client(base_url=server.url, timeout=60) as client:
            body = {"n": 123454321}
            answers = [
                client.post(
                    "/tasks/double",
                    json=body,
                    headers={"Authorization": who, "Idempotency-Key": '"key-in-a-header"'},
                )
                for who in (forged, "Bearer x", f"Basic {secrets[1]}", authorization)
            ]
            accepted = answers[-1]
            assert [answer.status_code for answer in answers] == [401, 401, 401, 202]
            own, token = accepted.json()["links"]["self"], accepted.json()["token"]
            secrets += [token, "123454321", "key-in-a-header"]
            for path in (own, f"{own}/result", f"{own}/nothing", "/", "/tasks/double", "/healthz"):
                for query in (
                    f"token={token}",
                    f"x=1&token={token}&after=2",
                    f"%74oken={token}",
                    f"token={secrets[0]}",
                    f"token=x&token={token}",
                ):
                    for method in ("GET", "POST", "OPTIONS"):
                        client.request(method, f"{path}?{query}")
            asyncio.run(stream(server, own, token))
            client.post("/tasks/crash", headers={"Authorization": authorization})
            client.post(
                "/tasks/double", json={"n": "123454321 is no number"}, headers={"Prefer": "wait=5"}
            )
        assert server.stop() == 0
        output = server.output
        assert "token=hidden" in output  # it did log the requests
        assert f"GET {own}" in output
        for secret in secrets:
            assert secret not in output


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_token_in_a_query_that_is_too_long_is_hidden_too(data: Path, kind: str) -> None:
    """From the host's server, which logs the query as it finds it when it has the answer."""
    app = application(data, Gates(), workers=0)
    scope: dict[str, Any] = {
        "type": kind,
        "method": "GET",
        "http_version": "1.1",
        "path": "/ws" if kind == "websocket" else "/operations/x",
        "query_string": b"token=rbo_secret&x=" + b"x" * MAX_QUERY,
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 40000),
        "extensions": {"websocket.http.response": {}},
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with app.running():
        await app.asgi(scope, receive, send)
    assert sent[0]["status"] == 400
    assert b"secret" not in scope["query_string"]


async def stream(server: ServerProcess, own: str, token: str) -> None:
    async for _ in Connection(server.url, f"{own}/events", {"token": token}).body():
        return
