"""Operations as tables and pages of text, for terminals of any width."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ringback.cli.displays import describe
from ringback.cli.moments import ago, parsed, span
from ringback.cli.terminal import clean, indented_json, one_line, out, styled, width
from ringback.client.answers import Fields

GAP = 2
"""Columns between columns."""
LEAST_MESSAGE = 12
"""Columns below which a message says nothing."""
SHOWN_PARTS = 10
"""Newest partial results that a page shows; `--json` has all."""
STATUS_STYLES = {
    "queued": "dim",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
}


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the list."""

    head: str
    cell: Callable[[Fields, float], str]
    keep: int
    """Those with the lowest number stay when the terminal is narrow."""
    flexible: bool = False
    """Whether it is cut to the room there is."""


def _status(operation: Fields, now: float) -> str:
    status = str(operation.get("status", ""))
    if operation.get("dead_letter"):
        return "failed, dead"
    if operation.get("cancel_requested") and status == "running":
        return "stopping"
    return status


def _progress(operation: Fields, now: float) -> str:
    fraction = (operation.get("progress") or {}).get("fraction")
    return "" if fraction is None else f"{fraction:.0%}"


def _message(operation: Fields, now: float) -> str:
    error = operation.get("error") or {}
    if operation.get("status") in ("failed", "queued") and error:
        return one_line(str(error.get("detail") or error.get("title") or ""))
    return one_line(str((operation.get("progress") or {}).get("message") or ""))


COLUMNS = (
    Column(head="ID", cell=lambda o, now: clean(str(o.get("id", ""))), keep=0),
    Column(head="TASK", cell=lambda o, now: one_line(str(o.get("task", ""))), keep=2),
    Column(head="STATUS", cell=_status, keep=1),
    Column(head="DONE", cell=_progress, keep=4),
    Column(head="TRY", cell=lambda o, now: str(o.get("attempt", "")), keep=5),
    Column(head="CREATED", cell=lambda o, now: ago(str(o["created_at"]), now), keep=3),
    Column(head="MESSAGE", cell=_message, keep=6, flexible=True),
)


def listing(operations: Sequence[Fields], now: float) -> None:
    """A line for each operation, with as many columns as fit."""
    room = width()
    cells = {column: [column.cell(each, now) for each in operations] for column in COLUMNS}
    widths = {
        column: max(len(column.head), *(len(cell) for cell in found))
        for column, found in cells.items()
    }
    chosen: list[Column] = []
    used = 0
    for column in sorted(COLUMNS, key=lambda column: column.keep):
        wanted = LEAST_MESSAGE if column.flexible else widths[column]
        if chosen and used + GAP + wanted > room:
            continue
        chosen.append(column)
        used += wanted + (GAP if len(chosen) > 1 else 0)
    for column in chosen:
        if column.flexible:
            widths[column] = min(widths[column], LEAST_MESSAGE + room - used)
    shown = [column for column in COLUMNS if column in chosen]
    out(styled(_line([(column.head, widths[column]) for column in shown]), "bold"))
    for row, operation in enumerate(operations):
        texts = []
        for column in shown:
            text = _cut(cells[column][row], widths[column])
            padded = text.ljust(widths[column]) if column is not shown[-1] else text
            if column.head == "STATUS":
                padded = styled(padded, STATUS_STYLES.get(str(operation.get("status")), ""))
            texts.append(padded)
        out((" " * GAP).join(texts).rstrip())


def page(operation: Fields, now: float, options: str) -> None:
    """All there is to say about one operation; ``options`` are those by which it is reached."""
    status = str(operation.get("status", ""))
    words = describe(operation) or _status(operation, now)
    rows = [
        ("id", clean(str(operation.get("id", "")))),
        ("task", one_line(str(operation.get("task", "")))),
        ("status", styled(words, STATUS_STYLES.get(status, ""))),
        ("progress", " ".join(filter(None, (_progress(operation, now), _said(operation))))),
        ("created", _moment(operation.get("created_at"), now)),
        ("started", _moment(operation.get("started_at"), now)),
        ("ready", _moment(operation.get("ready_at"), now)),
        ("finished", _moment(operation.get("finished_at"), now)),
        ("took", _took(operation)),
        ("attempts", str(operation.get("attempt", ""))),
        ("parent", clean(str(operation.get("parent") or ""))),
    ]
    stored = operation.get("stored") or {}
    rows += [
        ("subject", one_line(str(stored.get("subject") or ""))),
        ("failures", str(stored.get("failures") or "")),
        ("worker", one_line(str(stored.get("worker") or ""))),
        ("lease", _moment(stored.get("lease_until"), now)),
        ("forgotten", _moment(stored.get("expires_at"), now)),
    ]
    if operation.get("dead_letter"):
        rows.append(
            ("dead letter", f"do it again: ringback ops redrive {operation['id']}{options}")
        )
    names = max(len(name) for name, value in rows if value)
    for name, value in rows:
        if value:
            out(f"{styled(name.ljust(names), 'dim')}  {value}")
    if "input" in stored:
        _block("input", indented_json(msgspec.json.encode(stored["input"])))
    _parts(operation)
    if "result" in operation:
        _block("result", indented_json(msgspec.json.encode(operation["result"])))
    elif "result_size" in operation:
        _block(
            "result",
            f"{operation['result_size']} bytes: ringback ops watch {operation['id']}{options}",
        )
    if operation.get("error"):
        _block("error", indented_json(msgspec.json.encode(operation["error"])))
    if stored.get("diagnosis"):
        _block("diagnosis", clean(str(stored["diagnosis"])).rstrip())


def _parts(operation: Fields) -> None:
    count = operation.get("part_count", 0)
    if not count:
        return
    newest = (operation.get("parts") or [])[-SHOWN_PARTS:]
    lines = [clean(msgspec.json.encode(part["data"]).decode()) for part in newest]
    more = f", the newest {len(lines)}" if count > len(lines) else ""
    room = width() - 2
    _block(f"partial results: {count}{more}", "\n".join(_cut(line, room) for line in lines))


def _block(name: str, text: str) -> None:
    out()
    out(styled(name, "dim"))
    for line in text.splitlines():
        out(f"  {line}")


def _said(operation: Fields) -> str:
    return one_line(str((operation.get("progress") or {}).get("message") or ""))


def _moment(text: object, now: float) -> str:
    return f"{ago(text, now)} ({text})" if isinstance(text, str) else ""


def _took(operation: Fields) -> str:
    started, finished = operation.get("started_at"), operation.get("finished_at")
    if not isinstance(started, str) or not isinstance(finished, str):
        return ""
    return span(parsed(finished) - parsed(started))


def _line(cells: Sequence[tuple[str, int]]) -> str:
    return (" " * GAP).join(text.ljust(size) for text, size in cells).rstrip()


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: max(size - 1, 0)] + "…"


def print_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table, cut at the terminal's edge."""
    sizes = [max(len(each[i]) for each in (head, *rows)) for i in range(len(head))]
    out(styled(_cut(_line(list(zip(head, sizes, strict=True))), width()), "bold"))
    for row in rows:
        out(_cut(_line(list(zip(row, sizes, strict=True))), width()))
