"""YAML as people write templates: in the order given, with comments, CloudFormation's short tags,
and the same text every time.

What belongs here: how a value is written. What does not: what a template says. A library would be
one more to install where nothing but a text is wanted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Written without quotes: begins with a letter and holds nothing that YAML could take for more.
_PLAIN = re.compile(r"[A-Za-z$/_](?:[A-Za-z0-9_./@$*()'<>~;%+=-]|[ {}&!](?! )|:(?=[^ ]))*")
_WORDS = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null|~|\.inf|\.nan)")
_FLOW = frozenset(",[]{}")
"""What ends a plain scalar in a flow sequence."""
WIDTH = 100
"""Columns: comments are broken there."""


@dataclass(frozen=True)
class Tag:
    """An intrinsic function: ``!Ref Table``."""

    name: str
    value: Any


@dataclass(frozen=True)
class Note:
    """A value with something to say above it, and inside of it, at its beginning."""

    value: Any
    above: str = ""
    inside: Sequence[str] = field(default_factory=tuple)


def ref(name: str) -> Tag:
    return Tag("Ref", name)


def att(name: str) -> Tag:
    return Tag("GetAtt", name)


def sub(text: str) -> Tag:
    return Tag("Sub", text)


NO_VALUE = ref("AWS::NoValue")


def when(condition: str, value: Any, otherwise: Any = NO_VALUE) -> Tag:
    return Tag("If", [condition, value, otherwise])


def dump(sections: Mapping[str, Any], head: str = "", apart: Sequence[str] = ()) -> str:
    """A document; between sections, and between the entries of those ``apart``, is a line free."""
    lines = [*_comment(head, 0)]
    for name, value in sections.items():
        if lines:
            lines.append("")
        lines += _entry(name, value, 0, apart=name in apart)
    return "\n".join(lines) + "\n"


def plain(value: Any) -> Any:
    """The value as other tools have it: no comments, functions in their long form."""
    if isinstance(value, Note):
        return plain(value.value)
    if isinstance(value, Tag):
        name = value.name if value.name in ("Ref", "Condition") else f"Fn::{value.name}"
        inner = value.value
        if value.name == "GetAtt":
            inner = inner.split(".", 1)
        return {name: plain(inner)}
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def _entry(name: str, value: Any, depth: int, *, apart: bool = False) -> Iterator[str]:
    inside: Sequence[str] = ()
    if isinstance(value, Note):
        yield from _comment(value.above, depth)
        inside, value = value.inside, value.value
    key = f"{'  ' * depth}{_scalar(name)}:"
    if inside:
        yield key
        for text in inside:
            yield from _comment(text, depth + 1)
        yield from _block(value, depth + 1, apart=apart)
        return
    yield from _hung(key, value, depth, apart=apart)


def _hung(head: str, value: Any, depth: int, *, apart: bool = False) -> Iterator[str]:
    """What follows ``key:`` or ``key: !Tag``: on the same line if it is short, else below."""
    tags = ""
    while isinstance(value, Tag):
        tags += f" !{value.name}"
        value = value.value
    short = _inline(value, tagged=bool(tags))
    if short is not None and (len(head) + len(tags) + len(short) < WIDTH or _is_scalar(value)):
        yield f"{head}{tags} {short}"
        return
    yield f"{head}{tags}"
    yield from _block(value, depth + 1, apart=apart)


def _block(value: Any, depth: int, *, apart: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for index, (name, each) in enumerate(value.items()):
            if apart and index:
                yield ""
            yield from _entry(name, each, depth)
        return
    for item in value:
        each = item
        if isinstance(each, Note):
            yield from _comment(each.above, depth)
            each = each.value
        dash = f"{'  ' * depth}-"
        if isinstance(each, Mapping) and each:
            lines = list(_block(each, depth + 1))
            yield f"{dash} {lines[0].lstrip()}"
            yield from lines[1:]
        else:
            yield from _hung(dash, each, depth)


def _inline(value: Any, *, tagged: bool = False) -> str | None:
    """The value on one line; None for what is written below its key."""
    if isinstance(value, Mapping):
        return "{}" if not value else None
    if isinstance(value, list | tuple):
        if not value:
            return "[]"
        if not tagged and not all(_is_scalar(each) or isinstance(each, Tag) for each in value):
            return None
        items = [_flow(each) for each in value]
        return None if None in items else f"[{', '.join(filter(None, items))}]"
    return _scalar(value)


def _flow(value: Any) -> str | None:
    """An item of a sequence in brackets."""
    if isinstance(value, Tag):
        inner = _flow(value.value)
        return None if inner is None else f"!{value.name} {inner}"
    if isinstance(value, Mapping | Note):
        return None
    if isinstance(value, list | tuple):
        items = [_flow(each) for each in value]
        return None if None in items else f"[{', '.join(filter(None, items))}]"
    text = _scalar(value)
    return json.dumps(value, ensure_ascii=False) if text == value and _FLOW & set(text) else text


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) or value is None


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value) and not value.endswith((":", " ")):
        return value
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str, depth: int) -> Iterator[str]:
    """A comment, broken into lines where it is too wide; its own line ends stay."""
    margin = f"{'  ' * depth}#"
    for paragraph in text.split("\n") if text else ():
        line = margin
        for word in paragraph.split(" "):
            if len(line) + 1 + len(word) > WIDTH and line != margin:
                yield line
                line = margin
            line += f" {word}"
        yield line.rstrip()
