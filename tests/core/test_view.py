"""How an operation looks: to be changed with care, since clients read it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.core.commands import Cancel, Claim, Fail, Report, Succeed
from ringback.core.model import HELD
from ringback.core.view import INLINE_RESULT, operation_fields, operation_view, timestamp
from tests.core.states import NOW, PROBLEM, STATES, after, operation

ALWAYS = {
    "id",
    "task",
    "status",
    "version",
    "attempt",
    "created_at",
    "updated_at",
    "progress",
    "part_count",
}


def test_a_fresh_operation() -> None:
    state = operation(1700000000.5)
    assert msgspec.json.decode(operation_view(state)) == {
        "id": state.id,
        "task": "task",
        "status": "queued",
        "version": 0,
        "attempt": 0,
        "created_at": "2023-11-14T22:13:20.500Z",
        "updated_at": "2023-11-14T22:13:20.500Z",
        "progress": None,
        "part_count": 0,
    }


@pytest.mark.parametrize(
    ("name", "further"),
    [
        ("queued", set()),
        ("held", set()),
        ("queued again", {"started_at"}),
        ("running", {"started_at"}),
        ("running, to be cancelled", {"started_at", "cancel_requested"}),
        ("succeeded", {"started_at", "finished_at", "result"}),
        ("failed", {"started_at", "finished_at", "error"}),
        ("dead letter", {"started_at", "finished_at", "error", "dead_letter"}),
        ("cancelled", {"finished_at", "cancel_requested"}),
    ],
)
def test_the_fields_of_each_state(name: str, further: set[str]) -> None:
    assert set(operation_fields(STATES[name])) == ALWAYS | further


def test_nothing_private_is_shown() -> None:
    """Inputs, keys, subjects, workers and tracebacks are nobody's business but the owner's."""
    state = after(
        operation(subject="SECRET", limit_key="SECRET", input=b'"SECRET"', traceparent="SECRET"),
        Claim("SECRET"),
        Fail(attempt=1, problem=PROBLEM, diagnosis="SECRET"),
        Claim("SECRET"),
    )
    assert b"SECRET" not in operation_view(state)


def test_progress_and_result_are_as_they_were_given() -> None:
    state = after(operation(), Claim("w"), Report(attempt=1, progress=0.25, message="reading"))
    shown = msgspec.json.decode(operation_view(state))
    assert shown["progress"] == {"fraction": 0.25, "message": "reading"}
    done = after(state, Succeed(attempt=1, result=b'{"a": [1, null]}'))
    assert msgspec.json.decode(operation_view(done))["result"] == {"a": [1, None]}


def test_a_large_result_is_named_by_its_size() -> None:
    state = after(operation(), Claim("w"))
    small = b'"' + b"x" * (INLINE_RESULT - 2) + b'"'
    assert "result" in operation_fields(after(state, Succeed(attempt=1, result=small)))
    large = operation_fields(after(state, Succeed(attempt=1, result=small + b" ")))
    assert "result" not in large
    assert large["result_size"] == INLINE_RESULT + 1


def test_a_retry_says_when() -> None:
    state = after(operation(), Claim("w"), Fail(attempt=1, problem=PROBLEM, delay=60.0))
    assert operation_fields(state)["ready_at"] == timestamp(NOW + 60)
    assert "ready_at" not in operation_fields(operation(ready_at=HELD))
    assert "ready_at" not in operation_fields(after(state, Cancel()))


@given(st.floats(0, 4e9))
def test_a_timestamp_is_rfc_3339_to_the_millisecond(seconds: float) -> None:
    text = timestamp(seconds)
    assert text.endswith("Z")
    assert len(text) == len("2023-11-14T22:13:20.500Z")
    assert abs(datetime.fromisoformat(text).timestamp() - seconds) <= 0.001001
    assert datetime.fromisoformat(text).tzinfo == UTC
