"""``POST /uploads``: what is taken, what is refused, and what the answer says."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwk, jwt

from tests.uploads.client import declare, declared
from tests.uploads.conftest import Served

SECRET = "a secret of thirty-two bytes or more"


def signed(subject: str) -> dict[str, str]:
    claims = {"sub": subject, "exp": int(time.time()) + 600}
    token = jwt.encode({"alg": "HS256"}, claims, jwk.OctKey.import_key(SECRET))
    return {"Authorization": f"Bearer {token}"}


def names_below(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*")]


async def test_the_answer_has_all_a_page_needs(client: httpx.AsyncClient, data: Path) -> None:
    upload = await declared(client, "loop/a cat.jpg", 12345, kind="image/jpeg")
    body = upload.body
    assert upload.answer.headers["location"] == f"/uploads/{upload.id}"
    assert f"/operations/{upload.id}/events" in upload.answer.headers["link"]
    assert upload.answer.headers["cache-control"] == "no-store"
    assert body["status"] == "queued"
    assert body["progress"] is None
    assert body["token"].startswith("rbo_")
    assert body["token_expires_at"] > body["created_at"]
    assert body["links"] == {
        "self": f"/operations/{upload.id}",
        "events": f"/operations/{upload.id}/events",
        "result": f"/operations/{upload.id}/result",
        "cancel": f"/operations/{upload.id}/cancel",
        "upload": f"/uploads/{upload.id}",
    }
    expires = datetime.fromisoformat(body["upload"].pop("expires_at"))
    created = datetime.fromisoformat(body["created_at"])
    assert (expires - created).total_seconds() == 86400
    assert body["upload"] == {"url": f"/uploads/{upload.id}", "offset": 0, "size": 12345}
    assert (await upload.operation())["status"] == "queued"
    assert await upload.show() == {
        "offset": 0,
        "size": 12345,
        "name": "loop/a cat.jpg",
        "type": "image/jpeg",
        "complete": False,
    }
    # No name of a client's is ever a path of ours.
    assert not [name for name in names_below(data) if "cat" in name]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/loop/a",
        "loop/../a",
        "../loop/a",
        "loop/./a",
        "loop//a",
        "loop/",
        "loop/a\x00b",
        "loop/a\nb",
        "loop/a\u2028b",
        "loop\\..\\a",
        "loop/" + "a" * 1020,
    ],
)
async def test_a_name_that_leads_astray(client: httpx.AsyncClient, name: str) -> None:
    answer = (await declare(client, name, 1)).answer
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "urn:ringback:problem:invalid-input"
    assert [fault["pointer"] for fault in problem["errors"]] == ["/name"]
    assert problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"size": -1}, "/size"),
        ({"size": "12"}, "/size"),
        ({"size": 1.5}, "/size"),
        ({"size": 2**53}, "/size"),
        ({"size": True}, "/size"),
        ({"type": "picture"}, "/type"),
        ({"type": "image/a b"}, "/type"),
        ({"sha256": "abc"}, "/sha256"),
        ({"sha-256": "0" * 64}, "/sha-256"),
    ],
)
async def test_a_declaration_that_is_not_right(
    client: httpx.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    body = {"name": "loop/a", "size": 1, "type": "image/jpeg", **change}
    answer = await client.post("/uploads", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_what_is_no_declaration_at_all(client: httpx.AsyncClient) -> None:
    json = {"content-type": "application/json"}
    assert (await client.post("/uploads", content=b"{", headers=json)).status_code == 400
    assert (await client.post("/uploads", content=b"[]", headers=json)).status_code == 422
    text = {"content-type": "text/plain"}
    assert (await client.post("/uploads", content=b"{}", headers=text)).status_code == 415
    large = b'{"name": "' + b"a" * 20_000 + b'"}'
    assert (await client.post("/uploads", content=large, headers=json)).status_code == 413


@pytest.mark.parametrize("kind", ["", "IMAGE/JPEG; q=1"])
async def test_a_type_is_brought_to_one_form(client: httpx.AsyncClient, kind: str) -> None:
    upload = await declared(client, "loop/a", 1, kind=kind)
    expected = "image/jpeg" if kind else "application/octet-stream"
    assert (await upload.show())["type"] == expected


async def test_a_name_without_a_handler(client: httpx.AsyncClient) -> None:
    answer = (await declare(client, "nowhere/a", 1)).answer
    assert answer.status_code == 404
    assert "photos/" in answer.json()["prefixes"]
    assert "photos/" in answer.json()["detail"]


async def test_the_longest_prefix_has_the_upload(client: httpx.AsyncClient) -> None:
    short = await declared(client, "photos/a.png", 1, kind="image/png")
    assert short.body["task"] == "upload:photos:photo"
    # Neither the type nor the size bound of the shorter prefix counts here.
    long = await declared(client, "photos/slow/a.txt", 5000, kind="text/plain")
    assert long.body["task"] == "upload:photos.slow:slow"


async def test_size_and_type_are_bounded(served: Served) -> None:
    async with served(max_upload=2000) as client:
        image = (await declare(client, "photos/a.png", 1001, "image/png")).answer
        assert (image.status_code, image.json()["limit"]) == (413, 1000)
        other = (await declare(client, "loop/a", 2001)).answer
        assert (other.status_code, other.json()["limit"]) == (413, 2000)
        text = (await declare(client, "photos/a.txt", 10, "text/plain")).answer
        assert (text.status_code, text.json()["types"]) == (415, ["image/*"])
        assert (await declare(client, "photos/a.png", 1000, "image/png")).answer.is_success
        assert (await declare(client, "loop/a", 2000)).answer.is_success


async def test_a_key_declares_once(client: httpx.AsyncClient, data: Path) -> None:
    key = {"Idempotency-Key": '"k1"'}
    first = await declared(client, "loop/a", 10, headers=key)
    await first.put(b"01234", 0)
    again = await declared(client, "loop/a", 10, headers=key)
    assert again.answer.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.answer.headers
    assert again.id == first.id
    assert again.body["token"] == first.body["token"]
    assert again.body["upload"]["offset"] == 5
    other = (await declare(client, "loop/a", 11, headers=key)).answer
    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-key-reused")
    # What was stored for the declarations that made nothing is gone again.
    assert [path.name for path in (data / "uploads").iterdir()] == [first.id]


async def test_who_may_declare_and_send(served: Served) -> None:
    async with served(jwt_secret=SECRET) as client:
        assert (await declare(client, "loop/a", 4)).answer.status_code == 401
        ann, bob = signed("ann"), signed("bob")
        upload = await declared(client, "loop/a", 4, headers=ann)
        for wrong in ({}, bob, {"Authorization": "Bearer rbo_" + "A" * 28}):
            for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
                answer = await client.request(method, upload.url, headers=wrong)
                assert answer.status_code == 404, (method, wrong)
        assert (await client.put(upload.url, content=b"ab", headers=ann)).status_code == 200
        assert (await upload.put(b"c", 2)).status_code == 200
        url = f"{upload.url}?token={upload.body['token']}"
        last = await client.put(url, content=b"d", headers={"Upload-Offset": "3"})
        assert last.status_code == 202
        assert (await upload.result())["size"] == 4


async def test_a_caller_has_one_rate_for_tasks_and_uploads(served: Served) -> None:
    async with served(rate=0.001, burst=2) as client:
        assert (await client.post("/tasks/nothing", json={})).status_code == 202
        assert (await declare(client, "loop/a", 1)).answer.status_code == 201
        refused = (await declare(client, "loop/a", 1)).answer
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0


async def test_an_operation_without_an_upload_has_none(client: httpx.AsyncClient) -> None:
    task = (await client.post("/tasks/nothing", json={})).json()
    headers = {"Authorization": f"Bearer {task['token']}"}
    for method in ("GET", "PUT", "DELETE"):
        answer = await client.request(method, f"/uploads/{task['id']}", headers=headers)
        assert answer.status_code == 404
    refused = await client.get("/uploads")
    assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, POST")
