"""A publisher's form: an update, stored and told."""

from __future__ import annotations

import time
import uuid

from ringback.core.policies import MAX_EPHEMERAL
from ringback.core.topics import MAX_TOPIC_LENGTH
from ringback.edges.http.message import NOT_STORED, Request, Response
from ringback.edges.http.rates import Rates
from ringback.edges.http.rates import caller as counted
from ringback.edges.mercure.callers import Caller, Callers
from ringback.errors import Forbidden, InvalidInput, PayloadTooLarge, Unauthenticated
from ringback.service import Publisher
from ringback.wire.mercure import Fields, Update, hub_name, id_of, read_update


class Publish:
    """Publishes what clients send."""

    def __init__(self, publisher: Publisher, callers: Callers, rates: Rates) -> None:
        self._publisher = publisher
        self._callers = callers
        self._rates = rates

    async def update(self, request: Request, caller: Caller, fields: Fields) -> Response:
        """Answers with the update's id. Raises what refuses it."""
        if self._rates.limited:
            client = request.scope.get("client")
            key = counted(caller.claims.subject, client[0] if client else None)
            self._rates.check(key, time.monotonic())
        update = read_update(fields)
        self._check(caller, update)
        id = await self._publish(update)
        return Response(
            200, id.encode(), [(b"content-type", b"text/plain; charset=utf-8"), NOT_STORED]
        )

    def _check(self, caller: Caller, update: Update) -> None:
        """Raises unless the caller may publish to all topics."""
        for topic in update.topics:
            name = _name(topic)
            if self._callers.may_publish(caller, name, topic):
                continue
            if not caller.shown:
                raise Unauthenticated("To publish takes a token.")
            raise Forbidden(
                f"This token does not allow to publish to {topic}. It takes one whose claim "
                f'`mercure` has it: {{"publish": ["{topic}"]}}.'
            )

    async def _publish(self, update: Update) -> str:
        """Publish an update, as a message for each of its topics; its id.

        All have the same id. A position is the id of a single message that is stored.
        """
        names = list(update.names)
        id = update.id
        if id is None and (len(names) > 1 or self._publisher.topics.policy(names[0]).keep is None):
            id = f"urn:uuid:{uuid.uuid4()}"
        attributes, body = update.attributes(id), update.body
        received = [self._publisher.received(name, body, attributes) for name in names]
        for each in received:
            size = len(each.data) + len(each.attributes or b"")
            if each.keep is None and size > MAX_EPHEMERAL:
                raise PayloadTooLarge(
                    f"An update of {each.topic} has at most {MAX_EPHEMERAL} bytes, not {size}.",
                    limit=MAX_EPHEMERAL,
                )
        positions = await self._publisher.publish(received)
        if id is None:
            assert positions[0] is not None  # noqa: S101 - it is stored
            return id_of(positions[0])
        return id


def _name(topic: str) -> str:
    """The hub's name of a topic. Raises ``PayloadTooLarge`` for one that is too long."""
    try:
        return hub_name(topic)
    except InvalidInput:
        if len(topic) > MAX_TOPIC_LENGTH:
            raise PayloadTooLarge(
                f"A topic has at most {MAX_TOPIC_LENGTH} characters.", limit=MAX_TOPIC_LENGTH
            ) from None
        raise
