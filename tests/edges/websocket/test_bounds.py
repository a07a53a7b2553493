"""What one client does wrong is bounded, and others do not notice."""

import asyncio
import contextlib
import gc
import json
import tracemalloc
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect

from ringback.edges import places
from ringback.edges.websocket import session
from ringback.wire import channel
from tests.edges.websocket.talking import Server, served
from tests.serving import forgetful, until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@contextlib.asynccontextmanager
async def raw_client(server: Server, extensions: str = "") -> Any:
    """A connection whose bytes the test writes and reads itself."""
    address = urlsplit(server.http)
    fields = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
    reader, writer = await forgetful(server.http, 2**16)
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n{fields}"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        "\r\n".encode()
    )
    async with asyncio.timeout(60):
        await reader.readuntil(b"welcome")
        await reader.readuntil(b"}")
    try:
        yield reader, writer
    finally:
        writer.close()


def frame(payload: bytes, first: int = 0x81) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, 0x80 | size)) + bytes(4) + payload
    if size < 65536:
        return bytes((first, 0x80 | 126)) + size.to_bytes(2, "big") + bytes(4) + payload
    return bytes((first, 0x80 | 127)) + size.to_bytes(8, "big") + bytes(4) + payload


def say(**action: Any) -> bytes:
    return frame(json.dumps(action).encode())


async def test_who_does_not_read_is_cut_and_others_go_on(data: Path, way: str) -> None:
    async with served(data, way, send_buffer=128 * 1024) as server, server.talk() as good:
        await good.do("subscribe", filter="open/a")
        async with raw_client(server) as (reader, writer):
            writer.write(say(action="subscribe", filter="open/a"))
            await until(lambda: server.application.started.hub.listeners("open/a") == 2)
            text, sent = 60_000 * "x", 0
            while server.application.started.hub.listeners("open/a") == 2:
                await server.publish("open/a", [sent, text])
                sent += 1
                assert (await good.hear())["data"][0] == sent - 1
                assert sent < 2000
            # Whoever reads again at once is told to come back.
            async with asyncio.timeout(60):
                left = await reader.read(-1)
            assert left.rstrip(b"\0").find(b"\x11\x95More was to be sent") > 0 or way == "asgi"
        await server.publish("open/a", ["end"])
        assert (await good.hear())["data"] == ["end"]


async def test_only_the_newest_matters_to_who_is_slow(data: Path, way: str) -> None:
    async with served(data, way) as server:
        hub = server.application.started.hub
        async with raw_client(server) as (reader, writer):
            writer.write(say(action="subscribe", filter="newest/a"))
            await until(lambda: hub.listeners("newest/a") == 1)
            for number in range(800):  # 24 MB: far more than may wait
                await server.publish("newest/a", [number, 30_000 * "x"])
            assert hub.listeners("newest/a") == 1
            seen, size = b"", 0
            async with asyncio.timeout(60):
                while b"[799," not in seen:
                    chunk = await reader.read(65536)
                    assert chunk
                    seen, size = seen[-16:] + chunk, size + len(chunk)
            assert size < 20_000_000


async def test_subscriptions_are_limited(data: Path, way: str) -> None:
    async with served(data, way, max_subscriptions=20) as server, server.talk() as talk:
        answers = []
        for number in range(1000):
            await talk.send(action="subscribe", id="x", filter=f"open/{number}")
            if number % 100 == 99:
                answers += [await talk.hear() for _ in range(100)]
        assert [each["type"] for each in answers].count("reply") == 20
        assert answers[-1]["problem"]["type"] == "urn:ringback:problem:rate-limited"
        await talk.do("subscribe", filter="open/3")  # one that is there may begin anew
        await talk.do("unsubscribe", filter="open/3")
        await talk.do("subscribe", filter="open/new")
        await talk.refused("rate-limited", "subscribe", filter="open/newer", after="earliest")
        assert len(server.application.started.hub._groups._groups) == 20


async def test_who_goes_on_over_its_rate_is_cut(data: Path, way: str) -> None:
    async with served(data, way, publish_rate=0.001, publish_burst=1) as server:
        async with server.talk() as talk:
            await talk.do("publish", topic="open/a", data=0)
            for number in range(session.MAX_EXCESS + 100):  # as often refused as not is not cut
                await talk.send(action="publish", id="p", topic="open/a", data=number)
                await talk.send(action="subscribe", id="s", filter="open/b")
                answers = [(await talk.hear())["id"] for _ in range(2)]
                assert sorted(answers) == ["p", "s"]
        async with server.talk() as talk:
            for number in range(session.MAX_EXCESS + 100):
                await talk.send(action="publish", id="x", topic="open/a", data=number)
            assert await talk.closed() == 4429
            problems = [each["problem"]["type"] for each in talk.passed if each["type"] == "error"]
            assert problems == ["urn:ringback:problem:rate-limited"] * session.MAX_EXCESS


async def test_patterns_are_limited(data: Path, way: str) -> None:
    async with served(data, way, max_patterns=3) as server, server.talk() as talk:
        for filter in ("open/a{x}", "/open/:b(1|2)", "open/{+c}"):
            await talk.do("subscribe", filter=filter)
        for filter in ("open/d{x}", "/open/*", "{+x}"):
            for after in (None, "earliest"):
                problem = await talk.refused(
                    "rate-limited", "subscribe", filter=filter, after=after
                )
                assert problem["limit"] == 3
        for number in range(20):  # what costs nothing is not counted
            await talk.do("subscribe", filter=f"open/{number}/+/{{x}}/#")
        await talk.do("subscribe", filter="open/a{x}", after="earliest")  # it may begin anew
        await talk.do("unsubscribe", filter="open/{+c}")
        await talk.do("subscribe", filter="open/d{x}")


async def test_actions_under_way_are_limited(
    data: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAX_UNDER_WAY", 4)
    async with served(data, way, publish_rate=0) as server, server.talk() as talk:
        engine = server.application.started.service.engine
        most, now, publish = 0, 0, engine.publish

        async def slow(*arguments: Any) -> Any:
            nonlocal most, now
            now += 1
            most = max(most, now)
            try:
                await asyncio.sleep(0.001)
                return await publish(*arguments)
            finally:
                now -= 1

        monkeypatch.setattr(engine, "publish", slow)
        for number in range(300):
            await talk.send(action="publish", id=str(number), topic="open/a", data=number)
        assert {(await talk.hear())["type"] for _ in range(300)} == {"reply"}
        assert most == 4


async def test_a_frame_that_is_too_large(server: Server) -> None:
    async with server.talk(compression=None) as talk:
        fits = channel.MAX_DATA - 2
        await talk.do("publish", topic="open/a", data="x" * fits)
        longer = "x" * (fits + 1)
        problem = await talk.refused("payload-too-large", "publish", topic="open/a", data=longer)
        assert problem["limit"] == channel.MAX_DATA
        with contextlib.suppress(Exception):
            await talk.send(action="publish", topic="open/a", data="x" * channel.MAX_FRAME)
        assert await talk.closed() == 1009


async def test_a_frame_that_says_it_is_huge_is_not_waited_for(data: Path) -> None:
    async with served(data, "raw") as server, raw_client(server) as (reader, writer):
        writer.write(bytes((0x81, 0xFF)) + (2**40).to_bytes(8, "big") + bytes(4))
        async with asyncio.timeout(60):
            end = await reader.read()
        assert (end[0], end[2:4]) == (0x88, (1009).to_bytes(2, "big"))


@pytest.mark.parametrize("garbage", [b"\x81\x01x", b"\xf1\x80\0\0\0\0", b"\x83\x80\0\0\0\0"])
async def test_what_is_no_websocket_is_closed(data: Path, garbage: bytes) -> None:
    async with served(data, "raw") as server, raw_client(server) as (reader, writer):
        writer.write(garbage)
        async with asyncio.timeout(60):
            end = await reader.read()
        assert (end[0], end[2:4]) == (0x88, (1002).to_bytes(2, "big"))


def bomb(payload: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    packed = deflater.compress(payload) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return frame(packed.removesuffix(b"\0\0\xff\xff"), 0xC1)


async def test_compression_bombs_take_no_memory(data: Path) -> None:
    large = bomb(b'{"action":"ping","x":"' + 64 * 2**20 * b"a" + b'"}')
    full = bomb(b'{"action":"ping"' + 260_000 * b" " + b"}")
    async with served(data, "raw") as server, server.talk() as other:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        async with raw_client(server, "permessage-deflate") as (reader, writer):
            writer.write(large)
            async with asyncio.timeout(60):
                end = await reader.read()
            assert (end[0], end[2:4]) == (0x88, (1009).to_bytes(2, "big"))
        async with raw_client(server, "permessage-deflate") as (reader, writer):
            writer.write(500 * full)  # each as large as may be, all in one segment
            async with asyncio.timeout(60):
                for _ in range(500):
                    await reader.readuntil(b"pong")
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert peak < 24 * 2**20, peak
        assert (await other.ask("ping"))["type"] == "pong"


async def test_compressed_connections_get_the_same(data: Path, way: str) -> None:
    async with (
        served(data, way) as server,
        server.talk() as deflated,
        server.talk(compression=None) as plain,
    ):
        for talk in (deflated, plain):
            await talk.do("subscribe", filter="open/a")
        await server.publish("open/a", 1, {"x": 2000 * "ab"}, "é")
        for talk in (deflated, plain):
            got = [(await talk.hear())["data"] for _ in range(3)]
            assert got == [1, {"x": 2000 * "ab"}, "é"]
        await deflated.do("subscribe", filter="open/a", after="earliest")
        assert (await deflated.until("current"))[1]["data"] == {"x": 2000 * "ab"}
        await deflated.do("publish", topic="open/b", data=10_000 * "z")


async def test_a_dead_client_is_let_go(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "TICK", 0.3)
    async with (
        served(data, "raw") as server,
        raw_client(server) as (reader, writer),
        server.talk() as alive,
    ):
        writer.write(say(action="subscribe", filter="open/a"))
        async with asyncio.timeout(60):
            end = await reader.read()  # it reads, and answers no ping
        assert b"\x89\0" in end
        assert b"\x88" in end
        assert (await alive.ask("ping"))["type"] == "pong"


async def test_a_closing_handshake_is_answered(server: Server) -> None:
    async with connect(f"{server.url}/ws") as connection:
        await connection.close(4321, "mine")
        assert connection.close_code == 4321
    hub = server.application.started.hub
    await until(lambda: not hub.followers)
