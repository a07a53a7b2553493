"""Who gets a message, and how it is written: one write for each follower.

A message is framed once for each wire format, what one turn of the event loop brings is joined
once for all who are to get the same, and each connection gets one write of those bytes. There
is no code that runs for each follower but that write.

Where a follower's bytes go to a socket as they are, it is written to by its descriptor: a loop over
numbers side by side does not touch the objects of thousands of connections, which no cache holds.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from ringback.core.filters import Filter
from ringback.core.model import Message, Position
from ringback.hub.sending import send

Guard = Callable[[str], bool]
"""Whether a follower may see this topic, for one who may not see all that its filter matches."""

log = logging.getLogger("ringback.hub")


def lets(guard: Guard, topic: str) -> bool:
    """Whether a guard lets; one that fails, being the application's, lets nobody."""
    try:
        return guard(topic)
    except Exception:
        log.exception("Whether somebody may follow %s could not be told: refused.", topic)
        return False


def taken(follower: Follower, message: Message) -> bool:
    """Whether a follower takes a message; one that cannot tell does not."""
    try:
        return follower.takes(message)
    except Exception:
        log.exception("Whether somebody may get %s could not be told: refused.", message.topic)
        return False


class Format(Protocol):
    """How messages look on one wire. Followers with the same format share their frames."""

    def message(self, message: Message) -> bytes:
        """A message, framed."""

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        """That messages of these topics are gone; empty: perhaps of any. And where to go on."""


class Follower(Protocol):
    """A connection, as the hub sees it."""

    @property
    def format(self) -> Format: ...

    @property
    def subject(self) -> str | None:
        """Whose connection it is: for presence."""

    def takes(self, message: Message) -> bool:
        """Whether it is to get a message whose followers decide: one that is ``particular``."""

    @property
    def write(self) -> Callable[[bytes], object]:
        """Takes frames. Never waits and never raises: who cannot keep up is cut by its owner."""

    @property
    def write_newest(self) -> Callable[[str, bytes], object]:
        """Takes a topic's newest frame, in place of an earlier one that is still to be sent."""

    @property
    def descriptor(self) -> int | None:
        """The socket to which frames may be written past ``write``, since nothing waits before
        them; it is not closed while this follows. None: there is none, or not now."""


def framed(format: Format, message: Message) -> bytes:
    """A message in a format; a gap, if that fails: it must not take the others with it."""
    try:
        return format.message(message)
    except Exception:
        log.exception(
            "A message of %s could not be framed: its followers are told of a gap.", message.topic
        )
        return format.gap((message.topic,), message.position)


class Group:
    """All who follow by the same filter."""

    __slots__ = ("filter", "guarded", "members", "several", "version")

    def __init__(self, filter: Filter) -> None:
        self.filter = filter
        self.members: dict[Follower, Guard | None] = {}
        self.guarded = 0
        self.several = 0
        """Members who follow by other filters too: two groups may have them in common."""
        self.version = 0


class Direct:
    """Followers who are written to by their descriptors."""

    __slots__ = ("descriptors", "followers")

    def __init__(self) -> None:
        self.descriptors = array("i")
        self.followers: list[Follower] = []

    def add(self, descriptor: int, follower: Follower) -> None:
        self.descriptors.append(descriptor)
        self.followers.append(follower)

    def write(self, data: bytes) -> None:
        """Send to all; what a socket does not take, its connection does."""
        for index, sent in send(self.descriptors, data):
            self.followers[index].write(data[max(sent, 0) :])


class Audience:
    """Who gets the messages of one topic."""

    __slots__ = ("alone", "coalesce", "common", "count", "direct", "newest", "versions", "ways")

    def __init__(
        self,
        groups: Sequence[Group],
        topic: str,
        *,
        coalesce: bool,
        message: Message | None = None,
    ) -> None:
        """``message``: the one message it is for, where each follower decides."""
        self.versions = [(group, group.version) for group in groups]
        self.coalesce = coalesce
        found: dict[Follower, None] = {}
        for group in groups:
            if group.guarded:
                found.update(
                    (follower, None)
                    for follower, guard in group.members.items()
                    if guard is None or lets(guard, topic)
                )
            else:
                found.update(dict.fromkeys(group.members))
        if message is not None:
            found = {follower: None for follower in found if taken(follower, message)}
        self.count = len(found)
        self.common = not coalesce and message is None and not any(g.guarded for g in groups)
        """Whether all topics that these groups follow have this one audience."""
        self.alone = (
            message is None
            and len(groups) == 1
            and not groups[0].several
            and (self.common or groups[0].filter.exact)
        )
        """Whether nobody in it is in another audience too."""
        self.direct: dict[Format, Direct] = {}
        self.ways: dict[Format, list[Callable[[bytes], object]]] = {}
        """Those who are not written to directly."""
        self.newest: dict[Format, list[Callable[[str, bytes], object]]] = {}
        for follower in found:
            if coalesce:
                self.newest.setdefault(follower.format, []).append(follower.write_newest)
            elif (descriptor := follower.descriptor) is not None:
                self.direct.setdefault(follower.format, Direct()).add(descriptor, follower)
            else:
                self.ways.setdefault(follower.format, []).append(follower.write)

    def of(self, message: Message) -> Audience:
        """Those in it who take this message."""
        groups = [group for group, _ in self.versions]
        return Audience(groups, message.topic, coalesce=self.coalesce, message=message)

    @property
    def current(self) -> bool:
        """Whether nobody has come or gone since."""
        for group, version in self.versions:  # noqa: SIM110 - a generator for each message costs more
            if group.version != version:
                return False
        return True


def write_all(batches: dict[Audience, list[Message]]) -> None:
    """Write to each audience its messages."""
    if len(batches) == 1 or _disjoint(batches):
        for audience, batch in batches.items():
            _write(audience, batch)
    else:
        _write_in_order(batches)


def _disjoint(audiences: Collection[Audience]) -> bool:
    """Whether nobody is in two of them. Of one group there may be several, each of topics of its
    own, if some came to be known after what is shared had been forgotten.
    """
    groups = {audience.versions[0][0] for audience in audiences if audience.alone}
    return len(groups) == len(audiences)


def _write(audience: Audience, batch: list[Message]) -> None:
    if audience.coalesce:
        for format, newest in audience.newest.items():
            for message in batch:
                frame = framed(format, message)
                for write in newest:
                    write(message.topic, frame)
        return
    for format, direct in audience.direct.items():
        direct.write(_frames(format, batch))
    for format, ways in audience.ways.items():
        frames = _frames(format, batch)
        for way in ways:
            way(frames)


def _frames(format: Format, batch: Sequence[Message]) -> bytes:
    return b"".join([framed(format, message) for message in batch])


def _write_in_order(batches: dict[Audience, list[Message]]) -> None:
    """Where somebody is in several audiences, its messages stay in the order of their positions:
    it would otherwise resume after one that it had, and miss one that it had not.
    """
    pairs = [(message, audience) for audience, batch in batches.items() for message in batch]
    pairs.sort(key=lambda pair: pair[0].position.offset)
    outgoing: dict[Callable[[bytes], object], list[bytes]] = {}
    for message, audience in pairs:
        if audience.coalesce:
            _send(outgoing)
            _write(audience, [message])
            continue
        for format, direct in audience.direct.items():
            frame = framed(format, message)
            for follower in direct.followers:
                outgoing.setdefault(follower.write, []).append(frame)
        for format, ways in audience.ways.items():
            frame = framed(format, message)
            for way in ways:
                outgoing.setdefault(way, []).append(frame)
    _send(outgoing)


def _send(outgoing: dict[Callable[[bytes], object], list[bytes]]) -> None:
    joined: dict[tuple[int, ...], bytes] = {}
    for way, frames in outgoing.items():
        key = tuple(map(id, frames))
        if key not in joined:
            joined[key] = b"".join(frames)
        way(joined[key])
    outgoing.clear()
