"""Topics through the Python client."""

import asyncio
import math

import httpx
import pytest

from ringback.client import AsyncClient, Gap
from ringback.errors import InvalidInput
from tests.client.proxy import Proxy


async def test_what_is_published_comes(client: AsyncClient) -> None:
    async with client.subscribe(["a/+", "b/#"]) as messages:
        assert messages.position is not None
        sent = await client.publish("a/1", {"n": 1})
        assert sent.listeners == 1
        await client.publish("c/1", {"n": 2})
        await client.publish("b/1/2", {"n": 3})
        first = await anext(messages)
        second = await anext(messages)
        assert (first.topic, first.data, first.position) == ("a/1", {"n": 1}, sent.position)
        assert (second.topic, second.data) == ("b/1/2", {"n": 3})
        assert messages.position == second.position
        assert second.at >= first.at


async def test_no_number_ends_what_others_follow(client: AsyncClient, url: str) -> None:
    """JSON has numbers of any size, and what is published comes as it was written."""
    numbers = {"1e400": math.inf, "-1e400": -math.inf, "1" + "0" * 30: 10**30, "9" * 5000: math.inf}
    async with client.subscribe("a/1") as messages, httpx.AsyncClient(base_url=url) as http:
        for text, number in numbers.items():
            answer = await http.post("/topics/a/1", content=f'{{"n": {text}}}')
            assert answer.status_code == 201
            assert (await anext(messages)).data == {"n": number}


async def test_replay_from_a_position_and_from_the_earliest(client: AsyncClient) -> None:
    positions = [(await client.publish("a/1", n)).position for n in range(4)]
    async with client.subscribe("a/1", after=positions[1]) as messages:
        assert [(await anext(messages)).data for _ in range(2)] == [2, 3]
    async with client.subscribe("a/1", after="earliest") as messages:
        assert [(await anext(messages)).data for _ in range(4)] == [0, 1, 2, 3]
        await client.publish("a/1", 4)
        assert (await anext(messages)).data == 4


async def test_nothing_is_missed_or_repeated_over_cuts(
    client: AsyncClient, between: Proxy, url: str
) -> None:
    got = []
    async with AsyncClient(url) as publisher, client.subscribe("a/1") as messages:
        for n in range(30):
            await publisher.publish("a/1", n)
            if n % 3 == 2:
                between.cut()
            if n % 5 == 0:
                got.append((await anext(messages)).data)
        while len(got) < 30:
            got.append((await anext(messages)).data)
    assert got == list(range(30))


async def test_a_cut_before_the_first_message_loses_none(
    client: AsyncClient, between: Proxy, url: str
) -> None:
    async with AsyncClient(url) as publisher, client.subscribe("a/1") as messages:
        between.cut()
        await publisher.publish("a/1", "while it was away")
        assert (await anext(messages)).data == "while it was away"


async def _short(client: AsyncClient) -> list[str | None]:
    """Positions of more messages than the topic keeps."""
    return [(await client.publish("short/1", n)).position for n in range(200)]


async def test_a_gap_is_raised(client: AsyncClient) -> None:
    positions = await _short(client)
    async with client.subscribe("short/1", after=positions[0]) as messages:
        with pytest.raises(Gap, match="no longer kept") as caught:
            await anext(messages)
        assert caught.value.topics == ["short/1"]
        assert caught.value.position is not None
        rest = await anext(messages)  # it goes on behind the gap
        assert rest.data > 1
    assert rest.position is not None


@pytest.mark.parametrize("later", [False, True])
async def test_a_gap_is_told(client: AsyncClient, later: bool) -> None:
    positions = await _short(client)
    gaps: list[Gap] = []

    async def read_anew(gap: Gap) -> None:
        await asyncio.sleep(0)
        gaps.append(gap)

    on_gap = read_anew if later else gaps.append
    async with client.subscribe("short/1", after=positions[0], on_gap=on_gap) as messages:
        rest: list[int] = []
        while not rest or rest[-1] != 199:
            rest.append((await anext(messages)).data)
    assert [gap.topics for gap in gaps] == [["short/1"]]
    assert rest == list(range(rest[0], 200))


async def test_who_stops_waiting_for_what_reads_anew_is_told_again(client: AsyncClient) -> None:
    positions = await _short(client)
    told: list[Gap] = []

    async def read_anew(gap: Gap) -> None:
        told.append(gap)
        if len(told) == 1:
            await asyncio.sleep(60)

    async with client.subscribe("short/1", after=positions[0], on_gap=read_anew) as messages:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(messages), 0.5)
        assert messages.position == positions[0], "nothing was made up for"
        rest = await anext(messages)
    assert len(told) == 2
    assert (rest.data, rest.position) == (198, positions[198])


async def test_presence(client: AsyncClient) -> None:
    async with client.subscribe("$presence/room/1") as joining, client.subscribe("room/1"):
        assert (await anext(joining)).data["event"] == "join"
        found = await client.presence("room/1")
        assert (found.topic, found.connections, found.anonymous) == ("room/1", 1, 1)


async def test_an_operation_is_no_topic(client: AsyncClient) -> None:
    with pytest.raises(InvalidInput, match="follow it with"):
        client.subscribe("operations/01890000-0000-7000-8000-000000000000")


async def test_what_may_not_be_followed_is_raised(client: AsyncClient) -> None:
    with pytest.raises(InvalidInput):
        async with client.subscribe("a/#/b"):
            pass


async def test_who_stops_waiting_does_not_end_it(client: AsyncClient) -> None:
    async with client.subscribe("a/1") as messages:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(messages), 0.05)
        first = await client.publish("a/1", 1)
        assert (await anext(messages)).data == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(messages), 0.05)
        assert messages.position == first.position, "what was handed out, and nothing later"


async def test_several_who_wait_share_the_messages(client: AsyncClient) -> None:
    async with client.subscribe("a/1") as messages:
        waiting = [asyncio.ensure_future(anext(messages)) for _ in range(3)]
        for n in range(3):
            await client.publish("a/1", n)
        assert sorted(message.data for message in await asyncio.gather(*waiting)) == [0, 1, 2]
        last = [asyncio.ensure_future(messages.following()) for _ in range(2)]
        await asyncio.sleep(0)  # both wait
    assert await asyncio.gather(*last) == [None, None]
