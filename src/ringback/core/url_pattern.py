"""URL patterns (WHATWG URL Pattern): ``https://example.com/books/:id``, ``/rooms/*``.

Read from their constructor's string against a base URL. What is not said of user, password and
port has to be absent, what is not said behind the last thing that is may be anything, and what
is not said before it is as in the base URL. Case counts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from ringback.core.automaton import ANY, Automaton, Builder, Characters, Make, Part
from ringback.core.regular import expression
from ringback.errors import MalformedRequest

COMPONENTS = ("protocol", "username", "password", "hostname", "port", "pathname", "search", "hash")
DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
KNOWN_URLS = 256
"""URLs that are not taken apart again for the next pattern."""

_NAME = re.compile(r":[^\W\d]\w*")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MODIFIERS = frozenset("?*+")
_SPECIAL = frozenset(":*(){}?+\\")


class Token(NamedTuple):
    """A piece of a pattern: ``character``, ``escaped``, ``name``, ``expression``, ``any``,
    ``open``, ``close``.
    """

    kind: str
    text: str


class UrlPattern:
    """Says whether a URL matches."""

    def __init__(self, pattern: str, base: str) -> None:
        """Raises ``MalformedRequest`` for what is no pattern."""
        self._base = base
        said = _components(list(_tokens(pattern)), pattern)
        inherited = components(base) or dict.fromkeys(COMPONENTS, "")
        self._automata: dict[str, Automaton] = {}
        first = min(COMPONENTS.index(name) for name in said)
        last = max(COMPONENTS.index(name) for name in said)
        for index, name in enumerate(COMPONENTS):
            if name in said:
                tokens = said[name]
                if name == "pathname" and first == index and not _begins(tokens, "/"):
                    folder = inherited["pathname"].rpartition("/")[0] + "/"
                    tokens = [*_literal(folder), *tokens]
            elif (index > last and name not in ("port", "pathname")) or (
                name in ("username", "password") and first < index
            ):
                tokens = [Token("any", "*")]
            elif index < first and name not in ("username", "password"):
                tokens = list(_literal(inherited[name]))
            elif index > last and name == "pathname":
                tokens = [Token("any", "*")]
            elif name == "pathname":
                tokens = list(_literal("/"))
            else:
                tokens = []
            self._automata[name] = _compile(name, tokens, pattern)

    def matches(self, url: str) -> bool:
        """Whether a URL, or one relative to the base, matches."""
        found = _known(self._base, url)
        return found is not None and all(
            automaton.matches(found[name]) for name, automaton in self._automata.items()
        )


class PathPattern:
    """A pattern of a path alone: ``/questions/:cell/answers``, ``/files/*``."""

    __slots__ = ("_automaton", "text")

    def __init__(self, text: str) -> None:
        """Raises ``MalformedRequest`` for what is no pattern."""
        self.text = text
        self._automaton = _compile("pathname", list(_tokens(text)), text)

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments that all that match begin with."""
        whole = self.text[1:].split("/")
        plain = next((n for n, each in enumerate(whole) if _SPECIAL & set(each)), len(whole))
        return tuple(whole[:plain])

    def matches(self, path: str) -> bool:
        """Whether a path matches. It is compared as it is: nothing is decoded."""
        return self._automaton.matches(path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PathPattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def components(url: str) -> dict[str, str] | None:
    """The parts of a URL, as a pattern sees them; None for what is no URL."""
    try:
        split: SplitResult = urlsplit(url)
        port = split.port
    except ValueError:
        return None
    if not split.scheme:
        return None
    shown = "" if port is None or str(port) == DEFAULT_PORTS.get(split.scheme) else str(port)
    path = split.path
    if split.netloc:
        path = urlsplit(urljoin(url, path or "/")).path
    return {
        "protocol": split.scheme,
        "username": split.username or "",
        "password": split.password or "",
        "hostname": split.hostname or "",
        "port": shown,
        "pathname": path,
        "search": split.query,
        "hash": split.fragment,
    }


@lru_cache(maxsize=KNOWN_URLS)
def _known(base: str, url: str) -> dict[str, str] | None:
    return components(url if _ABSOLUTE.match(url) else urljoin(base, url))


def _wrong(pattern: str) -> MalformedRequest:
    return MalformedRequest(f"{pattern[:100]!r} is no URL pattern.")


def _literal(text: str) -> Iterable[Token]:
    return (Token("escaped", character) for character in text)


def _begins(tokens: list[Token], text: str) -> bool:
    plain = [token for token in tokens if token.kind != "open"]
    return bool(plain) and (plain[0].text == text or plain[0].kind == "any")


def _tokens(pattern: str) -> Iterable[Token]:
    at = 0
    while at < len(pattern):
        character = pattern[at]
        found = _NAME.match(pattern, at)
        if character == "\\":
            if at + 1 == len(pattern):
                raise _wrong(pattern)
            at += 1
            yield Token("escaped", pattern[at])
        elif character == "(":
            end = _closing(pattern, at)
            yield Token("expression", pattern[at + 1 : end])
            at = end
        elif found:
            yield Token("name", found[0][1:])
            at = found.end() - 1
        else:
            kinds = {"*": "any", "{": "open", "}": "close"}
            yield Token(kinds.get(character, "character"), character)
        at += 1


def _closing(pattern: str, at: int) -> int:
    depth = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "(":
            depth += 1
        elif pattern[at] == ")":
            depth -= 1
            if not depth:
                return at
        at += 1
    raise _wrong(pattern)


class _Cutter:
    """Cuts a pattern's tokens where a component ends."""

    def __init__(self, tokens: list[Token]) -> None:
        self.left = tokens

    def until(self, ends: str, *, keep: bool = True) -> list[Token] | None:
        """What stands before one of these characters outside groups, which is left where it is;
        None if there is none, and then all is left unless it is ``keep``.
        """
        depth = 0
        for index, token in enumerate(self.left):
            depth += (token.kind == "open") - (token.kind == "close")
            modifies = token.text == "?" and index and self.left[index - 1].kind in _MODIFIED
            if not depth and token.kind == "character" and token.text in ends and not modifies:
                found, self.left = self.left[:index], self.left[index:]
                return found
        if keep:
            return None
        found, self.left = self.left, []
        return found

    def skip(self, text: str) -> bool:
        """Take these characters, if they come."""
        if [token.text for token in self.left[: len(text)]] == list(text):
            self.left = self.left[len(text) :]
            return True
        return False


_MODIFIED = frozenset({"name", "expression", "close", "any"})


def _components(tokens: list[Token], pattern: str) -> dict[str, list[Token]]:
    said: dict[str, list[Token]] = {}
    rest = _Cutter(tokens)
    if _ABSOLUTE.match(pattern) or "://" in pattern:
        protocol = rest.until(":")
        if protocol is None:
            raise _wrong(pattern)
        said["protocol"] = protocol
        rest.skip(":")
        if rest.skip("//"):
            authority = _Cutter(rest.until("/?#", keep=False) or [])
            user = authority.until("@")
            if user is not None:
                authority.skip("@")
                names = _Cutter(user)
                said["username"] = names.until(":", keep=False) or []
                said["password"] = names.left[1:]
            said["hostname"] = authority.until(":", keep=False) or []
            said["port"] = authority.left[1:]
    path = rest.until("?#", keep=False) or []
    if path or ("protocol" not in said and not rest.left):
        said["pathname"] = path
    if rest.skip("?"):
        said["search"] = rest.until("#", keep=False) or []
    if rest.skip("#"):
        said["hash"] = rest.left
    if not said:
        raise _wrong(pattern)
    return said


def _compile(component: str, tokens: list[Token], pattern: str) -> Automaton:
    builder = Builder()
    stop = {"pathname": "/", "hostname": "."}.get(component)
    segment = ANY if stop is None else Characters(frozenset(stop), others=True)
    parts: list[Part] = []
    beginning = _beginning(tokens)
    at = len(beginning)
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.kind in ("character", "escaped"):
            following = tokens[at] if at < len(tokens) else None
            if (
                component == "pathname"
                and token == Token("character", "/")
                and following is not None
                and following.kind in ("name", "expression")
                and _modifier(tokens, at + 1)
            ):
                inner = [Token("escaped", "/"), following]
                parts.append(_repeated(builder, inner, segment, _modifier(tokens, at + 1)))
                at += 2
            else:
                parts.append(builder.text(token.text))
            continue
        if token.kind == "open":
            end = next((i for i in range(at, len(tokens)) if tokens[i].kind == "close"), None)
            if end is None or any(each.kind == "open" for each in tokens[at:end]):
                raise _wrong(pattern)
            inner, at = tokens[at:end], end + 1
        elif token.kind == "close":
            raise _wrong(pattern)
        else:
            inner = [token]
            if token.kind == "name" and at < len(tokens) and tokens[at].kind == "expression":
                inner, at = [tokens[at]], at + 1
        modifier = _modifier(tokens, at)
        at += bool(modifier)
        parts.append(_repeated(builder, inner, segment, modifier))
    return builder.build(builder.all(parts), beginning)


def _beginning(tokens: list[Token]) -> str:
    """The literal text before all else, but for a slash that may belong to what is behind it."""
    plain = itertools.takewhile(lambda token: token.kind in ("character", "escaped"), tokens)
    text = "".join(token.text for token in plain)
    return text.removesuffix("/") if len(text) < len(tokens) else text


def _modifier(tokens: list[Token], at: int) -> str:
    text = tokens[at].text if at < len(tokens) and tokens[at].kind in ("character", "any") else ""
    return text if text in _MODIFIERS else ""


def _repeated(builder: Builder, tokens: list[Token], segment: Characters, modifier: str) -> Part:
    def make() -> Part:
        return builder.all(_simple(builder, token, segment) for token in tokens)

    least, most = {"": (1, 1), "?": (0, 1), "*": (0, None), "+": (1, None)}[modifier]
    return builder.times(make, least, most)


def _simple(builder: Builder, token: Token, segment: Characters) -> Part:
    if token.kind == "any":
        return builder.often(builder.one(ANY))
    if token.kind == "name":
        one: Make = lambda: builder.one(segment)  # noqa: E731 - named for what it makes
        return builder.times(one, 1, None)
    if token.kind == "expression":
        return expression(builder, token.text)
    return builder.text(token.text)
