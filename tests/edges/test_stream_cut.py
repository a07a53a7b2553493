"""A stream that is cut anywhere and resumed shows every message once, and in order."""

import asyncio
import contextlib
import itertools
import random

from tests.edges.application import Caller, Tracked
from tests.edges.eventsource import Connection, Event, Parser
from tests.edges.test_stream import connect, ended, everything

ROUNDS = 8
"""Operations that are followed live under random cuts."""


async def cut_once(operation: Tracked, cut_at: int) -> list[Event]:
    """The events that got through before the cut, and those of the stream that resumes it."""
    parser = Parser()
    first = connect(operation, after="earliest")
    found = [event async for data in first.body(cut_at) for event in parser.feed(data)]
    rest = connect(operation, last_id=parser.last_id, after="earliest")
    return found + await everything(rest)


async def test_a_stream_may_be_cut_at_every_byte(caller: Caller) -> None:
    operation = await ended(caller, 2)
    whole = connect(operation, after="earliest")
    expected = await everything(whole)
    assert len(expected) == 4
    cuts = iter(range(whole.received + 1))

    async def work() -> None:
        for cut_at in cuts:
            assert await cut_once(operation, cut_at) == expected, cut_at

    await asyncio.gather(*(work() for _ in range(8)))
    assert next(cuts, None) is None
    assert whole.received > 500


async def test_a_stream_may_be_cut_while_it_grows(caller: Caller) -> None:
    dice = random.Random(7)
    for number in range(ROUNDS):
        gate = f"gate {number}"
        operation = await caller.submit("steps", {"count": 40, "gate": gate})
        parser = Parser()
        seen: list[Event] = []
        for attempt in itertools.count():
            if attempt == 3:
                caller.gates.open(gate)
            connection = connect(operation, last_id=parser.last_id)
            parser = Parser(last_id=parser.last_id, _id=parser.last_id)
            await read(connection, parser, seen, dice.randrange(200, 4000))
            if connection.status == 204:
                break
        check(seen, 40)


async def read(connection: Connection, parser: Parser, seen: list[Event], cut_at: int) -> None:
    """Read until the cut, or until nothing has come for a while."""
    async with contextlib.aclosing(connection.body(cut_at)) as body:
        with contextlib.suppress(StopAsyncIteration, TimeoutError):
            while True:
                async with asyncio.timeout(0.2):
                    seen.extend(parser.feed(await anext(body)))


def check(seen: list[Event], count: int) -> None:
    """From the last snapshot on, every part once and in order, and one end."""
    starts = [index for index, event in enumerate(seen) if event.kind == "snapshot"]
    assert starts == [0]
    snapshot, *changes = seen
    parts = [part["data"]["number"] for part in snapshot.data.get("parts", [])]
    parts += [event.data["data"]["number"] for event in changes if event.kind == "part"]
    assert parts == list(range(count))
    offsets = [int(event.id.rpartition("-")[2]) for event in seen]
    assert offsets == list(range(offsets[0], offsets[0] + len(seen)))
    assert changes[-1].data["status"] == "succeeded"
