"""JSON of what an application hands over."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import BaseModel, Field

from ringback.tasks.encoding import to_json_bytes, to_text_bytes


class Model(BaseModel):
    from_: int = Field(alias="from")


class Struct(msgspec.Struct):
    n: int


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (None, b"null"),
        ("ü", '"ü"'.encode()),
        (Model(**{"from": 1}), b'{"from":1}'),
        ([Struct(1)], b'[{"n":1}]'),
        (Struct(1), b'{"n":1}'),
        (msgspec.Raw(b"[1]"), b"[1]"),
        (datetime(2026, 1, 2, tzinfo=UTC), b'"2026-01-02T00:00:00Z"'),
        ([float("nan"), float("inf")], b"[null,null]"),
    ],
)
def test_values_have_their_json(value: object, encoded: bytes) -> None:
    assert to_json_bytes(value) == encoded


@pytest.mark.parametrize("value", [object(), "\ud800", b"\xff", {1: object()}])
def test_what_has_none_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"serializ|JSON"):
        to_json_bytes(value)


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("no text either")


def test_a_problem_is_encoded_whatever_its_fields_are() -> None:
    encoded = json.loads(to_text_bytes({"at": object, "mute": Mute(), "n": 1}))
    assert encoded == {"at": "<class 'object'>", "mute": "<Mute>", "n": 1}
    encoded = json.loads(to_text_bytes({"half": "a\ud800", "nan": float("nan"), "at": object}))
    assert encoded == {"half": "a?", "nan": None, "at": "<class 'object'>"}
