"""Gaps on a real engine: whoever lost something is told, and nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ringback.core.feed import MAX_RECENT
from ringback.core.filters import parse
from ringback.core.model import BEGINNING, Keep, Page, Position
from ringback.engines.sqlite import SqliteEngine, hints
from ringback.hub import Hub
from ringback.hub.past import PAGE
from tests.hub.following import Listener, hubbub, publish, room, topics
from tests.serving import until

MANY = [f"t/{number:03}" for number in range(250)]


async def cut(engine: SqliteEngine, names: Sequence[str]) -> None:
    """Have each of these topics lose a message, in one commit."""
    await publish(engine, *names, *names, *names, keep=Keep(count=1))


async def test_one_of_many_topics_that_lost_something_is_told(data: Path) -> None:
    """However many others did, which its follower may not see."""
    async with hubbub(data) as (engine, hub):
        at = (await publish(engine, "begun"))[0]
        await cut(engine, MANY)
        await until(lambda: hub.position.offset == 1 + 3 * len(MANY))
        for own in (MANY[0], MANY[-1]):
            follower = Listener()
            await hub.join(follower, parse("t/+"), at, own.__eq__, room=room)
            assert follower.got[0] == ["gap", [own]]
        others = Listener()
        await hub.join(others, parse("t/+"), at, "t/none".__eq__, room=room)
        assert others.got == []


async def test_all_who_lost_something_live_are_told(data: Path) -> None:
    async with hubbub(data) as (engine, hub):
        followers = {name: Listener() for name in (*MANY, "other")}
        for name, follower in followers.items():
            hub.attach(follower, parse(name))
        all_of_them = Listener()
        hub.attach(all_of_them, parse("t/+"))
        await cut(engine, MANY)
        await publish(engine, "other")
        await until(lambda: followers["other"].got)
        assert all(followers[name].got[0] == ["gap", [name]] for name in MANY)
        assert [topic for topic, _ in followers["other"].got] == ["other"]
        assert [topics for kind, topics in all_of_them.got if kind == "gap"] == [MANY], "at once"


async def test_a_foreign_position_is_a_gap_whatever_was_removed_here(data: Path) -> None:
    """What was lost with the other store is not known: not only what went of this one."""
    async with hubbub(data) as (engine, hub):
        await cut(engine, ["t/cut"])
        await publish(engine, "t/own")
        await until(lambda: hub.position.offset == 4)
        for foreign in (Position("other", 9), Position(engine.epoch, 99)):
            follower = Listener()
            await hub.join(follower, parse("t/+"), foreign, "t/own".__eq__, room=room)
            assert follower.got == [["gap", []], ["t/own", 4]]


@pytest.mark.parametrize("limit", [3, 500, 700])
async def test_what_is_replayed_whole_is_no_gap(data: Path, limit: int) -> None:
    """Were it as many as are replayed at most."""
    async with hubbub(data) as (engine, hub):
        await publish(engine, *["t"] * limit, "u")
        await until(lambda: hub.position.offset == limit + 1)
        whole, more = Listener(), Listener()
        await hub.join(whole, parse("t"), BEGINNING, room=room, limit=limit)
        assert whole.got == [["t", number] for number in range(1, limit + 1)]
        await publish(engine, *["t"] * (MAX_RECENT + 1000))
        await until(lambda: hub.position.offset == limit + MAX_RECENT + 1001)
        await hub.join(more, parse("t"), BEGINNING, room=room, limit=limit)
        assert more.got[-1] == ["gap", []]


class Slow(SqliteEngine):
    """Each answer is on its way until it is let in, as those of a table elsewhere are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked, self.answers = asyncio.Event(), asyncio.Semaphore(0)

    async def follow(self, after: Position | None, limit: int) -> Page:
        page = await super().follow(after, limit)
        self.asked.set()
        await self.answers.acquire()
        return page


async def test_what_comes_while_it_is_asked_where_the_end_is_is_handed_on(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "WATCH_EVERY", 1e6)  # which would make up for it
    async with Slow(data) as engine:
        hub = Hub(engine, topics())
        hinted = asyncio.Event()
        engine.listen(lambda changed: hinted.set())  # behind the hub, which hears it before
        starting = asyncio.create_task(hub.start())
        await engine.asked.wait()
        await publish(engine, "t")
        await hinted.wait()
        engine.answers.release()
        await starting
        assert hub.position.offset == 0
        follower = Listener()
        hub.attach(follower, parse("t"))
        for _ in range(10):
            engine.answers.release()
        await until(lambda: follower.got, limit=10)
        hub.close()


async def test_who_asks_for_what_is_kept_lost_nothing_that_was_gone_before(data: Path) -> None:
    """However many pages it takes to read; but what goes meanwhile is a gap."""
    async with hubbub(data) as (engine, hub):
        first, last = ["t/first"] * (PAGE + 1), ["t/last"] * (MAX_RECENT + 1)
        await publish(engine, *first, *["t/cut"] * 3)
        await publish(engine, "t/cut", keep=Keep(count=1))
        await publish(engine, *last)
        await until(lambda: hub.position.offset == len(first) + 4 + len(last))
        follower = Listener()
        await hub.join(follower, parse("t/+"), None, room=room)
        assert [topic for topic, _ in follower.got] == [*first, "t/cut", *last]

        async def meanwhile() -> None:
            if len(slow.got) >= PAGE:
                await publish(engine, *["t/cut"] * 3, keep=Keep(count=1))

        slow = Listener()
        await hub.join(slow, parse("t/+"), None, room=meanwhile)
        assert ["gap", ["t/cut"]] in slow.got
