"""``ringback.v1``, the server's half: its vectors, its bounds, and whatever else may come."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback import errors, service
from ringback.core.model import Kind, Position
from ringback.core.topics import MAX_NAMED
from ringback.core.view import timestamp
from ringback.errors import MalformedRequest, RingbackError, UnknownAction
from ringback.security import jwt
from ringback.wire import channel
from ringback.wire.channel import ACTIONS, decode, id_of
from tests.wire.protocol_vectors import name_of, vectors

CODES = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RingbackError)
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = sorted({name for kind in ACTIONS.values() for name in kind.__struct_fields__})
ALMOST = st.fixed_dictionaries(
    {"action": st.sampled_from([*ACTIONS, "rewind", ""]) | JSON},
    optional=dict.fromkeys(MEMBERS, JSON),
)
"""Objects that are actions, or nearly."""


def meaning(action: channel.Action) -> dict[str, Any]:
    """An action with all its members, as JSON would have it."""
    found = {name: getattr(action, name) for name in action.__struct_fields__}
    return {"action": action.__struct_config__.tag} | {
        name: json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else value
        for name, value in found.items()
    }


def frame_of(vector: dict[str, Any]) -> bytes:
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    if "repeat" in vector:
        parts = vector["repeat"]
        text: str = parts["prefix"] + parts["text"] * parts["times"] + parts["suffix"]
        return text.encode()
    return str(vector["frame"]).encode()


def forms(frame: bytes) -> list[bytes | str]:
    """As a server gets it: bytes, or, where it was decoded before, text."""
    try:
        return [frame, frame.decode()]
    except UnicodeDecodeError:
        return [frame]


@pytest.mark.parametrize("vector", vectors("actions"), ids=name_of)
def test_actions(vector: dict[str, Any]) -> None:
    for frame in forms(frame_of(vector)):
        action = decode(frame)
        assert meaning(action) == vector["decoded"]
        assert decode(msgspec.json.encode(action)) == action


@pytest.mark.parametrize("vector", vectors("refused"), ids=name_of)
def test_refusals(vector: dict[str, Any]) -> None:
    for frame in forms(frame_of(vector)):
        with pytest.raises(RingbackError) as caught:
            decode(frame)
        assert caught.value.code == vector["problem"]
        assert id_of(frame) == vector["id"]
        faults = caught.value.fields.get("errors")
        if "pointer" in vector:
            assert isinstance(faults, list)
            assert [fault["pointer"] for fault in faults] == [vector["pointer"]]
        else:
            assert faults is None


def test_every_action_has_vectors() -> None:
    taken = {vector["decoded"]["action"] for vector in vectors("actions")}
    assert taken == set(ACTIONS)


def test_an_error_says_the_cure() -> None:
    with pytest.raises(UnknownAction) as unknown:
        decode('{"action":"rewind"}')
    assert unknown.value.fields["known"] == list(ACTIONS)
    assert "'rewind'" in unknown.value.detail
    assert ", ".join(ACTIONS) in unknown.value.detail
    with pytest.raises(MalformedRequest, match=", ".join(ACTIONS)):
        decode("{}")
    with pytest.raises(MalformedRequest) as wrong:
        decode('{"action":"subscribe","filter":7}')
    assert wrong.value.detail == (
        "subscribe: filter: Expected str, got int. It takes filter, id?, after?, token?."
    )
    with pytest.raises(MalformedRequest) as missing:
        decode('{"action":"publish","topic":"a"}')
    assert missing.value.detail == ("publish: data: Missing. It takes topic, data, id?.")


def test_an_error_repeats_no_more_than_a_little() -> None:
    with pytest.raises(UnknownAction) as caught:
        decode(json.dumps({"action": "x" * 100_000}))
    assert len(caught.value.detail) < 300


def test_half_a_surrogate_pair_in_text() -> None:
    with pytest.raises(MalformedRequest):
        decode('{"action":"ping","x":"\ud800"}')
    assert id_of('{"action":"rewind","id":"1","x":"\ud800"}') is None


def test_data_is_not_encoded_again() -> None:
    data = b'{ "b":1.0, "a" : [1e2,"\\u00e9"] }'
    action = decode(b'{"action":"publish","topic":"t","data":' + data + b"}")
    assert isinstance(action, channel.Publish)
    assert bytes(action.data) == data


def test_the_bounds_are_those_of_the_rest() -> None:
    assert channel.MAX_TOKEN == jwt.MAX_TOKEN_LENGTH
    assert channel.MAX_DATA == service.MAX_MESSAGE


def test_the_largest_data_fits_into_a_frame() -> None:
    """With every other member as long as it may be, and each character as JSON can write it."""
    long = "\U0001f34f"
    action = {
        "action": "publish",
        "id": long * channel.MAX_ID,
        "topic": long * 256,
        "data": "x" * (channel.MAX_DATA - 2),
    }
    frame = json.dumps(action, separators=(",", ":")).encode()
    assert len(frame) <= channel.MAX_FRAME
    assert isinstance(decode(frame), channel.Publish)


@given(st.binary(max_size=200))
@example(b"\xff")
@example(b'{"action":"ping","id":"\xc3"}')
def test_any_bytes(frame: bytes) -> None:
    _taken_or_refused(frame)


@given(JSON | ALMOST)
def test_any_json(value: object) -> None:
    frame = json.dumps(value).encode()
    _taken_or_refused(frame)


@given(ALMOST, st.integers(0, 400), st.binary(max_size=3))
def test_nearly_json(value: object, place: int, noise: bytes) -> None:
    frame = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    _taken_or_refused(frame[:place] + noise + frame[place:])
    _taken_or_refused(frame[:place])


def _taken_or_refused(frame: bytes) -> None:
    for form in forms(frame):
        id = id_of(form)
        assert id is None or 1 <= len(id) <= channel.MAX_ID
        try:
            action = decode(form)
        except (MalformedRequest, UnknownAction) as error:
            json.loads(channel.error(error, id))
        else:
            assert action.id == id
            json.loads(frame)  # whatever is taken is JSON, to the end


# What a server says


def made(vector: dict[str, Any]) -> bytes:
    """The frame that the encoder makes of a vector's arguments."""
    arguments = dict(vector["with"])
    if "position" in arguments:
        epoch, _, offset = arguments["position"].rpartition("-")
        arguments["position"] = Position(epoch, int(offset))
    if vector["make"] in {"message", "snapshot"}:
        arguments["data"] = arguments["data"].encode()
    if "kind" in arguments:
        arguments["kind"] = Kind(arguments["kind"])
    if "error" in arguments:
        arguments["error"] = CODES[arguments["error"]["code"]](
            None, **arguments["error"].get("fields", {})
        )
    frame = getattr(channel, vector["make"])(**arguments)
    assert isinstance(frame, bytes)
    return frame


@pytest.mark.parametrize("vector", vectors("messages"), ids=name_of)
def test_messages(vector: dict[str, Any]) -> None:
    assert json.loads(made(vector)) == vector["message"]


def test_a_message_looks_like_this() -> None:
    """Its members stand in an order in which a person reads them, the type first."""
    frame = channel.message("prices/tea", Position("e1", 7), b'{"cents":250}', 1893456000.25)
    assert frame == (
        b'{"type":"message","topic":"prices/tea","position":"e1-7",'
        b'"at":"2030-01-01T00:00:00.250Z","data":{"cents":250}}'
    )


@given(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(0, 10**18 - 1),
    JSON,
    st.floats(0, 4e9),
    st.sampled_from(Kind),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
)
def test_any_message(
    topic: str, offset: int, data: object, at: float, kind: Kind, filter: str | None
) -> None:
    frame = channel.message(
        topic, Position("2e1192b095", offset), json.dumps(data).encode(), at, kind, filter
    )
    expected: dict[str, object] = {
        "type": "message",
        "topic": topic,
        "position": f"2e1192b095-{offset}",
        "at": timestamp(at),
        "data": data,
    }
    if kind is not Kind.MESSAGE:
        expected["kind"] = kind.value
    if filter is not None:
        expected["filter"] = filter
    assert json.loads(frame) == expected


@given(st.text(st.characters(codec="utf-8"), max_size=20), JSON)
def test_any_snapshot(topic: str, data: object) -> None:
    frame = channel.snapshot(topic, Position("e", 1), json.dumps(data).encode())
    assert json.loads(frame) == {
        "type": "snapshot",
        "topic": topic,
        "position": "e-1",
        "data": data,
    }


def test_a_gap_names_all_topics_or_none() -> None:
    """Were it some of many, the others would not be loaded anew."""
    names = [f"t/{number}" for number in range(MAX_NAMED + 1)]
    some = json.loads(channel.gap(Position("e", 1), names[1:]))
    assert some["topics"] == names[1:]
    assert "topics" not in json.loads(channel.gap(Position("e", 1), names))
