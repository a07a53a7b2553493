"""Several positions in one id."""

from hypothesis import given
from hypothesis import strategies as st

from ringback.core.model import Position
from ringback.wire.positions import FOREIGN, pack, unpack

AT = st.builds(
    Position, st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True), st.integers(0, 10**18 - 1)
)
OPERATIONS = st.dictionaries(st.uuids().map(lambda id: f"operations/{id}"), AT, max_size=4)


@given(AT, OPERATIONS, st.booleans())
def test_what_is_packed_is_unpacked(
    topics: Position, operations: dict[str, Position], retained: bool
) -> None:
    text = pack(topics, operations, retained=retained)
    assert unpack(text) == (topics, operations, retained)
    assert text.isprintable()


@given(st.text())
def test_any_text_is_some_position(text: str) -> None:
    topics, operations, _ = unpack(text)
    assert topics is None or topics.offset >= 0
    assert all(name.startswith("operations/") for name in operations)


def test_what_is_no_position_is_a_foreign_one() -> None:
    assert unpack("nonsense,operations/x:nonsense,other/y:e-1,e-2") == (
        FOREIGN,
        {"operations/x": FOREIGN},
        False,
    )
    assert unpack("e-12,operations/x:e-5") == (
        Position("e", 12),
        {"operations/x": Position("e", 5)},
        False,
    )


def test_from_the_oldest_message_goes_with_operations_that_go_on() -> None:
    assert unpack("earliest") == (None, {}, False)
    assert unpack("earliest,operations/x:e-5") == (None, {"operations/x": Position("e", 5)}, False)
