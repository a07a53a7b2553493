"""Streams that are cut anywhere, by anybody: every durable message once and in order, or a gap."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.edges.topics.application import Source, offset, publish, served
from tests.serving import ServerProcess, forgetful, until

APPLICATION = "tests.edges.topics.application:rb"


def whole_and_in_order(source: Source, sent: dict[int, object], names: set[str]) -> None:
    """Whether it has every message of these topics once, from the first it got to the last; but
    for what lies before a gap.
    """
    last = 0
    for event in source.events:
        at = offset(event.data["position"])
        if event.kind == "gap":
            last = at
            continue
        assert event.data["topic"] in names
        assert at > last, "twice, or out of order"
        between = [n for n in range(last + 1, at) if n in sent]
        assert not between or last == 0, f"missed {between}"
        assert sent.get(at, event.data["data"]) == event.data["data"]
        last = at


async def test_cut_at_random_under_publishing(data: Path, path: str) -> None:
    pick = random.Random(5)
    async with served(data, path) as (rb, http):
        sent: dict[int, object] = {}
        stop = asyncio.Event()

        async def publisher(name: int) -> None:
            number = 0
            while not stop.is_set():
                value = [name, number, "x" * pick.randint(0, 300)]
                told = await rb.publish(f"log/{name}", value)
                assert told.position is not None
                sent[told.position.offset] = value
                number += 1

        publishing = [asyncio.create_task(publisher(name)) for name in range(3)]
        async with contextlib.AsyncExitStack() as stack:
            sources = []
            for _ in range(6):
                cuts = [pick.randint(150, 9000) for _ in range(25)]
                source = Source(
                    http.base_url,
                    *pick.choice([("log/+",), ("log/0", "log/1", "log/2"), ("log/{n}", "log/1")]),
                    comes_back=True,
                    cuts=cuts,
                )
                sources.append(await stack.enter_async_context(source))
            await until(lambda: all(source.connections > 25 for source in sources), 60)
            stop.set()
            await asyncio.gather(*publishing)
            newest = max(sent)
            await until(lambda: all(offset(s.parser.last_id) >= newest for s in sources))
        names = {f"log/{name}" for name in range(3)}
        for source in sources:
            whole_and_in_order(source, sent, names)
            assert "gap" not in source.kinds
        assert len(sent) > 200


@pytest.mark.parametrize("end", [ServerProcess.kill, ServerProcess.stop])
async def test_ended_under_load_and_started_again(
    data: Path, end: Callable[[ServerProcess], object]
) -> None:
    """What was acknowledged is delivered, though the server was killed, or told to stop."""
    sent: dict[int, object] = {}
    with ServerProcess(APPLICATION, data=data) as server:
        stop = asyncio.Event()

        async def publisher(client: httpx.AsyncClient, name: int) -> None:
            number = 0
            while not stop.is_set():
                try:
                    (at,) = await publish(client, f"log/{name}", [name, number])
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
                    continue
                sent[offset(at)] = [name, number]
                number += 1

        async with (
            httpx.AsyncClient(base_url=server.url) as client,
            Source(server.url, "log/+", comes_back=True) as one,
            Source(server.url, "log/0", "log/1", comes_back=True) as two,
        ):
            publishing = [asyncio.create_task(publisher(client, name)) for name in range(2)]
            for _ in range(3):
                count = len(one.events)
                await until(lambda count=count: len(one.events) > count + 50)
                await asyncio.to_thread(end, server)
                await asyncio.to_thread(server.start)
            stop.set()
            await asyncio.gather(*publishing)
            newest = max(sent)
            for source in (one, two):
                await until(lambda s=source: offset(s.parser.last_id) >= newest)
                whole_and_in_order(source, sent, {"log/0", "log/1"})
                assert "gap" not in source.kinds
                assert source.connections > 3


async def test_a_reader_who_does_not_read_is_cut_and_the_others_go_on(
    data: Path, path: str
) -> None:
    async with served(data, path, send_buffer=64 * 1024) as (rb, http):
        at = urlsplit(str(http.base_url))
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(slow, (at.hostname, at.port))
        head = b"GET /topics/log/a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        await loop.sock_sendall(slow, head)
        async with Source(http.base_url, "log/a") as fast:
            await until(lambda: rb.started.hub.listeners("log/a") == 2)
            total = 0
            while rb.started.hub.listeners("log/a") == 2:
                await rb.publish("log/a", "x" * 50_000)
                total += 1
                assert total < 1000, "it is not cut"
            await rb.publish("log/a", "on")
            await until(lambda: fast.data[-1:] == ["on"])
            assert len(fast.data) == total + 1
            await until(lambda: len(rb.started.http.keeper) == 1)
        slow.close()


async def test_a_slow_reader_gets_all_of_a_long_replay(data: Path, path: str) -> None:
    """It is waited for, page by page: a replay does not fill the buffer."""
    async with served(data, path, send_buffer=64 * 1024) as (rb, http):
        for number in range(300):
            await rb.publish("log/a", [number, "x" * 20_000])
        async with Source(http.base_url, "log/a", after="earliest") as source:
            await until(lambda: len(source.events) == 300, 60)
            assert [value[0] for value in source.data] == list(range(300))
            assert source.connections == 1


async def test_of_a_coalesced_topic_who_is_behind_gets_the_newest(data: Path, path: str) -> None:
    async with served(data, path) as (rb, http):
        reader, writer = await forgetful(http.base_url)
        writer.write(
            b"GET /topics/gauge/a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        )
        await until(lambda: rb.started.hub.listeners("gauge/a") == 1)
        for number in range(1500):
            await rb.publish("gauge/a", [number, "x" * 10_000])
        found = b""
        async with asyncio.timeout(60):
            while b"[1499," not in found[-20_000:]:
                chunk = await reader.read(65536)
                assert chunk, "it was cut"
                found += chunk
        assert rb.started.hub.listeners("gauge/a") == 1, "it was not cut"
        assert found.count(b"data:") < 1400
        writer.close()


async def test_a_longer_replay_than_there_may_be_is_a_gap(data: Path) -> None:
    async with served(data, max_replay=500) as (rb, http):
        for number in range(1300):
            await rb.publish("log/a", number)
        async with Source(http.base_url, "log/a", after="earliest") as source:
            await until(lambda: "gap" in source.kinds)
            await rb.publish("log/a", "now")
            await until(lambda: source.data[-1:] == ["now"])
            assert source.data[:-1] == list(range(500))
