"""The ways of showing an operation while it runs: lines, a live bar, JSON lines, nothing."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import Any, Self

import msgspec

from ringback.cli.exits import explain_problem
from ringback.cli.follow import Display, Part
from ringback.cli.terminal import (
    clean,
    coloured,
    note,
    one_line,
    out,
    out_json_line,
    styled,
    without_echo,
)
from ringback.client.answers import Fields
from ringback.wire.sse_client import ReceivedEvent


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def event(self, event: ReceivedEvent) -> None:
        pass

    def status(self, operation: Fields) -> None:
        pass

    def progress(self, fraction: float | None, message: str | None) -> None:
        pass

    def part(self, part: Part) -> None:
        pass


class JsonLines(Silent):
    """Every event as one JSON object on a line of its own."""

    def event(self, event: ReceivedEvent) -> None:
        out_json_line(
            {"event": event.kind, "position": event.position, "data": msgspec.Raw(event.data)}
        )


class Lines(Silent):
    """For a file, a pipe or a log: what is new, a line each; parts on standard output."""

    def __init__(self) -> None:
        self._progress = ""

    def status(self, operation: Fields) -> None:
        text = describe(operation)
        if text:
            note(text)

    def progress(self, fraction: float | None, message: str | None) -> None:
        percent = "" if fraction is None else f"{fraction:4.0%} "
        text = f"{percent}{one_line(message or '')}".rstrip()
        if text and text != self._progress:
            self._progress = text
            note(text)

    def part(self, part: Part) -> None:
        out(part_line(part))


class Bar(Silent):
    """For a terminal: a bar that stays in its place, and partial results above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.table import Column

        # Results belong on standard output; the bar stands there with them if that is the
        # terminal, else on standard error, where it keeps out of the pipe.
        self._together = sys.stdout.isatty()
        stream = sys.stdout if self._together else sys.stderr
        self._console = Console(
            file=stream, no_color=not coloured(stream), highlight=False, markup=False
        )
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=10, max_width=30)),
            TaskProgressColumn(),
            TextColumn(
                "{task.fields[message]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=2),
            ),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            expand=True,
            redirect_stdout=self._together,
        )
        self._task = self._bar.add_task("", total=None, message="")
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(without_echo())
        self._open.enter_context(self._bar)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def status(self, operation: Fields) -> None:
        name = one_line(str(operation.get("task", "")))
        progress = operation.get("progress") or {}
        fraction = progress.get("fraction")
        self._bar.update(
            self._task,
            description=name,
            message=one_line(progress.get("message") or describe(operation)),
            total=None if fraction is None else 1.0,
            completed=fraction or 0.0,
        )

    def progress(self, fraction: float | None, message: str | None) -> None:
        changes: dict[str, Any] = {}
        if fraction is not None:
            changes = {"total": 1.0, "completed": fraction}
        if message is not None:
            changes["message"] = one_line(message)
        self._bar.update(self._task, **changes)

    def part(self, part: Part) -> None:
        if self._together:
            self._console.print(part_line(part), soft_wrap=True)
        else:
            out(part_line(part))


def choose(*, json_lines: bool = False, silent: bool = False) -> Display:
    """What fits where the output goes."""
    if json_lines:
        return JsonLines()
    if silent:
        return Silent()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Bar()
    return Lines()


def describe(operation: Fields) -> str:
    """A status in words; empty for the ends, which are told with what came of them."""
    status, attempt = operation.get("status"), operation.get("attempt", 0)
    if status == "queued":
        if not attempt:
            return "queued"
        error = operation.get("error") or {}
        cause = one_line(str(error.get("detail", "its worker stopped or was lost")))
        return f"queued again after attempt {attempt}: {cause}"
    if status == "running":
        if operation.get("cancel_requested"):
            return "asked to stop"
        return "running" if attempt == 1 else f"running, attempt {attempt}"
    return ""


def part_line(part: Part) -> str:
    """A partial result on one line."""
    return clean(bytes(part.data).decode())


def finished(operation: Fields, result: bytes | None) -> None:
    """What came of it: the result last, on standard output; the outcome on standard error."""
    took = _seconds(operation)
    if operation["status"] == "succeeded":
        note(styled(f"succeeded{took}", "green", sys.stderr))
        if result is not None:
            text = result if not sys.stdout.isatty() else msgspec.json.format(result, indent=2)
            out(clean(text.decode()))
    elif operation["status"] == "cancelled":
        note(styled(f"cancelled{took}", "yellow", sys.stderr))
    else:
        error = operation.get("error") or {}
        detail = explain_problem(error)
        attempts = operation.get("attempt", 1)
        tried = f", attempt {attempts}" if attempts > 1 else ""
        note(styled(f"failed{took}{tried}: ", "red", sys.stderr) + detail)


def _seconds(operation: Fields) -> str:
    from ringback.cli.moments import parsed, span

    created, finished_at = operation.get("created_at"), operation.get("finished_at")
    if not isinstance(created, str) or not isinstance(finished_at, str):
        return ""
    return f" after {span(parsed(finished_at) - parsed(created))}"
