"""Which route of an HTTP API a request goes to, and of which stage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from ringback.awslocal.model import Route, Stage

DEFAULT = "$default"
ANY = "ANY"

_VARIABLE = re.compile(r"\{([^{}/]+?)(\+?)\}")


@dataclass(frozen=True, kw_only=True)
class Match:
    route: Route
    parameters: dict[str, str]
    """Path parameters, decoded."""


@dataclass(frozen=True)
class _Known:
    route: Route
    method: str
    segments: tuple[str, ...]
    greedy: bool
    names: tuple[str | None, ...]
    """Of each segment the variable it is, or None where it is literal."""

    def match(self, method: str, segments: tuple[str, ...]) -> dict[str, str] | None:
        if self.method not in (method, ANY):
            return None
        size = len(self.segments)
        if len(segments) < size if self.greedy else len(segments) != size:
            return None
        found: dict[str, str] = {}
        for index, (name, expected) in enumerate(zip(self.names, self.segments, strict=True)):
            if name is None:
                if unquote(segments[index]) != expected:
                    return None
            elif self.greedy and index == size - 1:
                rest = "/".join(segments[index:])
                if not rest:
                    return None
                found[name] = unquote(rest)
            elif not segments[index]:
                return None
            else:
                found[name] = unquote(segments[index])
        return found

    @property
    def rank(self) -> tuple[object, ...]:
        """Lower goes first: full matches, then greedy ones, those with more before their variable
        first; of the same length from the left the literal before the variable; then the one
        that names its method."""
        kinds = tuple(name is not None for name in self.names)
        return (self.greedy, -len(kinds), kinds, self.method == ANY)


class Routes:
    """The routes of an API, the most specific first."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._default: Route | None = None
        known = []
        for route in routes:
            if route.key == DEFAULT:
                self._default = route
            else:
                known.append(_parse(route))
        self._known = sorted(known, key=lambda each: each.rank)

    def find(self, method: str, path: str) -> Match | None:
        """The route for a method and a path that is still percent-encoded."""
        segments = tuple(path.removeprefix("/").split("/"))
        for known in self._known:
            parameters = known.match(method, segments)
            if parameters is not None:
                return Match(route=known.route, parameters=parameters)
        return None if self._default is None else Match(route=self._default, parameters={})


def _parse(route: Route) -> _Known:
    method, _, path = route.key.partition(" ")
    segments = tuple(path.removeprefix("/").split("/"))
    names: list[str | None] = []
    greedy = False
    for segment in segments:
        variable = _VARIABLE.fullmatch(segment)
        names.append(variable[1] if variable else None)
        greedy = bool(variable and variable[2])
    return _Known(route, method.upper(), segments, greedy, tuple(names))


def choose_stage(stages: Iterable[Stage], path: str) -> tuple[Stage, str] | None:
    """The stage of a path, and what is left of the path for its routes: a named stage is the first
    segment; ``$default`` has all the rest."""
    known = {each.name: each for each in stages} or {DEFAULT: Stage(name=DEFAULT)}
    name, _, rest = path.removeprefix("/").partition("/")
    if name != DEFAULT and name in known:
        return known[name], f"/{rest}"
    return (known[DEFAULT], path) if DEFAULT in known else None
