"""From where on another way is the cheapest: one number varied, all others kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ringback.awscost.prices import Prices
from ringback.awscost.ways import Waiting, Way, bills, cheapest
from ringback.awscost.workload import BOUNDS, Workload

RATIO = 1.15
"""Between the points that are looked at first; between two that differ, the change is sought."""


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """A number of a workload that is varied."""

    name: str
    low: float
    high: float
    step: float = 1
    """What it is a multiple of."""


_USERS = Dimension(name="users", low=1, high=1_000_000)
_MESSAGES = Dimension(name="messages", low=1, high=1_000_000_000)
_FANOUT = Dimension(name="fanout", low=1, high=1_000_000)
_HOURS = Dimension(name="hours", low=0.01, high=BOUNDS["hours"][1], step=0.01)
_SIZE = Dimension(name="size", low=1, high=BOUNDS["size"][1])
_POLL = Dimension(name="poll", low=1, high=BOUNDS["poll"][1])
_JOB = Dimension(name="job_seconds", low=1, high=3600)
DIMENSIONS: Mapping[Waiting, tuple[Dimension, ...]] = {
    Waiting.IDLE: (_USERS, _MESSAGES, _FANOUT, _HOURS, _SIZE, _POLL),
    # Who is there, and how long, counts for nothing then.
    Waiting.IN_FLIGHT: (_MESSAGES, _FANOUT, _SIZE, _POLL, _JOB),
}
"""What is worth varying."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where the same are the cheapest; both ends are in it."""

    low: float
    high: float
    ways: tuple[Way, ...]


def changes(
    dimension: Dimension,
    workload: Workload,
    prices: Prices,
    waiting: Waiting = Waiting.IDLE,
    *,
    free_tier: bool = False,
) -> tuple[Span, ...]:
    """Who is the cheapest, from the lowest to the highest value."""

    def winners(step: int) -> tuple[Way, ...]:
        varied: dict[str, Any] = {dimension.name: round(step * dimension.step, 6)}
        changed = replace(workload, **varied)
        return cheapest(bills(changed, prices, waiting, free_tier=free_tier))

    low, high = dimension.low, dimension.high
    if dimension.name == "users":
        low = max(low, -(-workload.fanout // 1))
        high = max(low, high)
    if dimension.name == "fanout":
        high = min(high, workload.users // 1)
    first, last = round(low / dimension.step), round(high / dimension.step)
    spans: list[Span] = []
    begin = first
    for point in (*_changes(winners, first, last), last + 1):
        spans.append(
            Span(
                low=round(begin * dimension.step, 6),
                high=round((point - 1) * dimension.step, 6),
                ways=winners(begin),
            )
        )
        begin = point
    return tuple(spans)


def _changes(winners: Callable[[int], tuple[Way, ...]], first: int, last: int) -> list[int]:
    """The points at which there are others than just before."""
    points = [first]
    while points[-1] < last:
        points.append(min(last, max(points[-1] + 1, round(points[-1] * RATIO))))
    found: list[int] = []
    known = {point: winners(point) for point in points}
    for low, high in pairwise(points):
        if known[low] != known[high]:
            found += _between(winners, low, high)
    return found


def _between(winners: Callable[[int], tuple[Way, ...]], low: int, high: int) -> list[int]:
    """Those after `low`, up to `high`, where the ends differ."""
    end, before = high, winners(low)
    left = low
    while high - left > 1:
        middle = (left + high) // 2
        if winners(middle) == before:
            left = middle
        else:
            high = middle
    if high == end or winners(high) == winners(end):
        return [high]
    return [high, *_between(winners, high, end)]
