"""Who is on a topic: told once, and not at every reload."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ringback.core.filters import parse
from ringback.core.model import Message
from ringback.core.policies import TopicPolicy
from ringback.hub import Presence, presence
from tests.hub.following import Lines, Listener, hubbub
from tests.serving import until

ROOMS = TopicPolicy(pattern=parse("room/{id}"), subscribe="anyone", presence="anyone")
REST = TopicPolicy(pattern=parse("#"), subscribe="anyone")


class Told(Lines):
    """What is said on the topic of presence."""

    def message(self, message: Message) -> bytes:
        said = msgspec.json.decode(message.data)
        return msgspec.json.encode([message.topic, said]) + b"\n"


def told(watcher: Listener) -> list[tuple[str, str | None, int]]:
    return [
        (said["event"], said["subject"], said["connections"])  # type: ignore[index]
        for _, said in watcher.got
    ]


async def test_coming_and_going_is_told_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "LINGER", 0.05)
    async with hubbub(data, ROOMS, REST) as (_, hub):
        watcher = Listener(Told())
        hub.attach(watcher, parse("$presence/room/1"))
        ada, again, bob = Listener(subject="ada"), Listener(subject="ada"), Listener(subject="bob")
        hub.attach(ada, parse("room/1"))
        hub.attach(ada, parse("room/1"))
        hub.attach(again, parse("room/1"))
        hub.attach(bob, parse("room/1"))
        hub.attach(Listener(), parse("room/1"))
        hub.attach(bob, parse("room/2"))
        hub.attach(bob, parse("room/+"))
        assert hub.presence("room/1") == Presence("room/1", 4, ["ada", "bob"], 1)
        await until(lambda: len(told(watcher)) == 3)
        assert told(watcher) == [("join", "ada", 1), ("join", "bob", 3), ("join", None, 4)]
        hub.detach(ada, parse("room/1"))
        hub.leave(again)
        hub.attach(ada, parse("room/1"))
        hub.leave(bob)
        await until(lambda: len(told(watcher)) == 4)
        assert told(watcher)[3:] == [("leave", "bob", 2)], "ada has not been away"
        assert hub.presence("room/1") == Presence("room/1", 2, ["ada"], 1)
        hub.detach(ada, parse("room/1"))
        await until(lambda: len(told(watcher)) == 5)
        assert hub.presence("room/2") == Presence("room/2", 0, [], 0)


async def test_of_other_topics_nobody_is_counted(data: Path) -> None:
    async with hubbub(data, ROOMS, REST) as (_, hub):
        hub.attach(Listener(subject="ada"), parse("other"))
        hub.attach(Listener(subject="ada"), parse("room/+"))
        assert hub.presence("other").connections == 0
        assert hub.presence("room/1").connections == 0
