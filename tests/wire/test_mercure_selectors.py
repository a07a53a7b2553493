"""What a subscriber asks for, and what a token grants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.filters import parse
from ringback.errors import InvalidInput, MalformedRequest, Unauthenticated
from ringback.wire.mercure import hub_name
from ringback.wire.mercure_selectors import Selector, read_selectors
from ringback.wire.mercure_tokens import DETAIL, MAX_GRANTS, granted, read_grants

BASE = "http://localhost:8000/.well-known/mercure"
TEMPLATES = (
    "https://example.com/books/{id}",
    "https://example.com/{+path}",
    "{a}",
    "/books/{id}",
    "https://{host}/x",
    "https:/{+rest}",
    "a+b/{c}",
    "./{a}",
    "1/2/3/4/5/6/7/8/9/{a}",
)


def read(*fields: tuple[str, str], limit: int = 10, patterns: int = 10) -> tuple[Selector, ...]:
    return read_selectors(fields, BASE, limit, patterns)


def test_what_draft_07_asks_for() -> None:
    exact, template, everything, odd = read(
        ("topic", "https://example.com/1"),
        ("topic", "https://example.com/{id}"),
        ("topic", "*"),
        ("topic", "not a {template"),
        ("topic", "*"),
        ("authorization", "x"),
    )
    assert (exact.kind, template.kind, odd.kind) == ("exact", "uritemplate", "exact")
    assert exact.filter == parse("https://example.com/1"), "the group is the hub's own"
    assert everything.filter == parse("*")
    assert template.matches("https://example.com/2")
    assert template.matches("https://example.com/{id}"), "published as it stands"
    assert not exact.matches("https://example.com/2")
    assert odd.matches("not a {template")
    assert everything.matches("anything")


def test_what_draft_08_asks_for() -> None:
    exact, template, pattern, everything = read(
        ("match", "https://example.com/{id}"),
        ("match_uritemplate", "https://example.com/{id}"),
        ("match_urlpattern", "/books/:id"),
        ("match", "*"),
    )
    assert [each.matches("https://example.com/1") for each in (exact, template)] == [False, True]
    assert exact.matches("https://example.com/{id}")
    assert pattern.matches("http://localhost:8000/books/1")
    assert pattern.matches("/books/1")
    assert everything.everything


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("other", "x")],
        [("topic", "")],
        [("topic", "a\nb")],
        [("match", "a\u202eb")],
        [("match", "a" * 1025)],
        [("match_regexp", "a")],
        [("matchURLPattern", "/a")],
        [("match_uritemplate", "{")],
        [("match_urlpattern", "(")],
        [("topic", str(number)) for number in range(11)],
    ],
)
def test_what_cannot_be_asked_for(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read(*fields)
    assert len(refused.value.detail) > 20


@given(
    st.sampled_from(TEMPLATES), st.lists(st.sampled_from(["a", "", ".", "+", "$x", "{", "1", "é"]))
)
def test_the_hub_never_misses_a_topic_that_a_template_is_about(
    template: str, words: list[str]
) -> None:
    (selector,) = read(("match_uritemplate", template))
    beginning = template.partition("{")[0]
    topic = beginning + "/".join(words)
    try:
        name = hub_name(topic)
    except InvalidInput:
        return
    assert selector.filter is not None
    if selector.matches(topic):
        assert selector.filter.matches(name), (topic, name)


# Tokens


def detail(**members: Any) -> dict[str, Any]:
    return {"type": DETAIL, "actions": ["subscribe"], "topics": [{"match": "a"}], **members}


def test_what_a_token_of_draft_07_grants() -> None:
    claim = {"publish": ["*"], "subscribe": ["https://example.com/{id}"], "payload": {"a": 1}}
    grants = read_grants({"mercure": claim}, "JWT", BASE)
    assert granted(grants.publish, "anything") is not None
    found = granted(grants.subscribe, "https://example.com/1")
    assert found is not None
    assert found.payload == {"a": 1}
    assert granted(grants.subscribe, "https://example.org/1") is None
    assert grants.subscriber
    assert not read_grants({"mercure": {"publish": ["*"]}}, None, BASE).subscriber
    assert read_grants({"mercure": {"subscribe": []}}, None, BASE).subscriber
    assert not read_grants({"sub": "ann"}, None, BASE).subscriber


def test_what_a_token_of_draft_08_grants() -> None:
    details = [
        {"type": "other", "actions": 3},
        detail(topics=[{"match": "a"}, {"match": "/b/:c", "match_type": "urlpattern"}]),
        detail(actions=["publish", "subscribe"], topics=[{"match": "*"}], payload=1),
    ]
    grants = read_grants({"authorization_details": details}, "at+jwt", BASE)
    assert [each.selector.text for each in grants.publish] == ["*"]
    assert [each.selector.text for each in grants.subscribe] == ["a", "/b/:c", "*"]
    assert grants.subscribe[2].payload == 1
    assert read_grants({"authorization_details": details}, "application/AT+JWT", BASE) == grants
    assert read_grants({"authorization_details": details[:1]}, "JWT", BASE).subscribe == ()


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"mercure": 1}, "JWT"),
        ({"mercure": {"publish": "*"}}, "JWT"),
        ({"mercure": {"publish": [1]}}, "JWT"),
        ({"mercure": {"subscribe": ["a\nb"]}}, "JWT"),
        ({"mercure": {"subscribe": [str(n) for n in range(MAX_GRANTS + 1)]}}, "JWT"),
        ({"authorization_details": {}}, "at+jwt"),
        ({"authorization_details": [1]}, "at+jwt"),
        ({"authorization_details": [detail()]}, "JWT"),
        ({"authorization_details": [detail()]}, None),
        ({"authorization_details": [detail(), detail(actions=["delete"])]}, "at+jwt"),
        ({"authorization_details": [detail(actions=[])]}, "at+jwt"),
        ({"authorization_details": [detail(actions="publish")]}, "at+jwt"),
        ({"authorization_details": [detail(topics=[])]}, "at+jwt"),
        ({"authorization_details": [detail(topics=["a"])]}, "at+jwt"),
        ({"authorization_details": [detail(topics=[{}])]}, "at+jwt"),
        ({"authorization_details": [detail(topics=[{"match": ""}])]}, "at+jwt"),
        (
            {"authorization_details": [detail(topics=[{"match": "a", "match_type": "x"}])]},
            "at+jwt",
        ),
        (
            {"authorization_details": [detail(topics=[{"match": "a", "match_type": []}])]},
            "at+jwt",
        ),
    ],
)
def test_a_grant_that_is_none_makes_the_token_bad(claims: dict[str, Any], kind: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        read_grants(claims, kind, BASE)
    assert len(refused.value.detail) > 20
