"""One WebSocket connection under any frames a client may send, cut anywhere."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.awslocal.gateway.connection import Connection
from ringback.awslocal.gateway.counts import SocketCounts
from ringback.awslocal.gateway.limits import Limits
from ringback.awslocal.gateway.socket_events import Peer
from ringback.awslocal.model import Stage
from tests.awslocal.gateway.functions import PLACE
from tests.wire.frames import frame

ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
LIMITS = Limits(frame=100, message=250, at_once=2)


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and says when more is than may be."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.paused = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Owner:
    limits = LIMITS
    clock: Callable[[], float] = staticmethod(lambda: 1000.0)

    def __init__(self) -> None:
        self.counts = SocketCounts()
        self.texts: list[str] = []
        self.ends: list[tuple[int, str]] = []
        self.opens = 0

    def opened(self, connection: Connection) -> None:
        self.opens += 1

    def received(self, connection: Connection, text: str) -> None:
        self.texts.append(text)

    def closed(self, connection: Connection, code: int, reason: str) -> None:
        self.ends.append((code, reason))


def opened() -> tuple[Connection, Owner, Wire]:
    owner, wire = Owner(), Wire()
    peer = Peer(
        id="abc=",
        api_id="a",
        place=PLACE,
        stage=Stage(name="prod"),
        domain="d",
        source="127.0.0.1",
        agent=None,
        connected_at=0.0,
        active_at=0.0,
    )
    connection = Connection(owner, peer, ANSWER)
    connection.connection_made(wire)
    return connection, owner, wire


def frames_of(written: bytes) -> list[tuple[int, bytes]]:
    """First byte and payload of what a server wrote."""
    assert written.startswith(ANSWER)
    at, found = len(ANSWER), []
    while at < len(written):
        first, size = written[at], written[at + 1]
        at += 2
        if size == 126:
            size = int.from_bytes(written[at : at + 2], "big")
            at += 2
        found.append((first, written[at : at + size]))
        at += size
    return found


TEXTS = st.tuples(st.just("text"), st.text(max_size=20))
FRAMES = st.one_of(
    TEXTS,
    st.tuples(st.just("ping"), st.binary(max_size=10)),
    st.tuples(st.just("pong"), st.binary(max_size=10)),
    st.tuples(st.just("binary"), st.binary(max_size=10)),
    st.tuples(st.just("long"), st.integers(101, 300)),
    st.tuples(st.just("parts"), st.integers(1, 4)),
    st.tuples(st.just("close"), st.sampled_from([b"", b"\x03\xe8", b"\x0f\xa1bye", b"\x00\x00"])),
    st.tuples(st.just("noise"), st.binary(min_size=1, max_size=20)),
)


@given(st.lists(TEXTS | FRAMES, max_size=10), st.integers(1, 400), st.data())
async def test_any_frames(sent: list[tuple[str, Any]], step: int, data: st.DataObject) -> None:
    connection, owner, wire = opened()
    stream, expected, ends = b"", [], False
    for kind, value in sent:
        match kind:
            case "text":
                stream += frame(1, value.encode())
                expected += [] if ends else [value]
            case "ping" | "pong":
                stream += frame(9 if kind == "ping" else 10, value)
            case "binary":
                stream += frame(2, value)
                ends = True
            case "long":
                stream += frame(1, b"x" * value)
                ends = True
            case "parts":
                pieces = [
                    frame(0 if at else 1, b"y" * 90, fin=at == value - 1) for at in range(value)
                ]
                stream += b"".join(pieces)
                if value * 90 > LIMITS.message:
                    ends = True
                elif not ends:
                    expected.append("y" * 90 * value)
            case "close":
                stream += frame(8, value)
                ends = True
            case "noise":
                stream += value
                break
    noise = bool(sent) and any(kind == "noise" for kind, _ in sent)
    done = 0
    for at in range(0, len(stream), step):
        if wire.closed:
            break
        connection.data_received(stream[at : at + step])
        assert len(owner.texts) - done <= LIMITS.at_once
        while done < len(owner.texts) and data.draw(st.booleans()):
            done += 1
            connection.handled()
        assert len(owner.texts) - done <= LIMITS.at_once
    while done < len(owner.texts):
        done += 1
        connection.handled()
        assert len(owner.texts) - done <= LIMITS.at_once
    assert owner.texts[: len(expected)] == expected
    assert noise or owner.texts == expected
    written = frames_of(wire.written)
    closes = [payload for first, payload in written if first == 0x88]
    assert len(closes) <= 1
    assert not closes or written[-1][0] == 0x88
    assert connection.is_open is not (bool(closes) or wire.closed)
    assert noise or connection.is_open is not ends
    connection.connection_lost(None)
    assert len(owner.ends) == 1
    assert owner.opens == 1
    assert owner.counts.received >= len(owner.texts)


@pytest.mark.parametrize(
    ("payload", "firsts"),
    [
        (b"", [0x81]),
        (b"x" * 100, [0x81]),
        (b"x" * 101, [0x01, 0x80]),
        (b"\xff" * 250, [2, 0, 0x80]),
    ],
)
async def test_what_is_sent_is_cut_into_frames(payload: bytes, firsts: list[int]) -> None:
    connection, _, wire = opened()
    connection.send(payload)
    written = frames_of(wire.written)
    assert [first for first, _ in written] == firsts
    assert b"".join(piece for _, piece in written) == payload
    connection.connection_lost(None)
