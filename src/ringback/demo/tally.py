"""What is known of one column of a table after so many of its rows.

Bounded, however long the table: counts are exact, and so is each bar of the histogram; values are
counted exactly while there are few different ones, and beyond that only the frequent ones are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

MISSING = frozenset({"", "-", "na", "n/a", "nan", "nil", "none", "null"})
"""Cells that say that there is nothing (in lower case)."""
BARS = 24
MAX_VALUE = 40
"""Characters of a value that are kept."""
SETTLE = 4096
"""Numbers gathered before they are sorted into bars: the first of them choose the range."""

_NUMBER = re.compile(r"[+-]?(?:\d+(\.\d*)?|(\.\d+))([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(
    r"\d{4}-[01]\d-[0-3]\d"
    r"(?:[T ][0-2]\d:[0-5]\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_BOOLEAN = frozenset({"true", "false", "yes", "no"})

Kind = Literal["integer", "number", "date", "boolean", "text"]
Type = Literal["empty", "integer", "number", "date", "boolean", "text"]


@dataclass(slots=True)
class Bars:
    """A histogram whose range grows: when a value lies outside, bars are joined two by two."""

    start: float
    width: float
    counts: list[int]

    @classmethod
    def over(cls, values: list[float]) -> Bars:
        """Empty bars for the given values, one or more."""
        low, high = min(values), max(values)
        width = (high - low) / BARS
        if not math.isfinite(width) or low + width == low:
            width = max(abs(low), 1.0) / BARS
        return cls(low, width, [0] * BARS)

    def add(self, value: float) -> None:
        """Count one value."""
        while value < self.start:
            self.start -= BARS * self.width
            self._join(BARS)
        while value > self.start + BARS * self.width:
            self._join(0)
        # The last bar has its upper end too: that is the largest of the first values.
        self.counts[min(int((value - self.start) / self.width), BARS - 1)] += 1

    def _join(self, before: int) -> None:
        wide = [0] * before + self.counts + [0] * (BARS - before)
        self.counts = [wide[i] + wide[i + 1] for i in range(0, 2 * BARS, 2)]
        self.width *= 2


@dataclass(slots=True)
class Tally:
    """One column so far."""

    name: str
    count: int = 0
    """Cells that hold something."""
    missing: int = 0
    kinds: dict[Kind, int] = field(default_factory=dict)
    total: float = 0.0
    least: float | None = None
    greatest: float | None = None
    first: str | None = None
    """The earliest date, and the latest: as text, ISO 8601 sorts by time."""
    last: str | None = None
    bars: Bars | None = None
    values: dict[str, int] = field(default_factory=dict)
    exact: bool = True
    """Whether ``values`` are all there are."""
    _new: list[float] = field(default_factory=list)

    @classmethod
    def restore(cls, saved: dict[str, Any]) -> Tally:
        """The tally whose ``save`` this is."""
        bars = saved["bars"]
        return cls(
            **{
                **{name: saved[name] for name in _PLAIN},
                "kinds": dict(saved["kinds"]),
                "bars": None if bars is None else Bars(**bars),
                "values": dict(saved["values"]),
            }
        )

    def add(self, cell: str, room: int) -> None:
        """Count one cell; ``room`` bounds how many different values are remembered."""
        cell = cell.strip()
        lower = cell.lower()
        if lower in MISSING:
            self.missing += 1
            return
        self.count += 1
        kind, number = _classify(cell, lower)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if number is not None:
            self.total += number
            self._new.append(number)
            if len(self._new) >= SETTLE:
                self._settle()
        elif kind == "date":
            self.first = cell if self.first is None else min(self.first, cell)
            self.last = cell if self.last is None else max(self.last, cell)
        value = cell[:MAX_VALUE]
        self.values[value] = self.values.get(value, 0) + 1
        if len(self.values) > room:
            self._forget(room)

    @property
    def type(self) -> Type:
        """The kind that all cells are of; text when they are of several."""
        kinds = set(self.kinds)
        if not kinds:
            return "empty"
        if len(kinds) == 1:
            return next(iter(kinds))
        return "number" if kinds == {"integer", "number"} else "text"

    @property
    def mean(self) -> float | None:
        """The mean of the numbers."""
        numbers = self.kinds.get("integer", 0) + self.kinds.get("number", 0)
        return self.total / numbers if numbers else None

    def save(self, top: int | None = None) -> dict[str, Any]:
        """All of it as JSON; with the ``top`` most frequent values only, if given."""
        self._settle()
        ranked = sorted(self.values.items(), key=_frequent_first)
        bars = self.bars
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "type": self.type,
            "mean": self.mean,
            "kinds": dict(self.kinds),
            "bars": bars and {"start": bars.start, "width": bars.width, "counts": bars.counts},
            "values": ranked[:top],
            "distinct": len(ranked),
        }

    def _settle(self) -> None:
        if not self._new:
            return
        low, high = min(self._new), max(self._new)
        self.least = low if self.least is None else min(self.least, low)
        self.greatest = high if self.greatest is None else max(self.greatest, high)
        if self.bars is None:
            self.bars = Bars.over(self._new)
        for number in self._new:
            self.bars.add(number)
        self._new.clear()

    def _forget(self, room: int) -> None:
        """Keep the more frequent half: what is frequent comes again, what is rare is no loss."""
        kept = sorted(self.values.items(), key=_frequent_first)[: room // 2]
        self.values = dict(kept)
        self.exact = False


_PLAIN = ("name", "count", "missing", "total", "least", "greatest", "first", "last", "exact")


def _frequent_first(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _classify(cell: str, lower: str) -> tuple[Kind, float | None]:
    match = _NUMBER.fullmatch(cell)
    if match is not None:
        number = float(cell)
        if math.isfinite(number):
            whole = match[1] is None and match[2] is None and match[3] is None
            return ("integer" if whole else "number"), number
    if lower in _BOOLEAN:
        return "boolean", None
    if _DATE.fullmatch(cell):
        return "date", None
    return "text", None
