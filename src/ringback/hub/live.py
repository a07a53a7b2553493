"""The hub: one tail of the journal, and all who follow it in this process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from ringback.core.feed import Joiner, Tail
from ringback.core.filters import AnyFilter, AnyOf, Filter
from ringback.core.model import Kind, Message, Position, Publication
from ringback.core.policies import PRESENCE, Topics
from ringback.errors import StoreUnavailable
from ringback.hub.audiences import Follower, Format, Guard, lets
from ringback.hub.bells import Bells
from ringback.hub.groups import Groups
from ringback.hub.past import AT_ONCE, PAGE, Lost, is_for, last_values, send, write
from ringback.hub.presence import Presence, Presences
from ringback.ports import EVERYTHING, QUEUE, Engine, Hints, Journal, Relay

RETRY_EVERY = 0.5
"""Seconds between two tries to read a journal that could not be read."""
PASSED_FOR_ONE = 10
"""Messages that a follower may not see which are as much work as one that it may."""
NOWHERE = Position("?", 0)
"""Stands for a position behind the end of the journal: made up, or of a store that was set back."""
MAX_KNOWN = 10_000
"""Topics of which a replay remembers whether its follower may see them."""
NO_POSITION = Position("", 0)
"""Of a message of an ephemeral topic: nothing is kept that could be read after it."""

log = logging.getLogger("ringback.hub")


class Source(Engine, Hints, Journal, Relay, Protocol):
    """What the hub asks of an engine."""


class Hub(Bells):
    """Hands what is published to those who follow."""

    def __init__(self, engine: Source, topics: Topics) -> None:
        super().__init__(engine)
        self.topics = topics
        self._engine = engine
        self._groups = Groups(topics.find)
        self._tail: Tail | None = None
        self._starting = asyncio.Lock()
        self._told = False
        self._reading: asyncio.Task[None] | None = None
        self._passing: list[Message] = []
        """Ephemeral messages of this turn of the event loop."""
        self.cut = 0
        """Connections that were cut so far because they did not read fast enough."""
        self._presences = Presences(lambda said: self._pass_on([said], time.time()))
        self._silence = engine.listen_relayed(self._pass_on)

    def close(self) -> None:
        self._silence()
        self._presences.close()
        super().close()

    # Following

    async def start(self) -> None:
        """Begin to follow the journal, at the latest when somebody does. Idempotent.

        A process whose hub nobody follows reads nothing.
        """
        if self._tail is not None:
            return
        async with self._starting:
            if self._tail is None:
                self._told = False
                self._tail = Tail((await self._engine.follow(None, 1)).position)
                if self._told:  # something came while it was asked: perhaps behind the answer
                    self._look()

    def rest(self) -> None:
        """Forget how far the journal was followed, if nobody does: the next begin at its end."""
        if not len(self._groups):
            self._tail, reading, self._reading = None, self._reading, None
            if reading is not None:  # it was frozen in the middle, perhaps long ago
                reading.cancel()

    @property
    def position(self) -> Position:
        """Up to where everything has been handed on. There is one once ``start`` has run."""
        return self._followed.position

    @property
    def _followed(self) -> Tail:
        if self._tail is None:
            raise RuntimeError("The hub has not been started.")
        return self._tail

    def attach(self, follower: Follower, filter: Filter, guard: Guard | None = None) -> Position:
        """Have a follower get what matches from now on; after which position that is."""
        if self._groups.add(follower, filter, guard) and self._is_counted(filter):
            self._presences.enter(filter.text, follower.subject)
        return self.position

    def detach(self, follower: Follower, filter: Filter) -> None:
        """Have it get no more of what matches."""
        if self._groups.remove(follower, filter) and self._is_counted(filter):
            self._presences.leave(filter.text, follower.subject)

    def leave(self, follower: Follower) -> bool:
        """Have it get nothing any more; whether it got something."""
        filters = self._groups.filters(follower)
        for filter in filters:
            self.detach(follower, filter)
        return bool(filters)

    def presence(self, topic: str) -> Presence:
        """Who follows a topic in this process."""
        return self._presences.of(topic)

    def _is_counted(self, filter: Filter) -> bool:
        if not filter.exact:
            return False
        policy = self.topics.find(filter.text)
        return policy is not None and policy.presence is not None

    def refresh(self, follower: Follower) -> None:
        """Say that a follower's ``write`` is another one from now on."""
        self._groups.refresh(follower)

    def seen_through(self, filters: Mapping[Filter, Guard | None]) -> Guard:
        """Whether a topic is declared, matches one of these filters, and its guard lets it pass.

        What the journal has of topics that nobody declares any more, nobody may see.
        """
        known: dict[str, bool] = {}

        def sees(topic: str) -> bool:
            found = known.get(topic)
            if found is None:
                if len(known) >= MAX_KNOWN:
                    known.clear()
                declared = topic.startswith(PRESENCE) or self.topics.find(topic) is not None
                found = known[topic] = declared and any(
                    filter.matches(topic) and (guard is None or lets(guard, topic))
                    for filter, guard in filters.items()
                )
            return found

        return sees

    def is_attached(self, follower: Follower, filter: Filter) -> bool:
        """Whether it gets what matches as it comes."""
        return (follower, filter) in self._groups

    async def join(
        self,
        follower: Follower,
        filter: Filter,
        after: Position | None,
        guard: Guard | None = None,
        *,
        retained: bool = False,
        room: Callable[[], Awaitable[None]],
        limit: int | None = None,
        format: Format | None = None,
    ) -> None:
        """Have a follower get what it lacks after a position (None: what is kept), then what
        comes: each once and in order, or a gap.

        With ``retained``, the newest message of each retained topic up to the position comes
        first. ``room`` is awaited before each page, until the connection can take one. After
        ``limit`` messages of the past, the rest of it is a gap. ``format`` frames what is of
        the past, if it looks otherwise. Raises ``StoreUnavailable``; whoever cancels this is not
        attached.
        """
        await self.join_all(
            follower,
            {filter: guard},
            after,
            retained=retained,
            room=room,
            limit=limit,
            format=format,
        )

    async def join_all(
        self,
        follower: Follower,
        filters: Mapping[Filter, Guard | None],
        after: Position | None,
        *,
        retained: bool = False,
        room: Callable[[], Awaitable[None]],
        limit: int | None = None,
        format: Format | None = None,
    ) -> None:
        """The same for several filters, in the one order of all topics: with the position of
        the last message that came it has everything up to there, whichever filter it matched.
        """
        replayed = passed = 0
        spent = False
        format = format or follower.format
        filter: AnyFilter = AnyOf(tuple(filters)) if len(filters) != 1 else next(iter(filters))
        sees = self.seen_through(filters)
        lost = await Lost.since(self._engine, filter, after)
        joiner = Joiner(self._followed, after)
        if retained and after is not None:
            newest, cut = await last_values(
                self._engine, filter, after, lambda m: sees(m.topic) and is_for(follower, m)
            )
            await send(follower, format, newest, room)
            if cut:
                follower.write(format.gap((), after))
        lacked: list[Message] = []
        while True:
            missing = joiner.level()
            if missing is not None:
                lacked = [m for m in missing if sees(m.topic)]
                if sum(len(m.data) for m in lacked) <= AT_ONCE:
                    break
                await send(follower, format, lacked, room)  # and more has come meanwhile
                continue
            if joiner.ahead:
                await self._read_on()
                if joiner.ahead:
                    joiner.position = NOWHERE
                continue
            await room()
            page = await self._engine.replay(filter, joiner.position, 1 if spent else PAGE)
            if spent and page.messages:  # else it was all that there is, and nothing is left out
                joiner.position = self.position
                follower.write(format.gap((), self.position))
                continue
            missed = await lost.topics(page, sees)
            if missed is not None:
                follower.write(format.gap(missed, page.start))
            messages = joiner.add(page)
            seen = [m for m in messages if sees(m.topic) and is_for(follower, m)]
            await send(follower, format, seen, room)
            replayed += len(seen)
            passed += len(messages) - len(seen)
            spent = limit is not None and replayed + passed / PASSED_FOR_ONE >= limit
            if not page.messages and page.position.epoch != self.position.epoch:
                await self._read_on()
        write(follower, format, lacked)
        for each, guard in filters.items():
            self.attach(follower, each, guard)

    # Publishing

    def listeners(self, topic: str) -> int:
        """How many follow a topic in this process."""
        return self._groups.audience(topic).count

    @property
    def followers(self) -> int:
        """How many follow anything in this process."""
        return len(self._groups)

    @property
    def delivered(self) -> int:
        """Messages handed to connections so far, counted for each connection."""
        return self._groups.delivered

    def _pass_on(self, publications: Sequence[Publication], now: float) -> None:
        """Hand messages of ephemeral topics to whoever follows, at the end of this turn."""
        if not len(self._groups):
            return
        if not self._passing:
            asyncio.get_running_loop().call_soon(self._pass)
        self._passing += [
            Message(
                topic=each.topic,
                position=NO_POSITION,
                kind=Kind.MESSAGE,
                data=each.data,
                at=now,
                attributes=each.attributes,
            )
            for each in publications
        ]

    def _pass(self) -> None:
        messages, self._passing = self._passing, []
        self._groups.deliver(messages)

    # The tail

    def _ring(self, changed: frozenset[str]) -> None:
        super()._ring(changed)
        if self.closing:
            return
        if EVERYTHING in changed or any(
            topic != QUEUE and not topic.startswith("operations/") for topic in changed
        ):
            self._told = True
            if self._tail is not None:
                self._look()

    def _look(self) -> None:
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(
                self._read(), name="ringback-tail"
            )

    async def _read(self) -> None:
        """Read and hand on until there is nothing more, and nobody said that there is."""
        try:
            while self._told and not self.closing:
                self._told = False
                try:
                    await self._read_on()
                except StoreUnavailable as error:
                    log.warning("Followers wait: %s", error)
                    self._told = True
                    await asyncio.sleep(RETRY_EVERY)
                except Exception:  # a follower's or a predicate's fault must not end the tail
                    log.exception("Messages could not be handed on.")
        finally:
            if self._reading is asyncio.current_task():
                self._reading = None

    async def _read_on(self) -> None:
        """Read from where the tail is to the end, and hand on."""
        tail = self._followed
        while True:
            at = tail.position
            page = await self._engine.follow(at, PAGE)
            if tail.position != at:
                continue  # somebody else has read on meanwhile
            if not page.messages and not page.gap and page.position == at:
                return
            tail.add(page)
            if page.gap:
                self._groups.tell_gap(page.missed, page.start)
            self._groups.deliver(page.messages)
            if not page.messages:
                return
