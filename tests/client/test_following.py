"""What the Python client makes of an operation's events: what is new in each, what is missing."""

import json

import pytest

from ringback.client import Gap
from ringback.client.following import Known, Telling
from ringback.wire.sse_client import ReceivedEvent

FIELDS = {"id": "an id", "task": "count", "status": "running", "version": 1}
Pairs = list[tuple[int, int]]


def part(attempt: int, index: int) -> dict[str, int]:
    return {"attempt": attempt, "index": index, "data": index}


def event(kind: str, fields: object) -> ReceivedEvent:
    return ReceivedEvent(kind, json.dumps(fields).encode(), None)


def snapshot(shown: Pairs, part_count: int) -> ReceivedEvent:
    parts = [part(attempt, index) for attempt, index in shown]
    return event("snapshot", {**FIELDS, "version": 9, "parts": parts, "part_count": part_count})


def reader(*had: tuple[int, int]) -> Telling:
    """One that has had these parts."""
    telling = Telling(Known(dict(FIELDS)))
    for attempt, index in had:
        telling.tell(event("part", part(attempt, index)), whole=True)
    return telling


@pytest.mark.parametrize(
    ("had", "shown", "part_count"),
    [
        ([(1, 0)], [(1, 1), (1, 2)], 3),
        ([(1, 0), (1, 1)], [(1, 1), (1, 2)], 3),
        ([(1, 0), (1, 1), (2, 2)], [(1, 1), (2, 2), (2, 3)], 4),
        ([(1, 5)], [(2, 0), (2, 1)], 2),
        ([], [(1, 0)], 1),
    ],
    ids=["next", "known", "known of another attempt", "whole", "first"],
)
def test_nothing_is_missing(had: Pairs, shown: Pairs, part_count: int) -> None:
    telling = reader(*had)
    told = telling.tell(snapshot(shown, part_count), whole=True)
    new = [(each.data.attempt, each.data.index) for each in told if each.kind == "part"]
    assert new == [pair for pair in shown if pair not in had]


@pytest.mark.parametrize(
    ("had", "shown", "part_count"),
    [
        ([(1, 0)], [(1, 2), (1, 3)], 4),
        ([(1, 0), (1, 1)], [(2, 2), (2, 3)], 4),
        ([(1, 5)], [(2, 2), (2, 3)], 4),
        ([], [(1, 1)], 2),
    ],
    ids=["between", "of an attempt that began anew where this one was", "of another", "first"],
)
def test_something_is_missing(had: Pairs, shown: Pairs, part_count: int) -> None:
    with pytest.raises(Gap):
        reader(*had).tell(snapshot(shown, part_count), whole=True)
