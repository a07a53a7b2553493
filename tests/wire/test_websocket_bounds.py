"""The decoder under bytes that are split, random or meant to harm: same events, bounded memory."""

import gc
import random
import re
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback.wire import websocket as ws
from tests.wire.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, outcome

KIB = 1024
MIB = 1024 * KIB


def deflated(payload: bytes) -> bytes:
    flushed = zlib.compress(payload, wbits=-15)
    return flushed + b"\0"


EVERYTHING = b"".join(
    (
        frame(TEXT, "a κόσμε 😀".encode()),
        frame(TEXT),
        frame(BINARY, bytes(range(256))),
        frame(PING, b"1"),
        frame(TEXT, "κόσ".encode()[:5], fin=False),
        frame(PONG, b"2"),
        frame(CONTINUATION, "κόσ".encode()[5:], fin=False, mask=b"\x01\x02\x03\x04"),
        frame(CONTINUATION, fin=False),
        frame(PING, bytes(125)),
        frame(CONTINUATION, "😀".encode()),
        frame(TEXT, deflated("κόσμε".encode() * 50), rsv=4),
        frame(BINARY, deflated(b"ab" * 50)[:7], rsv=4, fin=False),
        frame(CONTINUATION, deflated(b"ab" * 50)[7:]),
        frame(BINARY, bytes(1500)),
        frame(CLOSE, b"\x03\xe8bye"),
    )
)


def decoder(max_message: int = MIB) -> ws.Decoder:
    return ws.Decoder(max_message=max_message, deflate=True)


# The bytes that end each stream: nothing, or what fails in one way.
ENDINGS = {
    "whole": b"",
    "not UTF-8": frame(TEXT, b"a" * 20 + b"\xed\xa0\x80" + b"a" * 20),
    "too big": frame(TEXT, length=MIB + 1),
    "not masked": frame(TEXT, b"abc", mask=None),
    "not deflate": frame(TEXT, b"\xff" * 20, rsv=4),
    "bad close": frame(CLOSE, b"\x03\xec"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_split_at_any_byte_changes_nothing(ending: str) -> None:
    wire = EVERYTHING if ending == "whole" else EVERYTHING[: -len(frame(CLOSE, b"\x03\xe8bye"))]
    wire += ENDINGS[ending]
    expected = outcome(decoder(), [wire])
    assert (expected[1] is None) == (ending == "whole")
    assert len(expected[0]) == (11 if ending == "whole" else 10)
    for at in range(len(wire) + 1):
        assert outcome(decoder(), [wire[:at], wire[at:]]) == expected
    for size in (1, 2, 3, 5, 7, 64):
        chunks = [wire[at : at + size] for at in range(0, len(wire), size)]
        assert outcome(decoder(), chunks) == expected


# The well-formed byte sequences of Unicode, table 3-7, and what they may begin with.
_TAIL = rb"[\x80-\xbf]"
_WHOLE = (
    rb"[\x00-\x7f]|[\xc2-\xdf]T|\xe0[\xa0-\xbf]T|[\xe1-\xec\xee\xef]TT|\xed[\x80-\x9f]T|"
    rb"\xf0[\x90-\xbf]TT|[\xf1-\xf3]TTT|\xf4[\x80-\x8f]TT"
).replace(b"T", _TAIL)
_BEGUN = (
    rb"[\xc2-\xf4]|\xe0[\xa0-\xbf]|[\xe1-\xec\xee\xef]T|\xed[\x80-\x9f]|\xf0[\x90-\xbf]T?|"
    rb"[\xf1-\xf3]TT?|\xf4[\x80-\x8f]T?"
).replace(b"T", _TAIL)
MAY_GO_ON = re.compile(b"(?:" + _WHOLE + b")*(?:" + _BEGUN + b")?")

NEARLY_TEXT = st.lists(
    st.one_of(
        st.text(max_size=5).map(str.encode),
        st.binary(max_size=4),
        st.sampled_from([b"\xed\xa0", b"\xf4\x90", b"\xf0\x80", b"\xc0", b"\xe0\x9f", b"\xf0\x9f"]),
    ),
    max_size=6,
).map(b"".join)


@given(NEARLY_TEXT)
@example(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited")
def test_bad_text_fails_at_its_first_wrong_byte(payload: bytes) -> None:
    good = 0
    while good < len(payload) and MAY_GO_ON.fullmatch(payload[: good + 1]):
        good += 1
    subject = decoder()
    # The frame says that more is to come, so nothing but the bytes themselves can be wrong.
    wire = frame(TEXT, payload, length=len(payload) + 1, length_bytes=0)
    head = len(wire) - len(payload)
    assert subject.feed(wire[: head + good]) == []
    if good < len(payload):
        with pytest.raises(ws.ProtocolError) as caught:
            subject.feed(wire[head + good : head + good + 1])
        assert caught.value.code == 1007


PLAUSIBLE = st.builds(
    frame,
    st.sampled_from([TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE, 3]),
    st.one_of(st.binary(max_size=200), st.binary(max_size=50).map(deflated)),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4, 1]),
    mask=st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4)),
    length_bytes=st.sampled_from([2, 8, None, None]),
)


@example([frame(TEXT, b"\x13X0\x00", rsv=4, mask=bytes(4))], [1])
@given(
    st.lists(st.one_of(PLAUSIBLE, st.binary(max_size=30)), max_size=8),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_random_bytes_raise_nothing_else_however_they_are_split(
    parts: list[bytes], sizes: list[int]
) -> None:
    wire = b"".join(parts)
    chunks: list[bytes] = []
    at = 0
    while at < len(wire):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(wire[at : at + size])
        at += size
    whole, split = (outcome(decoder(300), each) for each in ([wire], chunks))
    if whole != split:
        # What neither inflates nor would be UTF-8 is refused for what is seen first.
        assert {error and error[0] for _, error in (whole, split)} == {ws.INVALID_DATA}
        assert whole[0] == split[0]
    for event in whole[0]:
        if isinstance(event, ws.Text):
            event.data.decode()
        if isinstance(event, ws.Text | ws.Binary):
            assert len(event.data) <= 300


def peak(act: Callable[[], object]) -> int:
    """Bytes that were held at most while it ran, beside what was there before."""
    act()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        act()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pieces", [1, 3, 1000], ids=["whole", "in three frames", "in many"])
def test_a_bomb_is_not_inflated(pieces: int) -> None:
    bomb = deflated(bytes(50 * MIB))
    step = len(bomb) // pieces + 1
    wire = b"".join(
        frame(CONTINUATION if at else TEXT, bomb[at : at + step], rsv=0 if at else 4, fin=False)
        for at in range(0, len(bomb), step)
    )
    assert len(wire) < MIB

    def explode() -> None:
        _, error = outcome(decoder(), [wire])
        assert error is not None
        assert error[0] == 1009

    assert peak(explode) < 4 * MIB


def test_a_message_may_be_as_large_as_allowed_and_no_larger() -> None:
    for sent, rsv in ((b"a" * 1000, 0), (deflated(b"a" * 1000), 4)):
        wire = frame(TEXT, sent, rsv=rsv)
        assert outcome(decoder(1000), [wire]) == ([ws.Text(b"a" * 1000)], None)
        _, error = outcome(decoder(999), [wire])
        assert (
            error == (1009, "A message may have 999 bytes.")
            if rsv
            else (
                1009,
                "A frame may have 999 bytes.",
            )
        )


def test_a_frame_may_be_bounded_by_itself() -> None:
    def read(wire: bytes) -> tuple[list[ws.Event], tuple[int, str] | None]:
        return outcome(ws.Decoder(max_message=100, max_frame=40), [wire])

    half = frame(TEXT, b"a" * 40, fin=False) + frame(CONTINUATION, b"a" * 40, fin=False)
    assert read(half + frame(CONTINUATION, b"a" * 20)) == ([ws.Text(b"a" * 100)], None)
    assert read(half + frame(CONTINUATION, b"a" * 21))[1] == (1009, "A message may have 100 bytes.")
    assert read(frame(TEXT, b"a" * 41))[1] == (1009, "A frame may have 40 bytes.")


@pytest.mark.parametrize("length", [MIB + 1, 1 << 40, (1 << 64) - 1])
def test_what_is_too_large_is_refused_by_its_head(length: int) -> None:
    head = frame(BINARY, length=length)
    assert outcome(decoder(), [head])[1] == (1009, f"A frame may have {MIB} bytes.")
    begun = frame(BINARY, bytes(64), fin=False) + frame(CONTINUATION, length=MIB - 63)
    assert outcome(decoder(), [begun])[1] == (1009, f"A message may have {MIB} bytes.")


@pytest.mark.parametrize(
    "junk",
    [
        frame(CONTINUATION, fin=False),
        frame(PING, bytes(125)) * 2,
        frame(CONTINUATION, b"\0\0\0\xff\xff" * 20, fin=False),
    ],
    ids=["empty frames", "pings", "blocks that inflate to nothing"],
)
def test_frames_without_end_are_not_held(junk: bytes) -> None:
    start = frame(BINARY, b"\0\0\0\xff\xff", rsv=4, fin=False)

    def flood() -> None:
        subject = decoder(64 * KIB)
        subject.feed(start)
        for _ in range(5000):
            subject.feed(junk)

    assert peak(flood) < 128 * KIB


def test_a_message_in_single_bytes_costs_no_more_than_itself() -> None:
    wire = frame(BINARY, random.Random(7).randbytes(100 * KIB), length_bytes=8)

    def trickle() -> None:
        subject = decoder()
        for at in range(0, len(wire) - 1, 2):
            subject.feed(wire[at : at + 2])

    assert peak(trickle) < 250 * KIB


def test_an_idle_decoder_is_small() -> None:
    large = frame(TEXT, deflated(b"a" * 100 * KIB), rsv=4, fin=False) + frame(CONTINUATION)
    kept: list[ws.Decoder] = []

    def connect() -> None:
        kept[:] = [decoder() for _ in range(500)]
        for each in kept:
            each.feed(large)

    connect()
    kept.clear()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        connect()
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used / 500 < 256
