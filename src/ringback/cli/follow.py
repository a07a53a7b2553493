"""Following one operation to its end, and telling it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol, Self

import msgspec

from ringback.client.answers import Fields
from ringback.client.connection import ends
from ringback.client.following import Newest
from ringback.wire.sse_client import ReceivedEvent


class Part(msgspec.Struct, frozen=True):
    """One partial result."""

    index: int
    attempt: int
    data: msgspec.Raw


class _Snapshot(msgspec.Struct, frozen=True):
    parts: list[Part] = []


class Display(Protocol):
    """How what happens is shown. A context, since it may hold the terminal."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def event(self, event: ReceivedEvent) -> None:
        """Everything, as it came."""

    def status(self, operation: Fields) -> None:
        """The status changed, or became known."""

    def progress(self, fraction: float | None, message: str | None) -> None: ...

    def part(self, part: Part) -> None:
        """A partial result that was not shown before."""


async def follow(events: AsyncGenerator[ReceivedEvent], display: Display) -> Fields | None:
    """Tell all events; the operation as its last event shows it, None if there was none."""
    telling = _Telling(display)
    async with aclosing(events):
        async for event in events:
            display.event(event)
            telling.tell(event)
            if ends(event):
                break
    return telling.operation


class _Telling:
    """From events to what is new in them."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.operation: Fields | None = None
        self._newest = Newest()
        self._shown: tuple[object, ...] = ()

    def tell(self, event: ReceivedEvent) -> None:
        match event.kind:
            case "snapshot" | "status":
                self._status(event)
            case "progress":
                fields = msgspec.json.decode(event.data, type=Fields)
                self._display.progress(fields.get("fraction"), fields.get("message"))
            case "part":
                self._part(msgspec.json.decode(event.data, type=Part))

    def _status(self, event: ReceivedEvent) -> None:
        operation: dict[str, Any] = msgspec.json.decode(event.data, type=Fields)
        self.operation = operation
        # Parts before the status: they came before it.
        for part in msgspec.json.decode(event.data, type=_Snapshot).parts:
            self._part(part)
        shown = tuple(operation.get(name) for name in ("status", "attempt", "cancel_requested"))
        if shown != self._shown:
            self._shown = shown
            self._display.status(operation)
        progress = operation.get("progress") or {}
        if event.kind == "snapshot" and progress:
            self._display.progress(progress.get("fraction"), progress.get("message"))

    def _part(self, part: Part) -> None:
        if self._newest.take(part.attempt, part.index):
            self._display.part(part)
