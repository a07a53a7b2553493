"""Pushing: the table's stream says what is new, and who follows it gets what they lack.

A record is a hint. What is sent is read from the logs, from where each connection stands: so it
does not matter how often, how late or in which order records come. Of more followers than one call
has time for, the rest is stored, and the stream calls for them again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

import msgspec

from ringback.core.connections import Changes, Connection, Rest
from ringback.core.model import Kind, Message, Position, Publication
from ringback.core.policies import parsed
from ringback.core.topics import OPERATIONS
from ringback.edges.places import TICK
from ringback.errors import RingbackError
from ringback.lambdas.aws import AT_ONCE
from ringback.lambdas.line import Line
from ringback.lambdas.parts import Pages, Parts
from ringback.lambdas.posts import MAX_POST, CannotPost
from ringback.wire import channel

RESERVE = 25.0
"""Seconds of the function's time with which nobody more is begun to be told: as long as one may
take whose connection answers slowly. Who is left is told by another call."""
MAX_ROUNDS = 1_000
"""Calls that one after the other tell of the same: each tells thousands."""
GREETING = 1.0
"""Seconds for which a connection that opens is waited for: it stands once ``$connect`` has
answered, and until then API Gateway knows nothing of it. Nor does it of one whose client left at
once, and all who are told of the same records wait for that too."""
OPENING = 30.0
"""Seconds after which none is opening any more: API Gateway waits no longer for ``$connect``."""
GREET_EVERY = 0.03
"""Seconds between the first two tries to greet."""

T = TypeVar("T")

log = logging.getLogger("ringback.lambda")


class Pushes:
    """Tells those who follow."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._room = asyncio.Semaphore(AT_ONCE)

    async def push(self, changes: Changes, remaining: float) -> None:
        """Tell of changes, and hand on who cannot be told in the seconds that remain. Raises
        ``StoreUnavailable`` where it cannot be said who is to be told, or one could not be: then
        all of it is to be tried again.
        """
        until = time.monotonic() + remaining - RESERVE
        rests = [Rest(after="", topics=tuple(sorted(changes.topics)))]
        rests += [rest for rest in changes.rests if rest.topics]
        passing = [(each.key, Rest(after="", messages=each.messages)) for each in changes.passing]
        passing += [(rest.key, rest) for rest in changes.rests if rest.messages]
        needed = bool(passing) or any(
            not topic.startswith(OPERATIONS) for rest in rests for topic in rest.topics
        )
        patterns = await self._parts.table.pattern_followers() if needed else ()
        pages = Pages(self._parts.service.engine)
        unfinished = frozenset(changes.unfinished).union(*(r.unfinished for r in changes.rests))
        telling = [self._tell(rest, patterns, unfinished, pages, until) for rest in rests]
        standing = self._stand(changes, unfinished, pages, until)
        for done in await asyncio.gather(standing, *telling, return_exceptions=True):
            if done is not None:
                raise done
        for number, (key, rest) in enumerate(passing):
            if await self._parts.table.take_passing(key):
                if number and time.monotonic() >= until:
                    await self._hand_on(rest, rest.after)
                else:
                    await self._pass(rest, patterns, until)

    async def _stand(
        self, changes: Changes, unfinished: Collection[str], pages: Pages, until: float
    ) -> None:
        """Greet who is new, and send on where there is more to send."""
        rests = [rest for rest in changes.rests if rest.opened or rest.unfinished]
        opened = dict.fromkeys([*changes.opened, *(id for rest in rests for id in rest.opened)])
        works = [*((id, True) for id in opened), *((id, False) for id in sorted(unfinished))]

        async def work(one: tuple[str, bool]) -> None:
            id, new = one
            await (self._greet(id) if new else self._bring_up(id, None, pages))

        begun, _, why = await self._each(works, work, until)
        if why is not None:
            raise why
        if begun < len(works):
            left = Rest(
                after="",
                opened=tuple(id for id, new in works[begun:] if new),
                unfinished=tuple(id for id, new in works[begun:] if not new),
                rounds=max((rest.rounds for rest in rests), default=0),
            )
            await self._hand_on(left, "")
        for rest in rests:
            await self._parts.table.take_passing(rest.key)

    async def _followers(
        self, topics: Iterable[str], patterns: Sequence[tuple[str, str]], after: str
    ) -> dict[str, set[str]]:
        """Those who follow, behind an id and in the order of ids, each with what they follow."""

        async def of(topic: str) -> tuple[str, set[str]]:
            async with self._room:
                ids = set(await self._parts.table.followers(topic, after))
            if not topic.startswith(OPERATIONS):
                ids |= {id for text, id in patterns if id > after and parsed(text).matches(topic)}
            return topic, ids

        found: dict[str, set[str]] = {}
        for topic, ids in await asyncio.gather(*map(of, topics)):
            for id in ids:
                found.setdefault(id, set()).add(topic)
        return dict(sorted(found.items()))

    async def _each(
        self, those: Sequence[T], work: Callable[[T], Awaitable[None]], until: float
    ) -> tuple[int, int | None, BaseException | None]:
        """Do something for each, in order, so many at once, as long as there is time; and for the
        first in any case. For how many it was begun; and the number of the first for whom it
        failed, with why.
        """
        begun, failed, why = 0, None, None

        async def go_on() -> None:
            nonlocal begun, failed, why
            while begun < len(those) and (begun == 0 or time.monotonic() < until):
                number = begun
                begun += 1
                try:
                    await _logged(work(those[number]))
                except Exception as error:
                    if failed is None or number < failed:
                        failed, why = number, error

        await asyncio.gather(*[go_on() for _ in range(min(AT_ONCE, len(those)))])
        return begun, failed, why

    async def _hand_on(self, rest: Rest, after: str) -> None:
        if rest.rounds >= MAX_ROUNDS:
            log.error("Not all are told of %s: there are too many.", rest.topics or "messages")
            return
        await self._parts.table.hand_on(
            msgspec.structs.replace(rest, after=after, rounds=rest.rounds + 1, key="")
        )

    # What is kept

    async def _tell(
        self,
        rest: Rest,
        patterns: Sequence[tuple[str, str]],
        unfinished: Collection[str],
        pages: Pages,
        until: float,
    ) -> None:
        wanted = await self._followers(rest.topics, patterns, rest.after)
        ids = [id for id in wanted if id not in unfinished]
        begun, failed, why = await self._each(
            ids, lambda id: self._bring_up(id, wanted[id], pages), until
        )
        last = ids[begun - 1] if begun < len(ids) else None
        if why is not None and (last is None or not failed):
            raise why
        if last is not None:
            # Who could not be told is told first by the next; who was told, has nothing new.
            await self._hand_on(rest, ids[failed - 1] if failed else last)
        if rest.key:
            await self._parts.table.take_passing(rest.key)

    async def _bring_up(self, id: str, changed: set[str] | None, pages: Pages) -> None:
        table = self._parts.table
        async with self._room:
            holder = secrets.token_hex(8)
            held = await table.hold_connection(id, holder, self._parts.service.clock())
            if held is None:
                # It is closed; what still says that it follows goes too.
                for topic in changed or ():
                    await table.remove_follower(id, topic, pattern=False)
            elif held.holder == holder:
                try:
                    # Word that is there was left with one who died, of whatever had changed.
                    changed = None if held.news else changed
                    await Line(self._parts, held, pages).bring_up(changed)
                except CannotPost as error:
                    log.warning("%s", error)

    # The greeting

    async def _greet(self, id: str) -> None:
        """Say welcome, as soon as the connection stands; if that takes long, have it said with
        what is sent next.
        """
        parts, pause = self._parts, GREET_EVERY
        until = time.monotonic() + GREETING
        while (found := await parts.table.find_connection(id, parts.service.clock())) is not None:
            connection = found[0]
            try:
                if await parts.posts.post(id, _welcome(connection)):
                    return
            except CannotPost as error:
                log.warning("%s", error)
                break
            if parts.service.clock() > connection.connected_at + OPENING:
                await parts.table.close_connection(id)
                return
            if time.monotonic() + pause > until:
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.5)
        else:  # it is closed
            return
        holder = secrets.token_hex(8)
        held = await parts.table.hold_connection(id, holder, parts.service.clock())
        if held is None:
            return
        if held.holder == holder:
            await Line(parts, held).owe()
        else:  # somebody sends on it already: then it stands
            await parts.posts.post(id, _welcome(held.connection))

    # What nothing is kept of

    async def _pass(self, rest: Rest, patterns: Sequence[tuple[str, str]], until: float) -> None:
        """Tell messages of ephemeral topics, once; whom they do not reach, they do not."""
        messages = [_Told(publication, at) for publication, at in rest.messages]
        told = [each for each in messages if len(each.frame) <= MAX_POST]
        if len(told) < len(messages):
            log.warning("Some of %d ephemeral messages are too large for a post.", len(messages))
        topics = dict.fromkeys(publication.topic for publication, _ in rest.messages)
        ids = tuple(await self._followers(topics, patterns, rest.after))
        begun, _, why = await self._each(ids, lambda id: self._pass_to(id, told), until)
        if why is not None:
            log.warning("Messages of ephemeral topics did not reach all: %s", why)
        if begun < len(ids):
            await self._hand_on(rest, ids[begun - 1])

    async def _pass_to(self, id: str, told: Sequence[_Told]) -> None:
        parts = self._parts
        async with self._room:
            found = await parts.table.find_connection(id, parts.service.clock())
            if found is None:
                return
            connection = found[0]
            expires_at = connection.claims.expires_at
            over = expires_at is not None and expires_at <= parts.service.clock()
            if over or parts.service.revocations.covers(connection.claims):
                return
            try:
                for each in told:
                    if self._sees(connection, each.message) and not await parts.posts.post(
                        id, each.frame
                    ):
                        await parts.table.close_connection(id)
                        return
            except CannotPost as error:
                log.warning("%s", error)

    def _sees(self, connection: Connection, message: Message) -> bool:
        topics, claims = self._parts.context.hub.topics, connection.claims
        return (
            any(
                not text.startswith(OPERATIONS) and parsed(text).matches(message.topic)
                for text in connection.followed
            )
            and topics.allows("subscribe", claims, message.topic)
            and not (message.private and not topics.grants(claims, message.topic))
        )


class _Told:
    """A message of an ephemeral topic, and its frame."""

    def __init__(self, publication: Publication, at: float) -> None:
        self.message = Message(
            topic=publication.topic,
            position=Position("", 0),
            kind=Kind.MESSAGE,
            data=publication.data,
            at=at,
            attributes=publication.attributes,
        )
        self.frame = channel.message(publication.topic, self.message.position, publication.data, at)


def _welcome(connection: Connection) -> bytes:
    return channel.welcome(TICK, connection.claims.expires_at)


async def _logged(work: Awaitable[None]) -> None:
    """Do it, and raise what the store's return would mend; what else goes wrong is logged."""
    try:
        await work
    except RingbackError:
        raise
    except Exception as error:
        log.error("A connection could not be told.", exc_info=error)
