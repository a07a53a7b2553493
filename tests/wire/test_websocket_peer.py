"""Our codec and the `websockets` package, back to back: in memory, and over real connections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ringback.wire import deflate, handshake
from ringback.wire import websocket as ws
from tests.wire.echo import PROTOCOL, serving

URI = parse_uri("ws://localhost/ws")
COMPRESSION = {
    "no compression": None,
    "its own": ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5}),
    "windows of 12": ClientPerMessageDeflateFactory(
        server_max_window_bits=12, client_max_window_bits=12
    ),
    "windows too small for us": ClientPerMessageDeflateFactory(server_max_window_bits=9),
}


def headers_of(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in request.headers.raw_items()]


class Pair:
    """Their client and our server, with the handshake done."""

    def __init__(self, compression: str) -> None:
        factory = COMPRESSION[compression]
        self.client = ClientProtocol(
            URI,
            subprotocols=[Subprotocol("other"), Subprotocol(PROTOCOL.decode())],
            extensions=None if factory is None else [factory],
            max_size=None,
        )
        request = self.client.connect()
        self.client.send_request(request)
        self.client.data_to_send()
        asked = handshake.check(b"GET", "1.1", headers_of(request))
        extension = deflate.choose(asked.extensions)
        self.deflates = extension is not None
        protocol = handshake.choose_protocol(asked.protocols, [PROTOCOL])
        self.client.receive_data(
            handshake.answer(asked.key, protocol=protocol, extension=extension)
        )
        (response,) = self.client.events_received()
        assert not isinstance(response, Frame)
        assert self.client.handshake_exc is None
        assert self.client.subprotocol == PROTOCOL.decode()
        self.decoder = ws.Decoder(max_message=1 << 24, deflate=self.deflates)

    def sent(self) -> bytes:
        return b"".join(self.client.data_to_send())

    def received(self, data: bytes) -> list[Frame]:
        self.client.receive_data(data)
        assert self.client.parser_exc is None
        frames = self.client.events_received()
        return [each for each in frames if isinstance(each, Frame)]


@pytest.mark.parametrize("compression", COMPRESSION)
def test_the_handshake_agrees(compression: str) -> None:
    pair = Pair(compression)
    assert pair.deflates == (compression in {"its own", "windows of 12"})
    assert [each.name for each in pair.client.extensions] == (
        ["permessage-deflate"] if pair.deflates else []
    )


TEXTS = st.one_of(st.text(), st.text("ab {}:,", min_size=100, max_size=3000))
MESSAGES = st.lists(
    st.one_of(
        TEXTS,
        st.binary(max_size=300),
        st.sampled_from([bytes(125), bytes(126), bytes(65535), bytes(65536)]),
        st.lists(TEXTS, min_size=2, max_size=4),
    ),
    max_size=5,
)


@pytest.mark.parametrize("compression", COMPRESSION)
@given(messages=MESSAGES, step=st.sampled_from([1 << 20, 1000, 91]))
def test_what_they_send_we_read(
    compression: str, messages: list[str | bytes | list[str]], step: int
) -> None:
    pair = Pair(compression)
    expected: list[ws.Event] = []
    for message in messages:
        match message:
            case str():
                pair.client.send_text(message.encode())
                expected.append(ws.Text(message.encode()))
            case bytes():
                pair.client.send_binary(message)
                expected.append(ws.Binary(message))
            case [first, *rest]:
                pair.client.send_text(first.encode(), fin=False)
                for part in rest:
                    pair.client.send_continuation(part.encode(), fin=False)
                pair.client.send_continuation(b"", fin=True)
                expected.append(ws.Text("".join(message).encode()))
        pair.client.send_ping(b"there?")
        expected.append(ws.Ping(b"there?"))
    pair.client.send_close(4000, "enough")
    expected.append(ws.Close(4000, "enough"))
    wire, found = pair.sent(), []
    for at in range(0, len(wire), step):
        found += pair.decoder.feed(wire[at : at + step])
    assert found == expected


@pytest.mark.parametrize("compression", COMPRESSION)
@given(messages=st.lists(st.one_of(TEXTS, st.binary(max_size=300)), max_size=5))
def test_what_we_send_they_read(compression: str, messages: list[str | bytes]) -> None:
    pair = Pair(compression)
    for message in messages:
        payload = message.encode() if isinstance(message, str) else message
        kind = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
        plain = ws.text(payload) if kind is Opcode.TEXT else ws.binary(payload)
        assert pair.received(plain) == [Frame(kind, payload)]
        if pair.deflates:
            frame = ws.deflated(payload, binary=kind is Opcode.BINARY)
            (read,) = pair.received(frame)
            assert (read.opcode, read.data) == (kind, payload)
        assert pair.received(ws.ping(b"?")) == [Frame(Opcode.PING, b"?")]
        assert pair.decoder.feed(pair.sent()) == [ws.Pong(b"?")]
    assert pair.received(ws.pong(b"!") + ws.close(1001, "bye")) == [
        Frame(Opcode.PONG, b"!"),
        Frame(Opcode.CLOSE, b"\x03\xe9bye"),
    ]


def test_one_compressed_frame_serves_every_connection() -> None:
    frame = ws.deflated(b"position " * 1000)
    assert len(frame) < 100
    for _ in range(2):
        pair = Pair("windows of 12")
        for _ in range(2):
            (read,) = pair.received(frame)
            assert read.data == b"position " * 1000


# Over real connections


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_messages_come_back(compression: str | None) -> None:
    messages: list[str | bytes] = ["", "κόσμε 😀", b"", bytes(range(256)), "a" * (1 << 20)]
    async with (
        serving() as address,
        connect(
            address, compression=compression, subprotocols=[Subprotocol("echo")], max_size=None
        ) as peer,
    ):
        assert peer.subprotocol == "echo"
        for message in messages:
            await peer.send(message)
        await peer.send(["in ", "three ", "frames"])
        assert [await peer.recv() for _ in messages] == messages
        assert await peer.recv() == "in three frames"
        await (await peer.ping("there?"))
        await peer.close(4001, "done")
    assert peer.close_code == 4001


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_a_message_that_is_too_large_closes_with_1009(compression: str | None) -> None:
    async with (
        serving(max_message=1000) as address,
        connect(address, compression=compression) as peer,
    ):
        await peer.send("a" * 1000)
        assert await peer.recv() == "a" * 1000
        await peer.send("a" * 1001)
        with pytest.raises(ConnectionClosedError) as caught:
            await peer.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


async def test_a_request_that_is_no_handshake_is_told_why() -> None:
    async with serving() as address:
        with pytest.raises(InvalidStatus) as caught:
            await connect(address, additional_headers={"Sec-WebSocket-Key": "twice"})
    assert caught.value.response.status_code == 400
    assert b"Sec-WebSocket-Key" in (caught.value.response.body or b"")
