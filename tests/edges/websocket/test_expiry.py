"""Tokens that expire, and fresh ones on the same connection, without losing a message."""

import asyncio
import time
from pathlib import Path

from tests.edges.websocket.talking import Server, granted, served, token

LIFE = 2
"""Seconds for which a token is good that is to expire; times in tokens are whole seconds."""


def soon() -> int:
    return int(time.time()) + LIFE + 1


async def test_a_connection_ends_with_its_token(server: Server) -> None:
    expires_at = soon()
    async with server.talk(token=token("ada", exp=expires_at)) as talk:
        await talk.do("subscribe", filter="own/ada")
        assert await talk.closed() == 4401
        assert time.time() >= expires_at
        assert [each["type"] for each in talk.passed] == ["expiring"]
        assert talk.passed[0]["expires_at"].endswith("Z")


async def test_a_fresh_token_has_everything_go_on(server: Server) -> None:
    async with server.talk(token=granted("granted/#", exp=soon())) as talk:
        await talk.do("subscribe", filter="granted/#")
        published = 0

        async def publish() -> None:
            nonlocal published
            while True:
                await server.publish("granted/a", published)
                published += 1

        publishing = asyncio.create_task(publish())
        seen: list[int] = []
        renewed = 0
        while renewed < 2:
            message = await talk.hear()
            if message["type"] == "message":
                seen.append(message["data"])
            elif message["type"] == "expiring":
                fresh = granted("granted/#", exp=soon())
                await talk.send(action="authenticate", id=f"f{renewed}", token=fresh)
            elif message["type"] == "reply":
                assert message["result"]["subject"] == "ada"
                renewed += 1
        publishing.cancel()
        while len(seen) < published:
            message = await talk.hear()
            if message["type"] == "message":
                seen.append(message["data"])
        assert seen == list(range(published))


async def test_what_a_fresh_token_does_not_allow_ends(server: Server) -> None:
    async with server.talk(token=granted("granted/a", "granted/x/#")) as talk:
        await talk.do("subscribe", filter="granted/a")
        await talk.do("subscribe", filter="granted/x/#")
        await talk.do("subscribe", filter="members/a")
        await talk.do("authenticate", token=granted("granted/x/y"))
        end = await talk.hear()
        assert (end["type"], end["filter"]) == ("end", "granted/a")
        assert end["problem"]["type"] == "urn:ringback:problem:forbidden"
        for topic in ("granted/a", "granted/x/z", "granted/x/y", "members/a"):
            await server.publish(topic, topic)
        assert [(await talk.hear())["topic"] for _ in range(2)] == ["granted/x/y", "members/a"]


async def test_a_replay_under_way_obeys_the_fresh_token(data: Path, way: str) -> None:
    async with served(data, way) as server:
        for number in range(1200):
            await server.publish(f"granted/{number % 2}", number)
        async with server.talk(token=granted("granted/#")) as talk:
            await talk.send(action="subscribe", filter="granted/#", after="earliest")
            await talk.send(action="authenticate", id="f", token=granted("granted/0"))
            heard = await talk.until("current")
            place = next(i for i, each in enumerate(heard) if each.get("id") == "f")
            assert {each["topic"] for each in heard[place + 1 : -1]} <= {"granted/0"}
            assert [each["data"] for each in heard if each.get("topic") == "granted/0"] == list(
                range(0, 1200, 2)
            )


async def test_whoever_says_who_they_are_keeps_what_they_follow(server: Server) -> None:
    async with server.talk() as talk, server.talk(token=token("bob")) as watcher:
        await watcher.do("subscribe", filter="$presence/room/a")
        await talk.do("subscribe", filter="room/a")
        await talk.refused("unauthenticated", "subscribe", filter="own/ada")
        await talk.do("authenticate", token=token("ada"))
        await talk.do("subscribe", filter="own/ada")
        await server.publish("room/a", 1)
        assert (await talk.hear())["data"] == 1
        while "ada" not in str(await watcher.hear()):
            pass


async def test_an_operation_ends_with_its_token(data: Path, way: str) -> None:
    async with served(data, way, token_lifetime=LIFE) as server, server.talk() as talk:
        await talk.do("submit", task="hold", input={"gate": "never"}, follow=True)
        end = (await talk.until("end"))[-1]
        assert end["problem"]["type"] == "urn:ringback:problem:unauthenticated"
        assert (await talk.ask("ping"))["type"] == "pong"
