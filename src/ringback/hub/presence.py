"""Who follows a topic by its name: how many connections, and of which subjects.

Only of topics that declare it. Who goes and comes back within some seconds, as every page that
is reloaded does, has not been away: neither is told. Counted are the connections of this process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec

from ringback.core.model import Publication
from ringback.core.policies import PRESENCE

LINGER = 5.0
"""Seconds after which who has gone is said to have: a reconnect takes less, with its back-off."""
MAX_SHOWN = 1000
"""Subjects that one answer names."""

Tell = Callable[[Publication], None]


class Presence(msgspec.Struct, frozen=True):
    """Who follows a topic now."""

    topic: str
    connections: int
    subjects: list[str]
    """In order of arrival; those who have just gone included."""
    anonymous: int
    """Connections of callers who have no subject."""


class _Room:
    """One topic."""

    __slots__ = ("connections", "going", "here", "told")

    def __init__(self) -> None:
        self.connections = 0
        self.here: Counter[str | None] = Counter()
        """Connections of each subject."""
        self.going: dict[str | None, asyncio.TimerHandle] = {}
        """Subjects whose last connection has gone, until that is told."""
        self.told: dict[str | None, None] = {}
        """Subjects whose coming was told, in that order."""


class Presences:
    """Who follows which topics, in one process."""

    def __init__(self, tell: Tell) -> None:
        """``tell`` publishes what is to be told of a topic, under ``$presence/{topic}``."""
        self._tell = tell
        self._rooms: dict[str, _Room] = {}

    def enter(self, topic: str, subject: str | None) -> None:
        """A connection follows the topic from now on."""
        room = self._rooms.setdefault(topic, _Room())
        room.connections += 1
        room.here[subject] += 1
        going = room.going.pop(subject, None)
        if going is not None:
            going.cancel()
        if subject not in room.told:
            room.told[subject] = None
            self._say("join", topic, subject, room)

    def leave(self, topic: str, subject: str | None) -> None:
        """A connection does so no more."""
        room = self._rooms.get(topic)
        if room is None or not room.here[subject]:
            return
        room.connections -= 1
        room.here[subject] -= 1
        if not room.here[subject]:
            del room.here[subject]
            loop = asyncio.get_running_loop()
            room.going[subject] = loop.call_later(LINGER, self._gone, topic, subject)

    def _gone(self, topic: str, subject: str | None) -> None:
        room = self._rooms[topic]
        del room.going[subject], room.told[subject]
        self._say("leave", topic, subject, room)
        if not room.told:
            del self._rooms[topic]

    def _say(self, event: str, topic: str, subject: str | None, room: _Room) -> None:
        said = {"event": event, "subject": subject, "connections": room.connections}
        self._tell(Publication(PRESENCE + topic, msgspec.json.encode(said), keep=None))

    def of(self, topic: str) -> Presence:
        """Who follows a topic."""
        room = self._rooms.get(topic)
        if room is None:
            return Presence(topic, 0, [], 0)
        subjects = [subject for subject in room.told if subject is not None]
        return Presence(topic, room.connections, subjects[:MAX_SHOWN], room.here[None])

    def close(self) -> None:
        """The process stops: nobody is told any more."""
        for room in self._rooms.values():
            for going in room.going.values():
                going.cancel()
        self._rooms.clear()
