"""What is declared of topics: how they are kept, and who may follow them and publish to them.

A topic belongs to the first declaration whose pattern it matches. Of one that belongs to none
there is nothing to follow and nothing to publish, unless undeclared topics are open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from ringback.core.access import Claims
from ringback.core.filters import ONE, REST, Filter, parse
from ringback.core.model import KEEP, Keep
from ringback.core.topics import MAX_TOPIC_LENGTH, OPERATIONS, check_name
from ringback.errors import Forbidden, InvalidInput, Unauthenticated, UnknownTopic

Action = Literal["publish", "subscribe"]
Who = Literal["granted", "signed_in", "anyone"]
"""Whom a rule lets: those whose token names the topic (the default), all who have a good token,
or everybody. Whom a token names the topic for may in any case."""
Predicate = Callable[..., bool]
"""Takes the claims and what the pattern's expressions stand for, by name."""
Rule = Who | Predicate

MAX_MESSAGE = 256 * 1024
"""Bytes of one message, unless its topic says less: what every transport carries."""
MAX_EPHEMERAL = 64 * 1024
"""Bytes of one message of an ephemeral topic: those go to other processes in one datagram."""
MAX_ATTRIBUTES = 48 * 1024
"""Bytes that a message says beside its data, and beside the data in its publisher's own writing,
which may have as many as the data: the topics of an update, its id and its type."""
KNOWN_TOPICS = 50_000
"""Topics of which is remembered where they belong."""
PRESENCE = "$presence/"
"""Prefix of the topics that tell who follows a topic."""

_EXPRESSION = re.compile(r"\{\+?([A-Za-z_][A-Za-z0-9_.]*)\}")


class TopicPolicy(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One declaration."""

    pattern: Filter
    keep: Keep | None = KEEP
    """None: ephemeral. Nothing is stored, and who follows now gets it."""
    coalesce: bool = False
    """Whether only the newest message matters to whoever cannot keep up."""
    max_message: int = MAX_MESSAGE
    subscribe: Rule = "granted"
    publish: Rule = "granted"
    presence: Rule | None = None
    """Who may see who follows; None: nobody is counted."""

    def parameters(self, topic: str) -> dict[str, str]:
        """What the pattern's expressions stand for in a topic that matches."""
        expression, names = _expression(self.pattern.text)
        found = expression.fullmatch(topic)
        return {} if found is None else dict(zip(names, found.groups(), strict=True))


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> tuple[re.Pattern[str], list[str]]:
    """A pattern as a regular expression, and the names of its groups. It is the application's own,
    and no caller's.
    """
    parts: list[str] = []
    at = 0
    for found in _EXPRESSION.finditer(pattern):
        parts.append(_literal(pattern[at : found.start()]))
        parts.append("(.+)" if found[0].startswith("{+") else "([^/]+)")
        at = found.end()
    parts.append(_literal(pattern[at:]))
    return re.compile("".join(parts), re.DOTALL), _EXPRESSION.findall(pattern)


def _literal(text: str) -> str:
    return (
        re.escape(text).replace(re.escape(ONE), "[^/]+").replace("/" + re.escape(REST), "(?:/.*)?")
    )


@lru_cache(maxsize=4096)
def parsed(text: str) -> Filter:
    """A filter's text, parsed once. Raises ``InvalidInput``."""
    return parse(text)


class Topics:
    """All declarations of an application."""

    def __init__(
        self,
        policies: Sequence[TopicPolicy] = (),
        *,
        open: TopicPolicy | None = None,
        development: bool = False,
    ) -> None:
        """``open`` is of topics that nobody declared; None: there are none. ``development``:
        whether no caller can be known, and ``granted`` and ``signed_in`` let everybody.
        """
        self.open = open
        self.policies = [*policies, *([open] if open is not None else [])]
        self.development = development
        self._known: dict[str, TopicPolicy | None] = {}

    def find(self, topic: str) -> TopicPolicy | None:
        """The declaration a topic belongs to; None: to none, or this is no name."""
        try:
            return self._known[topic]
        except KeyError:
            pass
        if len(topic) > MAX_TOPIC_LENGTH:
            return None  # nor is it remembered: who asks decides how long it is
        found = None
        if not topic.startswith(("$", OPERATIONS)) and _is_name(topic):
            found = next((p for p in self.policies if p.pattern.matches(topic)), None)
        if len(self._known) >= KNOWN_TOPICS:
            self._known.clear()
        self._known[topic] = found
        return found

    def policy(self, topic: str) -> TopicPolicy:
        """The same. Raises ``InvalidInput`` for what is no name, and ``UnknownTopic``."""
        found = self.find(topic)
        if found is None:
            check_name(topic)
            raise UnknownTopic(
                f"No topic {topic!r} is declared. Declare it with rb.topic(…), or open "
                "undeclared topics with open_topics.",
                topic=topic,
            )
        return found

    def check(self, action: Action, claims: Claims, topic: str) -> TopicPolicy:
        """The declaration of a topic, for whoever may do this to it.

        Raises as ``policy`` does, and ``Unauthenticated`` or ``Forbidden``.
        """
        policy = self._known.get(topic) or self.policy(topic)
        if not self._obeys(getattr(policy, action), policy, action, claims, topic):
            raise _refused(action, claims, topic)
        return policy

    def allows(self, action: Action, claims: Claims, topic: str) -> bool:
        """Whether it may be done: the same without a reason."""
        if topic.startswith(PRESENCE):
            return action == "subscribe" and self.shows_presence(claims, topic[len(PRESENCE) :])
        policy = self.find(topic)
        return policy is not None and self._lets(policy, action, claims, topic)

    def grants(self, claims: Claims, topic: str) -> bool:
        """Whether the caller in particular may follow, and not because everybody may, or all who
        have a token: what a private message takes.
        """
        policy = self.find(topic)
        if policy is None:
            return False
        rule = policy.subscribe
        if self.development or claims.admin:
            return True
        known = claims.subject is not None
        if known and callable(rule) and _says_yes(rule, policy, claims, topic):
            return True
        return any(parsed(grant).matches(topic) for grant in claims.subscribe)

    def shows_presence(self, claims: Claims, topic: str) -> bool:
        """Whether the caller may see who follows a topic."""
        policy = self.find(topic)
        if policy is None or policy.presence is None:
            return False
        return self._obeys(policy.presence, policy, "subscribe", claims, topic)

    def everywhere(self, action: Action, claims: Claims, filter: Filter) -> bool:
        """Whether it may be done to every topic that matches, so that none needs to be asked for.

        Says no where that is not plain to see.
        """
        if filter.prefix.startswith("$"):
            return False  # Ringback's own: of each there is a rule, and no token grants them
        if claims.admin or any(
            parsed(grant) == filter or grant == "*" for grant in _grants(action, claims)
        ):
            return True
        return all(self._lets_all(getattr(policy, action), claims) for policy in self.policies)

    def somewhere(self, action: Action, claims: Claims) -> bool:
        """Whether there may be a topic to which it may be done."""
        if claims.admin or _grants(action, claims):
            return True
        return any(
            callable(rule := getattr(policy, action)) or self._lets_all(rule, claims)
            for policy in self.policies
        )

    def _lets(self, policy: TopicPolicy, action: Action, claims: Claims, topic: str) -> bool:
        return self._obeys(getattr(policy, action), policy, action, claims, topic)

    def _obeys(
        self, rule: Rule, policy: TopicPolicy, action: Action, claims: Claims, topic: str
    ) -> bool:
        if callable(rule):
            if _says_yes(rule, policy, claims, topic):
                return True
        elif self._lets_all(rule, claims):
            return True
        if claims.admin:
            return True
        return any(parsed(grant).matches(topic) for grant in _grants(action, claims))

    def _lets_all(self, rule: Rule, claims: Claims) -> bool:
        """Whether a rule lets the caller, whatever the topic."""
        if callable(rule):
            return False
        if rule == "anyone" or self.development:
            return True
        return rule == "signed_in" and claims.subject is not None


def _says_yes(rule: Predicate, policy: TopicPolicy, claims: Claims, topic: str) -> bool:
    """Only ``True`` is a yes: what is to be awaited, say, would be true before it has an answer."""
    return rule(claims, **policy.parameters(topic)) is True


def _is_name(topic: str) -> bool:
    try:
        check_name(topic)
    except InvalidInput:
        return False
    return True


def _grants(action: Action, claims: Claims) -> tuple[str, ...]:
    return claims.subscribe if action == "subscribe" else claims.publish


def _refused(action: Action, claims: Claims, topic: str) -> Forbidden | Unauthenticated:
    verb = "follow" if action == "subscribe" else "publish to"
    if claims.subject is None and not _grants(action, claims):
        return Unauthenticated(f"To {verb} {topic} takes a token.")
    return Forbidden(
        f"This token does not allow to {verb} {topic}. It takes one whose claim "
        f'`topics` has it: {{"{action}": ["{topic}"]}}.'
    )


def check_grant(text: str) -> str:
    """A filter that a token grants. Raises ``InvalidInput``."""
    if not isinstance(text, str):
        raise InvalidInput("A token's topics are filters: strings.")
    return parsed(text).text
