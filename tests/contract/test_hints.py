"""`Hints` and `Facts`: being told of commits, here and in another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringback.core.commands import Cancel, Fail, Redrive, Report
from ringback.core.model import Publication, Query
from ringback.ports import EVERYTHING, QUEUE, FullEngine
from tests.contract.acts import apply, finish, start, submit, take
from tests.contract.homes import Home
from tests.core.states import NOW, PROBLEM, operation
from tests.serving import until

LIMIT = 60.0
"""Seconds within which a hint has to come."""


class Ear:
    """What one engine was told."""

    def __init__(self, engine: FullEngine) -> None:
        self.heard: set[str] = set()
        self.calls = 0
        self.stop = engine.listen(self._hear)

    def _hear(self, changed: frozenset[str]) -> None:
        self.calls += 1
        self.heard |= changed

    async def hears(self, name: str) -> None:
        await until(lambda: {name, EVERYTHING} & self.heard, LIMIT)


@pytest.fixture(params=["here", "elsewhere"])
async def ear(request: pytest.FixtureRequest, home: Home, engine: FullEngine) -> AsyncIterator[Ear]:
    """A listener in the engine that commits, or in another on the same store."""
    if request.param == "here":
        yield Ear(engine)
        return
    async with home.engine() as other:
        yield Ear(other)


async def test_an_acceptance_is_told_to_workers(engine: FullEngine, ear: Ear) -> None:
    await submit(engine)
    await ear.hears(QUEUE)


async def test_what_an_operation_tells_is_told(engine: FullEngine, ear: Ear) -> None:
    state = await start(engine)
    await ear.hears(state.topic)
    ear.heard.clear()
    await apply(engine, state, Report(attempt=1, progress=0.5))
    await ear.hears(state.topic)


@pytest.mark.parametrize("end", ["finish", "retry", "cancel", "redrive"])
async def test_workers_are_told_when_there_may_be_something_to_claim(
    engine: FullEngine, ear: Ear, end: str
) -> None:
    """Also when a place has become free under a limit."""
    state = await start(engine)
    waiting = await submit(engine, task="other")
    await ear.hears(QUEUE)
    ear.heard.clear()
    match end:
        case "finish":
            await finish(engine, state)
        case "retry":
            await apply(engine, state, Fail(attempt=1, problem=PROBLEM))
        case "cancel":
            await apply(engine, waiting, Cancel())
        case "redrive":
            dead = Fail(attempt=1, problem=PROBLEM, retryable=False)
            state = await apply(engine, state, dead)
            await ear.hears(QUEUE)
            ear.heard.clear()
            await apply(engine, state, Redrive(operation().id))
    await ear.hears(QUEUE)


async def test_publications_are_told(engine: FullEngine, ear: Ear) -> None:
    await engine.publish([Publication("a/b", b"1")], NOW)
    await ear.hears("a/b")
    state = await start(engine)
    await apply(engine, state, Report(attempt=1, publications=(Publication("c", b"1"),)))
    await ear.hears("c")


async def test_many_names_in_one_commit_are_told(home: Home, engine: FullEngine, ear: Ear) -> None:
    """More than fit into one hint."""
    topics = [f"{'topic' * 20}/{number}" for number in range(home.topics)]
    await engine.publish([Publication(topic, b"1") for topic in topics], NOW)
    for topic in topics:
        await ear.hears(topic)


async def test_a_hint_comes_after_what_it_is_about(engine: FullEngine, ear: Ear) -> None:
    found: list[int] = []

    def look(changed: frozenset[str]) -> None:
        async def read() -> None:
            found.append(len((await engine.read("t", None, 10)).messages))

        if {"t", EVERYTHING} & changed:
            reading.append(asyncio.ensure_future(read()))

    reading: list[asyncio.Future[None]] = []
    stop = engine.listen(look)
    await engine.publish([Publication("t", b"1")], NOW)
    await until(lambda: found, LIMIT)
    stop()
    await asyncio.gather(*reading)
    assert found[0] == 1


async def test_who_has_stopped_listening_is_told_nothing(engine: FullEngine) -> None:
    ear, other = Ear(engine), Ear(engine)
    ear.stop()
    ear.stop()
    await submit(engine)
    await other.hears(QUEUE)
    assert ear.calls == 0


async def test_reading_tells_nobody(engine: FullEngine) -> None:
    state = await start(engine)
    ear = Ear(engine)
    await engine.load(state.id)
    await engine.read(state.topic, None, 10)
    await engine.list(Query())
    await engine.renew([(state.id, 1)], NOW)
    await take(engine)
    await engine.sweep(NOW)
    await engine.publish([Publication("t", b"1")], NOW)
    await ear.hears("t")
    assert ear.heard == {"t"}


async def test_a_process_that_came_later_is_told_too(home: Home, engine: FullEngine) -> None:
    await submit(engine)
    async with home.engine() as late:
        ear = Ear(late)
        await engine.publish([Publication("t", b"1")], NOW)
        await ear.hears("t")


async def test_a_process_that_is_gone_disturbs_nobody(home: Home, engine: FullEngine) -> None:
    async with home.engine() as other:
        await submit(other)
    ear = Ear(engine)
    await submit(engine)
    await ear.hears(QUEUE)


async def test_a_fact_is_stored(home: Home, engine: FullEngine, neighbour: FullEngine) -> None:
    assert await engine.fact("a") is None
    assert await engine.set_fact("a", b"1") == b"1"
    assert await neighbour.fact("a") == b"1"
    assert await engine.set_fact("a", b"2") == b"2"
    assert await neighbour.set_fact("a", b"3", replace=False) == b"2"
    assert await engine.fact("a") == b"2"
    assert await neighbour.set_fact("b", b"", replace=False) == b""
    assert await engine.fact("b") == b""


async def test_a_fact_outlives_the_engine(home: Home) -> None:
    async with home.engine() as engine:
        await engine.set_fact("secret", b"\x00\xff", replace=False)
    async with home.engine() as engine:
        assert await engine.set_fact("secret", b"other", replace=False) == b"\x00\xff"


async def test_of_concurrent_first_facts_one_holds(
    engine: FullEngine, neighbour: FullEngine
) -> None:
    values = [operation().id.encode() for _ in range(20)]
    answers = await asyncio.gather(
        *[
            each.set_fact("secret", value, replace=False)
            for value, each in zip(values, [engine, neighbour] * 10, strict=True)
        ]
    )
    assert len(set(answers)) == 1
    assert answers[0] in values
