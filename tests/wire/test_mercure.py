"""Mercure's updates as messages, and messages as events."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.model import Kind, Message, Position
from ringback.core.topics import MAX_TOPIC_LENGTH, check_publishable
from ringback.errors import InvalidInput, MalformedRequest, PayloadTooLarge, RingbackError
from ringback.wire.mercure import (
    MAX_TOPICS,
    Attributes,
    Update,
    frame,
    hub_name,
    position_of,
    read_attributes,
    read_form,
    read_update,
    standing,
    topic_of,
)
from tests.edges.mercure.events import Stream

AT = Position("e", 7)


def message(update: Update, id: str | None = None) -> Message:
    return Message(
        topic=next(iter(update.names)),
        position=AT,
        kind=Kind.MESSAGE,
        data=update.body,
        at=0.0,
        attributes=update.attributes(update.id or id),
    )


def event(update: Update) -> tuple[str, str, str]:
    """Id, type and data, as an EventSource dispatches them."""
    (found,) = Stream().feed(frame(message(update)))
    return found.id, found.kind, found.data


# Names


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("https://example.com/books/1", None),
        ("urn:isbn:1", None),
        ("chat", None),
        ("a/b?c=d&e", None),
        ("https://symfony.com/ux-turbo/App%5CEntity%5CBook/1", None),
        ("https://example.com/u/1/?topic=https%3A%2F%2Fexample.com%2Fb", None),
        ("/books/1", "%/books/1"),
        ("https://example.com/", "https://example.com/%"),
        ("https://example.com//a", "https://example.com/%/a"),
        ("file:///etc", "file://%/etc"),
        ("a b+c#d*e{f}", "a%20b%2Bc%23d%2Ae%7Bf%7D"),
        ("a/../b/.", "a/%2E%2E/b/%2E"),
        ("$SYS/a", "%24SYS/a"),
        ("1/2/3/4/5/6/7/8/9/10", "1/2/3/4/5/6/7/8%2F9%2F10"),
        ("https://h/1/2/3/4/5/6/7/8", "https://h/1/2/3/4/5/6/7%2F8"),
    ],
)
def test_the_name_of_a_topic(topic: str, name: str | None) -> None:
    assert hub_name(topic) == (name or topic)
    assert topic_of(hub_name(topic)) in {topic, topic_of(topic)}


@pytest.mark.parametrize(
    "topic", ["operations/1", "a" * (MAX_TOPIC_LENGTH + 1), "a\nb", "https:/", "a\ud800"]
)
def test_what_can_have_no_name(topic: str) -> None:
    with pytest.raises(InvalidInput):
        hub_name(topic)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_every_name_is_one(topic: str) -> None:
    try:
        assert check_publishable(hub_name(topic))
    except InvalidInput:
        return


# The form


def test_an_update() -> None:
    body = (
        b"topic=https%3A%2F%2Fexample.com%2F1&topic=b&topic=b&data=x%0Ay&data=z&private=&id=urn%3Aa"
        b"&type=t&retry=5&target=old"
    )
    assert read_update(read_form(body, 100)) == Update(
        topics=("https://example.com/1", "b"),
        data="x\ny",
        private=True,
        id="urn:a",
        type="t",
        retry=5,
    )
    assert read_update([("topic", "a"), ("id", ""), ("type", ""), ("retry", "")]) == Update(
        topics=("a",)
    )


@pytest.mark.parametrize(
    "fields",
    [
        [("data", "x")],
        [("topic", "")],
        [("topic", "*")],
        [("topic", "a\r\nb")],
        [("topic", "a\u200bb")],
        [("topic", "/.well-known/mercure")],
        [("topic", "/.well-known/mercure/subscriptions/a/b")],
        [("topic", "https://example.com/.well-known/mercure/x")],
        [("topic", "/a/../.well-known/./mercure/x")],
        [("topic", "/.well-known/%6Dercure/x")],
        [("topic", "//[x")],
        [("topic", "a"), ("id", "#1")],
        [("topic", "a"), ("id", "earliest")],
        [("topic", "a"), ("id", "urn:ringback:e-1")],
        [("topic", "a"), ("id", "a\nb")],
        [("topic", "a"), ("id", "a" * 256)],
        [("topic", "a"), ("type", "mercure")],
        [("topic", "a"), ("type", "a\ndata: b")],
        [("topic", "a"), ("retry", "-1")],
        [("topic", "a"), ("retry", "1.5")],
        [("topic", "a"), ("retry", "٣")],
        [("topic", "a"), ("retry", "1" * 10)],
    ],
)
def test_no_update(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(MalformedRequest) as refused:
        read_update(fields)
    assert len(refused.value.detail) > 20


def test_too_many_topics() -> None:
    with pytest.raises(PayloadTooLarge):
        read_update([("topic", str(number)) for number in range(MAX_TOPICS + 1)])
    with pytest.raises(PayloadTooLarge):
        read_update([("topic", f"{number}" * 250) for number in range(40)])


@pytest.mark.parametrize("body", [b"topic=%FF", b"topic=\xff", b"a&" * 11])
def test_no_form(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        read_form(body, 10)


# Data and events


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ('{"a":1}', b'{"a":1}'),
        ('{ "a" : 1 }', b'{"a":1}'),
        ("hello", b'"hello"'),
        ('"hello"', b'"hello"'),
        ("", b'""'),
        ("12", b"12"),
        ("{", b'"{"'),
        ("NaN", b'"NaN"'),
    ],
)
def test_data_is_json_where_it_can_be(text: str, stored: bytes) -> None:
    update = Update(topics=("a",), data=text)
    assert update.body == stored
    assert event(update)[2] == text


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
def test_any_text_comes_back(text: str) -> None:
    assert event(Update(topics=("a",), data=text))[2] == text


@given(st.recursive(st.none() | st.floats() | st.text(), lambda inner: st.lists(inner)))
def test_json_comes_back_as_it_was_written(value: object) -> None:
    import json

    for text in (json.dumps(value), json.dumps(value, indent=2)):
        assert event(Update(topics=("a",), data=text))[2] == text


def test_every_line_break_is_a_line() -> None:
    """An EventSource joins lines by LF, whatever stood there."""
    update = Update(topics=("a",), data="1\r\n2\r3\n4")
    assert b"data: 1\ndata: 2\ndata: 3\ndata: 4\n\n" in frame(message(update))


def test_an_event() -> None:
    update = Update(topics=("a",), data="x", id="urn:ü", type="t", retry=5)
    assert frame(message(update)) == ("id: urn:ü\nevent: t\nretry: 5\ndata: x\n\n".encode())
    assert event(Update(topics=("a",), data="x")) == ("urn:ringback:e-7", "message", "x")


def test_a_message_that_was_published_otherwise() -> None:
    plain = Message(topic="t", position=AT, kind=Kind.MESSAGE, data=b'{"a":1}', at=0.0)
    assert frame(plain) == b'id: urn:ringback:e-7\ndata: {"a":1}\n\n'
    passing = msgspec.structs.replace(plain, position=Position("", 0))
    assert frame(passing) == b'data: {"a":1}\n\n', "there is nothing to resume after"
    odd = msgspec.structs.replace(plain, attributes=b'{"type":"a\\nid: b","retry":"x","topics":3}')
    assert frame(odd) == b'id: urn:ringback:e-7\ndata: {"a":1}\n\n'
    assert not odd.particular


def test_where_a_stream_stands_dispatches_nothing_and_is_remembered() -> None:
    stream = Stream()
    assert stream.feed(standing(AT)) == []
    assert stream.last_id == "urn:ringback:e-7"
    assert position_of(stream.last_id) == AT
    assert position_of("urn:other:e-7") is None
    assert position_of("urn:ringback:x") is None


def test_what_is_said_beside_data() -> None:
    assert Update(topics=("a",), data="1").attributes(None) is None
    found = message(Update(topics=("a", "b"), private=True), "i")
    assert found.private
    assert found.particular
    assert found.attributes is not None
    assert read_attributes(found.attributes).topics == ("a", "b")
    renamed = message(Update(topics=("a+b",)))
    assert renamed.particular
    assert not renamed.private
    assert read_attributes(b"[]") == read_attributes(b"{") == Attributes()


@given(st.text(), st.text(max_size=20))
def test_nobody_writes_an_update_that_says_it_is_private(data: str, id: str) -> None:
    text = f'"private":true "topics":[ {data}'
    try:
        update = read_update([("topic", "a"), ("data", text), ("id", id)])
    except RingbackError:
        return
    assert not message(update).particular
