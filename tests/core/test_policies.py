"""Who may follow and publish: deny first."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ringback.core.access import ADMIN_SCOPE, ANONYMOUS, Claims
from ringback.core.filters import parse
from ringback.core.policies import PRESENCE, Action, TopicPolicy, Topics
from ringback.errors import Forbidden, InvalidInput, Unauthenticated, UnknownTopic

ANN = Claims(subject="ann")
ADMIN = Claims(subject="root", scopes=frozenset({ADMIN_SCOPE}))
GRANTED = Claims(subject="bob", subscribe=("news/+", "prices/tea"), publish=("news/local",))
DECLARED = (
    TopicPolicy(pattern=parse("news/{place}")),
    TopicPolicy(pattern=parse("prices/+"), subscribe="anyone", publish="signed_in"),
    TopicPolicy(
        pattern=parse("people/{name}/{+rest}"),
        subscribe=lambda claims, name, rest: claims.subject == name and rest != "secret",
        presence="signed_in",
    ),
)
TOPICS = Topics(DECLARED)
DEVELOPMENT = Topics(DECLARED, development=True)


@pytest.mark.parametrize(
    ("claims", "action", "topic", "wanted"),
    [
        (ANONYMOUS, "subscribe", "news/local", False),
        (ANN, "subscribe", "news/local", False),
        (GRANTED, "subscribe", "news/local", True),
        (GRANTED, "publish", "news/local", True),
        (GRANTED, "publish", "news/world", False),
        (ADMIN, "publish", "news/world", True),
        (ANONYMOUS, "subscribe", "prices/tea", True),
        (ANONYMOUS, "publish", "prices/tea", False),
        (ANN, "publish", "prices/tea", True),
        (ANN, "subscribe", "people/ann/a/b", True),
        (ANN, "subscribe", "people/ann/secret", False),
        (ANN, "subscribe", "people/bob/a", False),
        (ANN, "publish", "people/ann/a", False),
        (ADMIN, "subscribe", "people/ann/secret", True),
        (ADMIN, "subscribe", "undeclared", False),
        (Claims(subject="x", subscribe=("*",)), "subscribe", "undeclared", False),
        (ADMIN, "publish", "operations/1", False),
        (ADMIN, "subscribe", "$revocations", False),
        (ANN, "subscribe", PRESENCE + "people/ann/a", True),
        (ANONYMOUS, "subscribe", PRESENCE + "people/ann/a", False),
        (ADMIN, "subscribe", PRESENCE + "news/local", False),
        (ADMIN, "publish", PRESENCE + "people/ann/a", False),
    ],
)
def test_who_may(claims: Claims, action: Action, topic: str, wanted: bool) -> None:
    assert TOPICS.allows(action, claims, topic) is wanted


@pytest.mark.parametrize(
    ("claims", "topic", "error"),
    [
        (ANONYMOUS, "news/local", Unauthenticated),
        (ANN, "news/local", Forbidden),
        (ADMIN, "undeclared", UnknownTopic),
        (ADMIN, "operations/1", UnknownTopic),
        (ADMIN, "a//b", InvalidInput),
        (ADMIN, "news/+", InvalidInput),
        (ADMIN, "", InvalidInput),
    ],
)
def test_a_refusal_says_why(claims: Claims, topic: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        TOPICS.check("subscribe", claims, topic)


def test_the_first_declaration_counts() -> None:
    first, second = (TopicPolicy(pattern=parse(text)) for text in ("a/+", "a/{x}"))
    assert Topics([first, second]).policy("a/b") is first
    assert Topics([second, first]).policy("a/b") is second


class Awaitable:
    """What a function answers with that only looks plain: true, whatever comes of it."""

    def __await__(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize("answer", [Awaitable(), 1, "no", None, False])
def test_only_true_is_a_yes(answer: Any) -> None:
    topics = Topics([TopicPolicy(pattern=parse("a"), subscribe=lambda claims: answer)])
    assert not topics.allows("subscribe", ANN, "a")
    assert not topics.grants(ANN, "a")
    with pytest.raises(Forbidden):
        topics.check("subscribe", ANN, "a")


def test_undeclared_topics_are_there_where_they_are_open() -> None:
    opened = TopicPolicy(pattern=parse("#"))
    topics = Topics(DECLARED, open=opened)
    assert topics.policy("anything/at/all") is opened
    assert topics.policy("news/local") is DECLARED[0]
    with pytest.raises(UnknownTopic):
        topics.policy("operations/1")
    assert not topics.allows("subscribe", ANN, "anything")
    assert topics.allows("subscribe", Claims(subscribe=("any/#",)), "any/thing")


def test_in_development_everybody_may_where_no_function_says_otherwise() -> None:
    assert DEVELOPMENT.allows("publish", ANONYMOUS, "news/local")
    assert not DEVELOPMENT.allows("subscribe", ANONYMOUS, "people/ann/a")


@pytest.mark.parametrize(
    ("claims", "filter", "everywhere"),
    [
        (ADMIN, "#", True),
        (GRANTED, "news/+", True),
        (GRANTED, "news/#", False),
        (ANONYMOUS, "prices/+", False),
        (Claims(subscribe=("*",)), "a/+", True),
        (Claims(subscribe=("*",)), "$presence/+", False),
        (ADMIN, "/$presence/:topic", False),
    ],
)
def test_where_no_topic_needs_to_be_asked_for(
    claims: Claims, filter: str, everywhere: bool
) -> None:
    assert TOPICS.everywhere("subscribe", claims, parse(filter)) is everywhere


def test_where_all_is_open_to_all_nobody_needs_to_be_asked() -> None:
    topics = Topics([TopicPolicy(pattern=parse("#"), subscribe="anyone")])
    assert topics.everywhere("subscribe", ANONYMOUS, parse("a/+"))
    assert topics.somewhere("subscribe", ANONYMOUS)
    assert not topics.somewhere("publish", ANONYMOUS)
    assert TOPICS.somewhere("subscribe", ANONYMOUS)
    assert not Topics([DECLARED[0]]).somewhere("subscribe", ANN)
    assert Topics([DECLARED[0]]).somewhere("subscribe", GRANTED)


NAMES = st.sampled_from(["news/local", "prices/tea", "people/ann/x", "people/bob/y/z", "other"])
CALLERS = st.sampled_from([ANONYMOUS, ANN, GRANTED, ADMIN, Claims(subscribe=("*",))])


@given(topic=NAMES, claims=CALLERS, filter=st.sampled_from(["#", "*", "+/+", "news/+", "news/#"]))
def test_what_is_allowed_everywhere_is_allowed_of_each(
    topic: str, claims: Claims, filter: str
) -> None:
    parsed = parse(filter)
    if TOPICS.everywhere("subscribe", claims, parsed) and parsed.matches(topic):
        assert TOPICS.find(topic) is None or TOPICS.allows("subscribe", claims, topic)
    if TOPICS.allows("subscribe", claims, topic):
        assert TOPICS.somewhere("subscribe", claims)


@pytest.mark.parametrize(
    ("pattern", "topic", "wanted"),
    [
        ("a/{x}", "a/1", {"x": "1"}),
        ("a/room-{x}/{y}", "a/room-1/2", {"x": "1", "y": "2"}),
        ("a/{+rest}", "a/b/c", {"rest": "b/c"}),
        ("a/+/{x}", "a/b/c", {"x": "c"}),
        ("a/#", "a", {}),
        ("a/#", "a/b/c", {}),
        ("#", "anything", {}),
        ("a.b/{x}", "a.b/(c)", {"x": "(c)"}),
    ],
)
def test_what_the_expressions_stand_for(pattern: str, topic: str, wanted: dict[str, str]) -> None:
    policy = TopicPolicy(pattern=parse(pattern))
    assert policy.pattern.matches(topic)
    assert policy.parameters(topic) == wanted


def test_what_is_too_long_for_a_name_is_not_remembered() -> None:
    topics = Topics(DECLARED)
    tracemalloc.start()
    try:
        for number in range(1000):
            assert topics.find(f"news/{number:010000}") is None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
