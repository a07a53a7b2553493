"""Who may come in, and what the others are answered."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc import jwk
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from ringback.serve import protocol
from tests.edges.websocket.talking import (
    WAYS,
    WEBSOCKET_SERVER,
    Server,
    Talk,
    application,
    granted,
    served,
    token,
)
from tests.security.keys import SECRET, claims_of, sign
from tests.serving import serve, until


async def turned_away(url: str, **options: Any) -> tuple[int, dict[str, Any], Any]:
    """The status, the problem and the headers that a handshake is answered with."""
    settings: dict[str, Any] = {"subprotocols": ["ringback.v1"], **options}
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, **settings):
            pass
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    problem = json.loads(response.body)
    assert problem["status"] == response.status_code
    assert problem["detail"]
    return response.status_code, problem, response.headers


def bearer(value: str) -> dict[str, dict[str, str]]:
    return {"additional_headers": {"Authorization": f"Bearer {value}"}}


async def test_a_good_token_says_who_is_there_and_until_when(server: Server) -> None:
    headers = bearer(token("ada", exp=4_102_444_800))
    async with connect(f"{server.url}/ws", **headers) as connection:  # type: ignore[arg-type]
        talk = Talk(connection)
        welcome = await talk.hear()
        assert welcome["protocol"] == "ringback.v1"
        assert welcome["heartbeat"] > 0
        assert welcome["expires_at"] == "2100-01-01T00:00:00.000Z"
        await talk.do("subscribe", filter="own/ada")


FOREIGN_KEY = jwk.OctKey.import_key("another secret of more than thirty-two bytes")
NONE = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        NONE,
        sign(claims_of("ada"), FOREIGN_KEY, "HS256"),
        token("ada", exp=1_000_000_000),
        token("ada", iss="https://elsewhere.example"),
    ],
    ids=["nonsense", "alg none", "another key", "expired", "another issuer"],
)
async def test_a_token_that_is_not_good(data: Path, way: str, value: str) -> None:
    async with served(data, way, jwt_issuer="https://issuer.example") as server:
        status, problem, headers = await turned_away(f"{server.url}/ws", **bearer(value))
        assert status == 401
        assert problem["type"] == "urn:ringback:problem:unauthenticated"
        assert headers["www-authenticate"].startswith("Bearer")
        async with server.talk() as talk:
            await talk.refused("unauthenticated", "authenticate", token=value)
            assert (await talk.ask("ping"))["type"] == "pong"  # which changes nothing


async def test_a_jwt_does_not_belong_into_a_url(server: Server) -> None:
    status, _, _ = await turned_away(f"{server.url}/ws?token={token()}")
    assert status == 401


async def test_pages_of_other_origins_are_refused(data: Path, way: str) -> None:
    async with served(data, way, cors_origins=("https://app.example",)) as server:
        status, problem, _ = await turned_away(
            f"{server.url}/ws", additional_headers={"Origin": "https://evil.example"}
        )
        assert (status, problem["type"]) == (403, "urn:ringback:problem:forbidden")
        assert (await turned_away(f"{server.url}/ws", additional_headers={"Origin": "null"}))[
            0
        ] == 403
        for origin in ("https://app.example", server.http):
            async with server.talk(headers={"Origin": origin}) as talk:
                assert (await talk.ask("ping"))["type"] == "pong"


@pytest.mark.parametrize("way", WAYS)
async def test_in_development_only_this_machine_may(data: Path, way: str) -> None:
    async with served(data, way, jwt_secret=None) as server:
        status, problem, _ = await turned_away(
            server.url.replace("127.0.0.1", "rebound.example") + "/ws", host="127.0.0.1"
        )
        assert status == 403
        assert "loopback" in problem["detail"]
        async with server.talk() as talk:
            await talk.do("subscribe", filter="members/#")  # whom nobody can be told from others
            await talk.refused("unauthenticated", "authenticate", token=token())


async def test_another_path_and_another_protocol(server: Server) -> None:
    assert (await turned_away(f"{server.url}/elsewhere"))[0] == 404
    status, problem, _ = await turned_away(f"{server.url}/ws", subprotocols=["graphql-ws"])
    assert (status, problem["known"]) == (400, ["ringback.v1"])


async def test_without_an_upgrade_there_is_none(server: Server) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{server.http}/ws")
        assert answer.status_code == 426
        assert answer.headers["upgrade"] == "websocket"
        assert answer.json()["type"] == "urn:ringback:problem:upgrade-required"


async def test_a_handshake_that_is_none(data: Path) -> None:
    async with served(data, "raw") as server, httpx.AsyncClient() as client:
        fields = {"Upgrade": "websocket", "Connection": "Upgrade"}
        answer = await client.get(f"{server.http}/ws", headers=fields)
        assert answer.status_code == 426
        assert answer.headers["sec-websocket-version"] == "13"
        fields |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "short"}
        assert (await client.get(f"{server.http}/ws", headers=fields)).status_code == 400
        answer = await client.post(f"{server.http}/ws", headers=fields)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("target", "status"),
    [(b"http://[bad/ws", 400), (b"http://x:99999999/ws", 400), (b"http://127.0.0.1", 404)],
)
async def test_an_upgrade_at_a_strange_address(
    data: Path, target: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(data, "raw") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.http).port)
        writer.write(b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n" % target)
        writer.write(b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
        writer.write(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert not [record for record in caplog.records if record.exc_info]


async def test_a_place_is_given_back_by_a_handshake_that_is_cut_short(data: Path) -> None:
    """As a server does whose client goes before it was answered."""
    rb = application(data, max_connections=1)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def fails(message: object) -> None:
        raise RuntimeError("The client has gone.")

    async def hangs(message: object) -> None:
        accepting.set()
        await asyncio.Event().wait()

    accepting = asyncio.Event()
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "subprotocols": [],
        "extensions": {},
    }
    async with serve(rb, **WEBSOCKET_SERVER) as url:
        with pytest.raises(RuntimeError):
            await rb.asgi(dict(scope), receive, fails)
        handshake = asyncio.ensure_future(rb.asgi(dict(scope), receive, hangs))
        async with asyncio.timeout(60):
            await accepting.wait()
        handshake.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handshake
        async with Server(rb, url).talk() as talk:
            assert (await talk.ask("ping"))["type"] == "pong"


async def test_places_are_limited_and_given_back(data: Path, way: str) -> None:
    limits = {"max_connections": 3, "max_connections_per_subject": 1}
    async with served(data, way, **limits) as server, contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(server.talk(token=token("ada")))
        status, problem, headers = await turned_away(f"{server.url}/ws", **bearer(token("ada")))
        assert (status, problem["type"]) == (429, "urn:ringback:problem:rate-limited")
        assert int(headers["retry-after"]) > 0
        other = await stack.enter_async_context(server.talk())
        await other.refused("rate-limited", "authenticate", token=token("ada"))
        await other.do("authenticate", token=token("bob"))
        async with server.talk():
            status, problem, _ = await turned_away(f"{server.url}/ws")
            assert (status, problem["type"]) == (503, "urn:ringback:problem:queue-full")

        async def again() -> bool:
            with contextlib.suppress(InvalidStatus):
                async with server.talk():
                    return True
            return False

        await until(again)


async def test_whoever_says_nothing_is_closed(data: Path, way: str) -> None:
    async with served(data, way, handshake_timeout=0.3) as server:
        async with server.talk() as talk:
            await talk.ask("ping")
            assert await talk.closed() == 4408
        shown = "?token=rbo_AGsLjn2wXgHIMOqvKy0-wZfhAPTH"
        for credentials, query in ((token(), ""), (None, shown)):
            async with server.talk(token=credentials, query=query) as talk:
                async with server.talk() as silent:
                    assert await silent.closed() == 4408
                assert (await talk.ask("ping"))["type"] == "pong"
        async with server.talk() as subscriber:
            await subscriber.do("subscribe", filter="open/a")
            async with server.talk() as silent:
                assert await silent.closed() == 4408
            assert (await subscriber.ask("ping"))["type"] == "pong"


async def test_a_request_whose_head_never_ends_is_cut(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.3)
    async with served(data, "raw") as server:
        port = urlsplit(server.http).port
        for beginning in (b"", b"GET /ws HTTP/1.1\r\nHost: x\r\n", WHOLE + b"GET /ws HT"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginning)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(60):
                    await reader.read()
            writer.close()
        async with server.talk() as talk:
            async with server.talk() as other:  # those whose heads were whole go on
                await asyncio.sleep(0.5)
                assert (await other.ask("ping"))["type"] == "pong"
            assert (await talk.ask("ping"))["type"] == "pong"


WHOLE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("prefix", ["/api/v1", "/ws", "/ü ber"])
async def test_below_a_prefix(data: Path, prefix: str) -> None:
    rb = application(data)
    host = Starlette(routes=[Mount(prefix, app=rb.asgi)], lifespan=rb.lifespan)
    async with serve(host, **WEBSOCKET_SERVER) as url:
        server = Server(rb, url + httpx.URL(f"http://x{prefix}").raw_path.decode())
        async with server.talk() as talk:
            await talk.do("subscribe", filter="open/a")
            await talk.do("publish", topic="open/a", data=1)
            assert (await talk.until("message"))[-1]["data"] == 1


async def test_mounted_without_a_lifespan_it_starts_by_itself(data: Path) -> None:
    rb = application(data)
    async with serve(Starlette(routes=[Mount("/x", app=rb.asgi)]), **WEBSOCKET_SERVER) as url:
        async with Server(rb, f"{url}/x").talk() as talk:
            assert (await talk.ask("ping"))["type"] == "pong"
        await rb.asgi.stop()


async def test_what_follows_the_handshake_at_once_is_read(data: Path) -> None:
    async with served(data, "raw") as server:
        address = urlsplit(server.http)
        head = (
            f"GET /ws HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        frame = b"\x81\x91\0\0\0\0" + b'{"action":"ping"}'
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
        writer.write(head.encode() + frame)
        async with asyncio.timeout(60):
            answer = await reader.readuntil(b'{"type":"pong"}')
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        assert b"welcome" in answer
        writer.close()


async def test_tokens_are_in_no_log(data: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="uvicorn")
    async with served(data, way) as server:
        async with server.talk(query="?token=rbo_AGsLjn2wXgHIMOqvKy0-wZfhAPTH"):
            pass
        await turned_away(f"{server.url}/ws?token={granted('a')}")
    assert "wZfhAPTH" not in "".join(r.getMessage() for r in caplog.records if "uvicorn" in r.name)
    assert SECRET not in caplog.text
