"""Publishing: from what an application or a client hands over to a message that is stored.

Who may is asked before, where somebody asks: ``Topics.check``. Code of the application may
always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ringback.core.filters import parse
from ringback.core.model import Keep, Position, Publication
from ringback.core.policies import MAX_ATTRIBUTES, MAX_EPHEMERAL, TopicPolicy, Topics
from ringback.core.topics import RESERVED, check_publishable
from ringback.errors import MalformedRequest, PayloadTooLarge
from ringback.ids import Clock
from ringback.ports import FullEngine
from ringback.tasks.inputs import encode_as
from ringback.tasks.topics import DeclaredTopic

EVERY = parse("#")


class Publisher:
    """Publishes to the topics of one application."""

    def __init__(
        self,
        engine: FullEngine,
        declared: Sequence[DeclaredTopic],
        clock: Clock,
        *,
        open: float | None,
        development: bool,
    ) -> None:
        """``open``: whether undeclared topics are there too, and for how many seconds they keep
        a message. ``development``: whether no caller can be known.
        """
        self._engine = engine
        self._clock = clock
        self.topics = Topics(
            [each.policy for each in declared],
            open=None if open is None else TopicPolicy(pattern=EVERY, keep=Keep(age=open)),
            development=development,
        )
        """What is declared, and who may."""
        self.stored = 0
        """Messages that this process has published to durable topics so far."""
        self.passed_on = 0
        """The same, to ephemeral ones."""
        self._declared = {id(each.policy): each for each in declared}

    def publication(self, topic: str, data: Any, attributes: bytes | None = None) -> Publication:
        """A message from a value of the application.

        Raises ``InvalidInput`` for a value that the topic's model does not fit or a name that is
        none, ``UnknownTopic``, and ``PayloadTooLarge``.
        """
        policy = self._policy(topic)
        declared = self._declared.get(id(policy))
        encoded = encode_as("message", data)
        if declared is not None:
            encoded = declared.validated(encoded)
        return _bounded(policy, Publication(topic, encoded, attributes, policy.keep))

    def received(
        self,
        topic: str,
        body: bytes,
        attributes: bytes | None = None,
        policy: TopicPolicy | None = None,
    ) -> Publication:
        """A message from the JSON that a client sent; raises the same, and ``MalformedRequest``.

        ``policy``: of the topic, where it was asked for.
        """
        if policy is None:
            policy = self._policy(topic)
        try:
            if not body.isascii():
                body.decode()  # RFC 8259 §8.1; what stays encoded is not looked at below
            # On one line: then every transport can carry it, also those that end messages by one.
            body = msgspec.json.format(body, indent=-1)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise MalformedRequest(f"The message is not JSON: {error}.") from None
        declared = self._declared.get(id(policy))
        if declared is not None:
            body = declared.validated(body)
        return _bounded(policy, Publication(topic, body, attributes, policy.keep))

    def _policy(self, topic: str) -> TopicPolicy:
        if topic.startswith(RESERVED):
            check_publishable(topic)
        return self.topics.policy(topic)

    async def publish(self, publications: Sequence[Publication]) -> Sequence[Position | None]:
        """Publish messages; the position of each, once it is stored, and None of an ephemeral
        one. Raises ``StoreUnavailable``.
        """
        now = self._clock()
        self._relay(publications, now)
        stored = [each for each in publications if each.keep is not None]
        positions = iter(await self._engine.publish(stored, now) if stored else ())
        self.stored += len(stored)
        return [None if each.keep is None else next(positions) for each in publications]

    def pass_on(self, publication: Publication) -> None:
        """The same for one to an ephemeral topic, as of now."""
        self.passed_on += 1
        self._engine.relay([publication], self._clock())

    def committed(self, publications: Sequence[Publication], now: float) -> None:
        """What was published with an operation's change is stored: pass on what is not."""
        self.stored += len(publications) - self._relay(publications, now)

    def _relay(self, publications: Sequence[Publication], now: float) -> int:
        """Tell those to ephemeral topics to whoever follows now; how many they are."""
        passing = [each for each in publications if each.keep is None]
        if passing:
            self._engine.relay(passing, now)
            self.passed_on += len(passing)
        return len(passing)


def _bounded(policy: TopicPolicy, publication: Publication) -> Publication:
    limit = policy.max_message
    if policy.keep is None:
        limit = min(limit, MAX_EPHEMERAL)
    size = len(publication.data)
    if size > limit:
        raise PayloadTooLarge(
            f"A message of {publication.topic} has at most {limit} bytes; this one has {size}. "
            "Store it elsewhere and publish a link.",
            limit=limit,
        )
    beside = len(publication.attributes or b"")
    if beside > limit + MAX_ATTRIBUTES:
        raise PayloadTooLarge(
            f"What a message of {publication.topic} says beside its data has at most "
            f"{limit + MAX_ATTRIBUTES} bytes; this one has {beside}. Send JSON without white space "
            "between its parts: then it is not kept a second time as it was written.",
            limit=limit + MAX_ATTRIBUTES,
        )
    return publication
