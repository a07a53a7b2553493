"""Tokens and inputs never get into a log."""

import asyncio
from pathlib import Path

import httpx

from tests.edges.eventsource import Connection
from tests.security.keys import SECRET, bearer
from tests.serving import ServerProcess


def test_no_token_and_no_input_is_logged(data: Path) -> None:
    """With everything logged, by us and by the server: every route, well and badly asked."""
    application = "tests.edges.application:rb"
    with ServerProcess(application, data=data, jwt_secret=SECRET, grace=0) as server:
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


async def stream(server: ServerProcess, own: str, token: str) -> None:
    async for _ in Connection(server.url, f"{own}/events", {"token": token}).body():
        return
