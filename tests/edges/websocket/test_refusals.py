"""What may not be done, or cannot, is answered and changes nothing."""

from pathlib import Path

import pytest

from tests.edges.websocket.talking import Server, granted, served, token


async def test_what_cannot_be_read_is_answered_sixteen_times(server: Server) -> None:
    async with server.talk() as talk:
        for number in range(16):
            await talk.connection.send("{" if number % 2 else '{"action":"dance","id":"d"}')
            error = await talk.hear()
            assert error["type"] == "error"
            assert error.get("id") == (None if number % 2 else "d")
        await talk.connection.send("[]")
        assert await talk.closed() == 4400


async def test_members_that_are_wrong_are_pointed_at(server: Server) -> None:
    async with server.talk() as talk:
        problem = await talk.refused("malformed-request", "subscribe")
        assert problem["errors"][0]["pointer"] == "/filter"
        problem = await talk.refused("unknown-action", "dance")
        assert "subscribe" in problem["known"]


async def test_binary_messages_are_not_ours(server: Server) -> None:
    async with server.talk() as talk:
        await talk.connection.send(b"\0")
        assert await talk.closed() == 1003


@pytest.mark.parametrize(
    ("code", "filter"),
    [
        ("unauthenticated", "members/a"),
        ("unauthenticated", "granted/#"),
        ("unauthenticated", "own/ada"),
        ("unknown-topic", "nobody/declared"),
        ("invalid-input", "a//b"),
        ("invalid-input", "a/../b"),
        ("invalid-input", "operations"[:0] + "$presence/+"),
        ("unknown-operation", "operations/+"),
        ("unknown-operation", "operations/../x"),
        ("unknown-operation", "operations/0198a5c2-7a6b-7c3e-9d1f-2b4c6d8e0f12"),
    ],
)
async def test_who_may_not_follow(server: Server, code: str, filter: str) -> None:
    async with server.talk() as talk:
        if filter == "granted/#":  # something of it may be open to anybody, and nothing of it is
            await talk.do("subscribe", filter=filter)
            await server.publish("granted/a", 1)
            await server.publish("open/a", 2)
            await talk.do("subscribe", filter="open/a", after="earliest")
            assert [each.get("data") for each in await talk.until("current")] == [2, None]
            return
        await talk.refused(code, "subscribe", filter=filter)


async def test_wildcards_bring_what_may_be_seen_and_no_more(server: Server) -> None:
    async with server.talk(token=granted("granted/mine/#")) as talk:
        await talk.do("subscribe", filter="#")
        for topic in ("granted/theirs/a", "own/bob", "granted/mine/a", "own/ada", "members/a"):
            await server.publish(topic, topic)
        topics = [(await talk.hear())["topic"] for _ in range(3)]
        assert topics == ["granted/mine/a", "own/ada", "members/a"]
        await talk.do("subscribe", filter="+/#", after="earliest")
        assert [each.get("topic") for each in await talk.until("current")] == [*topics, None]


async def test_who_may_not_publish(server: Server) -> None:
    async with server.talk() as talk:
        await talk.refused("unauthenticated", "publish", topic="members/a", data=1)
        await talk.refused("invalid-input", "publish", topic="a//b", data=1)
        await talk.refused("payload-too-large", "publish", topic="small/a", data="x" * 200)
        for topic in ("$presence/room/a", "operations/x"):
            assert (await talk.ask("publish", topic=topic, data=1))["type"] == "error"
    async with server.talk(token=granted(publish=("granted/mine",))) as talk:
        await talk.do("publish", topic="granted/mine", data=1)
        await talk.refused("forbidden", "publish", topic="granted/theirs", data=1)


async def test_publishing_and_submitting_have_their_rates(data: Path, way: str) -> None:
    limits = {"publish_rate": 0.01, "publish_burst": 2, "rate": 0.01, "burst": 1}
    async with served(data, way, **limits) as server, server.talk() as talk:
        for _ in range(2):
            await talk.do("publish", topic="open/a", data=1)
        problem = await talk.refused("rate-limited", "publish", topic="open/a", data=1)
        assert problem["retry_after"] > 0
        await talk.do("submit", task="double", input={"n": 1})
        await talk.refused("rate-limited", "submit", task="double", input={"n": 1})
        async with server.talk(token=token("bob")) as other:
            await other.do("publish", topic="open/a", data=1)


async def test_submissions_that_cannot_be(server: Server) -> None:
    async with server.talk() as talk:
        await talk.refused("unknown-task", "submit", task="nothing")
        await talk.refused("invalid-input", "submit", task="double", input={"n": "x"})
        await talk.refused("unauthenticated", "submit", task="secret", input={"n": 1})


async def test_another_subjects_operation_is_not_there(server: Server) -> None:
    async with server.talk(token=token("ada")) as ada, server.talk(token=token("bob")) as bob:
        result = await ada.do("submit", task="double", input={"n": 1})
        operation = result["operation"]["id"]
        await bob.refused("unknown-operation", "subscribe", filter=f"operations/{operation}")
        await bob.refused("unknown-operation", "cancel", operation=operation)


async def test_another_subjects_token_is_refused_on_the_same_connection(server: Server) -> None:
    async with server.talk(token=token("ada")) as talk:
        await talk.refused("forbidden", "authenticate", token=token("bob"))
        await talk.refused(
            "unauthenticated", "authenticate", token="rbo_AGsLjn2wXgHIMOqvKy0-wZfhAPTH"
        )
        assert (await talk.do("authenticate", token=token("ada")))["subject"] == "ada"


async def test_revoked_tokens_end_what_they_allowed(server: Server) -> None:
    rb = server.application
    async with server.talk(token=token("ada")) as ada, server.talk() as other:
        result = await other.do("submit", task="hold", input={"gate": "x"}, follow=True)
        operation = result["operation"]["id"]
        await rb.revoke(operation=operation)
        end = (await other.until("end"))[-1]
        assert end["problem"]["type"] == "urn:ringback:problem:unauthenticated"
        await rb.revoke(subject="ada")
        assert await ada.closed() == 4409
        assert (await other.ask("ping"))["type"] == "pong"
