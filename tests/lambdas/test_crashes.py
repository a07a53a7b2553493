"""A function may die between any two steps: nothing that was acknowledged is lost, and nothing is
told twice to whoever keeps the client's rules.
"""

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ringback import Ringback
from ringback.core.access import Claims
from ringback.core.connections import read, write
from ringback.errors import StoreUnavailable
from ringback.lambdas.posts import CannotPost, Posts
from ringback.service.revocations import Revocations
from tests.lambdas.events import http
from tests.lambdas.memory import MemoryTable
from tests.lambdas.world import Death, World


def story(world: World) -> int:
    """What happens, and in how many steps."""
    for number in range(3):
        world.publish("b", number)
    world.publish("a", "before")
    world.push()
    follow: dict[str, str | None] = {"a": None, "b": "earliest"}
    world.follow(**follow)
    for number in range(3, 5):
        world.publish("b", number)
        world.publish("a", number)
    world.push()
    world.publish("a", 5)
    world.push()
    steps = world.fate.done
    # A push that died was tried again; what an action left behind, the next connection gets.
    world.client.welcome = False
    world.follow(**follow)
    world.push()
    told = list(world.client.told)
    assert [data for topic, data in told if topic == "b"] == [0, 1, 2, 3, 4]
    assert [data for topic, data in told if topic == "a"] == [3, 4, 5]
    world.ahead += 60.0  # no connection is new any more
    # Records that come once more, and in any order, tell nothing new.
    world.call({"Records": world.memory.records[::-1]})
    assert world.client.told == told
    return steps


def test_every_step_may_be_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at, steps = 0, 1
    while at <= steps:
        with monkeypatch.context() as patch:
            world = World(tmp_path / str(at), patch, at)
            try:
                found = story(world)
            except AssertionError as error:
                raise AssertionError(f"It died before step {at}.") from error
            finally:
                world.close()
            if at == 0:
                steps = found
            else:
                assert world.fate.happened
        at += 1
    assert steps > 20


def test_what_cannot_be_posted_is_posted_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.follow(a=None)
    whole, refused = Posts.post, 0

    async def throttled(self: Posts, connection: str, data: bytes) -> bool:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise CannotPost("Too many requests.")
        return await whole(self, connection, data)

    monkeypatch.setattr(Posts, "post", throttled)
    world.publish("a", 1)
    world.push()
    assert world.client.told == [("a", 1)]
    refused = -100
    world.publish("a", 2)
    world.push()
    # Who cannot be posted to for long is given up, and resumes.
    assert not world.memory.rows
    monkeypatch.setattr(Posts, "post", whole)
    world.client.welcome = False
    world.follow(a=None)
    assert world.client.told == [("a", 1), ("a", 2)]


def test_a_throttled_table_has_the_stream_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.follow(a=None)
    world.publish("a", 1)
    whole = MemoryTable.followers

    async def throttled(self: MemoryTable, topic: str, after: str = "") -> Any:
        raise StoreUnavailable("ProvisionedThroughputExceeded")

    monkeypatch.setattr(MemoryTable, "followers", throttled)
    records = world.memory.records[-1:]
    number = records[0]["dynamodb"]["SequenceNumber"]
    answer = world.call({"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": number}]}
    monkeypatch.setattr(MemoryTable, "followers", whole)
    world.push()
    assert world.client.told == [("a", 1)]


def test_an_action_waits_for_who_sends(world: World) -> None:
    world.follow(a=None)
    row = world.memory.rows[str(world.connection)]
    row.holder, row.until = "another", time.time() + 1.0
    world.follow(a=None, b="earliest")
    assert world.client.wired == {"a", "b"}


def test_who_finds_it_held_leaves_word(world: World) -> None:
    world.follow(a=None)
    row = world.memory.rows[str(world.connection)]
    row.holder, row.until = "another", time.time() + 1000.0
    world.publish("a", 1)
    world.push()
    assert (world.client.told, row.news) == ([], 1)
    # It died. Whoever comes next does what it left, be it for a ping.
    row.until = 0.0
    world.socket("MESSAGE", '{"action": "ping"}')
    assert world.client.told == [("a", 1)]


def test_what_goes_while_all_that_is_kept_is_replayed_is_a_gap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever began it died before the first page was sent."""
    rb = Ringback(clock=lambda: time.time() + world.ahead)
    rb.topic("b", count=4, subscribe="anyone", publish="anyone")
    monkeypatch.setattr(world, "app", lambda: rb)
    told: list[Any] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        frame = json.loads(data)
        told.append(frame.get("data", frame["type"]))
        if told[-1] == 1:
            world.fate.dead = True
            raise Death
        return True

    for number in range(4):
        world.publish("b", number)
    world.connect()
    monkeypatch.setattr(Posts, "post", post)
    action = {"action": "subscribe", "id": "1", "filter": "b", "after": "earliest"}
    world.socket("MESSAGE", json.dumps(action))
    for number in range(4, 12):
        world.publish("b", number)
    world.socket("MESSAGE", '{"action": "ping"}')
    assert told == ["reply", 0, 1, "pong", "gap", 8, 9, 10, 11, "current"]


def test_word_that_was_left_with_who_died_is_heard_by_who_comes_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were that one called for another operation alone."""
    rb = Ringback(clock=lambda: time.time() + world.ahead)

    @rb.task(public=True)
    async def double(x: int) -> int:
        return 2 * x

    monkeypatch.setattr(world, "app", lambda: rb)
    world.connect()
    told: list[tuple[str, str]] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        frame = json.loads(data)
        told.append((frame["type"], frame.get("filter", "")))
        return True

    monkeypatch.setattr(Posts, "post", post)
    followed = []
    for _ in range(2):
        answer = world.call(http("POST", "/tasks/double", '{"x": 1}'))
        operation = json.loads(answer["body"])
        followed.append((f"operations/{operation['id']}", operation["token"]))
        topic, token = followed[-1]
        action = {"action": "subscribe", "id": topic, "filter": topic, "token": token}
        world.socket("MESSAGE", json.dumps(action))
    row = world.memory.rows[str(world.connection)]
    row.holder, row.until = "another", time.time() + 1000.0
    for topic, token in followed:
        path = f"/{topic}/cancel"
        answer = world.call(http("POST", path, "", authorization=f"Bearer {token}"))
        assert answer["statusCode"] < 300, answer
        world.memory.record(topics=[topic])
        world.push()
        row.until = 0.0  # it died
    ends = [filter for type, filter in told if type == "end"]
    assert sorted(ends) == sorted(topic for topic, _ in followed)


def test_an_expired_token_ends_the_connection(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def close(self: Posts, connection: str) -> None:
        closed.append(connection)

    monkeypatch.setattr(Posts, "close", close)
    world.follow(a=None)
    row = world.memory.rows[str(world.connection)]
    connection = read(row.data)
    claims = Claims(subject="ada", expires_at=time.time() - 1)
    row.data = write(msgspec.structs.replace(connection, claims=claims))
    world.publish("a", 1)
    world.push()
    assert (closed, world.memory.rows) == ([world.connection], {})
    assert world.client.told == []


def test_what_was_revoked_while_a_function_was_frozen_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the clock of its process went on meanwhile, nobody says."""
    asked = 0
    whole = Revocations.refresh

    async def refresh(self: Revocations) -> None:
        nonlocal asked
        asked += 1
        await whole(self)

    world.connect()
    monkeypatch.setattr(Revocations, "refresh", refresh)
    world.socket("MESSAGE", '{"action": "ping"}')
    assert asked == 0
    later = time.time() + 600.0
    monkeypatch.setattr(time, "time", lambda: later)
    world.socket("MESSAGE", '{"action": "ping"}')
    assert asked == 1


@pytest.mark.parametrize("seconds", [-1.0, 60.0], ids=["expired", "good"])
def test_an_expired_token_does_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """API Gateway keeps a connection for two hours, whatever its token says."""
    frames: list[Any] = []

    async def post(self: Posts, connection: str, data: bytes) -> bool:
        frames.append(json.loads(data))
        return True

    world.connect()
    row = world.memory.rows[str(world.connection)]
    claims = Claims(subject="ada", expires_at=time.time() + seconds)
    row.data = write(msgspec.structs.replace(read(row.data), claims=claims))
    monkeypatch.setattr(Posts, "post", post)
    for action in ("ping", "publish"):
        said = {"action": action, "id": action, "topic": "a", "data": 1}
        world.socket("MESSAGE", json.dumps(said))
    types = [frame["type"] for frame in frames]
    assert types == ["pong", "reply" if seconds > 0 else "error"]
