"""The decoder and the encoders, clause by clause of RFC 6455 and of RFC 7692, 7.2.3."""

import random
import zlib

import pytest

from ringback.wire import websocket as ws
from ringback.wire.deflate import compress
from tests.wire.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    MASK,
    PING,
    PONG,
    TEXT,
    frame,
    outcome,
)

HELLO = bytes.fromhex("7f9f4d5158")  # masked as in 5.7
KOSME = "κόσμε".encode()


def decoder(*, deflate: bool = False, max_message: int = 1 << 20) -> ws.Decoder:
    return ws.Decoder(max_message=max_message, deflate=deflate)


def code_of(wire: bytes, *, deflate: bool = False) -> int:
    _, error = outcome(decoder(deflate=deflate), [wire])
    assert error is not None
    return error[0]


# 5.7, Examples


@pytest.mark.parametrize(
    ("wire", "event"),
    [
        (b"\x81\x85" + MASK + HELLO, ws.Text(b"Hello")),
        (b"\x01\x83" + MASK + HELLO[:3] + b"\x80\x82" + MASK + b"\x5b\x95", ws.Text(b"Hello")),
        (b"\x89\x85" + MASK + HELLO, ws.Ping(b"Hello")),
        (b"\x8a\x85" + MASK + HELLO, ws.Pong(b"Hello")),
        (b"\x82\xfe\x01\x00" + MASK + MASK * 64, ws.Binary(bytes(256))),
        (b"\x82\xff" + (65536).to_bytes(8, "big") + MASK + MASK * 16384, ws.Binary(bytes(65536))),
    ],
)
def test_the_examples_are_read(wire: bytes, event: ws.Event) -> None:
    assert decoder().feed(wire) == [event]


def test_the_examples_are_written() -> None:
    assert ws.text(b"Hello") == bytes.fromhex("810548656c6c6f")
    assert ws.ping(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert ws.pong(b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert ws.binary(bytes(256)) == b"\x82\x7e\x01\x00" + bytes(256)
    assert ws.binary(bytes(65536)) == b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65535, "817effff"),
        (65536, "817f" + "0" * 11),
    ],
)
def test_a_length_takes_its_shortest_form(size: int, head: str) -> None:
    assert ws.text(bytes(size)).hex().startswith(head)
    wire = frame(TEXT, b"a" * size)
    assert decoder().feed(wire) == [ws.Text(b"a" * size)]


# RFC 7692, 7.2.3, Examples


@pytest.mark.parametrize(
    "parts",
    [
        ["f248cdc9c90700"],
        ["f248cd", "c9c90700"],
        ["000500faff48656c6c6f00"],
        ["f348cdc9c9070000"],
        ["f248050000 00ffff cac9c90700"],
    ],
    ids=["one block", "fragmented", "not compressed", "BFINAL", "two blocks"],
)
def test_the_examples_are_inflated(parts: list[str]) -> None:
    pieces = [bytes.fromhex(part) for part in parts]
    wire = b"".join(
        frame(CONTINUATION if at else TEXT, piece, rsv=0 if at else 4, fin=at == len(pieces) - 1)
        for at, piece in enumerate(pieces)
    )
    for chunks in ([wire], [wire[at : at + 1] for at in range(len(wire))]):
        assert outcome(decoder(deflate=True), chunks) == ([ws.Text(b"Hello")], None)


def test_an_empty_message_may_be_compressed() -> None:
    assert decoder(deflate=True).feed(frame(BINARY, b"\0", rsv=4)) == [ws.Binary(b"")]


def test_no_context_is_taken_over() -> None:
    assert code_of(frame(TEXT, bytes.fromhex("f200110000"), rsv=4), deflate=True) == 1007


def test_messages_are_compressed_where_that_is_shorter() -> None:
    assert ws.deflated(b"a" * 100)[0] == 0xC1
    assert ws.deflated(b"a" * 100, binary=True)[0] == 0xC2
    assert len(ws.deflated(b"a" * 100)) < 20
    assert ws.deflated(b"a") == ws.text(b"a")
    assert ws.deflated(b"a", binary=True) == ws.binary(b"a")


def test_a_compressed_frame_is_for_a_window_that_all_have() -> None:
    payload = random.Random(7).randbytes(5000) * 2
    compressed, inflater = compress(payload), zlib.decompressobj(-12)
    assert not compressed.endswith(b"\0\0\xff\xff")
    pieces = (compressed[at : at + 50] for at in range(0, len(compressed), 50))
    assert b"".join(inflater.decompress(piece) for piece in pieces) == payload


@pytest.mark.parametrize(
    "payload", [b"\xff\xff\xff", bytes.fromhex("000500faff48656c")], ids=["no block", "cut short"]
)
def test_what_does_not_inflate_is_refused(payload: bytes) -> None:
    assert code_of(frame(BINARY, payload, rsv=4), deflate=True) == 1007


def test_streams_in_one_message_are_few() -> None:
    done = zlib.compressobj(wbits=-15)
    stream = done.compress(b"ab") + done.flush()
    assert decoder(deflate=True).feed(frame(TEXT, stream * 15 + b"\0", rsv=4)) == [
        ws.Text(b"ab" * 15)
    ]
    assert code_of(frame(TEXT, stream * 1000, rsv=4), deflate=True) == 1007


# 5.2 to 5.5, what a frame may be


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(
    "wire",
    [
        frame(TEXT, b"a", mask=None),
        frame(PING, mask=None),
        frame(TEXT, b"a", rsv=2),
        frame(TEXT, b"a", rsv=1),
        frame(TEXT, b"a", rsv=5),
        frame(PING, rsv=4),
        frame(CLOSE, rsv=4),
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"a", rsv=4),
        *(frame(opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
        *(frame(opcode, fin=False) for opcode in (CLOSE, PING, PONG)),
        *(frame(opcode, bytes(126)) for opcode in (CLOSE, PING, PONG)),
        frame(PING, b"a", length_bytes=2),
        frame(TEXT, b"a" * 125, length_bytes=2),
        frame(TEXT, b"a" * 125, length_bytes=8),
        frame(TEXT, b"a" * 65535, length_bytes=8),
        frame(CONTINUATION, b"a"),
        frame(CONTINUATION, b"a", fin=False),
        frame(TEXT, b"a") + frame(CONTINUATION, b"a"),
        frame(TEXT, b"a", fin=False) + frame(TEXT, b"a"),
        frame(TEXT, b"a", fin=False) + frame(BINARY, b"a"),
    ],
)
def test_what_breaks_the_framing_is_refused(wire: bytes, deflate: bool) -> None:
    assert code_of(wire, deflate=deflate) == 1002


def test_compression_is_refused_unless_agreed_on() -> None:
    assert code_of(frame(TEXT, b"\0", rsv=4)) == 1002


def test_control_frames_may_come_within_a_message() -> None:
    wire = (
        frame(TEXT, KOSME[:3], fin=False)
        + frame(PING, b"1")
        + frame(CONTINUATION, b"", fin=False)
        + frame(PONG, b"2")
        + frame(CONTINUATION, KOSME[3:])
    )
    assert decoder().feed(wire) == [ws.Ping(b"1"), ws.Pong(b"2"), ws.Text(KOSME)]


def test_what_came_before_an_error_is_kept() -> None:
    subject = decoder()
    with pytest.raises(ws.ProtocolError) as caught:
        subject.feed(frame(TEXT, b"good") + frame(3) + frame(TEXT, b"after"))
    assert caught.value.events == [ws.Text(b"good")]
    assert subject.feed(frame(TEXT, b"later")) == []


def test_what_comes_after_a_close_is_ignored() -> None:
    subject = decoder()
    assert subject.feed(frame(CLOSE) + frame(TEXT, b"a") + frame(3)) == [ws.Close(1005, "")]
    assert subject.feed(frame(3)) == []


# 8.1, text is UTF-8


@pytest.mark.parametrize("rsv", [0, 4], ids=["plain", "compressed"])
@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        KOSME[:-1],
        b"a" * 2000 + b"\x80",
    ],
)
def test_text_that_is_not_utf_8_is_refused(payload: bytes, rsv: int) -> None:
    sent = zlib.compress(payload, wbits=-15) + b"\0" if rsv else payload
    assert code_of(frame(TEXT, sent, rsv=rsv), deflate=True) == 1007
    assert decoder(deflate=True).feed(frame(BINARY, sent, rsv=rsv)) == [ws.Binary(payload)]


def test_a_character_may_be_split_over_frames() -> None:
    wire = b"".join(
        frame(CONTINUATION if at else TEXT, KOSME[at : at + 1], fin=False)
        for at in range(len(KOSME))
    )
    assert decoder().feed(wire + frame(CONTINUATION)) == [ws.Text(KOSME)]


# 5.5.1 and 7.4, closing


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4408, 4999]
)
def test_a_close_code_that_may_be_sent(code: int) -> None:
    wire = frame(CLOSE, code.to_bytes(2, "big") + "für".encode())
    assert decoder().feed(wire) == [ws.Close(code, "für")]
    assert ws.close(code, "für") == frame(
        CLOSE, code.to_bytes(2, "big") + "für".encode(), mask=None
    )


@pytest.mark.parametrize(
    "code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_a_close_code_that_may_not_be_sent(code: int) -> None:
    assert code_of(frame(CLOSE, code.to_bytes(2, "big"))) == 1002
    if code != ws.NO_STATUS:
        with pytest.raises(ValueError, match=r"7\.4"):
            ws.close(code)


def test_a_close_without_a_code() -> None:
    assert decoder().feed(frame(CLOSE)) == [ws.Close(ws.NO_STATUS, "")]
    assert ws.close() == ws.close(ws.NO_STATUS, "dropped") == b"\x88\x00"


def test_half_a_close_code_is_refused() -> None:
    assert code_of(frame(CLOSE, b"\x03")) == 1002


def test_a_reason_has_to_be_utf_8() -> None:
    assert code_of(frame(CLOSE, b"\x03\xe8\xff")) == 1007


def test_a_reason_is_cut_between_characters() -> None:
    assert ws.close(1000, "ü" * 100) == b"\x88\x7c\x03\xe8" + "ü".encode() * 61


@pytest.mark.parametrize("make", [ws.ping, ws.pong])
def test_a_control_frame_holds_125_bytes(make: object) -> None:
    assert callable(make)
    assert len(make(bytes(125))) == 127
    with pytest.raises(ValueError, match="125"):
        make(bytes(126))
