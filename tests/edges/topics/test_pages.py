"""`GET /topics` as JSON: polls and long polls."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from ringback.core.filters import parse
from ringback.core.model import Keep, Publication
from ringback.core.policies import TopicPolicy
from tests.edges.application import problem_of
from tests.edges.topics.application import application, offset, page, publish, served
from tests.security.keys import SECRET, bearer
from tests.serving import serve, until


async def test_pages_follow_on_one_another(data: Path) -> None:
    async with served(data) as (_, http):
        await publish(http, "log/a", *range(5))
        await publish(http, "log/b", "b")
        await publish(http, "chat/1", "c")
        url = "/topics?filter=log/%2B&filter=chat/{room}&limit=3"
        first, position = page(await http.get(f"{url}&after=earliest"))
        second, end = page(await http.get(f"{url}&after={position}"))
        third, same = page(await http.get(f"{url}&after={end}"))
        # The rest of the journal is not theirs: the last page may end before it.
        last, _ = page(await http.get(f"{url}&after={same}"))
        assert [*first, *second, *third, *last] == [0, 1, 2, 3, 4, "b", "c"]
        assert len(first) == len(second) == 3


async def test_without_a_position_it_begins_now(data: Path) -> None:
    async with served(data) as (_, http):
        await publish(http, "log/a", 1)
        found, position = page(await http.get("/topics/log/a"))
        assert found == []
        await publish(http, "log/a", 2)
        answer = await http.get(f"/topics/log/a?after={position}")
        (message,) = answer.json()["messages"]
        assert message["topic"] == "log/a"
        assert message["data"] == 2
        assert message["position"] == answer.json()["position"]
        assert message["at"].endswith("Z")
        assert answer.headers["cache-control"] == "no-store"


async def test_the_last_value_comes_first(data: Path) -> None:
    async with served(data) as (_, http):
        await publish(http, "gauge/a", 1, 2)
        await publish(http, "gauge/b", 3)
        await publish(http, "log/a", 4)
        found, position = page(await http.get("/topics?filter=%23"))
        assert found == [2, 3]
        assert page(await http.get(f"/topics?filter=%23&after={position}"))[0] == []


async def test_a_page_after_a_stream_that_was_cut_among_the_last_values_has_them(
    data: Path,
) -> None:
    async with served(data) as (_, http):
        (at,) = await publish(http, "gauge/a", 1)
        await publish(http, "gauge/b", 2)
        found, position = page(await http.get(f"/topics?filter=%23&after={at},retained"))
        assert (found, position) == ([1], at)
        assert page(await http.get(f"/topics?filter=%23&after={position}"))[0] == [2]
        foreign = (await http.get("/topics?filter=%23&after=elsewhere-1,retained")).json()
        assert foreign["gap"]
        assert [message["data"] for message in foreign["messages"]] == [1, 2]


async def test_last_values_that_do_not_fit_are_a_gap(data: Path) -> None:
    async with served(data) as (_, http):
        for number in range(4):
            await publish(http, f"gauge/{number}", number)
        answer = await http.get("/topics?filter=gauge/%2B&limit=3")
        assert page(answer)[0] == [0, 1, 2]
        assert answer.json()["gap"] is True
        answer = await http.get("/topics?filter=gauge/%2B&limit=4")
        assert page(answer)[0] == [0, 1, 2, 3]
        assert answer.json()["gap"] is False


async def test_last_values_of_others_leave_room_for_ones_own(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as (_, http):
        root = {"Authorization": bearer("root", scope="ringback:admin")}
        for name in ("a", "b", "c", "zed"):
            await http.post(f"/topics/gauge/{name}", json=name, headers=root)
        zed = {"Authorization": bearer("zed", topics={"subscribe": ["gauge/zed"]})}
        answer = await http.get("/topics?filter=gauge/%2B&limit=2", headers=zed)
        assert page(answer)[0] == ["zed"]
        assert answer.json()["gap"] is False


async def test_a_long_poll_answers_with_the_next_message(data: Path, path: str) -> None:
    async with served(data, path) as (rb, http):
        _, position = page(await http.get("/topics?filter=log/%2B&filter=now/%2B"))
        url = f"/topics?filter=log/%2B&filter=now/%2B&after={position}"
        for topic, value in (("log/a", 1), ("now/a", 2)):
            waiting = asyncio.ensure_future(http.get(url, headers={"Prefer": "wait=20"}))
            await until(lambda: rb.started.hub.followers)
            await publish(http, "chat/1", "not this")
            await publish(http, topic, value)
            answer = await waiting
            assert page(answer)[0] == [value]
            assert answer.headers["preference-applied"] == "wait=20"
            await until(lambda: not rb.started.hub.followers)
            url = f"/topics?filter=log/%2B&filter=now/%2B&after={page(answer)[1]}"


async def test_a_long_poll_ends_with_its_wait(data: Path) -> None:
    async with served(data) as (_, http):
        answer = await http.get("/topics/log/a", headers={"Prefer": "wait=0"})
        assert page(answer)[0] == []
        await publish(http, "log/a", 1)
        answer = await http.get("/topics/log/a?after=earliest", headers={"Prefer": "wait=20"})
        assert page(answer)[0] == [1], "what is there is not waited for"
        answer = await http.get("/topics/log/b", headers={"Prefer": "wait=1"})
        assert page(answer)[0] == []


async def test_a_long_poll_ends_with_its_token(data: Path, path: str) -> None:
    async with served(data, path, jwt_secret=SECRET, jwt_leeway=0) as (rb, http):
        token = bearer("ann", exp=time.time() + 1.5, topics={"subscribe": ["log/a"]})
        headers = {"Authorization": token, "Prefer": "wait=20"}
        waiting = asyncio.ensure_future(http.get("/topics/log/a", headers=headers))
        await until(lambda: rb.started.hub.followers)
        await until(lambda: not rb.started.hub.followers)
        await rb.publish("log/a", 1)
        assert page(await waiting)[0] == []
        assert (await http.get("/topics/log/a", headers=headers)).status_code == 401


async def test_a_client_that_goes_is_not_waited_for(data: Path) -> None:
    async with served(data) as (rb, http):
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/topics/log/a", headers={"Prefer": "wait=20"}, timeout=0.5)
        await until(lambda: not rb.started.hub.followers)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_patterns_are_limited(data: Path, accept: str) -> None:
    async with served(data, max_patterns=2) as (_, http):
        costly, cheap = (
            ["log/a{x}", "/log/:x", "log/{+x}"],
            ["log/+", "log/{x}/b", "log/#", "log/c"],
        )
        answer = await http.get("/topics", params={"filter": costly}, headers={"Accept": accept})
        problem_of(answer, 400, "malformed-request")
        assert (answer.json()["parameter"], answer.json()["limit"]) == ("filter", 2)
        query = {"filter": [*costly[:2], *costly[:2], *cheap]}
        async with http.stream("GET", "/topics", params=query, headers={"Accept": accept}) as found:
            assert found.status_code == 200


@pytest.mark.parametrize("query", ["&after=earliest", ""], ids=["log", "last values"])
async def test_nothing_more_is_read_for_a_client_that_went(data: Path, query: str) -> None:
    asked: list[str] = []
    went = asyncio.Event()

    def sees(claims: object, number: str) -> bool:
        asked.append(number)
        went.set()
        return False

    app = application(data)
    app.topic("many/{number}", subscribe=sees, retained=True)
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        publisher = app.started.service.publisher
        for number in range(10):
            some = [f"many/{number * 1000 + each}" for each in range(1000)]
            await publisher.publish([publisher.publication(topic, 0) for topic in some])
        query = f"filter=many/%2B{query}"
        assert page(await http.get(f"/topics?{query}"))[0] == []
        assert len(asked) > 9000, "whoever stays has all of them read"

        asked.clear()
        went.clear()
        sent: list[object] = []

        async def receive() -> dict[str, object]:
            await went.wait()
            return {"type": "http.disconnect"}

        async def send(message: object) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/topics", "headers": []}
        await app.asgi({**scope, "query_string": query.encode()}, receive, send)
        assert 0 < len(asked) <= 3000
        assert sent == []


async def test_what_is_gone_is_told(data: Path) -> None:
    async with served(data) as (_, http):
        (first,) = await publish(http, "short/a", 0)
        await publish(http, "short/a", *range(1, 20))
        answer = await http.get(f"/topics?filter=short/%2B&filter=log/%2B&after={first}")
        found = answer.json()
        assert (found["gap"], found["missed"]) == (True, ["short/a"])
        assert [message["data"] for message in found["messages"]][-1] == 19
        answer = await http.get("/topics/log/a?after=elsewhere-3")
        assert answer.json()["gap"] is True
        answer = await http.get("/topics?filter=short/%2B&filter=log/%2B&after=elsewhere-3")
        found = answer.json()
        assert (found["gap"], found["missed"]) == (True, []), "whatever was removed here"
        headers = {"Prefer": "wait=20"}
        answer = await http.get("/topics/log/a?after=no+position", headers=headers)
        assert answer.json()["gap"] is True, "and is not waited for"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "malformed-request"),
        ("?filter=", 422, "invalid-input"),
        ("?filter=a//b", 422, "invalid-input"),
        ("?filter=log/%2B&limit=0", 400, "malformed-request"),
        ("?filter=log/%2B&limit=1001", 400, "malformed-request"),
        ("?filter=log/%2B&limit=x", 400, "malformed-request"),
        ("?filter=log/a&filter=nobody/declared", 404, "unknown-topic"),
        ("?" + "&".join(f"filter=log/{n}" for n in range(201)), 400, "malformed-request"),
        ("?filter=$revocations", 404, "unknown-topic"),
        ("?filter=$presence/log/a", 401, "unauthenticated"),
        ("?filter=operations/x", 404, "unknown-operation"),
        ("?filter=operations/01a2010c-0000-7000-8000-000000000000", 404, "unknown-operation"),
        ("/log/%2B", 422, "invalid-input"),
    ],
)
async def test_what_is_refused(data: Path, query: str, status: int, code: str) -> None:
    async with served(data) as (_, http):
        for accept in ("application/json", "text/event-stream"):
            if "limit" in query and "event" in accept:
                continue  # a stream has none
            answer = await http.get(f"/topics{query}", headers={"Accept": accept})
            problem_of(answer, status, code)


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "wait=20"}])
async def test_a_poll_looks_at_so_much_that_is_not_its_callers(
    data: Path, prefer: dict[str, str]
) -> None:
    """And says how far it came: the next one goes on from there."""
    async with served(data, jwt_secret=SECRET) as (rb, http):
        others = [Publication("own/bob/news", b"1", keep=Keep())] * 15_000
        own = [Publication("own/ann/news", b'"%d"' % n, keep=Keep()) for n in range(3)]
        positions = await rb.started.service.publisher.publish([*others, *own])
        headers = {"Authorization": bearer("ann"), **prefer}
        url = "/topics?filter=own/%2B/news&limit=2"
        found, position = page(await http.get(f"{url}&after=earliest", headers=headers))
        assert found == []
        assert 5_000 < offset(position) < 15_000
        found, position = page(await http.get(f"{url}&after={position}", headers=headers))
        assert (found, position) == (["0", "1"], str(positions[-2]))
        found, position = page(await http.get(f"{url}&after={position}", headers=headers))
        assert (found, position) == (["2"], str(positions[-1]))


async def test_a_poll_looks_no_further_once_the_process_stops(data: Path) -> None:
    async with served(data, jwt_secret=SECRET) as (rb, http):

        def refuses(claims: object, name: str) -> bool:
            rb.started.hub.close()
            return False

        rb.started.hub.topics.policies.insert(
            0, TopicPolicy(pattern=parse("stop/{name}"), subscribe=refuses)
        )
        publications = [Publication("stop/now", b"1", keep=Keep())] * 10
        await rb.started.service.publisher.publish(publications)
        headers = {"Authorization": bearer("ann")}
        answer = await http.get("/topics?filter=stop/%2B&limit=2&after=earliest", headers=headers)
        found, position = page(answer)
        assert (found, offset(position)) == ([], 2)


async def test_an_operation_is_polled_elsewhere(data: Path) -> None:
    async with served(data) as (_, http):
        told = (await http.post("/tasks/count", json={"to": 1})).json()
        answer = await http.get(f"/topics/operations/{told['id']}?token={told['token']}")
        assert "/operations/{id}" in problem_of(answer, 422, "invalid-input")["detail"]


async def test_who_sees_what(data: Path) -> None:
    """Exact names are refused; of wildcards everybody gets what they may see."""
    async with served(data, jwt_secret=SECRET) as (_, http):
        root = {"Authorization": bearer("root", scope="ringback:admin")}
        for topic in ("chat/1", "log/a", "log/b/c", "own/ann/news", "own/bob/news"):
            answer = await http.post(f"/topics/{topic}", json=topic, headers=root)
            assert answer.status_code == 202
        ann = bearer("ann", topics={"subscribe": ["log/b/+", "now/1"]})
        for token, filter, status, seen in (
            ("", "log/a", 401, []),
            (ann, "log/a", 403, []),
            (ann, "log/b/c", 200, ["log/b/c"]),
            (ann, "own/bob/news", 403, []),
            (ann, "own/ann/news", 200, ["own/ann/news"]),
            (ann, "#", 200, ["chat/1", "log/b/c", "own/ann/news"]),
            (ann, "own/{owner}/news", 200, ["own/ann/news"]),
            (bearer("bob"), "own/+/news", 200, ["own/bob/news"]),
            ("", "*", 200, ["chat/1"]),
            (root["Authorization"], "#", 200, None),
        ):
            answer = await http.get(
                "/topics",
                params={"filter": filter, "after": "earliest"},
                headers={"Authorization": token} if token else {},
            )
            assert answer.status_code == status, (token, filter, answer.text)
            if status == 200:
                found = page(answer)[0]
                assert len(found) == 5 if seen is None else found == seen
