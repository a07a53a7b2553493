"""The regular expressions that may stand in a URL pattern: what of JavaScript's is regular."""

from __future__ import annotations

import string

from ringback.core.automaton import ANY, MAX_NAMED, NOTHING, Builder, Characters, Make, Part
from ringback.errors import MalformedRequest

MAX_TIMES = 100
"""The most that a counted repetition is written out."""
MAX_DEPTH = 20
"""Groups in groups."""

DIGIT = frozenset(string.digits)
WORD = frozenset(string.ascii_letters + string.digits + "_")
SPACE = frozenset("\t\n\v\f\r \u00a0\ufeff\u2028\u2029")
_CLASSES = {
    "d": Characters(DIGIT),
    "D": Characters(DIGIT, others=True),
    "w": Characters(WORD),
    "W": Characters(WORD, others=True),
    "s": Characters(SPACE),
    "S": Characters(SPACE, others=True),
}
_SPECIAL = frozenset("^$\\.*+?()[]{}|")


def expression(builder: Builder, text: str) -> Part:
    """A regular expression as a part of a pattern. Raises ``MalformedRequest`` for what is none,
    and for what is not regular or not supported: anchors, look-around, references.
    """
    reader = _Reader(builder, text)
    make = reader.choice(0)
    if reader.at != len(text):
        raise reader.wrong()
    return make()


class _Reader:
    """Reads an expression into what writes its parts."""

    def __init__(self, builder: Builder, text: str) -> None:
        self._builder = builder
        self._text = text
        self.at = 0

    def wrong(self) -> MalformedRequest:
        return MalformedRequest(
            f"The regular expression {self._text[:100]!r} is none, or has more than characters, "
            "classes, groups and repetitions."
        )

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def _take(self) -> str:
        character = self._next()
        if not character:
            raise self.wrong()
        self.at += 1
        return character

    def choice(self, depth: int) -> Make:
        if depth > MAX_DEPTH:
            raise self.wrong()
        choices = [self._sequence(depth)]
        while self._next() == "|":
            self.at += 1
            choices.append(self._sequence(depth))
        return lambda: self._builder.any(make() for make in choices)

    def _sequence(self, depth: int) -> Make:
        makes: list[Make] = []
        while self._next() not in ("", "|", ")"):
            makes.append(self._repeated(self._atom(depth)))
        return lambda: self._builder.all(make() for make in makes) if makes else NOTHING

    def _repeated(self, make: Make) -> Make:
        sign = self._next()
        if sign and sign in "*+?":
            self.at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif sign == "{":
            least, most = self._counts()
        else:
            return make
        if self._next() == "?":  # lazy: the same texts match
            self.at += 1
        return lambda: self._builder.times(make, least, most)

    def _counts(self) -> tuple[int, int | None]:
        end = self._text.find("}", self.at)
        low, comma, high = self._text[self.at + 1 : end].partition(",")
        if end < 0 or not low.isdecimal() or (high and not high.isdecimal()):
            raise self.wrong()
        self.at = end + 1
        least = int(low[:4])
        most = least if not comma else int(high[:4]) if high else None
        if max(least, most or 0) > MAX_TIMES or (most is not None and most < least):
            raise self.wrong()
        return least, most

    def _atom(self, depth: int) -> Make:
        character = self._take()
        if character == "(":
            if self._next() == "?":
                if not self._text.startswith("?:", self.at):
                    raise self.wrong()
                self.at += 2
            make = self.choice(depth + 1)
            if self._take() != ")":
                raise self.wrong()
            return make
        if character == "[":
            characters = self._class()
        elif character == "\\":
            characters = self._escaped()
        elif character == ".":
            characters = ANY
        elif character in _SPECIAL:
            raise self.wrong()
        else:
            characters = Characters(frozenset((character,)))
        return lambda: self._builder.one(characters)

    def _escaped(self) -> Characters:
        character = self._take()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.isalnum():
            raise self.wrong()
        return Characters(frozenset((character,)))

    def _class(self) -> Characters:
        others = self._next() == "^"
        self.at += others
        found: set[str] = set()
        while (character := self._take()) != "]":
            single = Characters(frozenset((character,)))
            if character == "\\":
                single = self._escaped()
                if single.others:
                    raise self.wrong()
            if self._next() == "-" and self._text[self.at + 1 : self.at + 2] != "]":
                self.at += 1
                end = self._take()
                if end == "\\":
                    end = "".join(self._escaped().of)
                start = "".join(single.of)
                if len(start) != 1 or len(end) != 1 or ord(end) - ord(start) >= MAX_NAMED:
                    raise self.wrong()
                found.update(map(chr, range(ord(start), ord(end) + 1)))
            else:
                found |= single.of
            if len(found) > self._builder.nameable:
                raise self.wrong()
        self._builder.nameable -= len(found)
        return Characters(frozenset(found), others=others)
