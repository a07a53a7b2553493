"""More followers than one call has time for: all are told, and nobody of anything twice."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from ringback import Ringback
from ringback.core.commands import Report, Succeed
from ringback.core.model import Demand
from ringback.lambdas import line, pushes
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

        @rb.task
        async def double(x: int) -> int:
            return 2 * x

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
        self._socket(connection, "CONNECT", None)
        for filter in filters:
            self.act(connection, action="subscribe", filter=filter)

    def act(self, connection: str, **action: str) -> None:
        self._socket(connection, "MESSAGE", json.dumps(action))

    def _socket(self, connection: str, kind: str, body: str | None) -> None:
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


def test_a_log_that_is_too_long_for_one_call_is_told_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch)
    monkeypatch.setattr(line, "BUDGET", -1.0)
    monkeypatch.setattr(line, "LOG_PAGE", 2)
    told: list[dict[str, Any]] = []

    async def post(posts: Posts, connection: str, data: bytes) -> bool:
        told.append(json.loads(data))
        return True

    async def work() -> None:
        functions = world.handler._functions
        assert functions is not None
        service = functions._service
        demands = [Demand("double", 1)]
        (state,) = (await service.engine.claim("w", demands, 1, service.clock())).operations
        for number in range(3):
            state = await service.apply(state, Report(attempt=1, parts=(b"%d" % number,)))
        await service.apply(state, Succeed(attempt=1, result=b"2"))

    try:
        answer = world.handler(http("POST", "/tasks/double", '{"x": 1}'), Context(29.0))
        accepted = json.loads(answer["body"])
        assert world.handler._runner is not None
        world.handler._runner.run(work())
        world.follow("c0")
        asyncio.run(world.table.read())
        monkeypatch.setattr(Posts, "post", post)
        topic = f"operations/{accepted['id']}"
        world.act("c0", action="subscribe", filter=topic, token=accepted["token"], after="earliest")
        calls = 0
        while told[-1]["type"] != "end":
            calls += 1
            world.handler({"Records": asyncio.run(world.table.read())}, Context(60.0))
        assert calls >= 2
        offsets = [each["position"] for each in told if each["type"] == "message"]
        assert (len(offsets), offsets) == (5, sorted(set(offsets)))
    finally:
        world.handler.close()
