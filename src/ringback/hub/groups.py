"""Followers grouped by filter: who gets what, worked out for all of them together.

Who matches and who may is remembered until somebody comes or goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ringback.core.filters import Filter, Index
from ringback.core.model import Message, Position
from ringback.core.policies import TopicPolicy
from ringback.hub.audiences import Audience, Follower, Group, Guard, lets, write_all

Policies = Callable[[str], TopicPolicy | None]

KNOWN_AUDIENCES = 50_000
"""Topics of which is remembered who gets their messages."""
MAX_REMEMBERED = 500_000
"""Followers of all these together, some 80 bytes each."""


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
                write_all(batches)  # what is for a part of an audience stays in its order
                batches.clear()
                audience = audience.of(message)
            if audience.count:
                batches.setdefault(audience, []).append(message)
                self.delivered += audience.count
        write_all(batches)

    def tell_gap(self, topics: Sequence[str], position: Position) -> None:
        """Tell whoever follows these topics, or everybody if they are not known."""
        if not topics:
            for follower in tuple(self._of):  # one that cannot take it leaves
                follower.write(follower.format.gap((), position))
        lost: dict[Follower, dict[str, None]] = {}
        for topic in topics:
            for group in self._matching(topic):
                for follower, guard in group.members.items():
                    if guard is None or lets(guard, topic):
                        lost.setdefault(follower, {})[topic] = None
        for follower, names in lost.items():
            follower.write(follower.format.gap(tuple(names), position))
