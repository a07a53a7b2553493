"""A function may die between any two steps: nothing that was acknowledged is lost, and nothing is
told twice to whoever keeps the client's rules.
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ringback import Ringback
from ringback.core.access import Claims
from ringback.core.connections import read, write
from ringback.errors import StoreUnavailable
from ringback.lambdas.handler import LambdaHandler
from ringback.lambdas.posts import CannotPost, Posts
from ringback.wire import channel_client as wire
from tests.lambdas.cloud import Context, On
from tests.lambdas.events import http
from tests.lambdas.memory import Memory, MemoryTable

STEPS = (
    "open_connection",
    "hold_connection",
    "save_connection",
    "close_connection",
    "add_follower",
    "remove_follower",
)
"""What a function does to the table; beside it, it posts."""


class Death(BaseException):
    """The end of a process, from which nothing is caught."""


@dataclasses.dataclass
class Fate:
    """When the process dies."""

    at: int
    done: int = 0
    dead: bool = False
    happened: bool = False

    def step(self) -> None:
        self.done += 1
        if self.dead or (self.done == self.at and not self.happened):
            self.dead = self.happened = True
            raise Death


class Client:
    """What docs/protocol.md asks of a client."""

    def __init__(self) -> None:
        self.resume = wire.Resume()
        self.told: list[tuple[str, Any]] = []
        self.asked: dict[str, tuple[str, str | None]] = {}
        """Subscriptions that were asked for on this connection, by the ids of their actions."""
        self.wired: set[str] = set()
        """Those that were confirmed on it."""
        self.welcome = False

    def lost(self) -> None:
        self.resume.lost()
        self.asked.clear()
        self.wired.clear()
        self.welcome = False

    def hear(self, frame: bytes) -> None:
        received = wire.decode(frame)
        match received:
            case wire.Welcome():
                self.welcome = True
            case wire.Reply(id=id, result=result) if id in self.asked:
                text, after = self.asked.pop(id)
                position = json.loads(bytes(result))["position"]
                self.resume.subscribed(text, after, position)
                self.wired.add(text)
            case wire.Message(topic=topic, data=data, filter=filter):
                # What is of a subscription that is not confirmed moves nothing.
                new = (filter is None or filter in self.wired) and self.resume.take(received)
                if new and (filter is not None or topic in self.resume._current):
                    self.told.append((topic, json.loads(bytes(data))))
            case wire.Current(filter=filter) if filter in self.wired:
                self.resume.take(received)
            case wire.Refusal():
                raise AssertionError(received)


class World:
    """One client, one application in functions, and one death."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.memory = Memory(folder)
        self.client = Client()
        self.fate = Fate(at)
        self.ahead = 0.0
        self.connection: str | None = None
        self._connections = 0
        self._actions = 0
        self._handler: LambdaHandler | None = None
        self._read = 0
        world = self

        async def post(self: Posts, connection: str, data: bytes) -> bool:
            world.fate.step()
            if connection != world.connection:
                return False
            world.client.hear(data)
            return True

        monkeypatch.setattr(Posts, "post", post)
        for name in STEPS:
            monkeypatch.setattr(MemoryTable, name, self._step(getattr(MemoryTable, name)))

    def _step(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def stepping(*arguments: Any, **options: Any) -> Any:
            self.fate.step()
            return await method(*arguments, **options)

        return stepping

    def app(self) -> Ringback:
        return Ringback(open_topics=True, clock=lambda: time.time() + self.ahead)

    def call(self, event: dict[str, Any]) -> Any:
        """Call a function; None where it dies. The next is another, and later."""
        if self._handler is None:
            self._handler = LambdaHandler(On(self.app(), self.memory), None)
        answer = None
        with contextlib.suppress(Death):
            answer = self._handler(event, Context(29.0))
        if self.fate.dead:
            self.fate.dead, answer = False, None
            self.close()
            self.ahead += 60.0  # what it held is over
        return answer

    def close(self) -> None:
        if self._handler is not None:
            self._handler.close()
            self._handler = None

    # What comes from outside

    def socket(self, kind: str, body: str | None = None) -> Any:
        context = {
            "connectionId": self.connection,
            "eventType": kind,
            "connectedAt": int((time.time() + self.ahead) * 1000),
            "identity": {"sourceIp": "127.0.0.1"},
        }
        event: dict[str, Any] = {"requestContext": context, "isBase64Encoded": False}
        if kind == "CONNECT":
            event["headers"] = {"Host": "localhost", "Sec-WebSocket-Protocol": "ringback.v1"}
        if body is not None:
            event["body"] = body
        return self.call(event)

    def connect(self) -> None:
        """Connect until that succeeds."""
        while not self.client.welcome:
            self.client.lost()
            self._connections += 1
            self.connection = f"c{self._connections}"
            if self.socket("CONNECT") is not None:
                self.push()

    def follow(self, **filters: str | None) -> None:
        """Subscribe until all is confirmed on one connection, after what the client has or, the
        first time, after what is given.
        """
        self.connect()
        while missing := filters.keys() - self.client.wired:
            text = min(missing)
            at = self.client.resume.after(text) or filters[text]
            self._actions += 1
            id = f"a{self._actions}"
            self.client.asked[id] = text, at
            after = {} if at is None else {"after": at}
            action = {"action": "subscribe", "id": id, "filter": text, **after}
            if self.socket("MESSAGE", json.dumps(action)) is None:
                # API Gateway tells the client that the function failed: it comes again.
                self.client.welcome = False
                self.connect()

    def push(self) -> None:
        """Have the stream read to its end, again and again where a function dies."""
        while records := self.memory.records[self._read :]:
            if self.call({"Records": records}) is not None:
                self._read += len(records)

    def publish(self, topic: str, data: Any) -> None:
        fate, self.fate = self.fate, Fate(0)
        answer = self.call(http("POST", f"/topics/{topic}", json.dumps(data)))
        self.fate = fate
        assert answer["statusCode"] == 202, answer
        self.memory.record(topics=[topic])


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


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(tmp_path, monkeypatch, 0)
    yield world
    world.close()


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
