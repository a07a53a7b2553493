"""Sending on one connection, by whoever holds it: what each subscription lacks, in order.

Every step may be cut short and done again by another. What was sent and not noted is sent once
more: it has the same positions, and a client drops what it has had. What is to hold is noted
before it is told: a subscription before its reply, and that it is current before ``current``.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Sequence

import msgspec

from ringback.core.access import Claims
from ringback.core.connections import Connection, Followed, Held, Stage
from ringback.core.filters import Filter
from ringback.core.model import BEGINNING, Kind, Message, Position
from ringback.core.policies import parsed
from ringback.core.topics import OPERATIONS
from ringback.edges.places import TICK
from ringback.edges.websocket.context import position_of
from ringback.edges.websocket.session import WARN_BEFORE
from ringback.edges.websocket.subscriptions import permission
from ringback.errors import (
    OperationForgotten,
    RingbackError,
    Unauthenticated,
    UnknownOperation,
)
from ringback.hub import Guard
from ringback.hub.past import Lost
from ringback.lambdas.parts import Pages, Parts, framed, snapshot
from ringback.lambdas.posts import MAX_POST, CannotPost, Throttled
from ringback.wire import channel

BUDGET = 10.0
"""Seconds that one hold may send for; the rest is the next one's."""
MAX_REPLAY = 2_000
"""Messages of the past that one subscription gets: each is a post. What is older is a gap, as it is
beyond ``max_replay`` elsewhere."""
MAX_FAILURES = 5
"""Times in a row that a connection cannot be posted to until it is given up: its client resumes."""
MAX_THROTTLED = 100
"""The same where API Gateway throttles: those who were given up would come again all at once, and
have it throttle the more. Each takes seconds, as botocore waits between its own tries."""
AGAIN = 0.1
"""Seconds after which a client comes again whose connection is closed under it."""
MAX_GONE = 100
"""Topics of which it is noted what was gone before their past was asked for. Of more, whoever goes
on with it says that there is a gap."""
LOG_PAGE = 200
"""Messages of an operation's log that are read at once."""


class Gone(Exception):
    """The connection is closed."""


class Line:
    """The right to send on one connection, and what is sent by it."""

    def __init__(self, parts: Parts, held: Held, pages: Pages | None = None) -> None:
        self._parts = parts
        self._held = held
        self._pages = pages or Pages(parts.service.engine)
        self._until = time.monotonic() + BUDGET
        self._lost = False
        connection = held.connection
        self.id = connection.id
        self.claims = connection.claims
        self.followed = dict(connection.followed)
        self.after = None if connection.after is None else position_of(connection.after)
        self._warned_of = connection.warned_of
        self._owed = connection.owed

    @property
    def _spent(self) -> bool:
        return time.monotonic() >= self._until

    # What is noted

    def _connection(self, failures: int = 0, throttled: int = 0) -> Connection:
        return msgspec.structs.replace(
            self._held.connection,
            claims=self.claims,
            after=None if self.after is None else str(self.after),
            followed=self.followed,
            warned_of=self._warned_of,
            failures=failures,
            throttled=throttled,
            owed=self._owed,
        )

    async def save(self, *, release: bool = False, unfinished: bool = False) -> bool:
        """Note how far it is; whether there is news, with which it is not let go."""
        return await self._save(self._connection(), release=release, unfinished=unfinished)

    async def _save(self, connection: Connection, *, release: bool, unfinished: bool) -> bool:
        held = msgspec.structs.replace(self._held, connection=connection)
        after = await self._parts.table.save_connection(
            held, self._parts.service.clock(), release=release, unfinished=unfinished
        )
        if after is None:
            self._lost = True
            raise Gone
        news = after.news != self._held.news
        self._held = after
        return news

    # What is sent

    async def send(self, payload: bytes) -> None:
        """Send a frame. Raises ``Gone``, ``CannotPost``."""
        if not await self._parts.posts.post(self.id, payload):
            raise Gone

    async def _message(self, message: Message, filter: str | None = None) -> None:
        await self.send(framed(message, filter))

    async def bring_up(
        self, operations: Collection[str] | None = None, *, frames: Sequence[bytes] = ()
    ) -> None:
        """Note what was changed, answer with frames, send all that is lacking, and let go.
        ``operations``: those that have changed; None: any may have. Raises ``CannotPost``.
        """
        try:
            if self._owed:
                await self.send(channel.welcome(TICK, self.claims.expires_at))
                self._owed = False
            if frames:
                await self.save()
                for frame in frames:
                    await self.send(frame)
            while True:
                finished = await self._send_all(operations)
                if not await self.save(release=True, unfinished=not finished):
                    return
                operations = None
                self._pages = Pages(self._parts.service.engine)
        except Gone:
            if not self._lost:
                await self._parts.table.close_connection(self.id)
        except CannotPost as error:
            await self._fail(error)
            raise
        except BaseException:
            await self._give_back(self._connection())
            raise

    async def owe(self) -> None:
        """Leave the greeting to whoever sends next, who is called for."""
        self._owed = True
        await self._give_back(self._connection())

    async def _fail(self, error: CannotPost) -> None:
        """It is there, and cannot be posted to: another is to try again, a few times."""
        was, throttled = self._held.connection, isinstance(error, Throttled)
        failures, throttles = was.failures + (not throttled), was.throttled + throttled
        if failures >= MAX_FAILURES or throttles >= MAX_THROTTLED:
            await self._parts.table.close_connection(self.id)
            return
        await self._give_back(self._connection(failures, throttles))

    async def _give_back(self, connection: Connection) -> None:
        """Let go, with what was sent noted; the rest is another's. Else the lease runs out."""
        with contextlib.suppress(Exception):
            while await self._save(connection, release=True, unfinished=True):
                pass  # there is news, which is another's too

    async def _send_all(self, operations: Collection[str] | None) -> bool:
        """Whether it came to the end."""
        if await self._over():
            return True
        while True:
            joining = [
                text
                for text, followed in self.followed.items()
                if followed.stage is Stage.REPLAYING and not text.startswith(OPERATIONS)
            ]
            if not await self.level(needed=bool(joining)):
                return False
            if not joining:
                break
            if not await self._replay(joining[0]):
                return False
        for text in tuple(self.followed):
            if not text.startswith(OPERATIONS):
                continue
            told = operations is not None and text not in operations and self.followed[text].looked
            if not told and not await self._tell(text):
                return False
        return True

    async def _over(self) -> bool:
        """Whether the client's time is over; a fresh token is asked for before."""
        service, expires_at = self._parts.service, self.claims.expires_at
        now = service.clock()
        if service.revocations.covers(self.claims) or (expires_at is not None and expires_at < now):
            # Which code it is closed with, API Gateway decides: so it is told to come again.
            await self.send(channel.bye(AGAIN))
            await self._parts.posts.close(self.id)
            raise Gone
        if (
            expires_at is not None
            and expires_at - now < WARN_BEFORE
            and self._warned_of != expires_at
        ):
            await self.send(channel.expiring(expires_at))
            self._warned_of = expires_at
        return False

    # Topics

    def _guards(self, stage: Stage) -> dict[Filter, Guard | None]:
        """The filters of topics at a stage, with what lets only some of the topics."""
        return {
            (filter := parsed(text)): self._guard(filter)
            for text, followed in self.followed.items()
            if followed.stage is stage and not text.startswith(OPERATIONS)
        }

    def _guard(self, filter: Filter) -> Guard | None:
        topics, claims = self._parts.context.hub.topics, self.claims
        try:
            guarded = permission(claims, topics, filter)
        except RingbackError:
            return lambda topic: False  # what may not be followed any more
        return (lambda topic: topics.allows("subscribe", claims, topic)) if guarded else None

    def _takes(self) -> Callable[[Message], bool]:
        topics, claims = self._parts.context.hub.topics, self.claims
        return lambda message: not message.private or topics.grants(claims, message.topic)

    async def level(self, *, needed: bool) -> bool:
        """Send what all that are current lack, up to the end of the journal; whether it got there.
        ``needed``: where the end is has to be known, though nobody is current.
        """
        for text, followed in tuple(self.followed.items()):
            if followed.stage is Stage.ANNOUNCED:  # it stands where they do, and goes on with them
                await self._announce(text)
        filters = self._guards(Stage.CURRENT)
        if not filters or self.after is None:
            if needed or filters:
                self.after = (await self._parts.table.follow(None, 1)).position
            return True
        sees, takes = self._parts.context.hub.seen_through(filters), self._takes()
        while True:
            page = await self._pages.after(tuple(filters), self.after)
            if page.gap:
                missed = [topic for topic in page.missed if sees(topic)]
                if missed or not page.missed:
                    await self.send(channel.gap(page.start, missed))
            for message in page.messages:
                if sees(message.topic) and takes(message):
                    await self._message(message)
                self.after = message.position
                if self._spent:
                    return False
            self.after = page.position
            if not page.messages:
                return True

    async def _replay(self, text: str) -> bool:
        """Send the past of a subscription, up to where all that are current stand, and make it
        one of them; whether it got there.
        """
        filter, takes = parsed(text), self._takes()
        sees = self._parts.context.hub.seen_through({filter: self._guard(filter)})
        table, sent = self._parts.table, 0
        most = min(MAX_REPLAY, self._parts.service.settings.max_replay)
        stands = self.followed[text]
        at = None if stands.after == channel.EARLIEST else position_of(stands.after or "")
        lost = Lost(table, filter, stands.gone)
        if at is None:
            lost = await Lost.since(table, filter, at)
            gone = lost.before if len(lost.before) <= MAX_GONE else {}
            stands = Followed(Stage.REPLAYING, gone=gone)
        while True:
            upto = self.after or BEGINNING
            page = await table.replay(filter, at, LOG_PAGE if sent < most else 1)
            if sent >= most and page.messages and page.messages[0].position.offset <= upto.offset:
                await self.send(channel.gap(upto, (), text))
                break
            missed = await lost.topics(page, sees)
            if missed is not None:
                await self.send(channel.gap(page.start, missed, text))
            if at is None and page.messages:  # whoever goes on from here is told of what went since
                self.followed[text] = msgspec.structs.replace(stands, after=str(page.start))
                await self.save()
            level = not page.messages
            for message in page.messages:
                if message.position.offset > upto.offset:
                    level = True
                    break
                if sees(message.topic) and takes(message):
                    await self._message(message, text)
                    sent += 1
                at = message.position
                self.followed[text] = msgspec.structs.replace(stands, after=str(at))
                if self._spent:
                    return False
            if level:
                break
            await self.save()
            if not await self.level(needed=True):
                return False
        self.followed[text] = Followed(Stage.ANNOUNCED)
        await self.save()
        await self._announce(text)
        return True

    async def _announce(self, text: str) -> None:
        """Say that a subscription is current, which is noted already."""
        if self.after is not None:
            await self.send(channel.current(text, self.after))
        self.followed[text] = Followed(Stage.CURRENT)

    # Operations

    async def _tell(self, topic: str) -> bool:
        """Send the changes of an operation; where it has ended, that it has. Whether these are all
        there are.
        """
        followed = self.followed[topic]
        error: RingbackError | None = None
        try:
            ended = await self._changes(topic, followed)
        except (UnknownOperation, OperationForgotten, Unauthenticated) as refused:
            ended, error = True, refused
        if ended:
            await self.send(channel.end(topic, error))
            await self.drop(topic)
        return ended is not None

    async def _changes(self, topic: str, followed: Followed) -> bool | None:
        """Whether there will be no more; None if there are more, and no time for them."""
        service, table = self._parts.service, self._parts.table
        self._check(followed.bearer)
        operation = topic[len(OPERATIONS) :]
        after = position_of(followed.after or "")
        state = None if followed.looked else await table.load(operation)
        while True:
            page = await table.read(topic, after, LOG_PAGE)
            if page.gap:
                state = await table.load(operation)
                after = service.position(state)
                await self.send(channel.gap(after, filter=topic))
                await self.send(await snapshot(self._parts, state.id))
            elif page.messages:
                for message in page.messages:
                    await self._change(message)
                    after = message.position
                    self.followed[topic] = _stands(followed, after)
                    if self._spent:
                        return None
                if any(message.kind is Kind.STATUS for message in page.messages):
                    state = await table.load(operation)
            else:
                break
        self.followed[topic] = _stands(followed, after, looked=True)
        return state is not None and state.terminal and after == service.position(state)

    async def _change(self, message: Message) -> None:
        frame = channel.message(
            message.topic, message.position, message.data, message.at, message.kind
        )
        if len(frame) > MAX_POST:
            await self.send(channel.gap(message.position, filter=message.topic))
            frame = await snapshot(self._parts, message.topic[len(OPERATIONS) :])
        await self.send(frame)

    def _check(self, bearer: Claims | None) -> None:
        """Raises ``Unauthenticated`` for an operation's token that is over."""
        service = self._parts.service
        if bearer is None:
            return
        service.revocations.check(bearer)
        if bearer.expires_at is not None and bearer.expires_at <= service.clock():
            raise Unauthenticated("The operation's token has expired.")

    # What is followed

    async def put(self, text: str, followed: Followed, *, pattern: bool) -> None:
        """Follow something more. It has to be saved before it is told."""
        if text not in self.followed:
            await self._parts.table.add_follower(self.id, text, pattern=pattern)
        self.followed[text] = followed

    async def drop(self, text: str) -> None:
        """Follow it no more."""
        if self.followed.pop(text, None) is not None:
            pattern = not text.startswith(OPERATIONS) and not parsed(text).exact
            await self._parts.table.remove_follower(self.id, text, pattern=pattern)


def _stands(followed: Followed, after: Position, *, looked: bool = False) -> Followed:
    return Followed(Stage.REPLAYING, str(after), bearer=followed.bearer, looked=looked)
