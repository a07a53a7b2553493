"""`POST /topics/{topic}`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.edges.application import problem_of
from tests.edges.topics.application import Source, page, publish, served
from tests.security.keys import SECRET, bearer
from tests.serving import until


async def test_the_answer_says_whether_anybody_listens(data: Path, path: str) -> None:
    async with served(data, path) as (rb, http):
        answer = await http.post("/topics/log/a", json={"n": 1})
        assert answer.status_code == 202
        told = answer.json()
        assert told == {"topic": "log/a", "position": told["position"], "listeners": 0}
        assert told["position"].endswith("-1")
        listeners = rb.started.hub.listeners
        async with Source(http.base_url, "log/+"), Source(http.base_url, "log/a"):
            await until(lambda: listeners("log/a") == 2)
            answer = await http.post("/topics/log/a", json=2)
            assert (answer.status_code, answer.json()["listeners"]) == (201, 2)
            assert answer.headers["cache-control"] == "no-store"
        async with Source(http.base_url, "now/a") as source:
            await until(lambda: listeners("now/a") == 1)
            answer = await http.post("/topics/now/a", json=[3])
            assert answer.json() == {"topic": "now/a", "position": None, "listeners": 1}
            assert [event.data["position"] for event in await source.until(1)] == [None]
            assert source.data == [[3]]


async def test_a_message_is_kept_on_one_line(data: Path) -> None:
    async with served(data) as (rb, http):
        body = '{ "a" : [1,\r\n 2], "b": "x\\ny"\n}'
        answer = await http.post("/topics/log/a", content=body)
        assert answer.status_code == 202
        found = await rb.started.service.engine.read("log/a", None, 1)
        assert found.messages[0].data == b'{"a":[1,2],"b":"x\\ny"}'


async def test_a_topic_has_several_segments_each_decoded_by_itself(data: Path) -> None:
    async with served(data) as (_, http):
        answer = await http.post("/topics/log/caf%C3%A9/%24x/a.b", json=1)
        assert answer.json()["topic"] == "log/café/$x/a.b"
        found = page(await http.get("/topics/log/caf%C3%A9/%24x/a.b?after=earliest"))
        assert found[0] == [1]
        problem_of(await http.post("/topics/log/a%2Fb", json=1), 422, "invalid-input")


@pytest.mark.parametrize(
    ("topic", "body", "status", "code"),
    [
        ("nobody/declared/it", b"1", 404, "unknown-topic"),
        ("log/a/%2B", b"1", 422, "invalid-input"),
        ("log//a", b"1", 422, "invalid-input"),
        ("log/a%20b", b"1", 422, "invalid-input"),
        ("log/%2E%2E/a", b"1", 422, "invalid-input"),
        ("operations/x", b"1", 422, "invalid-input"),
        ("%24presence/log/a", b"1", 422, "invalid-input"),
        ("log/a", b"", 400, "malformed-request"),
        ("log/a", b"{", 400, "malformed-request"),
        ("log/a", b'"\xff"', 400, "malformed-request"),
        ("log/a", b"[" * 5000 + b"]" * 5000, 400, "malformed-request"),
        ("log/a", b'"' + b"x" * 262_144 + b'"', 413, "payload-too-large"),
        ("now/a", b'"' + b"x" * 65_536 + b'"', 413, "payload-too-large"),
        ("log/a", b'"' + b"x" * 1_048_576 + b'"', 413, "payload-too-large"),
        ("prices/tea", b'{"cents":"many"}', 422, "invalid-input"),
    ],
)
async def test_what_is_refused(data: Path, topic: str, body: bytes, status: int, code: str) -> None:
    async with served(data) as (_, http):
        problem = problem_of(await http.post(f"/topics/{topic}", content=body), status, code)
        if topic.startswith("prices"):
            assert problem["errors"][0]["pointer"] == "/cents"
        assert page(await http.get("/topics?filter=%23&after=earliest"))[0] == []


async def test_a_body_that_is_no_json_is_415(data: Path) -> None:
    async with served(data) as (_, http):
        answer = await http.post(
            "/topics/log/a", content=b"1", headers={"Content-Type": "text/plain"}
        )
        problem_of(answer, 415, "unsupported-media-type")
        answer = await http.delete("/topics/log/a")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        answer = await http.post("/topics", json=1)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_a_model_writes_the_message(data: Path) -> None:
    async with served(data) as (_, http):
        await publish(http, "prices/tea", {"cents": "250", "more": 1})
        assert page(await http.get("/topics/prices/tea?after=earliest"))[0] == [{"cents": 250}]


async def test_who_may(data: Path) -> None:
    grants = bearer("ann", topics={"publish": ["log/ann/#"]})
    async with served(data, jwt_secret=SECRET) as (_, http):
        for topic, token, status in (
            ("chat/1", "", 401),
            ("chat/1", bearer("ann"), 202),
            ("log/ann/1", "", 401),
            ("log/ann/1", bearer("ann"), 403),
            ("log/ann/1", grants, 202),
            ("log/bob/1", grants, 403),
        ):
            headers = {"Authorization": token} if token else {}
            answer = await http.post(f"/topics/{topic}", json=1, headers=headers)
            assert answer.status_code == status, (topic, token, answer.text)


async def test_a_caller_publishes_at_a_rate(data: Path) -> None:
    async with served(data, publish_rate=0.1, publish_burst=3) as (_, http):
        await publish(http, "log/a", 1, 2, 3)
        answer = await http.post("/topics/log/a", json=4)
        problem_of(answer, 429, "rate-limited")
        assert 1 <= int(answer.headers["retry-after"]) <= 10


async def test_a_store_that_cannot_commit_takes_nothing(data: Path) -> None:
    away = data.with_name("away")
    async with served(data) as (_, http), Source(http.base_url, "log/a") as source:
        shutil.move(data, away)
        answer = await http.post("/topics/log/a", json=1)
        problem_of(answer, 503, "store-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        shutil.move(away, data)
        await publish(http, "log/a", 2)
        await until(lambda: source.data)
        assert source.data == [2]
