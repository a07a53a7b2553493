"""What cannot be posted: where API Gateway throttles, and who does not stand yet."""

import asyncio
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ringback import Ringback
from ringback.core.commands import Report
from ringback.core.connections import Passing, read
from ringback.core.model import Demand, Publication
from ringback.errors import StoreUnavailable
from ringback.lambdas import line, pushes
from ringback.lambdas.line import MAX_THROTTLED
from ringback.lambdas.posts import MAX_POST, CannotPost, Posts, Throttled
from ringback.lambdas.pushes import Pushes
from ringback.lambdas.streams import Bus
from tests.lambdas.cloud import KEYS
from tests.lambdas.world import World


def test_who_is_throttled_is_not_given_up_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.follow(a=None)
    whole, refused = Posts.post, 0

    async def throttled(self: Posts, connection: str, data: bytes) -> bool:
        nonlocal refused
        refused += 1
        if refused < MAX_THROTTLED:
            raise Throttled("LimitExceededException")
        return await whole(self, connection, data)

    monkeypatch.setattr(Posts, "post", throttled)
    world.publish("a", 1)
    world.push()
    assert world.client.told == [("a", 1)]
    (row,) = world.memory.rows.values()
    assert read(row.data).throttled == 0
    refused = -MAX_THROTTLED
    world.publish("a", 2)
    world.push()
    assert (refused, world.memory.rows) == (0, {}), "but in the end"


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (403, CannotPost)])
def test_throttling_is_told_from_what_is_refused(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: type[Exception]
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    posts = Posts("http://127.0.0.1:1")
    gateway = posts._opened()
    refused: Any = {"ResponseMetadata": {"HTTPStatusCode": status}}

    def refuse(**arguments: Any) -> None:
        raise ClientError(refused, "PostToConnection")

    monkeypatch.setattr(gateway, "post_to_connection", refuse)
    with pytest.raises(CannotPost) as raised:
        asyncio.run(posts.post("c1", b"{}"))
    assert type(raised.value) is kind


def test_who_does_not_stand_at_once_is_greeted_with_what_comes_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "GREETING", 0.0)
    frames: list[str] = []
    stands = False

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        if stands:
            frames.append(json.loads(data)["type"])
        return stands

    monkeypatch.setattr(Posts, "post", post)
    for ways in ("stream", "action", "neither"):
        world.connection = ways
        stands = False
        frames.clear()
        world.socket("CONNECT")
        world.call({"Records": world.memory.records[-1:]})
        assert read(world.memory.rows[ways].data).owed
        stands = ways != "neither"
        if ways == "action":
            world.socket("MESSAGE", '{"action": "ping"}')
            assert frames == ["welcome", "pong"]
        world.call({"Records": world.memory.records[-1:]})
        if ways == "stream":
            assert frames == ["welcome"]
        assert frames.count("welcome") == stands
        # Who left at once is forgotten.
        assert (ways in world.memory.rows) == stands
    world.connection = "left"
    stands = False
    world.socket("CONNECT")
    world.socket("DISCONNECT")
    world.call({"Records": world.memory.records[-1:]})
    assert "left" not in world.memory.rows


def test_who_is_new_and_too_many_for_one_call_is_greeted_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "RESERVE", 1e6)  # the time is over at once, but for one
    greeted: list[str] = []
    continued: list[str] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        greeted.append(connection)
        return True

    async def bring_up(self: Pushes, id: str, *_: Any) -> None:
        continued.append(id)

    monkeypatch.setattr(Posts, "post", post)
    monkeypatch.setattr(Pushes, "_bring_up", bring_up)
    for name in ("a", "b", "c"):
        world.connection = name
        world.socket("CONNECT")
        world.memory.record(unfinished=name)
    world.push()
    assert (greeted, continued) == (["a", "b", "c"], ["a", "b", "c"])
    assert not world.memory.rests


def test_what_has_its_past_misses_nothing_though_it_was_not_told_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends next begins another subscription, which asks where the journal ends."""
    whole = Posts.post

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        if json.loads(data)["type"] == "current":
            raise CannotPost("Too many requests.")
        return await whole(self, connection, data)

    world.publish("b", 0)
    world.connect()
    with monkeypatch.context() as patch:
        patch.setattr(line, "BUDGET", -1.0)  # what the action has no time for, the stream does
        world.follow(b="earliest")
    with monkeypatch.context() as patch:
        patch.setattr(Posts, "post", post)
        world.call({"Records": world.memory.records[-1:]})
    world.publish("b", 1)
    world.follow(a=None)
    world.push()
    assert world.client.told == [("b", 0), ("b", 1)]


def test_what_no_post_carries_keeps_nothing_back_that_passes_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rb = Ringback(open_topics=True)
    rb.topic("live", durable=False)
    monkeypatch.setattr(world, "app", lambda: rb)
    told: list[int] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        if len(data) > MAX_POST:
            raise CannotPost("PayloadTooLargeException")
        told.append(json.loads(data)["data"])
        return True

    world.follow(live=None)
    monkeypatch.setattr(Posts, "post", post)
    data = b"1", b'"%0140000d"' % 0, b"2"
    messages = tuple((Publication("live", each, keep=None), 0.0) for each in data)
    world.memory.passing["together"] = Passing("together", messages)
    world.memory.record(passing="together")
    world.push()
    assert told == [1, 2]


def test_an_answer_is_posted_though_the_operation_has_much_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rb = Ringback()

    @rb.task(public=True)
    async def double(x: int) -> int:
        return 2 * x

    monkeypatch.setattr(world, "app", lambda: rb)
    world.connect()
    replies: list[dict[str, Any]] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        if len(data) > MAX_POST:
            raise CannotPost("PayloadTooLargeException")
        replies.append(json.loads(data)["result"]["operation"])
        return True

    async def work() -> None:
        assert world._handler is not None
        assert world._handler._functions is not None
        service = world._handler._functions._service
        demands = [Demand("double", 1)]
        (state,) = (await service.engine.claim("w", demands, 1, service.clock())).operations
        for _ in range(3):
            state = await service.apply(state, Report(attempt=1, parts=(b'"%050000d"' % 0,)))

    monkeypatch.setattr(Posts, "post", post)
    action = {"action": "submit", "id": "1", "task": "double", "input": {"x": 1}, "key": "a" * 40}
    world.socket("MESSAGE", json.dumps(action))
    assert world._handler is not None
    assert world._handler._runner is not None
    world._handler._runner.run(work())
    world.socket("MESSAGE", json.dumps(action))
    assert [each["status"] for each in replies] == ["queued", "running"]
    assert "parts" not in replies[1]


def test_what_takes_longer_than_a_call_has_is_sent_by_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each goes on where the last one was, were that in the middle of a page."""
    call, whole = world.call, Posts.post
    posted: list[int] = []

    def counted(event: dict[str, Any]) -> Any:
        posted.append(0)
        return call(event)

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        posted[-1] += json.loads(data)["type"] == "message"
        return await whole(self, connection, data)

    world.follow(a=None)
    for number in range(3):
        world.publish("a", number)
        world.publish("b", number)
    monkeypatch.setattr(line, "BUDGET", -1.0)
    monkeypatch.setattr(Posts, "post", post)
    monkeypatch.setattr(world, "call", counted)
    world.push()
    world.follow(a=None, b="earliest")
    world.push()
    assert world.client.told == [(topic, number) for topic in "ab" for number in range(3)]
    assert (max(posted), sum(posted)) == (1, 6)


def test_who_is_being_told_is_told_to_the_end_though_a_bus_takes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function is frozen once it has answered, and with it who sends and what that holds."""
    world.follow(a=None)
    whole = Posts.post

    async def slow(self: Posts, connection: str, data: bytes) -> bool:
        await asyncio.sleep(0.05)
        return await whole(self, connection, data)

    async def put(self: Bus, events: Any) -> None:
        raise StoreUnavailable("Events could not be put on the bus.")

    monkeypatch.setattr(Posts, "post", slow)
    monkeypatch.setattr(Bus, "put", put)
    world.publish("a", 1)
    answer = world.call({"Records": world.memory.records[-1:]})
    assert len(answer["batchItemFailures"]) == 1
    assert world.client.told == [("a", 1)]
    assert [row.holder for row in world.memory.rows.values()] == [None]


def test_what_was_gone_before_it_was_asked_for_is_no_gap_for_who_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two topics, the one that has lost its oldest is beyond what the first page has."""
    rb = Ringback()
    for topic in ("x/a", "x/b"):
        rb.topic(topic, count=4, subscribe="anyone", publish="anyone")
    monkeypatch.setattr(world, "app", lambda: rb)
    monkeypatch.setattr(line, "LOG_PAGE", 2)
    told: list[Any] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        frame = json.loads(data)
        told.append(frame.get("data", frame["type"]))
        return True

    for topic, count in (("x/a", 4), ("x/b", 9)):
        for number in range(count):
            world.publish(topic, f"{topic} {number}")
    kept = [*(f"x/a {number}" for number in range(4)), *(f"x/b {n}" for n in range(5, 9))]
    for name, budget in (("one", 10.0), ("several", -1.0)):
        world.connection = name
        world.socket("CONNECT")
        monkeypatch.setattr(Posts, "post", post)
        monkeypatch.setattr(line, "BUDGET", budget)
        told.clear()
        action = {"action": "subscribe", "id": "1", "filter": "x/+", "after": "earliest"}
        world.socket("MESSAGE", json.dumps(action))
        world.push()
        assert [each for each in told if each != "welcome"] == ["reply", *kept, "current"]
