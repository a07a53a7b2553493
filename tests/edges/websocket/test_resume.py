"""Cut at any moment and resumed as docs/protocol.md says, each subscription gets every durable
message of its own once and in order.
"""

import asyncio
import random
from pathlib import Path

from ringback.core.filters import parse
from tests.edges.websocket.following import Follower
from tests.edges.websocket.talking import LIMIT, served
from tests.serving import until

TOPICS = ["open/a", "open/b", "open/c/d"]
FILTERS = ["open/a", "open/+", "open/#", "*"]


async def test_every_message_once_however_it_is_cut(data: Path, way: str) -> None:
    async with served(data, way, send_buffer=64 * 1024) as server:
        followers = [
            Follower(f"{server.url}/ws", random.sample(FILTERS, random.randint(1, 4)))
            for _ in range(6)
        ]
        tasks = [asyncio.create_task(follower.run()) for follower in followers]
        sent: list[tuple[str, int]] = []

        async def publish() -> None:
            for number in range(3000):
                topic = random.choice(TOPICS)
                await server.application.publish(topic, number)
                sent.append((topic, number))

        async def cut() -> None:
            while True:
                await asyncio.sleep(random.uniform(0, 0.05))
                random.choice(followers).cut()

        cutting = asyncio.create_task(cut())
        await publish()
        cutting.cancel()

        def wanted(filter: str) -> list[int]:
            return [number for topic, number in sent if parse(filter).matches(topic)]

        for follower in followers:
            for filter, had in follower.had.items():
                await until(lambda: len(had) >= len(wanted(filter)), 2 * LIMIT)  # noqa: B023
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        for follower in followers:
            assert follower.cuts > 3
            assert not follower.gaps
            for filter, had in follower.had.items():
                assert had == wanted(filter), filter


async def test_a_slow_reader_is_cut_and_catches_up(data: Path, way: str) -> None:
    """4501 and its replay are one more cut."""
    async with served(data, way, send_buffer=64 * 1024) as server:
        follower = Follower(f"{server.url}/ws", ["open/#"], compression=None)
        following = asyncio.create_task(follower.run())
        filler = 40_000 * "x"
        await until(lambda: "open/#" in follower.resume._current)
        follower.reads.clear()
        sent = 0
        while server.application.started.hub.followers:
            await server.publish("open/a", sent)
            await server.publish("open/b", [filler])
            sent += 1
        follower.reads.set()
        await server.publish("open/end", -1)
        await until(lambda: -1 in follower.had["open/#"], 2 * LIMIT)
        following.cancel()
        numbers = [each for each in follower.had["open/#"] if not isinstance(each, list)]
        assert numbers == [*range(sent), -1]
        assert follower.cuts >= 1
        assert not follower.gaps
