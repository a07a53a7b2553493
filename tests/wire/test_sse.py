"""Server-Sent Events as we write them, read by the standard and by our own client."""

import json

from hypothesis import given
from hypothesis import strategies as st

from ringback.wire import sse
from ringback.wire.sse_client import Decoder
from tests.edges.eventsource import Event, Parser

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["status", "progress", "part", "snapshot"]),
        VALUES,
        st.none() | st.integers(0, 10**12).map(lambda offset: f"abc-{offset}"),
        st.sampled_from([None, 1, 4]),
    ),
    max_size=5,
)


@given(MESSAGES, st.randoms(use_true_random=False))
def test_what_is_written_is_read_however_it_is_split(
    messages: list[tuple[str, object, str | None, int | None]], dice: object
) -> None:
    wire, expected, last = sse.retry(2.0), [], ""
    for kind, value, position, indent in messages:
        data = json.dumps(value, indent=indent, ensure_ascii=False).encode()
        last = position if position is not None else last
        wire += sse.event(kind, data, position) + sse.COMMENT
        expected.append(Event(kind, value, last))
    for size in (1, 2, 3, 7, len(wire)):
        parser, decoder = Parser(), Decoder()
        found, decoded = [], []
        for start in range(0, len(wire), size):
            found += parser.feed(wire[start : start + size])
            decoded += list(decoder.feed(wire[start : start + size]))
        assert found == expected
        assert parser.retry == 2000
        assert parser.comments == len(messages)
        assert [(each.kind, json.loads(each.data)) for each in decoded] == [
            (each.kind, each.data) for each in expected
        ]


def test_an_event_looks_like_this() -> None:
    assert sse.event("status", b'{"a":1}', "abc-7") == (
        b'event: status\nid: abc-7\ndata: {"a":1}\n\n'
    )
    assert sse.event("gap", b"{}") == b"event: gap\ndata: {}\n\n"
    assert sse.event("part", b"[\n1,\r\n2\r]") == (
        b"event: part\ndata: [\ndata: 1,\ndata: 2\ndata: ]\n\n"
    )
    assert sse.COMMENT == b":\n\n"
    assert sse.retry(1.5) == b"retry: 1500\n"
