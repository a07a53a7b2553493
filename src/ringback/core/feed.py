"""History and live messages, spliced: each message once and in order, or a gap.

Whoever follows topics wants what is in the journal after a position, and then what comes. What
comes is handed on by one tail for all that are level with it, so that a message is read once
and not by each. Those that are not level join it:

    tail = Tail(position)                        # one for each process
    tail.add(page)                               # what it read of the journal, and hands on

    joiner = Joiner(tail, position)              # one for each subscription that has a past
    while (messages := joiner.level()) is None:
        if joiner.ahead:                         # it has read what the tail has yet to hand on
            have the tail read on
        else:
            page = await engine.replay(filter, joiner.position, limit)
            deliver(joiner.add(page))
    deliver(messages that match)                 # and from here on what the tail hands on

Between ``level`` and being handed what the tail has next, nothing may come: it is the one step
that has to be done at once. Pure, so that every interleaving can be tested.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ringback.core.model import Message, Page, Position

MAX_RECENT = 1024
"""Messages that a tail remembers: what comes while a page is read, under any load that a process
can hand on."""
MAX_RECENT_BYTES = 4 * 1024 * 1024
"""Bytes of their data."""


class Tail:
    """Where one process stands in the journal, and what it has handed on lately."""

    __slots__ = ("_bytes", "_floor", "_recent", "position")

    def __init__(self, position: Position) -> None:
        self.position = position
        """All up to here has been handed on."""
        self._floor = position.offset
        """The offset after which all is remembered."""
        self._recent: deque[Message] = deque()
        self._bytes = 0

    def add(self, page: Page) -> None:
        """Note what was read after ``position``, to be handed on now.

        Where the page lies behind a gap or begins a new epoch, nothing from before is remembered.
        """
        if page.gap or page.position.epoch != self.position.epoch:
            self._recent.clear()
            self._bytes = 0
            self._floor = page.position.offset
        else:
            self._recent.extend(page.messages)
            self._bytes += sum(len(message.data) for message in page.messages)
        self.position = page.position
        while len(self._recent) > MAX_RECENT or self._bytes > MAX_RECENT_BYTES:
            forgotten = self._recent.popleft()
            self._bytes -= len(forgotten.data)
            self._floor = forgotten.position.offset

    def since(self, position: Position) -> Sequence[Message] | None:
        """What was handed on after a position; None if that is not remembered."""
        if position.epoch != self.position.epoch or position.offset < self._floor:
            return None
        if not self._recent or position.offset >= self._recent[-1].position.offset:
            return ()
        return [m for m in self._recent if m.position.offset > position.offset]


class Joiner:
    """One subscription on its way to the tail."""

    __slots__ = ("_tail", "position")

    def __init__(self, tail: Tail, position: Position | None) -> None:
        """``position`` is that of the last message the subscriber had; None: from the oldest
        that is kept.
        """
        self._tail = tail
        self.position = position
        """The subscriber has all that matches up to here."""

    def level(self) -> Sequence[Message] | None:
        """What the tail has handed on and the subscriber lacks, whether it matches or not: with
        that, they are level. None: one of the two has to read on.
        """
        if self.position is None or self.ahead:
            return None
        missing = self._tail.since(self.position)
        if missing:
            self.position = self._tail.position
        return missing

    def add(self, page: Page) -> Sequence[Message]:
        """A page of what matches, read after ``position``: the messages to deliver, behind a gap
        if the page says so.
        """
        self.position = page.position
        return page.messages

    @property
    def ahead(self) -> bool:
        """Whether the subscriber has messages that the tail has yet to hand on."""
        at = self.position
        return (
            at is not None
            and at.epoch == self._tail.position.epoch
            and at.offset > self._tail.position.offset
        )
