"""Regular languages, matched in one pass: what other people's patterns are compiled to.

Whoever writes a pattern must not be able to make matching it expensive, as with a library that
backtracks. An automaton (Glushkov's: a state for each character of the pattern) reads a text
once. The states it is in are the bits of one number, and a character costs some operations on
it, of which there is a bounded number: one pattern is cheap, whatever stands in it. How many
patterns there are is for others to bound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from ringback.errors import MalformedRequest

MAX_STATES = 100
"""Characters of one pattern behind its literal beginning, with what is repeated written out: two
UUIDs by digits, or five query parameters of a template, need some 80."""
MAX_JUMPS = 16
"""Ways on that are not to a state close by, which is what a character costs: a sequence has none,
a template's variable two."""
MAX_WRITTEN = 1000
"""Parts that repetitions write out, those without a character too: ``(){100}``."""
MAX_NAMED = 512
"""Different characters in one pattern, and characters in all its classes together: a class of two
alphabets. Whoever sends a pattern has all wait until it is read."""
KNOWN_ANSWERS = 4096
"""Of pairs of a pattern and a text: followers come and go more often than topics."""
LAST_CHARACTER = 0x10FFFF
"""Of Unicode."""
CLOSE = (0, 1, 2)
"""What a state goes on to is mostly itself, the next and the one behind that, which may be left
out: so many states further. All that do are moved at once, by a shift."""


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
        self._takes: dict[Characters, int] = {}
        self._follow: list[int] = []
        self._written = 0
        self.nameable = MAX_NAMED
        """Characters that classes may still name."""

    def one(self, characters: Characters) -> Part:
        """One of these characters."""
        if len(self._follow) >= MAX_STATES:
            raise MalformedRequest(
                f"A pattern has at most {MAX_STATES} characters behind its literal beginning."
            )
        state = 1 << len(self._follow)
        self._takes[characters] = self._takes.get(characters, 0) | state
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
        self._written += most or least + 1
        if self._written > MAX_WRITTEN:
            raise MalformedRequest("A pattern repeats less: take a smaller count, or '*'.")
        parts = [make() for _ in range(least)]
        if most is None:
            parts.append(self.often(make()))
        else:
            rest = NOTHING
            for part in reversed([make() for _ in range(most - least)]):
                rest = self.maybe(self.all((part, rest)))
            parts.append(rest)
        return self.all(parts)

    def _join(self, last: int, first: int) -> None:
        for state in _each(last):
            self._follow[state] |= first

    def build(self, whole: Part, beginning: str = "") -> Automaton:
        """The automaton of the whole pattern, which has this literal text before."""
        return Automaton(beginning, whole, self._taking(), *self._moves())

    def _taking(self) -> tuple[list[str], list[int]]:
        """The states that take a character: from one of these characters up to the next alike. A
        range is as much as its ends, so that what is remembered of a pattern is no more than was
        written.
        """
        named = frozenset[str]().union(*(characters.of for characters in self._takes))
        if len(named) > MAX_NAMED:
            raise MalformedRequest(f"A pattern names at most {MAX_NAMED} different characters.")
        others = sum(states for characters, states in self._takes.items() if characters.others)
        taking = dict.fromkeys(named, others)
        for characters, states in self._takes.items():
            for character in characters.of:
                taking[character] ^= states  # of others, they do not take it; else, they do
        begins, takes = list[str](), [others]

        def put(code: int, states: int) -> None:
            if states != takes[-1]:
                begins.append(chr(code))
                takes.append(states)

        behind = 0
        for character in sorted(named):
            code = ord(character)
            if code > behind:
                put(behind, others)
            put(code, taking[character])
            behind = code + 1
        if behind <= LAST_CHARACTER:
            put(behind, others)
        return begins, takes

    def _moves(self) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        """The states that go on close by, for each distance, and where some jump to."""
        close = [0] * len(CLOSE)
        jumps: dict[int, int] = {}
        alike = Counter(self._follow)
        for state, follow in enumerate(self._follow):
            rest = follow
            for index, distance in enumerate(CLOSE):
                if follow >> state + distance & 1:
                    close[index] |= 1 << state
                    rest ^= 1 << state + distance
            if rest:  # one jump does for all that go on alike, or alike but for what is close
                to = follow if alike[follow] > 1 else rest
                jumps[to] = jumps.get(to, 0) | 1 << state
        if len(jumps) > MAX_JUMPS:
            raise MalformedRequest(
                f"A pattern branches at most {MAX_JUMPS} times: join what is optional or repeated."
            )
        return tuple(close), tuple((states, to) for to, states in jumps.items())


class Automaton:
    """Says whether a text is of the language."""

    __slots__ = ("_beginning", "_close", "_jumps", "_taking", "_whole")

    def __init__(
        self,
        beginning: str,
        whole: Part,
        taking: tuple[list[str], list[int]],
        close: tuple[int, ...],
        jumps: tuple[tuple[int, int], ...],
    ) -> None:
        self._beginning = beginning
        self._whole = whole
        self._taking = taking
        self._close = close
        self._jumps = jumps

    def matches(self, text: str) -> bool:
        """Whether it is all of a text."""
        if not text.startswith(self._beginning):
            return False
        if len(text) == len(self._beginning):
            return self._whole.empty
        return bool(self._whole.first) and _answer(self, text)

    def read(self, text: str) -> bool:
        """The same, of a text that begins as it does and goes on."""
        (begins, takes), (same, next, second), jumps = self._taking, self._close, self._jumps
        possible, active = self._whole.first, 0
        for character in text[len(self._beginning) :]:
            active = possible & takes[bisect_right(begins, character)]
            if not active:
                return False
            possible = active & same | (active & next) << 1 | (active & second) << 2
            for states, to in jumps:
                if active & states:
                    possible |= to
        return bool(active & self._whole.last)


@lru_cache(maxsize=KNOWN_ANSWERS)
def _answer(automaton: Automaton, text: str) -> bool:
    return automaton.read(text)


def _each(states: int) -> Iterable[int]:
    while states:
        lowest = states & -states
        yield lowest.bit_length() - 1
        states ^= lowest
