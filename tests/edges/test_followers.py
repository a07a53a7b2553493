"""What is held for a connection that cannot keep up."""

from __future__ import annotations

from pathlib import Path

from ringback.edges.followers import Queued
from ringback.edges.places import Keeper
from ringback.hub import Hub
from tests.hub.following import LINES, hubbub

BUDGET = 100


class Slow(Queued):
    """A connection that takes nothing for now."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, Keeper(), LINES, BUDGET)
        self.over = False
        self.congest()

    def overflow(self) -> None:
        self.over = True


class Frame(bytes):
    """One that knows how often its size was asked for."""

    asked = 0

    def __len__(self) -> int:
        Frame.asked += 1
        return super().__len__()


async def test_of_each_topic_only_what_is_held_counts(data: Path) -> None:
    async with hubbub(data) as (_, hub):
        slow = Slow(hub)
        for _ in range(2):
            for number in range(100):
                slow.write_newest(f"t/{number % 10}", b"x" * (number % 11))
            for topic in range(10):
                slow.write_newest(f"t/{topic}", b"x" * (BUDGET // 10))
            assert not slow.over, "it is as much as may wait"
            slow.relieve()
            assert slow.waiting == BUDGET
            slow = Slow(hub)
        slow.write_newest("t/1", b"x" * BUDGET)
        assert not slow.over
        slow.write_newest("t/2", b"x")
        assert slow.over


async def test_a_frame_that_is_held_is_not_counted_again_for_every_other(data: Path) -> None:
    async with hubbub(data) as (_, hub):
        slow = Slow(hub)
        Frame.asked = 0
        for topic in range(BUDGET):
            slow.write_newest(f"t/{topic}", Frame(b"x"))
        assert not slow.over
        assert 0 < Frame.asked <= 2 * BUDGET
