"""Names of topics: the same meaning in a URL, in MQTT and in NATS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.topics import (
    MAX_TOPIC_LENGTH,
    MAX_TOPIC_SEGMENTS,
    check_name,
    check_publishable,
)
from ringback.errors import InvalidInput

MANY = "/".join("a" * (MAX_TOPIC_SEGMENTS + 1))


@pytest.mark.parametrize(
    "topic",
    [
        "a",
        "a/b",
        "questions/-85109",
        "chat/Zürich",
        "a.b/c~d",
        "x" * 256,
        MANY[:-2],
        "a/...",
        "é/日",
        "https://example.com/books/1",
        "https://example.com/1/2/3/4/5/6/7",
        "urn:isbn:1",
    ],
)
def test_a_name(topic: str) -> None:
    assert check_name(topic) == topic
    assert check_publishable(topic) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "https://",
        "https:///a",
        "https://example.com/",
        "https://example.com//a",
        "https://example.com/1/2/3/4/5/6/7/8",
        "1https://example.com",
        ".",
        "a/../b",
        "a/.",
        "a b",
        "a\tb",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a/+/b",
        "a/#",
        "a*",
        "x" * (MAX_TOPIC_LENGTH + 1),
        MANY,
    ],
)
def test_no_name(topic: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_name(topic)
    assert len(str(refused.value.fields["topic"])) <= MAX_TOPIC_LENGTH
    assert len(refused.value.detail) > 20, "it says what a name is"


@pytest.mark.parametrize("topic", ["operations/1", "operations/", "$queue", "$SYS/a"])
def test_our_own_topics_are_not_published_to(topic: str) -> None:
    with pytest.raises(InvalidInput, match="Ringback's own"):
        check_publishable(topic)


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused(topic: str) -> None:
    try:
        check_name(topic)
    except InvalidInput:
        return
    assert all(topic.replace("://", "/", 1).split("/"))
    assert not set(topic) & set("+#* \x00\n\r\t")
