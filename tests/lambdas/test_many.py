"""More followers than one call has time for: all are told, and nobody of anything twice."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from ringback import Ringback
from ringback.lambdas import pushes
from ringback.lambdas.handler import LambdaHandler
from ringback.lambdas.posts import Posts
from tests.lambdas.cloud import KEYS, Context, On
from tests.lambdas.events import http
from tests.lambdas.table import Table

MANY = 4


class World:
    """One function for all, on a table; and what was posted to whom."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (KEYS | {"AWS_LAMBDA_FUNCTION_NAME": "f"}).items():
            monkeypatch.setenv(name, value)
        self.table = Table()
        rb = Ringback(open_topics=True, **self.table.settings())
        rb.topic("live/{x}", durable=False)
        self.handler = LambdaHandler(On(rb, self.table), None)
        self.told: Counter[tuple[str, Any]] = Counter()
        self.calls = 0

        async def post(posts: Posts, connection: str, data: bytes) -> bool:
            frame = json.loads(data)
            if frame["type"] == "message":
                self.told[connection, frame["data"]] += 1
            return True

        monkeypatch.setattr(Posts, "post", post)

    def follow(self, connection: str, *filters: str) -> None:
        events: list[tuple[str, str | None]] = [("CONNECT", None)]
        events += [("MESSAGE", json.dumps({"action": "subscribe", "filter": f})) for f in filters]
        for kind, body in events:
            client = {"identity": {"sourceIp": "127.0.0.1"}}
            context = {"connectionId": connection, "eventType": kind, **client}
            event = {"requestContext": context, "headers": {"Host": "localhost"}, "body": body}
            assert self.handler(event, Context(29.0))["statusCode"] == 200

    def publish(self, topic: str, data: str) -> None:
        answer = self.handler(http("POST", f"/topics/{topic}", json.dumps(data)), Context(29.0))
        assert answer["statusCode"] == 202

    def push(self, wanted: set[tuple[str, Any]], *, twice: bool = False) -> None:
        """Hand over what the stream tells until all are told; ``twice``: each of its batches."""
        while not wanted <= self.told.keys():
            records = asyncio.run(self.table.read())
            for _ in range(1 + twice):
                answer = self.handler({"Records": records}, Context(60.0))
                assert answer == {"batchItemFailures": []}
            self.calls += 1


@pytest.mark.parametrize("twice", [False, True])
def test_who_is_too_many_for_one_call_is_told_by_the_next(
    monkeypatch: pytest.MonkeyPatch, twice: bool
) -> None:
    world = World(monkeypatch)
    everybody = [f"c{number}" for number in range(MANY)]
    try:
        for number, connection in enumerate(everybody):
            world.follow(connection, "a", "live/+" if number % 2 else "live/x")
        monkeypatch.setattr(pushes, "RESERVE", 1e6)  # the time is over at once, but for one
        world.publish("a", "kept")
        world.publish("live/x", "passing")
        wanted = {(each, data) for each in everybody for data in ("kept", "passing")}
        world.push(wanted, twice=twice)
        assert world.calls >= MANY
        assert set(world.told) == wanted
        assert set(world.told.values()) == {1}
    finally:
        world.handler.close()


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    try:
        for number in range(3):
            world.follow(f"c{number}", "a")
        monkeypatch.setattr(pushes, "RESERVE", 1e6)
        monkeypatch.setattr(pushes, "MAX_ROUNDS", 1)
        world.publish("a", "kept")
        world.push({("c0", "kept"), ("c1", "kept")})
        assert not any(item["pk"]["S"].startswith("rest#") for item in world.table.items())
        assert ("c2", "kept") not in world.told
    finally:
        world.handler.close()
