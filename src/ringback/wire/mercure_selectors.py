"""Which topics a subscription or a grant of Mercure is about.

Draft 07 has one kind of selector, ``topic=``: a topic, a URI template, or ``*``. Draft 08 says the
kind: ``match`` (a topic or ``*``), ``match_uritemplate``, ``match_urlpattern``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, Protocol

from ringback.core.filters import EVERYTHING, REST, Filter, parse
from ringback.core.topics import MAX_TOPIC_SEGMENTS
from ringback.core.uri_template import compile_template, literal_prefix
from ringback.core.url_pattern import UrlPattern
from ringback.errors import MalformedRequest
from ringback.wire.mercure import Fields, checked_name, has_control, name_segments, topic_of

Kind = Literal["exact", "uritemplate", "urlpattern"]
KINDS: dict[str, Kind] = {
    "match": "exact",
    "match_exact": "exact",
    "match_uritemplate": "uritemplate",
    "match_urlpattern": "urlpattern",
}
"""By the names of draft 08's parameters."""
MAX_SELECTOR = 1024
"""Characters of one."""


class _Language(Protocol):
    def matches(self, text: str) -> bool: ...


class Selector:
    """One selector."""

    __slots__ = ("_language", "filter", "kind", "legacy", "text")

    def __init__(self, kind: Kind, text: str, base: str, *, legacy: bool = False) -> None:
        """``base`` is the hub's URL. Raises ``MalformedRequest``."""
        if not text or len(text) > MAX_SELECTOR or has_control(text):
            raise MalformedRequest(
                f"A selector has 1 to {MAX_SELECTOR} characters, and none that nobody sees."
            )
        self.kind = kind
        self.text = text
        self.legacy = legacy
        """Whether it is of draft 07."""
        self._language: _Language | None = None
        if kind == "uritemplate":
            self._language = compile_template(text)
        elif kind == "urlpattern":
            self._language = UrlPattern(text, base)
        self.filter = self._filter(base)
        """What the hub follows; None: no topic can match. It may be about more."""

    @property
    def everything(self) -> bool:
        return self.kind == "exact" and self.text == EVERYTHING

    @property
    def pattern(self) -> bool:
        """Whether topics are read character by character to say whether it is about them."""
        return self._language is not None

    def matches(self, topic: str) -> bool:
        """Whether it is about a topic."""
        if topic == self.text or self.everything:
            return True
        return self._language is not None and self._language.matches(topic)

    def accepts(self, name: str) -> bool:
        """Whether it is about a topic that has this name in the hub."""
        return self.matches(name) or ("%" in name and self.matches(topic_of(name)))

    def _filter(self, base: str) -> Filter | None:
        if self.everything:
            return parse(EVERYTHING)
        if self._language is None:
            name = checked_name(self.text)
            return None if name is None else Filter(name, tuple(name.split("/")))
        beginning = ""
        if self.kind == "uritemplate":
            beginning = literal_prefix(self.text)
        # Not as many as a name may have: of a topic that has more, the last ones are one.
        segments = name_segments(beginning.split("/")[:-1][: MAX_TOPIC_SEGMENTS - 1])
        text = f"mercure:{self.kind}:{base if self.kind == 'urlpattern' else ''}:{self.text}"
        return Filter(text, (*segments, REST), self.accepts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[str, str, bool]:
        return self.kind, self.text, self.legacy


@lru_cache(maxsize=4096)
def selector(kind: Kind, text: str, base: str) -> Selector:
    """A selector of draft 08. Raises ``MalformedRequest``."""
    return Selector(kind, text, base)


@lru_cache(maxsize=4096)
def legacy(text: str, base: str) -> Selector:
    """A selector of draft 07. What is no URI template stands for itself. Raises
    ``MalformedRequest``.
    """
    if "{" in text:
        try:
            return Selector("uritemplate", text, base, legacy=True)
        except MalformedRequest:
            pass
    return Selector("exact", text, base, legacy=True)


def read_selectors(fields: Fields, base: str, limit: int, patterns: int) -> tuple[Selector, ...]:
    """What a subscriber asks for, each once; at most so many, and of these so many that are
    patterns. Raises ``MalformedRequest``.
    """
    found: dict[Selector, None] = {}
    for name, text in fields:
        if name == "topic":
            found[legacy(text, base)] = None
        elif name in KINDS:
            found[selector(KINDS[name], text, base)] = None
        elif name.startswith("match"):
            raise MalformedRequest(
                f"There is no parameter {name[:50]!r}: there are topic, {', '.join(KINDS)}."
            )
        if len(found) > limit:
            raise MalformedRequest(f"One connection follows by at most {limit} selectors.")
        if sum(each.pattern for each in found) > patterns:
            raise MalformedRequest(
                f"One connection follows by at most {patterns} URI templates and URL patterns. "
                "Follow topics by their names, or take a pattern that covers several.",
                limit=patterns,
            )
    if not found:
        raise MalformedRequest(
            "Say what to follow: topic=https://example.com/books/1, topic=*, or match=…"
        )
    return tuple(found)
