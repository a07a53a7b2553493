"""What a filter matches, and that the index finds the same whatever else is in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.filters import (
    MAX_EXPRESSIONS,
    MAX_FILTER_LENGTH,
    Filter,
    Index,
    parse,
)
from ringback.errors import InvalidInput

MATCHES = {
    "a/b": (["a/b"], ["a", "a/b/c", "b", "a/B"]),
    # MQTT 5 §4.7.1 and §4.7.2, its examples.
    "sport/tennis/player1/#": (
        ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/w"],
        ["sport/tennis/player2", "sport/tennis"],
    ),
    "sport/#": (["sport", "sport/tennis"], ["sports", "a/sport"]),
    "#": (["a", "a/b/c"], ["$SYS", "$SYS/broker"]),
    "sport/tennis/+": (["sport/tennis/player1"], ["sport/tennis/player1/ranking", "sport/tennis"]),
    "+/tennis/#": (["sport/tennis", "sport/tennis/x/y"], ["tennis", "$x/tennis"]),
    "+/+": (["a/b"], ["a", "a/b/c", "$a/b"]),
    "$SYS/#": (["$SYS", "$SYS/x"], ["SYS"]),
    "$SYS/+/x": (["$SYS/y/x"], ["$SYS/y/z"]),
    "*": (["a", "a/b/c"], ["$SYS"]),
    "questions/{cell}": (["questions/u281z"], ["questions", "questions/a/b", "question/a"]),
    "rooms/room-{id}": (["rooms/room-1", "rooms/room--"], ["rooms/room-", "rooms/room-1/x"]),
    "rooms/{a}-{b}/x": (["rooms/1-2/x", "rooms/1-2-3/x"], ["rooms/1/x", "rooms/-2/x"]),
    "{a}/b": (["a/b"], ["$a/b", "b"]),
    "files/{+path}": (["files/a", "files/a/b/c"], ["files", "file/a"]),
    "files/{+path}.png": (["files/a.png", "files/a/b.png.png"], ["files/.png", "files/a.png/b"]),
    "{+any}": (["a", "a/b/c"], ["$a"]),
    "https://example.com/books/{id}": (
        ["https://example.com/books/1"],
        ["https://example.com/books", "http://example.com/books/1", "https:/example.com/books/1"],
    ),
    "https://example.com/#": (["https://example.com", "https://example.com/a/b"], ["https://a.b"]),
    "https://+/a": (["https://example.com/a"], ["https://example.com/b"]),
    "https://{+rest}": (["https://example.com/a"], ["https:", "http://example.com/a"]),
    "a/{x}/{+rest}": (["a/b/c", "a/b/c/d"], ["a/b", "b/b/c"]),
    "a{+x}/b{y}": (["ax/by", "ax/bb/by", "ax/y/bz"], ["a/by", "ax/b"]),
}


@pytest.mark.parametrize("text", MATCHES)
def test_matching(text: str) -> None:
    matching, others = MATCHES[text]
    index = Index[str]()
    index.add(parse(text), "x")
    for topic in matching:
        assert parse(text).matches(topic), topic
        assert index.match(topic), topic
    for topic in others:
        assert not parse(text).matches(topic), topic
        assert not index.match(topic), topic


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "a/", "a//b", "a/./b", "../a", "a b", "a\nb", "a/#/b", "a#", "a/b+", "++"),
        *("{", "a}", "{}", "{a,b}", "{?q}", "{a*}", "{a}{b}", "{+a}{b}", "{a}/+x", "{a}+"),
        *("a" * (MAX_FILTER_LENGTH + 1), "/".join("abcdefghi"), "/".join("+" * 9)),
        "-".join("{x}" for _ in range(MAX_EXPRESSIONS + 1)),
        "{+a}//b",
    ],
)
def test_what_is_no_filter_says_why(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text)
    assert len(refused.value.detail) > len("This is no filter")


def test_a_hostile_pattern_is_cheap() -> None:
    """A matcher that backtracks takes longer than the universe for these."""
    pattern = parse("x/" + "a".join("{+v}" for _ in range(MAX_EXPRESSIONS)) + "b")
    assert not pattern.matches("x/" + "a" * 250)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("a/b", False),
        ("a/+/#", False),
        ("*", False),
        ("a/{x}/b", False),
        ("a/{x}b", True),
        ("a/{+x}", True),
        ("/a/:x", True),
    ],
)
def test_what_is_read_character_by_character(text: str, pattern: bool) -> None:
    assert parse(text).pattern is pattern


SEGMENT = st.text("ab$", min_size=1, max_size=3)
TOPIC = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
LEVEL = st.one_of(SEGMENT, st.just("+"), st.sampled_from(["{x}", "a{x}", "{x}b", "{x}a{y}"]))
TAIL = st.sampled_from(["", "/#", "/{+x}", "/a{+x}b", "/{+x}/b"])


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    levels = draw(st.lists(LEVEL, min_size=1, max_size=3))
    return parse("/".join(levels) + draw(TAIL))


def as_regex(text: str) -> str:
    """The same filter in another's words: a backtracking one, for small texts."""
    if text.endswith("/#"):
        return as_regex(text[:-2]) + "(/.*)?"
    escaped = re.escape(text).replace(r"\+\}", "+}")
    escaped = re.sub(r"\\\{\\\+\w+\\\}", ".+", escaped)
    escaped = re.sub(r"\\\{\w+\\\}", "[^/]+", escaped)
    return re.sub(r"(?<![^/])\\\+(?![^/])", "[^/]+", escaped)


@given(filters(), TOPIC)
def test_it_matches_as_its_regular_expression_does(filter: Filter, topic: str) -> None:
    first = filter.text.split("/")[0]
    hidden = topic.startswith("$") and (first == "+" or "{" in first)
    expected = not hidden and re.fullmatch(as_regex(filter.text), topic) is not None
    assert filter.matches(topic) == expected


@given(st.lists(filters(), max_size=30), st.lists(TOPIC, max_size=10), st.data())
def test_the_index_finds_what_matches(
    all_filters: list[Filter], topics: list[str], data: st.DataObject
) -> None:
    index = Index[int]()
    for number, filter in enumerate(all_filters):
        index.add(filter, number)
        index.add(filter, number)
    gone = data.draw(st.sets(st.integers(0, max(0, len(all_filters) - 1))))
    for number in gone & set(range(len(all_filters))):
        index.remove(all_filters[number], number)
        index.remove(all_filters[number], number)
    for topic in topics:
        assert sorted(index.match(topic)) == [
            number
            for number, filter in enumerate(all_filters)
            if number not in gone and filter.matches(topic)
        ]
    for number, filter in enumerate(all_filters):
        index.remove(filter, number)
    assert index.empty


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/questions/:cell", ["questions/u4"], ["questions", "questions/u4/x", "q/u4"]),
        ("/rooms/:id(\\d+)", ["rooms/12"], ["rooms/x", "rooms/1x", "rooms"]),
        ("/rooms/room-:id", ["rooms/room-1"], ["rooms/room-", "rooms/1"]),
        ("/files/*", ["files/a", "files/a/b"], ["files", "filesystem/a"]),
        ("/a/:b?", ["a", "a/b"], ["a/b/c", "b"]),
        ("/a/:b+/z", ["a/b/z", "a/b/c/z"], ["a/z", "a/b"]),
        ("/a{/b}?/c", ["a/c", "a/b/c"], ["a/d/c", "ab/c"]),
        ("/a/b", ["a/b"], ["a", "a/b/c"]),
        ("/*", ["anything/at/all"], ["$own"]),
    ],
)
def test_url_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    parsed = parse(pattern)
    assert [topic for topic in matching if parsed.matches(topic)] == matching
    assert not [topic for topic in others if parsed.matches(topic)]
    assert parse(pattern) == parsed, "two of the same text are equal"
    assert not parsed.exact
    index: Index[str] = Index()
    index.add(parsed, "it")
    assert all("it" in index.match(topic) for topic in matching)
    assert all(topic.startswith(parsed.prefix) for topic in matching)


@pytest.mark.parametrize("text", ["/a/(", "/a/:b(", "/a{b", "/a}", "/" + "x" * 600])
def test_what_is_no_url_pattern(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)
