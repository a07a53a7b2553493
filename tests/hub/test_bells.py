"""Bells: who is rung, when, and that nothing is left behind."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ringback import Ringback
from ringback.errors import CapacityError
from ringback.hub import Bells, rung
from ringback.ports import EVERYTHING, Hint


class Source:
    """Where hints come from: the port's ``Hints``, pulled by hand."""

    def __init__(self) -> None:
        self.listeners: list[Hint] = []

    def listen(self, hint: Hint) -> Callable[[], None]:
        self.listeners.append(hint)
        return lambda: self.listeners.remove(hint) if hint in self.listeners else None

    def tell(self, *topics: str) -> None:
        for listener in tuple(self.listeners):
            listener(frozenset(topics))


async def test_a_topic_rings_the_bells_of_its_own_followers() -> None:
    source = Source()
    hub = Bells(source)
    with hub.bell("a") as one, hub.bell("a") as two, hub.bell("b") as other:
        source.tell("a", "c")
        assert one.is_set()
        assert two.is_set()
        assert not other.is_set()
        source.tell(EVERYTHING)
        assert other.is_set()


async def test_a_bell_that_is_put_away_is_forgotten() -> None:
    source = Source()
    hub = Bells(source)
    with hub.bell("a") as one:
        with hub.bell("a"):
            pass
        source.tell("a")
        assert one.is_set()
    assert not hub._bells


async def test_closing_rings_everybody_and_listens_no_more() -> None:
    source = Source()
    hub = Bells(source)
    with hub.bell("a") as bell:
        hub.close()
        assert bell.is_set()
        assert hub.closing
        bell.clear()
        source.tell("a")
        assert not bell.is_set()
    hub.close()  # once more does no harm


async def test_a_bell_is_waited_for_no_longer_than_asked() -> None:
    bell = asyncio.Event()
    assert not await rung(bell, 0.01)
    asyncio.get_running_loop().call_later(0.01, bell.set)
    assert await rung(bell, 20)
    assert await rung(bell, 0)
    assert await rung(bell, None)


def application(data: Path, gate: asyncio.Event) -> Ringback:
    app = Ringback("hub", data=data, grace=0)

    @app.task
    async def hold() -> str:
        await gate.wait()
        return "through"

    return app


async def test_an_operation_is_waited_for_until_it_ends(data: Path) -> None:
    gate = asyncio.Event()
    app = application(data, gate)
    async with app.running():
        operation = await app.submit("hold")
        with pytest.raises(TimeoutError, match="still"):
            await app.wait(operation.id, 0.05)
        waiting = asyncio.create_task(app.wait(operation.id))
        gate.set()
        assert (await waiting).result == b'"through"'
        assert (await app.wait(operation.id, 0)).terminal


async def test_whoever_waits_when_the_application_stops_is_told(data: Path) -> None:
    app = application(data, asyncio.Event())
    async with app.running() as running:
        operation = await app.submit("hold")
        waiting = asyncio.create_task(app.wait(operation.id))
        await asyncio.sleep(0)
        running.hub.close()
        with pytest.raises(CapacityError, match="stopped"):
            await waiting
