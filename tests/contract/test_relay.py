"""`Relay`: ephemeral messages, told to whoever listens now."""

from __future__ import annotations

from collections.abc import Sequence

from ringback.core.model import Publication
from ringback.ports import FullEngine
from tests.core.states import NOW
from tests.serving import until

Got = list[tuple[str, bytes, float]]


def listening(engine: FullEngine) -> Got:
    got: Got = []

    def receive(publications: Sequence[Publication], now: float) -> None:
        got.extend((each.topic, each.data, now) for each in publications)

    engine.listen_relayed(receive)
    return got


async def test_whoever_listens_gets_it_once_and_in_order(
    engine: FullEngine, neighbour: FullEngine
) -> None:
    here, twice, there = listening(engine), listening(engine), listening(neighbour)
    for number in range(200):
        engine.relay([Publication("t", b"%d" % number, keep=None)], NOW + number)
    wanted = [("t", b"%d" % number, NOW + number) for number in range(200)]
    assert here == wanted, "at once, in this process"
    assert twice == wanted
    await until(lambda: len(there) >= 200)
    assert there == wanted


async def test_nothing_is_kept(engine: FullEngine, neighbour: FullEngine) -> None:
    heard = listening(neighbour)
    engine.relay([Publication("t", b"1", keep=None)], NOW)
    await until(lambda: heard)
    late = listening(neighbour)
    assert (await engine.read("t", None, 10)).messages == ()
    engine.relay([Publication("t", b"2", keep=None)], NOW)
    await until(lambda: len(heard) == 2)
    assert [data for _, data, _ in late] == [b"2"]


async def test_whoever_listens_no_more_gets_nothing(engine: FullEngine) -> None:
    got: list[int] = []
    stop = engine.listen_relayed(lambda publications, now: got.append(len(publications)))
    engine.relay([Publication("t", b"1", keep=None)] * 3, NOW)
    stop()
    stop()
    engine.relay([Publication("t", b"1", keep=None)], NOW)
    assert got == [3]


async def test_large_and_many_come_whole(engine: FullEngine, neighbour: FullEngine) -> None:
    there = listening(neighbour)
    large = b'"' + b"x" * 64 * 1024 + b'"'
    engine.relay([Publication("t", large, b'{"id":"x"}', None)] * 20, NOW)
    await until(lambda: len(there) == 20)
    assert {data for _, data, _ in there} == {large}
