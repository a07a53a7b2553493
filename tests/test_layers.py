"""Imports point down only: the rooms of the package, and what each may import.

The table is the rule. It is read from the source with `ast`, so an import inside a function,
under TYPE_CHECKING or by `import_module("ringback…")` counts like any other.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "ringback"


def words(text: str = "") -> frozenset[str]:
    return frozenset(text.split())


# Standard library modules without a clock, randomness, threads or I/O. Entries cover what is
# below them; `http` stands here by its two enums because the rest of it is sockets.
PURE = words(
    """
    __future__ abc base64 binascii bisect collections contextlib copy dataclasses datetime decimal
    enum fractions functools hashlib heapq hmac http.HTTPMethod http.HTTPStatus ipaddress itertools
    json math numbers operator re string struct textwrap types typing unicodedata urllib.parse
    """
)

# What makes a codec a driver.
IO = words(
    """
    anyio apsw asyncio concurrent h2 http.client http.server httpx multiprocessing obstore os
    pathlib queue requests select selectors shutil signal socket socketserver sqlite3 ssl
    starlette subprocess tempfile threading trio urllib.request uvicorn uvloop
    """
)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What one room may import. Its own modules it may always import, unless `apart`."""

    why: str
    """What the room is for: the reason that a refusal gives."""
    may: frozenset[str] | None
    """The rooms of ours it may import; None: every room below it."""
    others: frozenset[str] | None = None
    """The only modules not of ours it may import; None: any but `never`."""
    never: frozenset[str] = frozenset()
    """Modules not of ours it may not import."""
    timeless: bool = False
    """Whether asking the clock or touching files by a call is refused too."""
    apart: bool = False
    """Whether the room's parts may not import one another."""


# Top to bottom. A room may only import rooms that stand below it here.
TABLE: dict[str, Room] = {
    "__main__": Room(why="starts the command line", may=words("cli")),
    "cli": Room(why="the command line, above everything", may=None),
    "demo": Room(
        why="an application like a user's, and its page",
        may=words("__init__ app uploads edges tasks core errors"),
    ),
    "examples": Room(why="where the examples are found, and nothing else", may=words()),
    "serve": Room(
        why="runs an application: sockets, signals, processes",
        may=words("app edges worker settings errors"),
    ),
    "sam": Room(
        why="an application as AWS's resources, and the way there; it runs nothing",
        may=words("app edges uploads tasks settings engines wire core errors"),
    ),
    "awslocal": Room(
        why="a home on one machine for any SAM template: it knows nothing of Ringback's own code",
        may=words("awscost wire errors"),
    ),
    "awscost": Room(
        why="amounts out of numbers and prices; the prices are data",
        may=words("errors"),
        others=PURE | words("html importlib.resources tomllib"),
        timeless=True,
    ),
    "__init__": Room(why="the public names", may=None),
    "app": Room(why="the composition root", may=None),
    "home": Room(why="from settings to an engine", may=words("settings engines ports core errors")),
    "lambdas": Room(
        why="runs an application in functions: events in, answers and pushes out",
        may=words(
            "edges worker uploads hub service security tracing tasks settings ids wire ports core "
            "errors"
        ),
    ),
    "edges": Room(
        why="an edge speaks one transport and works over any engine",
        may=words("uploads hub service security tasks settings ids wire ports core errors web"),
    ),
    "worker": Room(
        why="runs work over any engine",
        may=words("hub service tracing tasks settings ids wire ports core errors"),
    ),
    "uploads": Room(
        why="turns stored objects into operations over any engine",
        may=words("hub service security tasks settings ids wire ports core errors"),
    ),
    "client": Room(
        why="an application that runs elsewhere, over HTTP", may=words("wire core errors")
    ),
    "hub": Room(why="one feed over any engine's log", may=words("ports core errors")),
    "service": Room(
        why="commands over any engine",
        may=words("tracing security tasks settings ids wire ports core errors"),
    ),
    "tracing": Room(why="spans, where OpenTelemetry is installed", may=words("ids core errors")),
    "security": Room(why="who is calling", may=words("settings ids core errors")),
    "tasks": Room(why="what an application declares", may=words("core errors")),
    "settings": Room(why="what can be set", may=words("errors")),
    "ids": Room(why="makes identities and tells the time", may=words("errors")),
    "engines": Room(
        why="an engine fulfils the ports and knows nothing of who calls it, or of its siblings",
        may=words("ports core errors"),
        apart=True,
    ),
    "wire": Room(
        why="codecs and peer sessions: bytes in, events and bytes out",
        may=words("core errors"),
        never=IO,
    ),
    "ports": Room(why="what an engine must do, and no engine", may=words("core errors")),
    "core": Room(
        why="pure decisions: `now` and random numbers are arguments",
        may=words("errors"),
        others=PURE | {"msgspec"},
        timeless=True,
    ),
    "errors": Room(
        why="the error tree, at the bottom", may=words(), others=PURE | {"msgspec"}, timeless=True
    ),
    "web": Room(why="built pages: data, not code", may=words()),
}

CLOCK = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
CALLS = {"open", "input", "print", "breakpoint"}


def below(room: str) -> frozenset[str]:
    order = list(TABLE)
    return frozenset(order[order.index(room) + 1 :])


def imports(module: str, tree: ast.AST, *, package: bool) -> Iterator[tuple[int, str]]:
    """Every imported name with its line, relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = module.split(".")
                base = parts[: len(parts) - node.level + package]
                origin = ".".join([*base, *origin.split(".")] if origin else base)
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func).rpartition(".")[2]
            name = node.args[0]
            if (
                called in {"import_module", "__import__"}
                and isinstance(name, ast.Constant)
                and isinstance(name.value, str)
            ):
                yield node.lineno, name.value


def room_of(name: str) -> str:
    """The room of a dotted name of ours; what `ringback` itself exports is `__init__`'s."""
    second = name.split(".")[1] if "." in name else "__init__"
    return second if second in TABLE else "__init__"


def covered(name: str, modules: frozenset[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def refusal(module: str, name: str) -> str | None:
    """Why `module` may not import `name`, and what to do instead; None when it may."""
    here = module.split(".")[1] if "." in module else "__init__"
    rule = TABLE[here]
    if name.split(".")[0] != "ringback":
        if covered(name, rule.never) or (
            rule.others is not None and not covered(name, rule.others)
        ):
            return (
                f"{here} may not import {name} ({rule.why}). Cure: take what you need from it as "
                "an argument, or move this code up into the room that performs it"
            )
        return None
    there = room_of(name)
    if there == here:
        part, other = module.split(".")[2:3], name.split(".")[2:3]
        if rule.apart and part != other:
            return (
                f"{module} may not import {name} ({rule.why}). Cure: put what both need into "
                f"{', '.join(sorted(rule.may or ()))}"
            )
        return None
    allowed = below(here) if rule.may is None else rule.may
    if there in allowed:
        return None
    return (
        f"{here} may not import {there} ({name}): {rule.why}. It may import: "
        f"{', '.join(sorted(allowed)) or 'no room of ours'}. Cure: move what is shared down, or "
        "let the caller pass it in"
    )


def impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The calls that ask the clock or touch the outside without any import to show it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).rpartition(".")[2]
            if (owner, node.attr) in CLOCK:
                yield node.lineno, f"{owner}.{node.attr}"
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS
        ):
            yield node.lineno, f"{node.func.id}()"


def violations(module: str, source: str, *, package: bool = False) -> list[str]:
    """One line for each breach of the table in a module's source."""
    here = module.split(".")[1] if "." in module else "__init__"
    if here not in TABLE:
        return [
            f"{module}: the room {here!r} is not in the table. Cure: add it to the table in "
            "tests/test_layers.py, where it belongs from top to bottom, or put the module into a "
            "room that is there"
        ]
    tree = ast.parse(source)
    found = [
        (line, cause)
        for line, name in imports(module, tree, package=package)
        if (cause := refusal(module, name))
    ]
    if TABLE[here].timeless:
        found += [
            (line, f"{here} may not use {use} ({TABLE[here].why}). Cure: make it an argument")
            for line, use in impurities(tree)
        ]
    return [f"{module}:{line}: {cause}" for line, cause in sorted(set(found))]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_imports_point_down() -> None:
    wrong = [
        line
        for module, path in modules()
        for line in violations(
            module, path.read_text(encoding="utf-8"), package=path.name == "__init__.py"
        )
    ]
    assert not wrong, "\n" + "\n".join(wrong)


def test_there_is_something_to_check() -> None:
    assert {"ringback.errors", "ringback.core.model"} <= {module for module, _ in modules()}


@pytest.mark.parametrize("room", TABLE)
def test_the_table_itself_points_down(room: str) -> None:
    up = (TABLE[room].may or words()) - below(room)
    assert not up, f"{room} is below {', '.join(sorted(up))}: it may not import them"


@pytest.mark.parametrize(
    ("module", "source", "cause"),
    [
        ("ringback.core.feed", "import asyncio", "core may not import asyncio"),
        ("ringback.core.retry", "def f():\n    import random", "retry:2: core may not import"),
        ("ringback.core.retry", "from time import monotonic", "time.monotonic"),
        ("ringback.core.retry", "import urllib.request", "urllib.request"),
        ("ringback.core.view", "import pydantic", "pydantic"),
        ("ringback.core.view", "datetime.now(UTC)", "core may not use datetime.now"),
        ("ringback.core.view", "datetime.date.today()", "date.today"),
        ("ringback.core.view", "open('x')", "open()"),
        ("ringback.core.feed", "from ringback import ports", "core may not import ports"),
        ("ringback.core.feed", "from .. import ports", "core may not import ports"),
        ("ringback.core.feed", "from ..hub import Hub", "core may not import hub"),
        ("ringback.core.feed", "from ringback import Ringback", "core may not import __init__"),
        ("ringback.errors", "from ringback.core import model", "no room of ours"),
        ("ringback.ports", "from ringback.service import Service", "ports may not import service"),
        ("ringback.wire.sse", "from asyncio import Queue", "wire may not import asyncio"),
        ("ringback.wire.sse", "from http import client", "http.client"),
        ("ringback.wire.sse", "import ringback.ports", "wire may not import ports"),
        ("ringback.engines.nats", "from ringback.engines.sqlite import x", "put what both need"),
        ("ringback.engines.nats", "from . import sqlite", "engines.sqlite"),
        ("ringback.engines.nats.log", "from ..sqlite import x", "engines.sqlite"),
        ("ringback.engines.nats", "from ringback.hub import Hub", "engines may not import hub"),
        ("ringback.edges.http", "import ringback.engines.sqlite", "edges may not import engines"),
        (
            "ringback.edges.http",
            "if TYPE_CHECKING:\n    from ringback.engines.aws import Aws",
            "edges may not import engines",
        ),
        (
            "ringback.service",
            "importlib.import_module('ringback.engines.nats')",
            "service may not import engines",
        ),
        ("ringback.hub", "from ringback.service import Service", "hub may not import service"),
        ("ringback.app", "from ringback.cli import main", "app may not import cli"),
        ("ringback.utils", "", "add it to the table"),
    ],
)
def test_catches(module: str, source: str, cause: str) -> None:
    (only,) = violations(module, source)
    assert cause in only
    assert "Cure: " in only


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ringback.core.feed", "import msgspec\nfrom collections.abc import Iterator"),
        ("ringback.core.feed", "from . import model\nfrom ..errors import Gap"),
        ("ringback.core.feed", "from datetime import datetime\ndef f(now: datetime): ..."),
        ("ringback.errors", "from http import HTTPStatus"),
        ("ringback.wire.graphql", "import graphql\nfrom ringback.core.feed import Feed"),
        ("ringback.engines.sqlite", "import apsw, asyncio\nfrom ringback import ports"),
        ("ringback.engines.nats.log", "from .names import subject\nfrom ... import errors"),
        ("ringback.edges.sse", "import starlette\nfrom ringback.edges import http\nimport time"),
        ("ringback.app", "def f():\n    from ringback.engines import sqlite"),
        ("ringback.cli", "from ringback import Ringback, app"),
        ("ringback", "from ringback.app import Ringback"),
    ],
)
def test_lets_pass(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_a_package_counts_its_dots_from_itself() -> None:
    assert violations("ringback.core", "from .model import Operation", package=True) == []
    assert violations("ringback", "from .app import Ringback", package=True) == []
    assert violations("ringback.engines.nats", "from .log import x", package=True) == []
    (only,) = violations("ringback.core", "from ..hub import Hub", package=True)
    assert "core may not import hub" in only
