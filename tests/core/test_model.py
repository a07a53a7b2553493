"""The text form of positions, and what is true of an operation's record."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.model import (
    BEGINNING,
    HELD,
    MAX_EPOCH_LENGTH,
    TERMINAL,
    OperationState,
    Position,
    Status,
)
from tests.core.states import operation

epochs = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=MAX_EPOCH_LENGTH)
offsets = st.integers(0, 10**18 - 1)


@given(epochs, offsets)
def test_a_position_survives_its_text_form(epoch: str, offset: int) -> None:
    position = Position(epoch, offset)
    assert Position.parse(str(position)) == position


@given(st.text())
def test_any_text_is_a_position_or_none(text: str) -> None:
    """Whatever a client sends as Last-Event-ID is read or refused, and read as one thing only."""
    position = Position.parse(text)
    if position is not None:
        assert position.offset >= 0
        assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "a",
        "a-",
        "-1",
        "a-x",
        "a-1.5",
        "a--",
        "a- 1",
        "a-+1",
        "a-1_0",
        "a-\u0663",
        "a-" + "9" * 19,
        "x" * 33 + "-1",
        "a-1\n",
    ],
)
def test_what_is_no_position(text: str) -> None:
    assert Position.parse(text) is None


def test_the_beginning_has_a_text_form() -> None:
    assert Position.parse(str(BEGINNING)) == BEGINNING


def test_an_epoch_may_hold_dashes() -> None:
    assert Position.parse("a-b-7") == Position("a-b", 7)


@pytest.mark.parametrize("status", Status)
def test_terminal_is_what_the_set_says(status: Status) -> None:
    assert operation(status=status).terminal == (status in TERMINAL)


def test_an_operation_is_a_topic() -> None:
    state = operation()
    assert state.topic == f"operations/{state.id}"


def test_a_record_survives_json() -> None:
    """What an engine without tables stores."""
    state = operation(ready_at=HELD, subject="me", result=b"1")
    assert msgspec.json.decode(msgspec.json.encode(state), type=OperationState) == state
