"""Checks that every relative link and anchor in the documents leads somewhere.

Run it with `make docs`. It reads README.md, CONTRIBUTING.md, CHANGELOG.md and docs/**/*.md, and
nothing of the network: whether another site still answers is not this repository's state.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$")
INLINE_LINK = re.compile(r"\]\(\s*(?:<([^>]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))[^)]*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
HTML_LINK = re.compile(r"""<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=["']([^"'\s]+)""")
HTML_ANCHOR = re.compile(r"""<[a-z0-9]+\b[^>]*?\b(?:id|name)=["']([^"']+)["']""")
ABSOLUTE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines outside fenced code blocks."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if fence:
            # CommonMark 4.5: a fence closes with the same character, at least as many of it.
            if mark and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif mark:
            fence = mark[1]
        else:
            yield number, line


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading, before repeats are numbered."""
    shown = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", heading)
    shown = re.sub(r"<[^>]+>", "", shown) if "`" not in shown else shown
    kept = re.sub(r"[^\w\- ]", "", shown.lower())
    return kept.strip().replace(" ", "-")


def anchors(text: str) -> set[str]:
    """Every anchor a document offers: its headings, and the ids of its HTML."""
    found: set[str] = set()
    seen: dict[str, int] = {}
    for _, line in prose(text):
        found.update(HTML_ANCHOR.findall(line))
        if heading := HEADING.match(line):
            name = slug(heading[1])
            repeat = seen.get(name, 0)
            seen[name] = repeat + 1
            found.add(f"{name}-{repeat}" if repeat else name)
    return found


def links(text: str) -> Iterator[tuple[int, str]]:
    """Every link target with the line it stands on; what is inside code is not a link."""
    for number, line in prose(text):
        plain = CODE_SPAN.sub("", line)
        for bracketed, bare in INLINE_LINK.findall(plain):
            yield number, bracketed or bare
        for pattern in (REFERENCE, HTML_LINK):
            for target in pattern.findall(plain):
                yield number, target


def documents(root: Path) -> list[Path]:
    """The documents to check, in a stable order."""
    return [root / name for name in TOP_LEVEL] + sorted((root / "docs").rglob("*.md"))


def problems(root: Path) -> list[str]:
    """One line for each link that leads nowhere; empty when all is well."""
    wrong: list[str] = []
    for document in documents(root):
        name = document.relative_to(root).as_posix()
        if not document.is_file():
            wrong.append(f"{name}: missing")
            continue
        for number, target in links(document.read_text(encoding="utf-8")):
            if ABSOLUTE.match(target):
                continue
            if cause := broken(root, document, target):
                wrong.append(f"{name}:{number}: ({target}) {cause}")
    return wrong


def broken(root: Path, document: Path, target: str) -> str | None:
    """Why a relative link leads nowhere, or None when it is sound."""
    path, _, anchor = unquote(target).partition("#")
    if path.startswith("/"):
        return "starts at the host's root: write it relative to the document"
    found = (document.parent / path).resolve() if path else document
    if not found.is_relative_to(root):
        return "leaves the repository"
    if not found.exists():
        return "no such file"
    if not anchor or found.suffix != ".md":
        return None
    offered = anchors(found.read_text(encoding="utf-8"))
    if anchor in offered:
        return None
    return f"no such heading; there are: {', '.join(sorted(offered)) or 'none'}"


def main() -> int:
    wrong = problems(ROOT)
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    print(f"docs: every link in {len(documents(ROOT))} documents leads somewhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
