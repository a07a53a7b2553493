"""One operation as its events tell it: what is known of it, and what is new in each.

What belongs here: decisions on events. What does not: where they come from (``operation``).
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from ringback.client.answers import Fields
from ringback.client.messages import Gap
from ringback.core.model import TERMINAL, Position, Status
from ringback.wire.sse_client import ReceivedEvent

SHOWN_PARTS = 1000
"""Partial results that a snapshot has at most, as the server's."""
APART = frozenset({"parts", "token", "token_expires_at"})
"""Members of an operation's object that are kept by themselves."""
NO_MORE_KEPT = (
    "Partial results before this one are no longer kept by the stream. What the operation made "
    "of them is in its result."
)


class Progress(msgspec.Struct, frozen=True):
    """How far an operation is."""

    fraction: float | None = None
    """0 to 1."""
    message: str | None = None


class Part(msgspec.Struct, frozen=True):
    """A partial result."""

    index: int
    attempt: int
    data: Any


class OperationEvent(msgspec.Struct, frozen=True):
    """Something new of an operation."""

    kind: str
    """``status``, ``progress`` or ``part``."""
    data: Any
    """The operation's JSON object, a ``Progress`` or a ``Part``."""
    position: str | None
    """Where it stands in the operation's log."""


class _Parts(msgspec.Struct, frozen=True):
    parts: list[Part] = []
    part_count: int = 0


_progress = msgspec.json.Decoder(Progress)
_part = msgspec.json.Decoder(Part)
_parts = msgspec.json.Decoder(_Parts)
_fields = msgspec.json.Decoder(Fields)


class Newest:
    """Which partial result was the last that somebody has seen."""

    def __init__(self) -> None:
        self.attempt = 0
        self.index = -1

    def take(self, attempt: int, index: int) -> bool:
        """One came: whether it was not seen before."""
        # Parts count from 0 in each attempt, but go on counting in one that resumes: in both
        # cases a newer part is a later pair.
        if (attempt, index) <= (self.attempt, self.index):
            return False
        self.attempt, self.index = attempt, index
        return True


class Known:
    """What is known of one operation, from whichever stream or answer brought it last."""

    def __init__(self, fields: Fields) -> None:
        self._fields: Fields = {}
        self._parts: deque[Part] = deque(maxlen=SHOWN_PARTS)
        self._newest = Newest()
        self.told(fields, fields.get("position"))

    @property
    def fields(self) -> Fields:
        """The operation's object, but for its parts."""
        return self._fields

    @property
    def snapshot(self) -> Fields:
        """The operation's object, with its newest parts."""
        shown = [{"index": p.index, "attempt": p.attempt, "data": p.data} for p in self._parts]
        return {**self._fields, "parts": shown} if shown else dict(self._fields)

    @property
    def status(self) -> Status:
        return Status(self._fields["status"])

    @property
    def terminal(self) -> bool:
        return self._fields["status"] in TERMINAL

    def told(self, fields: Fields, position: str | None) -> None:
        """The operation as it stood; one that is older than what is known changes nothing."""
        for part in fields.get("parts", ()):
            self.part(msgspec.convert(part, Part), None)
        if fields["version"] < self._fields.get("version", 0):
            return
        if not fields.get("part_count"):
            self._parts.clear()
        kept = {"links": self._fields.get("links"), "position": position}
        shown = {**{name: value for name, value in kept.items() if value is not None}, **fields}
        self._fields = {name: shown[name] for name in shown if name not in APART}

    def part(self, part: Part, position: str | None) -> None:
        before = self._newest.index
        if not self._newest.take(part.attempt, part.index):
            return
        if part.index <= before:
            self._parts.clear()  # a new attempt began anew
        self._parts.append(part)
        self._moved(position, part_count=part.index + 1)

    def progress(self, progress: Progress, position: str | None) -> None:
        self._moved(position, progress=msgspec.to_builtins(progress))

    def _moved(self, position: str | None, **changed: object) -> None:
        """An event came. Its offset is the version that it made."""
        place = None if position is None else Position.parse(position)
        if place is not None and place.offset > self._fields.get("version", 0):
            at = {"version": place.offset, "position": position}
            self._fields = {**self._fields, **changed, **at}


class Telling:
    """One reader of an operation's events: what is new to it in each."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._newest = Newest()
        self._version = -1

    def tell(self, event: ReceivedEvent, *, whole: bool) -> list[OperationEvent]:
        """What is new. ``whole``: all parts are wanted; raises ``Gap`` where some are gone."""
        match event.kind:
            case "snapshot" | "status":
                return self._status(event, whole=whole)
            case "progress":
                progress = _progress.decode(event.data)
                self._known.progress(progress, event.position)
                return [OperationEvent("progress", progress, event.position)]
            case "part":
                return self._part(_part.decode(event.data), event.position)
        return []  # a gap: the snapshot after it says what it was about

    def _status(self, event: ReceivedEvent, *, whole: bool) -> list[OperationEvent]:
        fields = _fields.decode(event.data)
        told: list[OperationEvent] = []
        if event.kind == "snapshot":
            found = _parts.decode(event.data)
            if whole and self._misses(found):
                raise Gap(
                    NO_MORE_KEPT, topics=[f"operations/{fields['id']}"], position=event.position
                )
            # Parts before the status: they came before it.
            for part in found.parts:
                told += self._part(part, None)
        self._known.told(fields, event.position)
        if fields["version"] > self._version:
            self._version = fields["version"]
            told.append(OperationEvent("status", fields, event.position))
        return told

    def _part(self, part: Part, position: str | None) -> list[OperationEvent]:
        self._known.part(part, position)
        new = self._newest.take(part.attempt, part.index)
        return [OperationEvent("part", part, position)] if new else []

    def _misses(self, found: _Parts) -> bool:
        """Whether there were parts between those that this reader has and those of a snapshot."""
        if not found.parts or len(found.parts) >= found.part_count:
            return False
        first, newest = found.parts[0], self._newest
        # The next index of another attempt may be of one that resumes, or of one that began anew:
        # nothing here says which, so whoever wants all parts is told.
        resumes = first.attempt == newest.attempt and first.index == newest.index + 1
        return not resumes and (first.attempt, first.index) > (newest.attempt, newest.index)
