"""Actions that change something: publish, submit, cancel.

Each begins at once, so that what a client sends one after the other is stored in that order, and
raises what HTTP would answer with. What it returns is to be awaited, and sends the reply.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Coroutine
from typing import Any

from ringback.core.access import Claims
from ringback.core.model import Accepted, Position, Publication
from ringback.core.topics import OPERATIONS
from ringback.core.view import timestamp
from ringback.edges.http import fields
from ringback.edges.http.rates import caller
from ringback.edges.http.representation import shown
from ringback.edges.http.submit import check_start, refusal
from ringback.edges.websocket.context import Caller
from ringback.errors import PayloadTooLarge, UnknownOperation
from ringback.ids import is_id
from ringback.tasks.registry import Task
from ringback.wire import channel

Work = Coroutine[Any, Any, None]


def begin_publish(session: Caller, action: channel.Publish) -> Work | None:
    """Check and publish a message. To an ephemeral topic that takes no waiting."""
    publisher = session.context.service.publisher
    policy = publisher.topics.check("publish", session.claims, action.topic)
    rates = session.context.publications
    if rates.limited:
        rates.check(caller(session.claims.subject, session.address), time.monotonic())
    publication = publisher.received(action.topic, bytes(action.data), policy=policy)
    if publication.keep is not None:
        return _publish(session, action.id, publication)
    publisher.pass_on(publication)
    _published(session, action.id, publication, None)
    return None


async def _publish(session: Caller, id: str | None, publication: Publication) -> None:
    (position,) = await session.context.service.publisher.publish([publication])
    _published(session, id, publication, position)


def _published(
    session: Caller, id: str | None, publication: Publication, position: Position | None
) -> None:
    result: dict[str, object] = {} if position is None else {"position": str(position)}
    if id is not None:
        result["listeners"] = session.context.hub.listeners(publication.topic)
    session.reply(id, result)


def begin_submit(session: Caller, action: channel.Submit) -> Work:
    """Check a submission, and have it stored."""
    service, claims = session.context.service, session.claims
    task = service.registry.submitted(action.task)
    body = bytes(action.input)
    limit = service.settings.max_body
    if len(body) > limit:
        raise PayloadTooLarge(
            f"The input has {len(body)} bytes; at most {limit} are taken.", limit=limit
        )
    key = action.key
    if key is not None and claims.subject is None and not service.development:
        fields.check_secret(key)
    start_at = None
    if action.start_at is not None:
        now = service.clock()
        start_at = fields.start_at({"start_at": action.start_at}, now)
        check_start(service, claims, start_at)
    if action.follow:
        session.subscriptions.require_room(OPERATIONS)
    return _submit(session, action, task, body, claims, start_at)


async def _submit(
    session: Caller,
    action: channel.Submit,
    task: Task,
    body: bytes,
    claims: Claims,
    start_at: float | None,
) -> None:
    context = session.context
    service = context.service
    allowed = service.may("submit", claims, task)
    if not (allowed if isinstance(allowed, bool) else await allowed):
        raise refusal(task, claims, service.development)
    if context.submissions.limited:
        context.submissions.check(caller(claims.subject, session.address), time.monotonic())
    storing: Awaitable[Accepted] = service.submit(
        task, body, claims, key=action.key, start_at=start_at
    )
    state = (await storing).operation
    tokens = service.tokens
    expires_at = tokens.expires_at(state)
    result = {
        "operation": await shown(service, state),
        "token": tokens.make(state),
        "token_expires_at": timestamp(expires_at),
    }
    if session.over:
        return
    session.reply(action.id, result)
    if action.follow:
        bearer = None
        if claims.subject is None:
            bearer = Claims(operation=state.id, expires_at=expires_at)
        session.subscriptions.follow(state, bearer, service.position(state))


def begin_cancel(session: Caller, action: channel.Cancel) -> Work:
    """Check which operation is meant."""
    if not is_id(action.operation):
        raise UnknownOperation(operation=action.operation)
    return _cancel(session, action)


async def _cancel(session: Caller, action: channel.Cancel) -> None:
    service = session.context.service
    claims = session.bearer(action.operation, action.token) or session.claims
    before = await service.load(action.operation, claims, "cancel")
    state = await service.cancel(before)
    session.reply(action.id, {"operation": await shown(service, state)})
