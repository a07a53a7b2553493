"""A session: what one connection does, independent of how bytes travel.

What belongs here: who is there, until when, which action is begun when, and the end. What the
actions do is in ``commands`` and ``subscriptions``. A connection that nothing happens on has no
task and, unless its token is about to expire, no timer.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Coroutine
from typing import Any

from ringback.core.access import Claims
from ringback.core.model import Message
from ringback.core.view import timestamp
from ringback.edges.places import TICK
from ringback.edges.websocket.commands import begin_cancel, begin_publish, begin_submit
from ringback.edges.websocket.context import Context, Link
from ringback.edges.websocket.subscriptions import Subscriptions
from ringback.errors import Forbidden, RateLimited, RingbackError, Unauthenticated
from ringback.service.revocations import Revoked
from ringback.wire import channel
from ringback.wire.close_codes import CloseCode

MAX_UNDER_WAY = 64
"""Actions of one connection that are carried out at once; while so many are, none is read."""
MAX_EXCESS = 1000
"""Actions that one connection had refused as over a limit, less those that were carried out: what
a burst may come to that was sent before its first answer arrived. Who goes on beyond does not
listen, and each refusal costs as much as a ping."""
RECONNECT = 1.0
"""Seconds after which to come again, for who came while the process was being stopped."""
WARN_BEFORE = 60.0
"""Seconds before its token expires that a client is asked for a fresh one."""

LAST_RESORT = RingbackError()

log = logging.getLogger("ringback.websocket")

Work = Coroutine[Any, Any, None]


class Session:
    """One client on one connection."""

    __slots__ = (
        "_backlog",
        "_due",
        "_excess",
        "_known",
        "_mistakes",
        "_ordered",
        "_timer",
        "_under_way",
        "_warned",
        "address",
        "claims",
        "context",
        "link",
        "over",
        "subscriptions",
        "token",
    )

    def __init__(
        self,
        context: Context,
        link: Link,
        claims: Claims,
        token: str | None,
        address: str | None,
    ) -> None:
        """``claims`` and an operation's own ``token`` are the handshake's. Its place, named by
        ``address`` and subject, is given back when the connection is gone.
        """
        self.context = context
        self.link = link
        self.claims = claims
        self.token = token
        self.address = address
        self.over = False
        """Whether nothing more is done: the connection is closed, or being closed."""
        self.subscriptions = Subscriptions(self)
        link.subject = claims.subject
        self._known = claims.subject is not None or token is not None
        """Whether the client has done what it has to do in time."""
        self._mistakes = 0
        self._excess = 0
        self._under_way: set[asyncio.Task[None]] | None = None
        self._ordered: asyncio.Task[None] | None = None
        """An action under way that the next has to wait for."""
        self._backlog: deque[bytes | str] | None = None
        """Frames that came behind it."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        """When the token is to be spoken of: that it expires soon, then that it has."""
        self._warned = False

    # Beginning and end

    def welcome(self) -> bytes:
        """The first message, framed."""
        return self.link.format.own(channel.welcome(TICK, self.claims.expires_at))

    def opened(self) -> None:
        """The connection stands and is kept, and the first message is on its way."""
        if self.context.hub.closing:  # the keeper told of this, or of the next, before
            self.farewell(RECONNECT)
            return
        self.revoked(self.context.service.revocations.covers)
        if self.over:
            return
        if self._known:
            self._watch_expiry()
        else:
            self._timer = asyncio.get_running_loop().call_later(
                self.context.service.settings.handshake_timeout, self._timed_out
            )

    def takes(self, message: Message) -> bool:
        """Whether a message that may be private is for this client."""
        topics = self.context.service.publisher.topics
        return not message.private or topics.grants(self.claims, message.topic)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """End the session, and tell the client why."""
        if not self.over:
            self.finish()
            self.link.hang_up(code, reason)

    def finish(self) -> None:
        """Begin nothing more, and follow nothing. What was begun is carried out, unanswered."""
        self.over = True
        self._cancel_timer()
        self._backlog = None
        self.subscriptions.clear()

    def gone(self) -> None:
        """The connection is lost. Called once."""
        self.finish()
        self.context.places.leave(self.address, self.claims.subject)
        del self.subscriptions  # which know the session in turn

    def farewell(self, reconnect_after: float) -> None:
        """The process stops: say when to come again, and end."""
        self.send(channel.bye(round(reconnect_after, 3)))
        self.close(CloseCode.STOPPING)

    def revoked(self, covers: Revoked) -> None:
        """Tokens were revoked: end what they allowed."""
        if not self.over and covers(self.claims):
            self.close(CloseCode.REVOKED, "The token was revoked.")

    def tick(self) -> None:
        """Called every ``TICK`` seconds."""
        if not self.over:
            self._schedule()

    def _timed_out(self) -> None:
        self._timer = None
        self.close(CloseCode.TIMED_OUT, "Authenticate or subscribe sooner.")

    def useful(self) -> None:
        """The client has done something: it is no connection that was opened for nothing."""
        if not self._known:
            self._known = True
            self._cancel_timer()
            self._watch_expiry()

    # Until when

    def _watch_expiry(self) -> None:
        self._cancel_timer()
        expires_at = self.claims.expires_at
        if expires_at is None:
            self._due = math.inf
            return
        now = self.context.service.clock()
        # Of a short life half: who is asked at once for another would be so without end.
        self._due = max(expires_at - WARN_BEFORE, (now + expires_at) / 2)
        self._warned = False
        self._schedule()

    def _schedule(self) -> None:
        """Set a timer, but not before the last tick: few connections have one at a time."""
        left = self._due - self.context.service.clock()
        if self._timer is None and self._known and left <= TICK:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, left), self._is_due)

    def _is_due(self) -> None:
        self._timer = None
        expires_at = self.claims.expires_at
        if expires_at is None or self._due > self.context.service.clock():
            self._schedule()  # the clock was set back
        elif self._warned:
            self.close(CloseCode.UNAUTHENTICATED, "The token has expired.")
        else:
            self._warned = True
            self.send(channel.expiring(expires_at))
            self._due = expires_at
            self._schedule()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What is said

    def send(self, payload: bytes) -> None:
        """Send a message to this client alone."""
        if not self.over:
            self.link.write(self.link.format.own(payload))

    def reply(self, id: str | None, result: object) -> None:
        """Answer an action that was carried out."""
        self.useful()
        if self._excess:
            self._excess -= 1
        if id is not None:
            self.send(channel.reply(id, result))

    def refuse(self, id: str | None, error: Exception) -> None:
        """Answer one that was not."""
        self._excess += isinstance(error, RateLimited)
        if self._excess > MAX_EXCESS:
            self.close(CloseCode.TOO_MANY, "Wait for retry_after, and do less.")
            return
        self.send(channel.error(self.told(error), id))

    def told(self, error: Exception) -> RingbackError:
        """What the client is told of an error; what is ours to mend goes to the log."""
        if isinstance(error, RingbackError) and error.status != LAST_RESORT.status:
            return error
        log.error("A WebSocket's action failed: %s", error, exc_info=error)
        return LAST_RESORT

    # What is asked

    @property
    def busy(self) -> bool:
        """Whether nothing more is begun for now."""
        return self._ordered is not None or (
            self._under_way is not None and len(self._under_way) >= MAX_UNDER_WAY
        )

    def receive(self, frame: bytes | str) -> None:
        """Take a text frame. While it is ``busy``, it pauses the link."""
        if self.over:
            return
        if self.busy:
            if self._backlog is None:
                self._backlog = deque()
            self._backlog.append(frame)
            return
        self._begin(frame)

    def _begin(self, frame: bytes | str) -> None:
        try:
            action = channel.decode(frame)
        except RingbackError as error:
            self._mistakes += 1
            if self._mistakes > channel.MAX_MISTAKES:
                self.close(CloseCode.BAD_MESSAGE, "Too many frames that could not be read.")
            else:
                self.refuse(channel.id_of(frame), error)
            return
        try:
            work = self._begun(action)
        except Exception as error:
            self.refuse(action.id, error)
            return
        if work is not None:
            task = asyncio.get_running_loop().create_task(self._carry_out(action.id, work))
            if self._under_way is None:
                self._under_way = set()
            self._under_way.add(task)
            if isinstance(action, channel.Authenticate | channel.Subscribe):
                self._ordered = task
            task.add_done_callback(self._carried_out)
            if self.busy:
                self.link.pause()

    def _begun(self, action: channel.Action) -> Work | None:
        """Begin an action; what is left to do of it, if it takes waiting."""
        match action:
            case channel.Publish():  # first, being what comes by the thousand
                return begin_publish(self, action)
            case channel.Ping():
                self.send(channel.pong(action.id))
                return None
            case channel.Subscribe():
                return self.subscriptions.subscribe(action)
            case channel.Unsubscribe():
                self.subscriptions.unsubscribe(action)
                return None
            case channel.Submit():
                return begin_submit(self, action)
            case channel.Cancel():
                return begin_cancel(self, action)
            case channel.Authenticate():
                return self._authenticate(action)

    async def _carry_out(self, id: str | None, work: Work) -> None:
        try:
            await work
        except Exception as error:
            self.refuse(id, error)

    def _carried_out(self, task: asyncio.Task[None]) -> None:
        if self._under_way is not None:
            self._under_way.discard(task)
            if not self._under_way:
                self._under_way = None
        if self._ordered is task:
            self._ordered = None
        if self.over:
            return
        while self._backlog and not self.busy:
            self._begin(self._backlog.popleft())
        if not self._backlog:
            self._backlog = None
            if not self.busy:
                self.link.go_on()

    # Who is there

    def bearer(self, operation: str, token: str | None) -> Claims | None:
        """The claims of an operation's own token: the one given, or the handshake's. None where
        neither opens it. Raises ``Unauthenticated`` for one that is over.
        """
        for shown in (token, self.token):
            if shown is not None:
                claims = self.context.gate.operation_claims(shown, operation)
                if claims.operation is not None:
                    return claims
        return None

    async def _authenticate(self, action: channel.Authenticate) -> None:
        claims = await self.context.gate.presented(action.token)
        if self.over:
            return
        now = self.context.service.clock()
        if claims.expires_at is not None and claims.expires_at <= now:
            raise Unauthenticated("The token has expired. Get a new one.")
        before = self.claims.subject
        if before is not None and claims.subject != before:
            raise Forbidden(
                "This connection belongs to another subject. Open one of its own for this token."
            )
        if claims.subject != before:
            self._move(claims.subject)
        self.claims = claims
        result: dict[str, object] = {}
        if claims.subject is not None:
            result["subject"] = claims.subject
        if claims.expires_at is not None:
            result["expires_at"] = timestamp(claims.expires_at)
        self.reply(action.id, result)
        self._watch_expiry()
        self.subscriptions.check_again()

    def _move(self, subject: str | None) -> None:
        """Take the place of somebody who is known now. Raises ``RateLimited``."""
        places = self.context.places
        places.leave(self.address, None)
        try:
            places.take(self.address, subject)
        except RateLimited:
            places.take(self.address, None)
            raise
        self.subscriptions.belong_to(subject)
