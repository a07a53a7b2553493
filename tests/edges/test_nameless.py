"""Callers without a name, where others have one: what only a secret key and a token keep theirs."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ringback import Ringback, Upload
from tests.edges.application import problem_of
from tests.security.keys import SECRET, bearer
from tests.serving import serve

LIFETIME = 1000
UUID = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"


@pytest.fixture
async def client(data: Path) -> AsyncIterator[httpx.AsyncClient]:
    rb = Ringback("nameless", data=data, jwt_secret=SECRET, token_lifetime=LIFETIME, workers=0)

    @rb.task(public=True)
    async def announce(text: str) -> str:
        return text

    @rb.on_upload("", public=True)
    async def keep(upload: Upload) -> None: ...

    async with serve(rb) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body"), [("/tasks/announce", {"text": "x"}), ("/uploads", {"name": "a", "size": 1})]
)
async def test_a_key_is_long_enough_to_be_a_secret(
    client: httpx.AsyncClient, path: str, body: object
) -> None:
    for key, named, status in (
        ("order-7", False, 400),
        (15 * "x", False, 400),
        (16 * "x", False, 0),
        (UUID, False, 0),
        ("order-7", True, 0),
    ):
        headers = {"Idempotency-Key": f'"{key}"'}
        if named:
            headers["Authorization"] = bearer("ann")
        answer = await client.post(path, json=body, headers=headers)
        if status:
            assert "fresh UUID" in problem_of(answer, status, "malformed-request")["detail"]
        else:
            assert answer.is_success, answer.text


async def test_nothing_starts_when_nobody_could_see_it_any_more(client: httpx.AsyncClient) -> None:
    for delay, named, status in (
        (LIFETIME + 1, False, 422),
        (LIFETIME - 60, False, 202),
        (LIFETIME + 1, True, 202),
    ):
        headers = {"Authorization": bearer("ann")} if named else {}
        answer = await client.post(
            "/tasks/announce", json={"text": "x"}, params={"delay": delay}, headers=headers
        )
        assert answer.status_code == status, answer.text
        if status == 422:
            problem = problem_of(answer, 422, "invalid-input")
            assert "token_lifetime" in problem["detail"]
            assert problem["errors"][0]["pointer"] == ""
