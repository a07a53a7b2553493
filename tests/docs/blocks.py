"""The fenced code blocks of a document, and what their info strings ask for.

The first word is the language, for highlighting. The words after it say what becomes of the
block, and a block that says nothing and needs to is an error, so that no example is forgotten:

    python file=app.py      written to a file of that name (any language; Python is compiled)
    python append=app.py    the same, behind what the file holds
    python fragment         compiled, not run: it stands for a part of a program
    sh                      run with bash; it has to end with status 0
    sh status=2             run with bash; it has to end with this status
    sh server               started in the background, and waited for until it answers
    sh background           started in the background, and ended with the page
    console                 lines after `$ ` are run; the lines below each are what it prints
    text output             what the block before it printed; … stands for anything
    js browser              run in a browser, on a page of the server (`test_browser`)
    nginx shown             only shown (any language); JSON has to parse
    mermaid                 a drawing

What does not belong here: running anything (`session`).
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*(.*)$")
ROLES = frozenset({"server", "background", "fragment", "output", "shown", "browser"})
FILES = frozenset({"file", "append"})
RUN = frozenset({"sh", "console"})
DRAWINGS = frozenset({"mermaid"})


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block."""

    line: int
    """Of its opening fence."""
    language: str
    role: str
    """One of `ROLES` or `FILES`, or `run`, `drawing`."""
    text: str
    options: dict[str, str] = field(default_factory=dict)


class Unmarked(Exception):
    """A block does not say what becomes of it."""


def blocks(path: Path) -> list[Block]:
    """The blocks of a Markdown file, in order. Raises `Unmarked`."""
    found: list[Block] = []
    fence, info, start = "", "", 0
    lines: list[str] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        mark = FENCE.match(line)
        if not fence:
            if mark:
                fence, info, start, lines = mark[1], mark[2].strip(), number, []
        elif mark and mark[1].startswith(fence) and not mark[2]:
            found.append(_block(path, start, info, "\n".join(lines) + "\n"))
            fence = ""
        else:
            lines.append(line)
    if fence:
        raise Unmarked(f"{path.name}:{start}: the block is never closed")
    return found


def _block(path: Path, line: int, info: str, text: str) -> Block:
    language, *words = info.split() or [""]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    roles = [word for word in words if "=" not in word]
    where = f"{path.name}:{line}"
    if unknown := [role for role in roles if role not in ROLES]:
        raise Unmarked(f"{where}: {unknown[0]!r} is no role; there are {', '.join(sorted(ROLES))}")
    if unknown := [name for name in options if name not in FILES | {"status"}]:
        raise Unmarked(f"{where}: {unknown[0]!r} is no option; there are file, append, status")
    roles += [name for name in options if name in FILES]
    if len(roles) > 1:
        raise Unmarked(f"{where}: one role is enough: {info}")
    if roles:
        (role,) = roles
    elif language in RUN:
        role = "run"
    elif language in DRAWINGS:
        role = "drawing"
    else:
        raise Unmarked(
            f"{where}: a block of {language or 'no language'} that is neither run nor marked. "
            "Cure: say file=NAME, fragment, output or shown behind the language"
        )
    return Block(line=line, language=language, role=role, text=text, options=options)
