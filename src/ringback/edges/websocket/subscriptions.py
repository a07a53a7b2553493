"""What one session follows: topics by filters, and operations.

Topics are the hub's business: a subscription without a past costs an entry there and one here.
Those with a past replay it one after the other, so that a connection has one page in memory at a
time. An operation's log is followed by a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from ringback.core.access import Claims
from ringback.core.filters import Filter, too_many_patterns
from ringback.core.model import OperationState, Position
from ringback.core.policies import PRESENCE, Topics, parsed
from ringback.core.topics import OPERATIONS
from ringback.edges.http.representation import shown
from ringback.edges.websocket.context import FOREIGN, position_of
from ringback.edges.websocket.frames import Replayed
from ringback.edges.websocket.operations import tell_changes
from ringback.edges.websocket.subscription import Newest, Subscription
from ringback.errors import (
    Forbidden,
    InvalidInput,
    RateLimited,
    RingbackError,
    StoreUnavailable,
    Unauthenticated,
    UnknownOperation,
)
from ringback.hub import last_values
from ringback.ids import is_id
from ringback.wire import channel
from ringback.wire.close_codes import CloseCode

if TYPE_CHECKING:
    from ringback.edges.websocket.session import Session

Work = Coroutine[Any, Any, None]


class Subscriptions:
    """All subscriptions of one session."""

    __slots__ = ("_by_filter", "_session", "_turn")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_filter: dict[str, Subscription] = {}
        self._turn: asyncio.Lock | None = None
        """Held by the one that replays."""

    # The actions

    def subscribe(self, action: channel.Subscribe) -> Work | None:
        """Begin to follow; what is left to do, if it takes waiting."""
        if action.filter.startswith(OPERATIONS):
            return self._subscribe_operation(action)
        subscription = Subscription(self._session, parsed(action.filter))
        subscription.guarded = self._permission(subscription.filter)
        self.require_room(action.filter)
        if subscription.filter.pattern:
            self._require_room_for_pattern(action.filter)
        if action.after == channel.EARLIEST:
            return self._from_earliest(action, subscription)
        if action.after is not None:
            # As it came, were it no position of ours: a client that is cut off before it is told
            # of the gap has to be told when it comes back.
            self._put(subscription)
            self._session.reply(action.id, {"position": action.after})
            self._replay(subscription, position_of(action.after))
            return None
        if self._may_be_retained(subscription.filter):
            return self._from_last_values(action, subscription)
        self._put(subscription)
        position = self._attach(subscription)
        self._session.reply(action.id, {"position": str(position)})
        return None

    def unsubscribe(self, action: channel.Unsubscribe) -> None:
        """Follow no more."""
        self._drop(action.filter)
        if action.id is not None:
            self._session.send(channel.reply(action.id, {}))

    async def _from_earliest(self, action: channel.Subscribe, subscription: Subscription) -> None:
        session = self._session
        page = await session.context.service.engine.replay(subscription.filter, None, 1)
        if session.over:
            return
        self._put(subscription)
        session.reply(action.id, {"position": str(page.start)})
        # Not after that: what another topic lost behind it, before anybody asked, would be a gap.
        self._replay(subscription, None)

    async def _from_last_values(
        self, action: channel.Subscribe, subscription: Subscription
    ) -> None:
        """From now on, and before that the last values. What comes while they are read takes the
        place of those. The reply is last: whoever is cut off before it knows no position yet, and
        asks again for all of them.
        """
        session, filter = self._session, subscription.filter
        hub = session.context.hub
        newest = Newest(session.link.subject, session.takes)
        upto = hub.attach(newest, filter)
        try:
            found, cut = await last_values(
                session.context.service.engine,
                filter,
                upto,
                lambda m: subscription.allows(m.topic) and session.takes(m),
            )
            if session.over:
                return
            self._put(subscription)
            position = self._attach(subscription)
        finally:
            hub.detach(newest, filter)
        came = newest.messages
        values = [m for m in found if m.topic not in came]
        values += [message for message in came.values() if self._is_retained(message.topic)]
        replayed = Replayed(session.link.format, filter.text, subscription.allows)
        frames = [replayed.message(message) for message in values if session.takes(message)]
        if cut:
            frames.append(replayed.gap((), position))
        if any(frames):
            session.link.write(b"".join(frames))
        session.reply(action.id, {"position": str(position)})

    async def _subscribe_operation(self, action: channel.Subscribe) -> None:
        session = self._session
        service = session.context.service
        operation = action.filter[len(OPERATIONS) :]
        if not is_id(operation):
            raise UnknownOperation(operation=operation[: channel.MAX_OPERATION])
        self.require_room(action.filter)
        bearer = session.bearer(operation, action.token)
        state = await service.load(operation, bearer or session.claims)
        position = service.position(state)
        snapshot = None
        if action.after is None:
            snapshot = channel.snapshot(
                state.topic, position, msgspec.json.encode(await shown(service, state))
            )
        if session.over:
            return
        self._drop(action.filter)
        after = position
        if action.after == channel.EARLIEST:
            after = Position(position.epoch, 0)
        elif action.after is not None:
            after = position_of(action.after)
        # What is no position of ours is repeated as it came: with it the client, cut off before
        # the gap, goes on where it stood.
        told = action.after if after is FOREIGN else str(after)
        session.reply(action.id, {"position": told})
        if snapshot is not None:
            session.send(snapshot)
        self.follow(state, bearer, after)

    def require_room(self, filter: str) -> None:
        """Raises ``RateLimited`` where there are as many subscriptions as there may be."""
        limit = self._session.context.service.settings.max_subscriptions
        if len(self._by_filter) >= limit and filter not in self._by_filter:
            raise RateLimited(
                f"One connection has at most {limit} subscriptions. Unsubscribe from some, or "
                "join several topics with a wildcard.",
                limit=limit,
            )

    def _require_room_for_pattern(self, filter: str) -> None:
        """Raises ``RateLimited`` where there are as many patterns as there may be."""
        limit = self._session.context.service.settings.max_patterns
        others = (each for each in self._by_filter.values() if each.filter.text != filter)
        if sum(each.filter.pattern for each in others) >= limit:
            raise RateLimited(too_many_patterns(limit), limit=limit)

    # Who may

    def _permission(self, filter: Filter) -> bool:
        return permission(self._session.claims, self._session.context.hub.topics, filter)

    def check_again(self) -> None:
        """Look at what a fresh token allows. What it does not, ends."""
        hub, link = self._session.context.hub, self._session.link
        for text, subscription in tuple(self._by_filter.items()):
            if text.startswith(OPERATIONS):
                if subscription.bell is not None:
                    subscription.bell.set()
                continue
            try:
                subscription.guarded = self._permission(subscription.filter)
            except RingbackError as error:
                self._end(subscription, error)
                continue
            if hub.is_attached(link, subscription.filter):
                hub.attach(link, subscription.filter, subscription.guard)

    def belong_to(self, subject: str | None) -> None:
        """The connection is somebody's from now on."""
        hub, link = self._session.context.hub, self._session.link
        attached = [each for each in self._by_filter.values() if hub.is_attached(link, each.filter)]
        hub.leave(link)
        link.subject = subject
        for each in attached:
            self._attach(each)

    # Topics

    def _may_be_retained(self, filter: Filter) -> bool:
        return may_be_retained(self._session.context.hub.topics, filter)

    def _is_retained(self, topic: str) -> bool:
        return is_retained(self._session.context.hub.topics, topic)

    def _attach(self, subscription: Subscription) -> Position:
        return self._session.context.hub.attach(
            self._session.link, subscription.filter, subscription.guard
        )

    def _replay(self, subscription: Subscription, after: Position | None) -> None:
        subscription.task = asyncio.get_running_loop().create_task(
            self._bring_up(subscription, after)
        )

    async def _bring_up(self, subscription: Subscription, after: Position | None) -> None:
        """Send what came after a position, None: what is kept; have the subscription current."""
        session, filter = self._session, subscription.filter
        hub, link = session.context.hub, session.link
        if self._turn is None:
            self._turn = asyncio.Lock()
        try:
            async with self._turn:
                await hub.join(
                    link,
                    filter,
                    after,
                    room=link.room,
                    limit=session.context.service.settings.max_replay,
                    format=Replayed(link.format, filter.text, subscription.allows),
                )
                # Not a moment may pass from here on: what the hub hands on next is current.
                position = self._attach(subscription)
                subscription.task = None
                session.send(channel.current(filter.text, position))
        except Exception as error:
            self._failed(subscription, error)

    # Operations

    def follow(self, state: OperationState, bearer: Claims | None, after: Position) -> None:
        """Send the changes of an operation after a position. The reply has been sent."""
        subscription = Subscription(self._session, parsed(state.topic))
        subscription.bearer = bearer
        self._put(subscription)
        subscription.task = asyncio.get_running_loop().create_task(
            self._follow(subscription, state, after)
        )

    async def _follow(
        self, subscription: Subscription, state: OperationState, after: Position
    ) -> None:
        try:
            with self._session.context.hub.bell(state.topic) as bell:
                subscription.bell = bell
                await tell_changes(self._session, subscription, state, after, bell)
            self._end(subscription, None)
        except Exception as error:
            self._failed(subscription, error)

    # Beginning and end

    def _put(self, subscription: Subscription) -> None:
        self._drop(subscription.filter.text)
        self._by_filter[subscription.filter.text] = subscription

    def _drop(self, filter: str) -> Subscription | None:
        """Forget a subscription, and end what is done for it."""
        subscription = self._by_filter.pop(filter, None)
        if subscription is not None:
            if subscription.task is not None:
                subscription.task.cancel()
            self._session.context.hub.detach(self._session.link, subscription.filter)
        return subscription

    def _end(self, subscription: Subscription, error: RingbackError | None) -> None:
        """A subscription is over: say so."""
        session, text = self._session, subscription.filter.text
        if self._by_filter.get(text) is subscription:
            if subscription.task is asyncio.current_task():
                subscription.task = None
            self._drop(text)
            session.send(channel.end(text, error))

    def _failed(self, subscription: Subscription, error: Exception) -> None:
        """What follows a subscription cannot go on."""
        if self._session.over:
            return
        if isinstance(error, StoreUnavailable):
            self._session.close(CloseCode.STORE_UNAVAILABLE, "The store cannot be read.")
        else:
            self._end(subscription, self._session.told(error))

    def clear(self) -> None:
        """Follow nothing any more."""
        for subscription in self._by_filter.values():
            if subscription.task is not None:
                subscription.task.cancel()
        self._by_filter.clear()
        self._session.context.hub.leave(self._session.link)


def permission(claims: Claims, topics: Topics, filter: Filter) -> bool:
    """Whether what matches has to be asked for topic by topic. Raises where nothing may be
    followed.
    """
    text = filter.text
    if filter.exact:
        if not text.startswith(PRESENCE):
            topics.check("subscribe", claims, text)
        elif not topics.allows("subscribe", claims, text):
            raise _refused(claims, f"who follows {text[len(PRESENCE) :]}")
        return False
    if text.startswith("$"):
        raise InvalidInput("Topics that begin with '$' are followed by their own names.")
    if topics.everywhere("subscribe", claims, filter):
        return False
    if not topics.somewhere("subscribe", claims):
        raise _refused(claims, text)
    return True


def may_be_retained(topics: Topics, filter: Filter) -> bool:
    """Whether a topic that matches may have a last value."""
    if filter.exact:
        return is_retained(topics, filter.text)
    return any(each.keep is not None and each.keep.retained for each in topics.policies)


def is_retained(topics: Topics, topic: str) -> bool:
    """Whether a topic keeps its last value."""
    policy = topics.find(topic)
    return policy is not None and policy.keep is not None and policy.keep.retained


def _refused(claims: Claims, what: str) -> RingbackError:
    if claims.subject is None:
        return Unauthenticated(f"To follow {what} takes a token.")
    return Forbidden(f"This token does not allow to follow {what}.")
