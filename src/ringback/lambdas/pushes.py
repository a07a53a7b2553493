"""Pushing: the table's stream says what is new, and who follows it gets what they lack.

A record is a hint. What is sent is read from the logs, from where each connection stands: so it
does not matter how often, how late or in which order records come.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Iterable, Sequence

from ringback.core.connections import Changes, Connection, Passing
from ringback.core.model import Kind, Message, Position
from ringback.core.policies import parsed
from ringback.core.topics import OPERATIONS
from ringback.edges.places import TICK
from ringback.errors import RingbackError
from ringback.lambdas.aws import AT_ONCE
from ringback.lambdas.line import Line
from ringback.lambdas.parts import Pages, Parts
from ringback.lambdas.posts import CannotPost
from ringback.wire import channel

GREETING = 1.0
"""Seconds for which a connection that opens is waited for: it stands once ``$connect`` has
answered, and until then API Gateway knows nothing of it. Nor does it of one whose client left at
once, and all who are told of the same records wait for that too."""
OPENING = 30.0
"""Seconds after which none is opening any more: API Gateway waits no longer for ``$connect``."""
GREET_EVERY = 0.03
"""Seconds between the first two tries to greet."""

log = logging.getLogger("ringback.lambda")


class Pushes:
    """Tells those who follow."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._room = asyncio.Semaphore(AT_ONCE)

    async def push(self, changes: Changes) -> None:
        """Tell of changes. Raises ``StoreUnavailable`` where it cannot be said who is to be told:
        then all of it is to be tried again.
        """
        wanted: dict[str, set[str]] = {id: set() for id in changes.unfinished}
        topics = [topic for topic in changes.topics if not topic.startswith(OPERATIONS)]
        patterns = await self._patterns(bool(topics or changes.passing))
        for topic, ids in await self._followers(changes.topics, patterns):
            for id in ids:
                wanted.setdefault(id, set()).add(topic)
        pages = Pages(self._parts.service.engine)
        await _all(
            [
                *(self._greet(id) for id in changes.opened),
                *(
                    self._bring_up(id, None if id in changes.unfinished else changed, pages)
                    for id, changed in wanted.items()
                ),
            ]
        )
        for passing in changes.passing:
            await self._pass(passing, patterns)

    async def _patterns(self, needed: bool) -> Sequence[tuple[str, str]]:
        return await self._parts.table.pattern_followers() if needed else ()

    async def _followers(
        self, topics: Iterable[str], patterns: Sequence[tuple[str, str]]
    ) -> list[tuple[str, set[str]]]:
        async def of(topic: str) -> tuple[str, set[str]]:
            async with self._room:
                ids = set(await self._parts.table.followers(topic))
            if not topic.startswith(OPERATIONS):
                ids |= {id for text, id in patterns if parsed(text).matches(topic)}
            return topic, ids

        return await asyncio.gather(*map(of, topics))

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

    async def _pass(self, passing: Passing, patterns: Sequence[tuple[str, str]]) -> None:
        """Tell messages of ephemeral topics, once; whom they do not reach, they do not."""
        if not await self._parts.table.take_passing(passing.key):
            return
        for publication, at in passing.messages:
            message = Message(
                topic=publication.topic,
                position=Position("", 0),
                kind=Kind.MESSAGE,
                data=publication.data,
                at=at,
                attributes=publication.attributes,
            )
            frame = channel.message(message.topic, message.position, message.data, at)
            ((_, ids),) = await self._followers([message.topic], patterns)
            await _all([self._pass_to(id, message, frame) for id in ids])

    async def _pass_to(self, id: str, message: Message, frame: bytes) -> None:
        parts = self._parts
        async with self._room:
            found = await parts.table.find_connection(id, parts.service.clock())
            if found is None:
                return
            connection = found[0]
            topics = parts.context.hub.topics
            expires_at = connection.claims.expires_at
            over = expires_at is not None and expires_at <= parts.service.clock()
            if over or parts.service.revocations.covers(connection.claims):
                return
            filters = [
                text
                for text in connection.followed
                if not text.startswith(OPERATIONS) and parsed(text).matches(message.topic)
            ]
            allowed = topics.allows("subscribe", connection.claims, message.topic)
            private = message.private and not topics.grants(connection.claims, message.topic)
            if not filters or not allowed or private:
                return
            try:
                if not await parts.posts.post(id, frame):
                    await parts.table.close_connection(id)
            except CannotPost as error:
                log.warning("%s", error)


def _welcome(connection: Connection) -> bytes:
    return channel.welcome(TICK, connection.claims.expires_at)


async def _all(works: Sequence[Awaitable[None]]) -> None:
    """Do all of it, and raise what the first of them raised that the store's return would mend."""
    failed: BaseException | None = None
    for done in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(done, RingbackError) or not isinstance(done, Exception | None):
            failed = failed or done
        elif done is not None:
            log.error("A connection could not be told.", exc_info=done)
    if failed is not None:
        raise failed
