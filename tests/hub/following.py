"""A follower that keeps what it gets, and what a hub needs to be tested without any transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ringback.core.filters import parse
from ringback.core.model import Keep, Message, Position, Publication
from ringback.core.policies import TopicPolicy, Topics
from ringback.engines.sqlite import SqliteEngine
from ringback.hub import Hub

NOW = 1_790_000_000.0


class Lines:
    """A wire format for tests: a line of JSON each."""

    def __init__(self) -> None:
        self.framed = 0

    def message(self, message: Message) -> bytes:
        self.framed += 1
        return msgspec.json.encode([message.topic, message.position.offset]) + b"\n"

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return msgspec.json.encode(["gap", sorted(topics)]) + b"\n"


LINES = Lines()


class Listener:
    """A follower."""

    descriptor: int | None = None

    def __init__(self, format: Lines = LINES, subject: str | None = None) -> None:
        self.format = format
        self.subject = subject
        self.writes: list[bytes] = []
        self.newest: dict[str, bytes] = {}
        self.allowed = False
        """Whether it takes what is private."""

    def takes(self, message: Message) -> bool:
        return self.allowed or not message.private

    @property
    def write(self) -> Callable[[bytes], object]:
        return self.writes.append

    @property
    def write_newest(self) -> Callable[[str, bytes], object]:
        return self.newest.__setitem__

    @property
    def got(self) -> list[list[object]]:
        """Topics and offsets, in the order they came."""
        return [msgspec.json.decode(line) for line in b"".join(self.writes).splitlines()]


async def room() -> None:
    """A connection that can always take more."""


def topics(*declared: TopicPolicy) -> Topics:
    return Topics(declared or [TopicPolicy(pattern=parse("#"))])


@asynccontextmanager
async def hubbub(folder: Path, *declared: TopicPolicy) -> AsyncIterator[tuple[SqliteEngine, Hub]]:
    """An engine, and a hub that follows it."""
    async with SqliteEngine(folder) as engine:
        hub = Hub(engine, topics(*declared))
        await hub.start()
        try:
            yield engine, hub
        finally:
            hub.close()


async def publish(
    engine: SqliteEngine, *names: str, keep: Keep | None = None
) -> Sequence[Position]:
    return await engine.publish([Publication(n, b"1", keep=keep or Keep()) for n in names], NOW)
