"""One action of a client: what ``edges.websocket.session`` is where somebody holds the connection.

What an action changes of the connection is noted before its answer is sent, by whoever holds the
line: so nothing that was answered is forgotten, wherever this ends.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from ringback.core.access import Claims
from ringback.core.connections import Connection, Followed, Stage
from ringback.core.filters import too_many_patterns
from ringback.core.model import OperationState, Position
from ringback.core.policies import parsed
from ringback.core.topics import OPERATIONS
from ringback.core.view import timestamp
from ringback.edges.websocket.commands import begin_cancel, begin_publish, begin_submit
from ringback.edges.websocket.context import FOREIGN, Context, position_of
from ringback.edges.websocket.subscriptions import may_be_retained, permission
from ringback.errors import (
    Forbidden,
    RateLimited,
    RingbackError,
    StoreUnavailable,
    Unauthenticated,
    UnknownOperation,
)
from ringback.hub import last_values
from ringback.ids import is_id
from ringback.lambdas.line import Line
from ringback.lambdas.parts import Parts, framed, snapshot
from ringback.lambdas.posts import MAX_POST
from ringback.wire import channel

PATIENCE = 15.0
"""Seconds that an action waits for who holds its connection; an integration has 29."""
LOOK_EVERY = 0.05
"""Seconds between two tries, at first."""

LAST_RESORT = RingbackError()

log = logging.getLogger("ringback.lambda")

Join = Callable[[Line], Awaitable[None]]


class Call:
    """What one frame of a client asks for."""

    over = False

    def __init__(self, parts: Parts, connection: Connection, *, left: bool = False) -> None:
        """``left``: whether something that was begun to be sent is still to be."""
        self._parts = parts
        self._connection = connection
        self._left = left
        self._frames: list[bytes] = []
        """What is to be sent, once what it rests on is stored."""
        self._joins: list[tuple[str, Followed]] = []

    # What ``commands`` ask of a caller

    @property
    def context(self) -> Context:
        return self._parts.context

    @property
    def claims(self) -> Claims:
        return self._connection.claims

    @property
    def address(self) -> str | None:
        return self._connection.address

    @property
    def subscriptions(self) -> Call:
        return self

    def reply(self, id: str | None, result: object) -> None:
        """Answer the action: without an operation's partial results where they are more than one
        post takes.
        """
        if id is None:
            return
        frame = channel.reply(id, result)
        if len(frame) > MAX_POST and isinstance(result, dict) and "operation" in result:
            operation = {n: given for n, given in result["operation"].items() if n != "parts"}
            frame = channel.reply(id, {**result, "operation": operation})
        self._frames.append(frame)

    def bearer(self, operation: str, token: str | None) -> Claims | None:
        """The claims of an operation's own token: the one given, or the handshake's."""
        gate, kept = self.context.gate, self._connection.shown
        if token is not None:
            claims = gate.operation_claims(token, operation)
            if claims.operation is not None:
                return claims
        if kept is not None:
            claims = gate.sealed_claims(kept, operation)
            if claims.operation is not None:
                return claims
        return None

    def require_room(self, filter: str) -> None:
        """Raises ``RateLimited`` where there are as many subscriptions as there may be."""
        self._require_room(filter, self._connection.followed)

    def follow(self, state: OperationState, bearer: Claims | None, after: Position) -> None:
        """Send the changes of an operation after a position."""
        self._joins.append(
            (state.topic, Followed(Stage.REPLAYING, str(after), bearer=bearer, looked=False))
        )

    # The action

    async def carry_out(self, frame: str) -> None:
        """Do what a frame asks for, and answer. Raises ``CannotPost``."""
        id: str | None = None
        join: Join | None = None
        try:
            try:
                action = channel.decode(frame)
            except RingbackError:
                id = channel.id_of(frame)
                raise
            id = action.id
            join = await self._begin(action)
        except Exception as error:
            self._frames.append(channel.error(told(error), id))
        if join is None and self._joins:
            join = self._join_all
        if join is None and not self._left and not self._connection.owed:
            await self._send_frames()
            return
        line = await self._hold(id)
        if line is None:
            return
        try:
            if join is not None:
                await join(line)
        except Exception as error:
            self._frames.append(channel.error(told(error), id))
        await line.bring_up(frames=self._frames)

    async def _begin(self, action: channel.Action) -> Join | None:
        """Do what takes no line; what is to be done on it, if anything is."""
        if not isinstance(action, channel.Ping | channel.Authenticate):
            self._check()
        match action:
            case channel.Ping():
                self._frames.append(channel.pong(action.id))
            case channel.Publish():
                work = begin_publish(self, action)
                if work is not None:
                    await work
            case channel.Submit():
                await begin_submit(self, action)
            case channel.Cancel():
                await begin_cancel(self, action)
            case channel.Authenticate():
                claims = await self._authenticated(action)
                return lambda line: self._be(line, action, claims)
            case channel.Subscribe() if action.filter.startswith(OPERATIONS):
                return await self._operation(action)
            case channel.Subscribe():
                return lambda line: self._subscribe(line, action)
            case channel.Unsubscribe():
                return lambda line: self._unsubscribe(line, action)
        return None

    def _check(self) -> None:
        """Raises ``Unauthenticated`` once the connection's token is over: nobody closes it then."""
        service, claims = self._parts.service, self.claims
        service.revocations.check(claims)
        if claims.expires_at is not None and claims.expires_at <= service.clock():
            raise Unauthenticated("The token has expired. Get a new one.")

    async def _send_frames(self) -> None:
        for frame in self._frames:
            if not await self._parts.posts.post(self._connection.id, frame):
                await self._parts.table.close_connection(self._connection.id)
                return

    async def _hold(self, id: str | None) -> Line | None:
        """The line, once nobody else has it; None: the connection is closed, or the action of this
        id was answered with that there is much to send.
        """
        holder = secrets.token_hex(8)
        deadline, pause = time.monotonic() + PATIENCE, LOOK_EVERY
        while True:
            held = await self._parts.table.hold_connection(
                self._connection.id, holder, self._parts.service.clock()
            )
            if held is None:
                return None
            if held.holder == holder:
                return Line(self._parts, held)
            if time.monotonic() > deadline:
                busy = StoreUnavailable("This connection has much to send.", retry_after=1)
                # No second answer, where there is one.
                self._frames.append(channel.error(busy, None if self._frames else id))
                await self._send_frames()
                return None
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    async def _join_all(self, line: Line) -> None:
        for text, followed in self._joins:
            await line.put(text, followed, pattern=False)

    # Who is there

    async def _authenticated(self, action: channel.Authenticate) -> Claims:
        claims = await self.context.gate.presented(action.token)
        now = self.context.service.clock()
        if claims.expires_at is not None and claims.expires_at <= now:
            raise Unauthenticated("The token has expired. Get a new one.")
        return claims

    async def _be(self, line: Line, action: channel.Authenticate, claims: Claims) -> None:
        before = line.claims.subject
        if before is not None and claims.subject != before:
            raise Forbidden(
                "This connection belongs to another subject. Open one of its own for this token."
            )
        line.claims = claims
        result: dict[str, object] = {}
        if claims.subject is not None:
            result["subject"] = claims.subject
        if claims.expires_at is not None:
            result["expires_at"] = timestamp(claims.expires_at)
        self.reply(action.id, result)
        for text, followed in tuple(line.followed.items()):
            try:
                if not text.startswith(OPERATIONS):
                    permission(claims, self.context.hub.topics, parsed(text))
                elif followed.bearer is None:
                    await self._parts.service.load(text[len(OPERATIONS) :], claims)
            except StoreUnavailable:
                raise
            except RingbackError as error:
                await line.drop(text)
                self._frames.append(channel.end(text, error))

    # Topics

    def _require_room(self, filter: str, followed: Mapping[str, Followed]) -> None:
        limit = self.context.service.settings.max_subscriptions
        if len(followed) >= limit and filter not in followed:
            raise RateLimited(
                f"One connection has at most {limit} subscriptions. Unsubscribe from some, or "
                "join several topics with a wildcard.",
                limit=limit,
            )

    async def _subscribe(self, line: Line, action: channel.Subscribe) -> None:
        context, table = self.context, self._parts.table
        text = action.filter
        filter = parsed(text)
        guarded = permission(line.claims, context.hub.topics, filter)
        self._require_room(text, line.followed)
        pattern = not filter.exact
        if filter.pattern:
            limit = context.service.settings.max_patterns
            others = (
                parsed(other)
                for other in line.followed
                if other != text and not other.startswith(OPERATIONS)
            )
            if sum(other.pattern for other in others) >= limit:
                raise RateLimited(too_many_patterns(limit), limit=limit)
        if action.after == channel.EARLIEST:
            start = str((await table.replay(filter, None, 1)).start)
            # Not after that: what another topic lost behind it, before anybody asked, is no gap.
            followed = Followed(Stage.REPLAYING, channel.EARLIEST)
            await line.put(text, followed, pattern=pattern)
            self.reply(action.id, {"position": start})
            return
        if action.after is not None:
            # As it came, were it no position of ours: then the client is told of the gap.
            await line.put(text, Followed(Stage.REPLAYING, action.after), pattern=pattern)
            self.reply(action.id, {"position": action.after})
            return
        line.followed.pop(text, None)
        # Before it is asked where the journal ends: what comes after that finds a follower.
        await table.add_follower(line.id, text, pattern=pattern)
        if not await line.level(needed=True):
            raise StoreUnavailable("This connection has much to send.", retry_after=1)
        upto = line.after
        if upto is not None and may_be_retained(context.hub.topics, filter):
            claims, topics = line.claims, context.hub.topics
            sees = context.hub.seen_through(
                {filter: (lambda t: topics.allows("subscribe", claims, t)) if guarded else None}
            )
            found, cut = await last_values(
                table,
                filter,
                upto,
                lambda m: sees(m.topic) and (not m.private or topics.grants(claims, m.topic)),
            )
            self._frames += [framed(message, text) for message in found]
            if cut:
                self._frames.append(channel.gap(upto, (), text))
        line.followed[text] = Followed(Stage.CURRENT)
        self.reply(action.id, {"position": str(upto)})

    async def _unsubscribe(self, line: Line, action: channel.Unsubscribe) -> None:
        await line.drop(action.filter)
        self.reply(action.id, {})

    # Operations

    async def _operation(self, action: channel.Subscribe) -> Join:
        service = self.context.service
        operation = action.filter[len(OPERATIONS) :]
        if not is_id(operation):
            raise UnknownOperation(operation=operation[: channel.MAX_OPERATION])
        self.require_room(action.filter)
        bearer = self.bearer(operation, action.token)
        state = await service.load(operation, bearer or self.claims)
        after = position = service.position(state)
        if action.after == channel.EARLIEST:
            after = Position(position.epoch, 0)
        elif action.after is not None:
            after = position_of(action.after)
        self.reply(action.id, {"position": action.after if after is FOREIGN else str(after)})
        if action.after is None:
            self._frames.append(await snapshot(self._parts, operation))
        stands = action.after if after is FOREIGN else str(after)
        followed = Followed(Stage.REPLAYING, stands, bearer=bearer)

        async def join(line: Line) -> None:
            await line.drop(action.filter)
            await line.put(action.filter, followed, pattern=False)

        return join


def told(error: Exception) -> RingbackError:
    """What the client is told of an error; what is ours to mend goes to the log."""
    if isinstance(error, RingbackError) and error.status != LAST_RESORT.status:
        return error
    log.error("A WebSocket's action failed: %s", error, exc_info=error)
    return LAST_RESORT
