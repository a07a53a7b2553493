"""Following one operation: its log is read whenever its bell rings, as over every transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from ringback.core.model import Kind, Message, OperationState, Position
from ringback.edges.http.representation import shown
from ringback.edges.websocket.subscription import Subscription
from ringback.errors import Unauthenticated
from ringback.hub import rung
from ringback.wire import channel

if TYPE_CHECKING:
    from ringback.edges.websocket.session import Session

PAGE = 200
"""Messages of an operation's log that are read and sent at once."""


async def tell_changes(
    session: Session,
    subscription: Subscription,
    state: OperationState,
    after: Position,
    bell: asyncio.Event,
) -> None:
    """Send the changes of an operation after a position, until all of them are sent.

    Raises what loading it does, ``Unauthenticated`` when the token it is followed by is over, and
    ``StoreUnavailable``.
    """
    service = session.context.service
    checked = session.claims
    while not (state.terminal and after == service.position(state)):
        await session.link.room()
        bell.clear()
        left = _left(session, subscription)
        if session.claims is not checked and subscription.bearer is None:
            checked = session.claims
            state = await service.load(state.id, checked)
        page = await service.engine.read(state.topic, after, PAGE)
        if page.gap:
            state = await service.engine.load(state.id)
            after = service.position(state)
            view = msgspec.json.encode(await shown(service, state))
            session.send(channel.gap(after, filter=state.topic))
            session.send(channel.snapshot(state.topic, after, view))
        elif page.messages:
            after = page.position
            own = session.link.format.own
            session.link.write(b"".join([own(_change(each)) for each in page.messages]))
            if any(message.kind is Kind.STATUS for message in page.messages):
                state = await service.engine.load(state.id)
        else:
            await rung(bell, left)


def _left(session: Session, subscription: Subscription) -> float | None:
    """Seconds for which the operation's token is good. Raises ``Unauthenticated``."""
    bearer, service = subscription.bearer, session.context.service
    if bearer is None:
        return None
    service.revocations.check(bearer)
    if bearer.expires_at is None:
        return None
    left = bearer.expires_at - service.clock()
    if left <= 0:
        raise Unauthenticated("The operation's token has expired.")
    return left


def _change(message: Message) -> bytes:
    return channel.message(message.topic, message.position, message.data, message.at, message.kind)
