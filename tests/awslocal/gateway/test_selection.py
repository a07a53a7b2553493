"""Which route a WebSocket message goes to."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.awslocal.gateway.selection import select
from tests.awslocal.gateway.functions import route

KEYS = ("$connect", "$disconnect", "$default", "join", "5", "true", "chat/send")


def key(expression: str, body: Any, *, keys: tuple[str, ...] = KEYS) -> str | None:
    text = body if isinstance(body, str) else json.dumps(body)
    found = select(expression, {each: route(each) for each in keys}, text)
    return None if found is None else found.key


ACTION = "$request.body.action"


@pytest.mark.parametrize(
    ("expression", "body", "expected"),
    [
        (ACTION, {"action": "join"}, "join"),
        (ACTION, {"action": "leave"}, "$default"),
        (ACTION, {"action": 5}, "5"),
        (ACTION, {"action": True}, "true"),
        (ACTION, {"action": ["join"]}, "$default"),
        (ACTION, {"action": {"join": 1}}, "$default"),
        (ACTION, {"action": None}, "$default"),
        (ACTION, {}, "$default"),
        (ACTION, [], "$default"),
        (ACTION, "join", "$default"),
        (ACTION, "", "$default"),
        (ACTION, '"join"', "$default"),
        (ACTION, "[" * 100_000, "$default"),
        # A message is no lifecycle.
        (ACTION, {"action": "$connect"}, "$default"),
        (ACTION, {"action": "$disconnect"}, "$default"),
        (ACTION, {"action": "$default"}, "$default"),
        ("$request.body.a.b.c", {"a": {"b": {"c": "join"}}}, "join"),
        ("$request.body.a.b.c", {"a": {"b": "join"}}, "$default"),
        ("${request.body.action}", {"action": "join"}, "join"),
        ("${request.body.service}/${request.body.a.b}", {"service": "chat", "a": {"b": "send"}},
         "chat/send"),
        ("${request.body.service}/${request.body.a.b}", {"service": "chat"}, "$default"),
    ],
)  # fmt: skip
def test_selects(expression: str, body: Any, expected: str) -> None:
    assert key(expression, body) == expected


def test_nothing_fits_and_there_is_no_default() -> None:
    assert key(ACTION, {"action": "x"}, keys=("join",)) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(st.text(max_size=40) | JSON.map(json.dumps))
def test_any_text_goes_somewhere_and_never_to_a_lifecycle(text: str) -> None:
    assert key(ACTION, text) not in (None, "$connect", "$disconnect")


@given(st.lists(st.text("abcxyz_-", min_size=1, max_size=5), min_size=1, max_size=4), JSON)
def test_finds_what_is_nested_as_deep_as_the_expression_says(path: list[str], rest: Any) -> None:
    body: Any = "join"
    for name in reversed(path):
        body = {"other": rest, name: body}
    assert key(f"$request.body.{'.'.join(path)}", body) == "join"
