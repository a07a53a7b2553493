"""`GET /topics` as a stream."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.edges.topics.application import Source, offset, publish, served
from tests.security.keys import SECRET, bearer
from tests.serving import until


async def test_messages_come_with_their_position(data: Path, path: str) -> None:
    async with (
        served(data, path) as (_, http),
        Source(http.base_url, "log/+", "chat/1") as source,
    ):
        assert source.connection is not None
        assert source.connection.status == 200
        headers = source.connection.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        assert headers["date"]
        positions = await publish(http, "log/a", {"n": "ä\n"}, [])
        await publish(http, "log/a/b", "not this")
        positions += await publish(http, "chat/1", 3)
        events = await source.until(3)
        assert [event.id for event in events] == positions
        assert [event.kind for event in events] == ["message"] * 3
        assert events[0].data == {
            "topic": "log/a",
            "position": positions[0],
            "at": events[0].data["at"],
            "data": {"n": "ä\n"},
        }
        assert source.parser.retry == 2000


async def test_a_stream_cut_before_its_first_event_misses_nothing(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        await publish(http, "log/a", "before")
        async with Source(http.base_url, "log/a") as source:
            await until(lambda: source.parser.last_id)
        await publish(http, "log/a", "meanwhile")
        last_id = source.parser.last_id
        async with Source(http.base_url, "log/a", last_id=last_id) as again:
            await again.until(1)
            assert again.data == ["meanwhile"]


async def test_the_header_is_the_newer_word(data: Path) -> None:
    async with served(data) as (_, http):
        positions = await publish(http, "log/a", *range(5))
        for last_id, query, expected in (
            ("", {"after": "earliest"}, [0, 1, 2, 3, 4]),
            ("", {"after": positions[2]}, [3, 4]),
            (positions[3], {"after": "earliest"}, [4]),
        ):
            source = Source(
                http.base_url, path="/topics/log/a", last_id=last_id, after=query["after"]
            )
            async with source:
                await source.until(len(expected))
                assert source.data == expected


async def test_what_is_gone_is_a_gap(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        (first,) = await publish(http, "short/a", 0)
        await publish(http, "short/a", *range(1, 20))
        async with Source(http.base_url, "short/a", "log/a", last_id=first) as source:
            gap, *rest = await source.until(5)
            assert (gap.kind, gap.data["topics"]) == ("gap", ["short/a"])
            assert gap.id == gap.data["position"]
            assert offset(gap.id) == offset(rest[0].id) - 1
            await until(lambda: source.data[-1] == 19)
        async with Source(http.base_url, "log/a", last_id="elsewhere-7") as source:
            assert (await source.until(1))[0].kind == "gap"


async def test_last_values_come_first_and_are_no_positions(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        old = await publish(http, "gauge/a", 1, 2)
        await publish(http, "log/a", 3)
        async with Source(http.base_url, "gauge/+") as source:
            (event,) = await source.until(1)
            assert (event.data["data"], event.data["position"]) == (2, old[-1])
            assert offset(event.id) == 3
            (new,) = await publish(http, "gauge/a", 4)
            await until(lambda: len(source.events) == 2)
            assert source.events[-1].id == new


@pytest.mark.parametrize("with_operation", [False, True], ids=["topics", "operation"])
async def test_who_is_cut_among_the_last_values_gets_the_rest(
    data: Path, path: str, with_operation: bool
) -> None:
    """And what came since the stream began, of topics that retain nothing too."""
    async with served(data, path) as (_, http):
        filters, token = ["gauge/+", "log/a"], list[str]()
        if with_operation:
            told = (await http.post("/tasks/count", json={"to": 1})).json()
            filters.append(f"operations/{told['id']}")
            token.append(told["token"])
        topics = [f"gauge/{number}" for number in range(20)]
        for topic in topics:
            await publish(http, topic, [topic, "x" * 5_000])
        async with Source(http.base_url, *filters, cuts=[30_000], token=token) as source:
            await source.ended()
            last_id = source.parser.last_id
        cut = {event.data["topic"] for event in source.events if event.kind == "message"}
        assert 0 < len(cut) < len(topics)
        await publish(http, "gauge/3", "newer")
        await publish(http, "log/a", "meanwhile")
        async with Source(http.base_url, *filters, last_id=last_id, token=token) as again:
            await until(lambda: again.data[-1:] == ["meanwhile"])
            messages = [event for event in again.events if event.kind == "message"]
            found = {event.data["topic"]: event.data["data"] for event in messages}
            assert found.keys() == {*topics, "log/a"}
            assert found["gauge/3"] == "newer"
            assert "gap" not in again.kinds
            await until(lambda: offset(again.parser.last_id) >= offset(messages[-1].id))
        assert "retained" not in again.parser.last_id
        async with Source(
            http.base_url, *filters, last_id=again.parser.last_id, token=token
        ) as level:
            await publish(http, "log/a", "on")
            await until(lambda: level.data[-1:] == ["on"])
            assert level.data == ["on"], "it had all last values"


async def test_after_the_last_values_a_stream_says_that_it_has_them(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        await publish(http, "gauge/a", 1)
        async with Source(http.base_url, "gauge/+") as source:
            await source.until(1)
            await until(lambda: source.parser.last_id and "," not in source.parser.last_id)
            last_id = source.parser.last_id
        async with Source(http.base_url, "gauge/+", last_id=last_id) as again:
            await publish(http, "gauge/b", 2)
            await again.until(1)
            assert again.data == [2]


async def test_several_operations_are_followed_with_a_token_each(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        told = [(await http.post("/tasks/count", json={"to": n})).json() for n in (2, 3)]
        topics = [f"operations/{each['id']}" for each in told]
        tokens = [each["token"] for each in told]
        async with Source(http.base_url, "log/+", *topics, token=tokens) as source:

            def ended() -> set[str]:
                return {
                    event.data["topic"]
                    for event in source.events
                    if event.kind in ("status", "snapshot")
                    and event.data["data"]["status"] == "succeeded"
                }

            await until(lambda: ended() == set(topics))
            for each in topics:
                own = [e for e in source.events if e.data["topic"] == each]
                assert own[0].kind == "snapshot"
                offsets = [offset(e.data["position"]) for e in own]
                assert offsets == sorted(set(offsets))
            assert source.parser.last_id.count(",") == 2
        one = Source(http.base_url, "log/+", *topics, token=told[0]["token"])
        async with one:
            await one.ended()
        assert one.connection is not None
        assert one.connection.status == 404


async def test_a_finished_operation_is_a_snapshot_and_the_rest_goes_on(
    data: Path, path: str
) -> None:
    async with served(data, path) as (rb, http):
        told = (await http.post("/tasks/count", json={"to": 3})).json()
        topic = f"operations/{told['id']}"
        source = Source(http.base_url, "log/+", topic, token=told["token"], after="earliest")
        async with source:
            await until(
                lambda: any(
                    e.data["data"].get("status") == "succeeded"
                    for e in source.events
                    if e.kind in ("status", "snapshot")
                )
            )
            await publish(http, "log/z", "on")
            await until(lambda: source.data[-1:] == ["on"])
            assert source.data == [0, 1, 2, "on"]
            topics, _, own = source.parser.last_id.partition(",")
            assert own.startswith(f"{topic}:")
            assert offset(topics) == 4
        at = source.parser.last_id
        again = Source(http.base_url, "log/+", topic, last_id=at, token=told["token"])
        async with again:
            await publish(http, "log/z", "later")
            await again.until(1)
            assert again.kinds == ["message"], "nothing twice"
        after = f"earliest,{own}"
        mixed = Source(http.base_url, "log/+", topic, after=after, token=told["token"])
        async with mixed:
            await mixed.until(5)
            assert (mixed.data, "gap" in mixed.kinds) == ([0, 1, 2, "on", "later"], False)
        await rb.started.service.engine.forget(told["id"], time.time() + 1)
        gone = Source(http.base_url, "log/+", topic, last_id=at, token=told["token"])
        async with gone:
            gap, message = await gone.until(2)
            assert (gap.kind, gap.data["topics"]) == ("gap", [topic])
            assert message.data["data"] == "later"


async def test_an_operation_cut_anywhere_comes_whole(data: Path, path: str) -> None:
    async with served(data, path) as (_, http):
        told = (await http.post("/tasks/count", json={"to": 20})).json()
        topic = f"operations/{told['id']}"
        cuts = list(range(300, 4000, 170))
        source = Source(
            http.base_url, "log/+", topic, token=told["token"], comes_back=True, cuts=cuts
        )
        async with source:
            await until(lambda: source.data[-1:] == [19] or len(source.data) == 20)
            await until(
                lambda: any(
                    e.kind in ("status", "snapshot") and e.data["data"]["status"] == "succeeded"
                    for e in source.events
                )
            )
            parts = [
                part["data"]
                for event in source.events
                for part in (
                    event.data["data"].get("parts", [])
                    if event.kind == "snapshot"
                    else [event.data["data"]]
                    if event.kind == "part"
                    else []
                )
            ]
            assert parts == list(range(20))
            assert source.data == sorted(set(source.data))


async def test_wildcards_are_guarded(data: Path, path: str) -> None:
    async with served(data, path, jwt_secret=SECRET) as (rb, http):
        root = {"Authorization": bearer("root", scope="ringback:admin")}
        ann = {"Authorization": bearer("ann", topics={"subscribe": ["log/b/+"]})}
        bob = {"Authorization": bearer("bob")}
        async with (
            Source(http.base_url, "#", headers=ann) as hers,
            Source(http.base_url, "#", headers=bob) as his,
            Source(http.base_url, "#") as nobodys,
            Source(http.base_url, "#", headers=root) as all_of_it,
        ):
            topics = ["chat/1", "log/b/c", "log/c", "own/ann/news", "own/bob/news", "chat/2"]
            for topic in topics:
                await rb.publish(topic, topic)
            await until(lambda: "chat/2" in hers.data and "chat/2" in his.data)
            await until(lambda: "chat/2" in nobodys.data and "chat/2" in all_of_it.data)
            assert hers.data == ["chat/1", "log/b/c", "own/ann/news", "chat/2"]
            assert his.data == ["chat/1", "own/bob/news", "chat/2"]
            assert nobodys.data == ["chat/1", "chat/2"]
            assert all_of_it.data == topics


async def test_a_predicate_that_fails_lets_nobody_see_it_and_hinders_none(
    data: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(data, path, jwt_secret=SECRET) as (rb, http):

        def fails(claims: object, x: str) -> bool:
            raise RuntimeError("a mistake of the application")

        rb_topics = rb.started.service.publisher.topics
        policy = rb_topics.find("own/ann/news")
        assert policy is not None
        rb_topics.policies[rb_topics.policies.index(policy)] = type(policy)(
            pattern=policy.pattern, keep=policy.keep, subscribe=lambda claims, owner: fails(1, "")
        )
        rb_topics._known.clear()
        async with Source(http.base_url, "#") as source, Source(http.base_url, "chat/+") as other:
            await rb.publish("own/ann/news", 1)
            await rb.publish("chat/1", 2)
            await until(lambda: source.data and other.data)
            assert source.data == other.data == [2]
        assert "could not be decided" in caplog.text


async def test_a_token_that_expires_ends_the_stream(data: Path, path: str) -> None:
    async with served(data, path, jwt_secret=SECRET, jwt_leeway=0) as (_, http):
        token = bearer("ann", exp=time.time() + 2, topics={"subscribe": ["log/a"]})
        source = Source(http.base_url, "log/a", headers={"Authorization": token})
        async with source:
            await source.ended()
        assert source.connection is not None
        assert source.connection.ended
        again = Source(http.base_url, "log/a", headers={"Authorization": token})
        async with again:
            await again.ended()
        assert again.connection is not None
        assert again.connection.status == 401


async def test_a_revoked_token_ends_the_stream(data: Path, path: str) -> None:
    async with served(data, path, jwt_secret=SECRET) as (rb, http):
        ann = {"Authorization": bearer("ann", topics={"subscribe": ["#"]})}
        bob = {"Authorization": bearer("bob", topics={"subscribe": ["#"]})}
        async with (
            Source(http.base_url, "log/a", headers=ann) as hers,
            Source(http.base_url, "log/a", headers=bob) as his,
        ):
            await rb.revoke(subject="ann")
            await hers.ended()
            await rb.publish("log/a", 1)
            await his.until(1)
            assert hers.data == []
            assert rb.started.http.places._subjects == {"bob": 1}


async def test_head_is_the_head(data: Path, path: str) -> None:
    async with served(data, path) as (rb, http):
        answer = await http.head("/topics/log/a", headers={"Accept": "text/event-stream"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert rb.started.hub.followers == 0
        answer = await http.head("/topics/log/a")
        assert answer.headers["content-type"] == "application/json"


async def test_pages_of_other_origins_read_it_where_they_may(data: Path, path: str) -> None:
    async with served(data, path, cors_origins=("https://app.example",)) as (_, http):
        fields = ("access-control-allow-origin", "access-control-allow-credentials", "vary")
        for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
            source = Source(http.base_url, "log/a", headers={"Origin": origin})
            async with source:
                assert source.connection is not None
                found = {name: source.connection.headers.get(name) for name in fields}
                exposed = source.connection.headers["access-control-expose-headers"]
            plain = await http.get("/topics/log/a", headers={"Origin": origin})
            assert found == {name: plain.headers.get(name) for name in fields}
            assert exposed == plain.headers["access-control-expose-headers"]
            assert (found[fields[0]] == origin) is allowed
    async with (
        served(data, path, cors_origins=("*",)) as (_, http),
        Source(http.base_url, "log/a", headers={"Origin": "https://x.example"}) as source,
    ):
        assert source.connection is not None
        assert source.connection.headers[fields[0]] == "*"


async def test_places_are_bounded_and_given_back(data: Path, path: str) -> None:
    async with served(data, path, max_connections=2) as (rb, http):
        async with Source(http.base_url, "log/a"), Source(http.base_url, "log/b"):
            source = Source(http.base_url, "log/c")
            async with source:
                await source.ended()
            assert source.connection is not None
            assert source.connection.status == 503
        await until(lambda: not len(rb.started.http.keeper))
        async with Source(http.base_url, "log/c") as source:
            assert source.connection is not None
            assert source.connection.status == 200
    async with (
        served(data, path, max_connections_per_address=1) as (_, http),
        Source(http.base_url, "log/a"),
        Source(http.base_url, "log/a") as source,
    ):
        await source.ended()
        assert source.connection is not None
        assert source.connection.status == 429


async def test_the_end_of_the_server_is_told(data: Path, path: str) -> None:
    async with served(data, path, grace=10) as (rb, http):
        async with Source(http.base_url, "log/a") as one, Source(http.base_url, "#") as two:
            rb.started.hub.close()
            await asyncio.gather(one.ended(), two.ended())
            for source in (one, two):
                assert source.connection is not None
                assert source.connection.ended
                assert source.parser.retry is not None
                assert 0 <= source.parser.retry <= 8000
            assert one.parser.retry != two.parser.retry
        answer = await http.get("/topics/log/a", headers={"Accept": "text/event-stream"})
        assert answer.status_code == 503


async def test_a_quiet_stream_is_kept_alive_and_told_where_it_stands(data: Path, path: str) -> None:
    async with served(data, path) as (rb, http), Source(http.base_url, "log/a") as source:
        await publish(http, "chat/1", 1, 2, 3)
        await until(lambda: rb.started.hub.position.offset == 3)
        for connection in rb.started.http.keeper._all():
            connection.tick(0.0)
        await until(lambda: source.parser.last_id.endswith("-3"))
        assert source.events == []
