"""The reading half of Server-Sent Events: any chunks, all line ends, and our own writing half."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import LimitExceeded
from ringback.wire import sse, sse_client
from ringback.wire.sse_client import Decoder, ReceivedEvent

STREAM = (
    b"retry: 2000\n\n"
    b'event: snapshot\nid: 7-1\ndata: {"a":1}\n\n'
    b":\n\n"
    b"event: part\r\nid: 7-2\r\ndata: one\r\ndata: two\r\n\r\n"
    b"data:no space\rdata:  two spaces\r\r"
    b"event: empty\nid: 7-3\n\n"
    b"id\ndata\n\n"
    b"event: last\ndata: \xc3\xa9\n\n"
    b"data: never ended"
)
EVENTS = [
    ReceivedEvent("snapshot", b'{"a":1}', "7-1"),
    ReceivedEvent("part", b"one\ntwo", "7-2"),
    ReceivedEvent("message", b"no space\n two spaces", "7-2"),
    ReceivedEvent("message", b"", None),
    ReceivedEvent("last", "é".encode(), None),
]


def test_a_stream_at_once() -> None:
    decoder = Decoder()
    assert decoder.feed(STREAM) == EVENTS
    assert decoder.retry == 2.0


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    decoder = Decoder()
    assert [
        event for byte in b"\xef\xbb\xbf" + STREAM for event in decoder.feed(bytes([byte]))
    ] == (EVENTS)


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_cut_anywhere(cut: int) -> None:
    decoder = Decoder()
    assert decoder.feed(STREAM[:cut]) + decoder.feed(b"") + decoder.feed(STREAM[cut:]) == EVENTS


def test_a_position_counts_once_its_event_is_whole() -> None:
    """Also one without data, which is no event and moves the position all the same."""
    decoder = Decoder()
    seen = []
    for byte in b"id: 7-1\ndata: x\n\n:\nid: 7-2\n\nid: 7-3\ndata: y\n":
        decoder.feed(bytes([byte]))
        seen.append(decoder.position)
    assert list(dict.fromkeys(seen)) == [None, "7-1", "7-2"]
    assert seen.index("7-1") == len(b"id: 7-1\ndata: x\n\n") - 1


@given(st.binary(max_size=200), st.integers(1, 40))
def test_chunks_make_no_difference_whatever_comes(stream: bytes, size: int) -> None:
    whole = Decoder().feed(stream)
    decoder = Decoder()
    chunks = (stream[start : start + size] for start in range(0, len(stream), size))
    assert [event for chunk in chunks for event in decoder.feed(chunk)] == whole


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["snapshot", "status", "progress", "part", "gap"]),
            st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=50),
            st.integers(0, 10**9),
        )
    )
)
def test_what_our_server_writes_is_read(events: list[tuple[str, str, int]]) -> None:
    stream = b"".join(
        sse.event(kind, data.encode(), f"1-{offset}") + sse.COMMENT for kind, data, offset in events
    )
    assert Decoder().feed(stream) == [
        ReceivedEvent(kind, data.encode(), f"1-{offset}") for kind, data, offset in events
    ]


def test_an_id_with_nul_is_ignored() -> None:
    assert Decoder().feed(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n") == [
        ReceivedEvent("message", b"a", "1"),
        ReceivedEvent("message", b"b", "1"),
    ]


def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_client, "MAX_EVENT", 100)
    for stream in (b"data: " + b"x" * 100, b"data: " + b"x" * 60 + b"\ndata: " + b"x" * 60):
        with pytest.raises(LimitExceeded):
            Decoder().feed(stream)
    decoder = Decoder()
    for _ in range(10):
        assert decoder.feed(b"data: " + b"x" * 60 + b"\n\n"), "what has ended counts no more"
