r"""Filters: which topics a subscription is about. One rule for every edge.

A filter is a topic's name, or one of

    questions/+/answers     MQTT wildcards (MQTT 5 §4.7.1): ``+`` is one segment
    questions/#             ``#`` is the rest, none included
    questions/{cell}        a URI template (RFC 6570), read backwards: ``{x}`` stands for
    rooms/room-{id}         characters within a segment, ``{+x}`` for any, across segments too
    *                       every topic
    /rooms/:id(\d+)         a URL pattern's path (WHATWG URL Pattern), with a slash before the
                            topic: ``:x`` is within a segment, ``*`` anything

A wildcard at the beginning does not stand for a topic that begins with ``$`` (MQTT 5 §4.7.2).

Nothing here backtracks: whoever writes a filter cannot make matching it expensive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import ClassVar, Generic, TypeVar

import msgspec

from ringback.core.topics import MAX_TOPIC_LENGTH, MAX_TOPIC_SEGMENTS, check_name, is_iri
from ringback.core.url_pattern import PathPattern
from ringback.errors import InvalidInput, MalformedRequest

T = TypeVar("T")

EVERYTHING = "*"
ONE, REST = "+", "#"
MAX_FILTER_LENGTH = 2 * MAX_TOPIC_LENGTH
"""Characters: a template's names take room that what they stand for does not."""
MAX_EXPRESSIONS = 8
"""In one template: more than a topic has segments means nothing."""
KNOWN_FILTERS = 1024
"""Filters that are not read again: what one connection follows, many do."""

_EXPRESSION = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_.]*)\}")


class _Within(msgspec.Struct, frozen=True):
    """Stands for one or more characters of a segment."""


class _Across(msgspec.Struct, frozen=True):
    """Stands for one or more characters, slashes too."""


_Part = str | _Within | _Across
WITHIN, ACROSS = _Within(), _Across()


class Filter(msgspec.Struct, frozen=True):
    """A parsed filter. Two of the same text are equal."""

    text: str
    levels: tuple[tuple[_Part, ...] | str, ...]
    """A segment each: literal text, ``+``, ``#`` as the last, or the parts of a pattern. A pattern
    that goes across segments is the last, and is matched against all that is left."""
    also: Callable[[str], bool] | None = None
    """What a topic has to fulfil beside, where segments cannot say it: the languages of patterns
    that some transports have. Not of one that is a topic's own name."""

    @property
    def exact(self) -> bool:
        """Whether it is a topic's own name."""
        return all(isinstance(level, str) and level not in (ONE, REST) for level in self.levels)

    @property
    def pattern(self) -> bool:
        """Whether a topic's characters have to be read to say that it matches. Of any other filter
        the index knows by the topic's segments, however many there are.
        """
        return self.also is not None or any(isinstance(level, tuple) for level in self.levels)

    @property
    def prefix(self) -> str:
        """What the names of all topics that match begin with."""
        whole: list[str] = []
        for level in self.levels:
            if isinstance(level, str) and level not in (ONE, REST):
                whole.append(level)
                continue
            first = level[0] if isinstance(level, tuple) else ""
            # What "a/#" stands for has a slash behind the "a", or is nothing: MQTT 5 §4.7.1.2.
            begun = [first if isinstance(first, str) else ""] if level != REST else []
            return "/".join(whole + begun)
        return "/".join(whole)

    @property
    def alternatives(self) -> tuple[Filter, ...]:
        """Itself: see ``AnyOf``."""
        return (self,)

    def matches(self, topic: str) -> bool:
        """Whether a topic is one of those it is about."""
        return _matches(self.levels, topic.split("/")) and (self.also is None or self.also(topic))


class AnyOf(msgspec.Struct, frozen=True):
    """Several filters, read as one: what matches any of them."""

    alternatives: tuple[Filter, ...]

    exact: ClassVar[bool] = False

    def matches(self, topic: str) -> bool:
        """Whether a topic is one of those that any of them is about."""
        return any(filter.matches(topic) for filter in self.alternatives)


AnyFilter = Filter | AnyOf


@lru_cache(maxsize=KNOWN_FILTERS)
def parse(text: str) -> Filter:
    """A filter from its text. Raises ``InvalidInput`` that says why it is none."""
    if text == EVERYTHING:
        return Filter(text, (REST,))
    if not text or len(text) > MAX_FILTER_LENGTH:
        raise _wrong(text, f"it has 1 to {MAX_FILTER_LENGTH} characters")
    if text.startswith("/") and text != "/":
        return _url_pattern(text)
    if "{" not in text and "}" not in text and ONE not in text and REST not in text:
        return Filter(check_name(text), tuple(text.split("/")))
    levels = tuple(_levels(text))
    if len(levels) > MAX_TOPIC_SEGMENTS + (2 if is_iri(text.split("/")) else 0):
        raise _wrong(text, f"it has at most {MAX_TOPIC_SEGMENTS} segments")
    return Filter(text, levels)


def _url_pattern(text: str) -> Filter:
    try:
        pattern = PathPattern(text)
    except MalformedRequest as error:
        raise _wrong(text, error.detail[0].lower() + error.detail[1:].rstrip(".")) from None
    return Filter(text, (*pattern.segments, REST), _Below(pattern))


class _Below(msgspec.Struct, frozen=True):
    """Whether a topic matches, as the path of a URL."""

    pattern: PathPattern

    def __call__(self, topic: str) -> bool:
        return self.pattern.matches("/" + topic)


def _levels(text: str) -> Iterator[tuple[_Part, ...] | str]:
    if len(_EXPRESSION.findall(text)) > MAX_EXPRESSIONS:
        raise _wrong(text, f"it has at most {MAX_EXPRESSIONS} expressions")
    segments = text.split("/")
    iri = is_iri(segments)
    if "" in (segments[2:] if iri else segments):
        raise _wrong(text, "none of its segments is empty")
    for index, segment in enumerate(segments):
        if iri and index == 1:
            yield segment
        elif segment == ONE:
            yield ONE
        elif segment == REST:
            if index != len(segments) - 1:
                raise _wrong(text, "'#' is its last segment")
            yield REST
        elif "{" in segment or "}" in segment:
            if "{+" in segment:
                yield _pattern(text, "/".join(segments[index:]))
                return
            parts = _pattern(text, segment)
            yield ONE if parts == (WITHIN,) else parts
        else:
            try:
                check_name(segment)
            except InvalidInput as error:
                raise _wrong(text, error.detail[0].lower() + error.detail[1:]) from None
            yield segment


def _pattern(text: str, source: str) -> tuple[_Part, ...]:
    """Literal texts and what stands for others, in turn."""
    parts: list[_Part] = []
    at = 0
    for found in _EXPRESSION.finditer(source):
        _add_literal(text, parts, source[at : found.start()])
        if parts and not isinstance(parts[-1], str):
            raise _wrong(text, "there is text between two expressions")
        parts.append(ACROSS if found[1] else WITHIN)
        at = found.end()
    _add_literal(text, parts, source[at:])
    return tuple(parts)


def _add_literal(text: str, parts: list[_Part], literal: str) -> None:
    if not literal:
        return
    if "{" in literal or "}" in literal:
        raise _wrong(text, "an expression is {name} or {+name}")
    if ONE in literal or REST in literal:
        raise _wrong(text, "it has either MQTT's wildcards or a template's expressions")
    check_name(literal.strip("/") or "x")
    parts.append(literal)


def too_many_patterns(limit: int) -> str:
    """What to tell a connection that follows by more patterns than it may."""
    return (
        f"One connection follows by at most {limit} patterns: templates and URL patterns that are "
        "read character by character. Follow names, or whole segments: a/+, a/#, a/{x}."
    )


def _wrong(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"This is no filter of topics: {why}.", filter=text[:MAX_TOPIC_LENGTH])


def _matches(levels: tuple[tuple[_Part, ...] | str, ...], segments: list[str]) -> bool:
    hidden = segments[0].startswith("$")
    for index, level in enumerate(levels):
        if hidden and index == 0 and (level in (ONE, REST) or not isinstance(level, str)):
            return False
        if level == REST:
            return True
        if isinstance(level, tuple) and ACROSS in level:
            return index < len(segments) and _fits(level, "/".join(segments[index:]))
        if index >= len(segments):
            return False
        if isinstance(level, tuple):
            if not _fits(level, segments[index]):
                return False
        elif level not in (ONE, segments[index]):
            return False
    return len(levels) == len(segments)


def _fits(parts: tuple[_Part, ...], text: str) -> bool:
    """Whether a pattern is all of a text.

    A simulation of all ways at once: the places in the text where the parts so far may end are
    the bits of a number. Its cost is bounded by the length of the text times that of the pattern.
    """
    whole = (1 << len(text)) - 1
    ends = 1
    for part in parts:
        if isinstance(part, str):
            ends = (ends & _places(part, text)) << len(part)
        else:
            taken = whole if isinstance(part, _Across) else whole & ~_places("/", text)
            ends &= taken
            # A carry runs from each place to the end of its stretch of characters that are taken.
            ends = (((ends + taken) ^ taken | ends) & taken) << 1
        if not ends:
            return False
    return bool(ends >> len(text))


def _places(literal: str, text: str) -> int:
    """Where a literal text stands in another, as the bits of a number."""
    places, at = 0, text.find(literal)
    while at >= 0:
        places |= 1 << at
        at = text.find(literal, at + 1)
    return places


class _Node(Generic[T]):
    """What is common to all filters that begin with the same segments."""

    __slots__ = ("children", "here", "one", "patterns", "rest")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.one: _Node[T] | None = None
        self.patterns: dict[tuple[_Part, ...], _Node[T]] = {}
        self.here: dict[T, None] = {}
        self.rest: dict[T, None] = {}

    @property
    def empty(self) -> bool:
        return not (self.children or self.one or self.patterns or self.here or self.rest)


class Index(Generic[T]):
    """Which values belong to the filters that match a topic.

    A tree by segments: a look-up walks the topic's own segments, and meets the filters that match
    and the patterns that begin like it; how many others there are does not matter. What filters
    say ``also`` is not looked at: it is for who asks.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._exact: dict[str, dict[T, None]] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not self._exact and self._root.empty

    def add(self, filter: Filter, value: T) -> None:
        """Have a value belong to a filter; once, however often it is added."""
        if filter.exact:
            self._exact.setdefault(filter.text, {})[value] = None
            return
        node = self._root
        for level in filter.levels:
            if level == REST:
                node.rest[value] = None
                return
            node = _below(node, level)
        node.here[value] = None

    def remove(self, filter: Filter, value: T) -> None:
        """Undo ``add``; nothing is left of it."""
        if filter.exact:
            values = self._exact.get(filter.text, {})
            values.pop(value, None)
            if not values:
                self._exact.pop(filter.text, None)
            return
        self._remove(self._root, filter.levels, value)

    def _remove(
        self, node: _Node[T], levels: tuple[tuple[_Part, ...] | str, ...], value: T
    ) -> None:
        if not levels:
            node.here.pop(value, None)
            return
        level, *left = levels
        if level == REST:
            node.rest.pop(value, None)
            return
        child = _child(node, level)
        if child is None:
            return
        self._remove(child, tuple(left), value)
        if child.empty:
            if level == ONE:
                node.one = None
            elif isinstance(level, str):
                del node.children[level]
            else:
                del node.patterns[level]

    def match(self, topic: str) -> dict[T, None]:
        """The values of all filters that match: each once, in no order that means anything."""
        found: dict[T, None] = dict(self._exact.get(topic, ()))
        if not self._root.empty:
            self._collect(self._root, topic.split("/"), 0, found)
        return found

    def _collect(self, node: _Node[T], segments: list[str], at: int, found: dict[T, None]) -> None:
        hidden = at == 0 and segments[0].startswith("$")
        if not hidden:
            found.update(node.rest)
        if at == len(segments):
            found.update(node.here)
            return
        child = node.children.get(segments[at])
        if child is not None:
            self._collect(child, segments, at + 1, found)
        if hidden:
            return
        if node.one is not None:
            self._collect(node.one, segments, at + 1, found)
        for parts, child in node.patterns.items():
            if ACROSS in parts:
                if _fits(parts, "/".join(segments[at:])):
                    found.update(child.here)
            elif _fits(parts, segments[at]):
                self._collect(child, segments, at + 1, found)


def _child(node: _Node[T], level: tuple[_Part, ...] | str) -> _Node[T] | None:
    if level == ONE:
        return node.one
    return node.children.get(level) if isinstance(level, str) else node.patterns.get(level)


def _below(node: _Node[T], level: tuple[_Part, ...] | str) -> _Node[T]:
    child = _child(node, level)
    if child is None:
        child = _Node()
        if level == ONE:
            node.one = child
        elif isinstance(level, str):
            node.children[level] = child
        else:
            node.patterns[level] = child
    return child
