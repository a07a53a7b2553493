"""``ringback.v1``, the client's half: what a server says is understood, and resumed rightly."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.errors import MalformedRequest
from ringback.wire import channel, channel_client
from ringback.wire.channel_client import Message, Reply, Resume, decode, encode
from ringback.wire.close_codes import may_reconnect
from tests.wire.protocol_vectors import name_of, vectors

Object = dict[str, Any]


def understood(message: Object) -> Object:
    """What a client makes of a message, as JSON again: nothing of it may be lost."""
    received = decode(json.dumps(message))
    assert received is not None
    found = {name: getattr(received, name) for name in received.__struct_fields__}
    plain = {
        name: json.loads(bytes(value)) if isinstance(value, msgspec.Raw) else value
        for name, value in found.items()
        if value is not None
    }
    return {"type": received.__struct_config__.tag} | plain


@pytest.mark.parametrize("vector", vectors("messages"), ids=name_of)
def test_messages(vector: Object) -> None:
    assert understood(vector["message"]) == vector["message"]


@pytest.mark.parametrize("vector", vectors("foreign"), ids=name_of)
def test_foreign(vector: Object) -> None:
    match vector["is"]:
        case "ignored":
            assert decode(vector["frame"]) is None
        case "known":
            assert decode(vector["frame"]) is not None
        case "wrong":
            with pytest.raises(MalformedRequest):
                decode(vector["frame"])


@pytest.mark.parametrize("vector", vectors("actions"), ids=name_of)
def test_actions_are_read_as_they_were_written(vector: Object) -> None:
    action = channel.decode(vector["frame"])
    assert channel.decode(encode(action)) == action


def test_an_action_is_written_without_what_was_not_said() -> None:
    assert encode(channel.Subscribe(id="1", filter="a")) == (
        b'{"action":"subscribe","id":"1","filter":"a"}'
    )
    assert encode(channel.Submit(task="a")) == b'{"action":"submit","task":"a"}'


@given(st.binary(max_size=100) | st.from_regex(rb'\{"type":"[a-z]*"(,"[a-z]+":[0-9"])*\}?'))
def test_whatever_comes(frame: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        decode(frame)


def test_nested_too_deeply() -> None:
    with pytest.raises(MalformedRequest):
        decode(b'{"type":"pong","x":' + b"[" * 100_000)


class Client:
    """Plays the client's part of a conversation."""

    def __init__(self) -> None:
        self.resume = Resume()
        self._asked: dict[str, Object] = {}

    def sends(self, action: Object) -> None:
        channel.decode(json.dumps(action))
        if action["action"] == "subscribe":
            known = self.resume.after(action["filter"])
            assert known in (None, action.get("after")), "a client asks for what it knows"
        if "id" in action:
            self._asked[action["id"]] = action

    def gets(self, message: Object) -> bool:
        assert understood(message) == message
        received = decode(json.dumps(message))
        assert received is not None
        if isinstance(received, Reply):
            self._answered(self._asked.pop(received.id), json.loads(bytes(received.result)))
        return self.resume.take(received)

    def _answered(self, action: Object, result: Object) -> None:
        match action:
            case {"action": "subscribe", "filter": filter}:
                self.resume.subscribed(filter, action.get("after"), result["position"])
            case {"action": "unsubscribe", "filter": filter}:
                self.resume.dropped(filter)
            case {"action": "submit", "follow": True}:
                operation = result["operation"]
                topic = f"operations/{operation['id']}"
                position = operation["position"]
                self.resume.subscribed(topic, position, position)

    def closed(self, code: int) -> None:
        self._asked.clear()
        self.resume.lost()
        if not may_reconnect(code):
            self.resume = Resume()


@pytest.mark.parametrize("vector", vectors("conversations"), ids=name_of)
def test_conversations(vector: Object) -> None:
    client = Client()
    for number, step in enumerate(vector["steps"]):
        match step:
            case {"client": action}:
                client.sends(action)
            case {"server": message}:
                assert client.gets(message) is step.get("new", True), f"step {number}"
            case {"close": code}:
                client.closed(code)
            case {"resume": wanted}:
                found = {filter: client.resume.after(filter) for filter in wanted}
                assert found == wanted, f"step {number}"
            case _:
                raise AssertionError(f"step {number} is none: {step}")


def test_conversations_have_all_there_is_to_say() -> None:
    steps = [step for vector in vectors("conversations") for step in vector["steps"]]
    said = {step["server"]["type"] for step in steps if "server" in step}
    assert said == channel_client.TYPES


def message(topic: str, position: str, filter: str | None = None) -> Message:
    return Message(topic=topic, position=position, data=msgspec.Raw(b"1"), filter=filter)


def test_a_message_of_a_replay_that_was_had_is_not_new() -> None:
    resume = Resume()
    resume.subscribed("a/+", "earliest", "e-0")
    assert resume.take(message("a/b", "e-1", "a/+"))
    assert not resume.take(message("a/b", "e-1", "a/+"))
    assert resume.after("a/+") == "e-1"


def test_what_is_not_subscribed_to_moves_nothing() -> None:
    resume = Resume()
    assert resume.take(message("operations/x", "e-1"))
    assert resume.take(message("a/b", "e-1"))
    assert resume.take(message("a/b", "e-1", "a/+"))
    assert resume.take(message("a/b", "e-1"))
    assert resume.after("operations/x") is resume.after("a/+") is None
    resume.lost()
    assert resume.after("a/+") is None
