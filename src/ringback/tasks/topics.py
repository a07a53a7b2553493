"""Topics that an application declares: options in, a policy and a model out."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, TypedDict, get_args

from pydantic import TypeAdapter, ValidationError

from ringback.core.filters import parse
from ringback.core.model import Keep, Position
from ringback.core.policies import MAX_MESSAGE, Rule, TopicPolicy, Who
from ringback.core.topics import OPERATIONS, check_name
from ringback.errors import ConfigurationError, InvalidInput
from ringback.tasks.encoding import to_json_bytes
from ringback.tasks.signature import invalid_input

Seconds: TypeAlias = float | int | timedelta
_EXPRESSION = re.compile(r"\{\+?([A-Za-z_][A-Za-z0-9_.]*)\}")
FOR_EVER = 100 * 366 * 86400.0
"""Seconds: a message that is kept so long outlives every store."""


class TopicOptions(TypedDict, total=False):
    """What can be said of a topic. Everything has a default."""

    durable: bool
    """Whether messages are stored, so that nobody misses one over a reconnect (True). Otherwise
    whoever follows now gets them, and nothing is kept: the fastest."""
    age: Seconds | None
    """Seconds for which a message is kept; the setting ``topic_retention`` unless it is given,
    and None for ever."""
    count: int | None
    """Messages that are kept (None: any number). A few more may be, for a while."""
    size: int | None
    """Bytes of messages that are kept (None: any number). Likewise."""
    retained: bool
    """Whether the newest message stays, however old, and new followers get it first (False)."""
    coalesce: bool
    """Whether only the newest message matters to a follower who cannot keep up (False): older
    ones that were not sent yet are dropped."""
    max_message: int
    """Bytes of one message (262144)."""
    subscribe: Rule
    """Who may follow: ``granted`` (those whose token names the topic; the default), ``signed_in``,
    ``anyone``, or a function of the claims and the pattern's parameters, for those of whom it
    returns ``True`` itself."""
    publish: Rule
    """Who may publish from outside the application, likewise."""
    presence: Rule | None
    """Who may see who follows, likewise; None: nobody is counted."""
    model: Any
    """The type of its messages: what does not fit is refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredTopic:
    """One declaration."""

    policy: TopicPolicy
    model: TypeAdapter[Any] | None = None

    def validated(self, encoded: bytes) -> bytes:
        """A message as its model writes it. Raises ``InvalidInput`` with JSON Pointers."""
        if self.model is None:
            return encoded
        try:
            value = self.model.validate_json(encoded)
        except ValidationError as error:
            raise invalid_input(error) from None
        return to_json_bytes(value)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a message."""

    topic: str
    position: Position | None
    """Where it stands; None: its topic is ephemeral."""
    listeners: int
    """How many followed the topic in this process, through any transport."""


class Topic:
    """Declared topics, as a handle for publishing to one of them."""

    def __init__(self, pattern: str, publish: Callable[[str, Any], Awaitable[Published]]) -> None:
        self.pattern = pattern
        self._publish = publish

    def name(self, **parameters: object) -> str:
        """The topic for which the pattern's expressions stand for these values.

        Raises ``InvalidInput`` where one is missing, or the name is none.
        """
        try:
            name = _EXPRESSION.sub(lambda found: str(parameters[found[1]]), self.pattern)
        except KeyError as error:
            raise InvalidInput(f"{self.pattern} lacks a value for {error}.") from None
        return check_name(name)

    async def publish(self, data: Any, **parameters: object) -> Published:
        """Publish a message; see ``Ringback.publish``."""
        return await self._publish(self.name(**parameters), data)


def declare_topic(pattern: str, options: TopicOptions, topic_retention: float) -> DeclaredTopic:
    """A declaration from what the application says. Raises ``ConfigurationError``."""
    unknown = options.keys() - TopicOptions.__annotations__.keys()
    if unknown:
        raise ConfigurationError(
            f"A topic has no option {', '.join(sorted(unknown))}. It has: "
            f"{', '.join(TopicOptions.__annotations__)}."
        )
    try:
        parsed = parse(pattern)
    except InvalidInput as error:
        raise ConfigurationError(f"{pattern!r}: {error.detail}") from None
    if pattern.startswith((OPERATIONS, "$")):
        raise ConfigurationError(f"Topics that begin with '$' or {OPERATIONS!r} are Ringback's.")
    for name in ("subscribe", "publish", "presence"):
        rule = options.get(name)
        if rule is not None and not callable(rule) and rule not in get_args(Who):
            raise ConfigurationError(
                f"{pattern}: {name} is one of {', '.join(get_args(Who))}, or a function; "
                f"it is {rule!r}."
            )
        if _is_async(rule):
            raise ConfigurationError(
                f"{pattern}: {name} is asked for each topic, and cannot be awaited. Make it a "
                "plain function, which answers from what the claims and the topic say."
            )
        if callable(rule) and pattern.startswith("/"):
            raise ConfigurationError(
                f"{pattern}: {name} gets its parameters from expressions, and a URL pattern has "
                "none. Write the pattern as a template, as in rooms/{id}."
            )
    for name in ("count", "size", "max_message"):
        bound = options.get(name)
        if bound is not None and (not isinstance(bound, int) or bound < 1):
            raise ConfigurationError(f"{pattern}: {name} is 1 or more; it is {bound!r}.")
    keep = None
    if options.get("durable", True):
        age = options.get("age", topic_retention)
        keep = Keep(
            age=FOR_EVER if age is None else _seconds(pattern, age),
            count=options.get("count"),
            bytes=options.get("size"),
            retained=options.get("retained", False),
        )
    elif kept := options.keys() & {"age", "count", "size", "retained"}:
        raise ConfigurationError(
            f"{pattern} is not durable, so nothing of it is kept: leave out {', '.join(kept)}."
        )
    model = options.get("model")
    try:
        adapter = TypeAdapter(model) if model is not None else None
    except Exception as error:  # pydantic raises many kinds, of the user's own types
        raise ConfigurationError(f"The model of {pattern} has no JSON form: {error}") from error
    policy = TopicPolicy(
        pattern=parsed,
        keep=keep,
        coalesce=options.get("coalesce", False),
        max_message=options.get("max_message", MAX_MESSAGE),
        subscribe=options.get("subscribe", "granted"),
        publish=options.get("publish", "granted"),
        presence=options.get("presence"),
    )
    return DeclaredTopic(policy=policy, model=adapter)


def _is_async(rule: object) -> bool:
    """Whether a call answers with something to be awaited, which is true whatever comes of it."""
    call = getattr(type(rule), "__call__", None)  # noqa: B004 - it is looked at, not for
    return inspect.iscoroutinefunction(rule) or inspect.iscoroutinefunction(call)


def _seconds(pattern: str, age: Seconds) -> float:
    value: object = age.total_seconds() if isinstance(age, timedelta) else age
    if not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{pattern}: age is seconds, more than 0; it is {age!r}.")
    return float(value)
