"""One client of an application in functions, each of which may die at any step."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ringback import Ringback
from ringback.lambdas.handler import LambdaHandler
from ringback.lambdas.posts import Posts
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
