"""Who gets a message: followers grouped by filter, and one write for each.

A message is framed once for each wire format, what one turn of the event loop brings is joined
once for all who are to get the same, and each connection gets one write of those bytes. There
is no code that runs for each follower but that write: who matches, who may and which bytes is
worked out for all of them together, and remembered until somebody comes or goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ringback.core.filters import Filter, Index
from ringback.core.model import Message, Position
from ringback.core.policies import TopicPolicy

Guard = Callable[[str], bool]
"""Whether a follower may see this topic, for one who may not see all that its filter matches."""
Policies = Callable[[str], TopicPolicy | None]

KNOWN_AUDIENCES = 50_000
"""Topics of which is remembered who gets their messages."""
MAX_REMEMBERED = 500_000
"""Followers of all these together, some 80 bytes each."""


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


class Audience:
    """Who gets the messages of one topic."""

    __slots__ = ("alone", "coalesce", "common", "count", "newest", "versions", "ways")

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
        self.ways: dict[Format, list[Callable[[bytes], object]]] = {}
        self.newest: dict[Format, list[Callable[[str, bytes], object]]] = {}
        for follower in found:
            if coalesce:
                self.newest.setdefault(follower.format, []).append(follower.write_newest)
            else:
                self.ways.setdefault(follower.format, []).append(follower.write)

    def of(self, message: Message) -> Audience:
        """Those in it who take this message."""
        groups = [group for group, _ in self.versions]
        return Audience(groups, message.topic, coalesce=self.coalesce, message=message)

    @property
    def current(self) -> bool:
        """Whether nobody has come or gone since."""
        return all(group.version == version for group, version in self.versions)


class Groups:
    """All followers that are level with the tail."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._index: Index[Group] = Index()
        self._groups: dict[Filter, Group] = {}
        self._named: dict[str, Group] = {}
        """Those whose filter is a topic's own name: found without looking for what matches."""
        self._of: dict[Follower, tuple[Group, ...]] = {}
        self._audiences: dict[str, Audience] = {}
        self._shared: dict[tuple[Group, ...], Audience] = {}
        self._remembered = 0
        """Followers of all audiences that are remembered."""
        self._left = 0
        """How often somebody left since all was forgotten."""
        self.delivered = 0
        """Messages times followers."""

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, entry: tuple[Follower, Filter]) -> bool:
        group = self._groups.get(entry[1])
        return group is not None and entry[0] in group.members

    def filters(self, follower: Follower) -> list[Filter]:
        """What a follower follows by."""
        return [group.filter for group in self._of.get(follower, ())]

    def add(self, follower: Follower, filter: Filter, guard: Guard | None) -> bool:
        """Have a follower get what comes. Once for each filter; the guard may be a new one.

        Returns whether it did not before.
        """
        group = self._groups.get(filter)
        if group is None:
            group = self._groups[filter] = Group(filter)
            if filter.exact:
                self._named[filter.text] = group
            else:
                self._index.add(filter, group)
            self._forget(filter)
        is_new = follower not in group.members
        if not is_new:
            group.guarded -= group.members[follower] is not None
        else:
            self._belongs(follower, (*self._of.get(follower, ()), group))
        group.members[follower] = guard
        group.guarded += guard is not None
        group.version += 1
        return is_new

    def remove(self, follower: Follower, filter: Filter) -> bool:
        """Undo ``add``; whether there was something to undo."""
        group = self._groups.get(filter)
        if group is None or follower not in group.members:
            return False
        self._belongs(follower, tuple(each for each in self._of[follower] if each is not group))
        group.guarded -= group.members.pop(follower) is not None
        group.version += 1
        if not group.members:
            del self._groups[filter]
            if filter.exact:
                del self._named[filter.text]
            else:
                self._index.remove(filter, group)
            self._forget(filter)
        self._left += 1
        if self._left > len(self._of):  # what is remembered holds on to connections that are gone
            self._forget_all()
        return True

    def refresh(self, follower: Follower) -> None:
        """Look anew at how a follower is written to, before the next message."""
        for group in self._of.get(follower, ()):
            group.version += 1

    def _belongs(self, follower: Follower, groups: tuple[Group, ...]) -> None:
        """Note the groups a follower is in from now on; several have it in common."""
        before = self._of.pop(follower, ())
        if groups:
            self._of[follower] = groups
        for each, change in ((before, -1), (groups, 1)):
            if len(each) > 1:
                for group in each:
                    group.several += change
                    group.version += 1

    def _forget(self, filter: Filter) -> None:
        """Another group matches some topics now, or does no more."""
        if filter.exact:
            self._audiences.pop(filter.text, None)
            self._shared.clear()
        else:
            self._forget_all()

    def _forget_all(self) -> None:
        self._audiences.clear()
        self._shared.clear()
        self._remembered = self._left = 0

    def _matching(self, topic: str) -> tuple[Group, ...]:
        if self._policies(topic) is None and not topic.startswith("$"):
            return ()  # not declared, or no more: there is nobody who may
        named = self._named.get(topic)
        found = self._index.match(topic)
        return tuple(
            group
            for group in ((named, *found) if named is not None else found)
            if group.filter.also is None or lets(group.filter.also, topic)
        )

    def audience(self, topic: str) -> Audience:
        """Who gets the messages of a topic, as of now."""
        audience = self._audiences.get(topic)
        if audience is not None and audience.current:
            return audience
        groups = self._matching(topic)
        policy = self._policies(topic)
        coalesce = policy is not None and policy.coalesce
        # Topics with the same followers have one audience, so that their frames are joined.
        audience = None if coalesce else self._shared.get(groups)
        if audience is None or not audience.current:
            audience = Audience(groups, topic, coalesce=coalesce)
            self._remembered += audience.count
            if (
                len(self._audiences) >= KNOWN_AUDIENCES
                or self._remembered > MAX_REMEMBERED + audience.count
            ):
                self._forget_all()
                self._remembered = audience.count
            if audience.common:
                self._shared[groups] = audience
        self._audiences[topic] = audience
        return audience

    def deliver(self, messages: Iterable[Message]) -> None:
        """Hand messages on, in their order."""
        batches: dict[Audience, list[Message]] = {}
        for message in messages:
            audience = self.audience(message.topic)
            if message.attributes is not None and message.particular:
                _write_all(batches)  # what is for a part of an audience stays in its order
                batches.clear()
                audience = audience.of(message)
            if audience.count:
                batches.setdefault(audience, []).append(message)
                self.delivered += audience.count
        _write_all(batches)

    def tell_gap(self, topics: Sequence[str], position: Position) -> None:
        """Tell whoever follows these topics, or everybody if they are not known."""
        if not topics:
            for follower in self._of:
                follower.write(follower.format.gap((), position))
        for topic in topics:
            for group in self._matching(topic):
                for follower, guard in group.members.items():
                    if guard is None or lets(guard, topic):
                        follower.write(follower.format.gap((topic,), position))


def _write_all(batches: dict[Audience, list[Message]]) -> None:
    if len(batches) == 1 or all(audience.alone for audience in batches):
        for audience, batch in batches.items():
            _write(audience, batch)
    else:
        _write_in_order(batches)


def _write(audience: Audience, batch: list[Message]) -> None:
    if audience.coalesce:
        for format, newest in audience.newest.items():
            for message in batch:
                frame = framed(format, message)
                for write in newest:
                    write(message.topic, frame)
        return
    for format, ways in audience.ways.items():
        frames = b"".join([framed(format, message) for message in batch])
        for way in ways:
            way(frames)


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
