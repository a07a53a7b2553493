"""Regular languages, matched in one pass: what other people's patterns are compiled to.

Whoever writes a pattern must not be able to make matching it expensive, as with a library that
backtracks. An automaton (Glushkov's: a state for each character of the pattern) reads a text
once, and its states are a bounded number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ringback.errors import MalformedRequest

MAX_STATES = 1000
"""Characters of one pattern, with what is repeated written out."""
KNOWN_CHARACTERS = 256
"""Characters of which an automaton remembers what takes them."""
KNOWN_STEPS = 256
"""Steps that it remembers: most patterns have fewer, and are then read by looking up."""


class Characters(NamedTuple):
    """A set of characters, or all but them."""

    of: frozenset[str]
    others: bool = False

    def has(self, character: str) -> bool:
        return (character in self.of) is not self.others


ANY = Characters(frozenset(), others=True)


class Part(NamedTuple):
    """A part of a pattern: where a text that it matches may begin and end."""

    empty: bool
    """Whether it matches the empty text."""
    first: int
    last: int


NOTHING = Part(True, 0, 0)
Make = Callable[[], Part]
"""Writes a part, and anew each time: a state stands in one place."""


class Builder:
    """Puts a pattern together. Raises ``MalformedRequest`` for one that is too large."""

    def __init__(self) -> None:
        self._takes: list[Characters] = []
        self._follow: list[int] = []

    def one(self, characters: Characters) -> Part:
        """One of these characters."""
        if len(self._takes) >= MAX_STATES:
            raise MalformedRequest(f"A pattern has at most {MAX_STATES} characters.")
        state = 1 << len(self._takes)
        self._takes.append(characters)
        self._follow.append(0)
        return Part(False, state, state)

    def text(self, text: str) -> Part:
        """Exactly this."""
        return self.all(self.one(Characters(frozenset((character,)))) for character in text)

    def all(self, parts: Iterable[Part]) -> Part:
        """One part behind the other."""
        whole = NOTHING
        for part in parts:
            self._join(whole.last, part.first)
            whole = Part(
                whole.empty and part.empty,
                whole.first | (part.first if whole.empty else 0),
                part.last | (whole.last if part.empty else 0),
            )
        return whole

    def any(self, parts: Iterable[Part]) -> Part:
        """One of several."""
        empty, first, last = False, 0, 0
        for part in parts:
            empty, first, last = empty or part.empty, first | part.first, last | part.last
        return Part(empty, first, last)

    def maybe(self, part: Part) -> Part:
        """It, or nothing."""
        return Part(True, part.first, part.last)

    def often(self, part: Part) -> Part:
        """It, any number of times."""
        self._join(part.last, part.first)
        return self.maybe(part)

    def times(self, make: Make, least: int, most: int | None) -> Part:
        """So many of it."""
        parts = [make() for _ in range(least)]
        if most is None:
            parts.append(self.often(make()))
        else:
            rest = NOTHING
            for _ in range(most - least):
                rest = self.maybe(self.all((make(), rest)))
            parts.append(rest)
        return self.all(parts)

    def _join(self, last: int, first: int) -> None:
        for state in _each(last):
            self._follow[state] |= first

    def build(self, whole: Part) -> Automaton:
        """The automaton of the whole pattern."""
        return Automaton(whole, tuple(self._takes), tuple(self._follow))


class Automaton:
    """Says whether a text is of the language."""

    __slots__ = ("_follow", "_known", "_steps", "_takes", "_whole")

    def __init__(self, whole: Part, takes: tuple[Characters, ...], follow: tuple[int, ...]) -> None:
        self._whole = whole
        self._takes = takes
        self._follow = follow
        self._known: dict[str, int] = {}
        self._steps: dict[int, int] = {}
        """Where a text may go on behind these states."""

    def matches(self, text: str) -> bool:
        """Whether it is all of a text."""
        if not text:
            return self._whole.empty
        possible, active = self._whole.first, 0
        for character in text:
            active = possible & self._taking(character)
            if not active:
                return False
            possible = self._steps.get(active) or self._behind(active)
        return bool(active & self._whole.last)

    def _behind(self, active: int) -> int:
        possible = 0
        for state in _each(active):
            possible |= self._follow[state]
        if len(self._steps) < KNOWN_STEPS:
            self._steps[active] = possible
        return possible

    def _taking(self, character: str) -> int:
        """The states that take a character."""
        found = self._known.get(character)
        if found is None:
            found = 0
            for state, characters in enumerate(self._takes):
                if characters.has(character):
                    found |= 1 << state
            if len(self._known) < KNOWN_CHARACTERS:
                self._known[character] = found
        return found


def _each(states: int) -> Iterable[int]:
    while states:
        lowest = states & -states
        yield lowest.bit_length() - 1
        states ^= lowest
