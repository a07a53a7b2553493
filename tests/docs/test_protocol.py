"""The specification of ``ringback.v1`` shows what its codec takes and makes."""

import dataclasses
import json
import re
from typing import Any

import pytest

from ringback.core.filters import MAX_FILTER_LENGTH
from ringback.core.topics import MAX_TOPIC_LENGTH, MAX_TOPIC_SEGMENTS
from ringback.edges.websocket.context import Context
from ringback.edges.websocket.session import MAX_UNDER_WAY
from ringback.wire import channel, channel_client
from ringback.wire.close_codes import CloseCode, may_reconnect
from tests.docs.blocks import blocks
from tests.docs.test_pages import ROOT
from tests.wire.test_channel_client import Client, understood

PATH = ROOT / "docs" / "protocol.md"
TEXT = PATH.read_text("utf-8")
BLOCKS = blocks(PATH)
EXAMPLES: list[dict[str, Any]] = [
    json.loads(each.text) for each in BLOCKS if each.language == "json"
]
LINES = [line for each in BLOCKS if each.language == "text" for line in each.text.splitlines()]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: json.dumps(example)[:40])
def test_an_example_is_a_frame(example: dict[str, Any]) -> None:
    if "action" in example:
        action = channel.decode(json.dumps(example))
        assert json.loads(channel_client.encode(action)) == example
    else:
        assert understood(example) == example


def test_the_actions_whose_rate_is_limited_are_named() -> None:
    limits = " ".join(TEXT.partition("## Limits")[2].partition("## Close codes")[0].split())
    assert "how often a caller may `publish` and `submit`" in limits
    assert f"while {MAX_UNDER_WAY} actions of a connection are under way" in limits
    limited = {each.name for each in dataclasses.fields(Context) if each.type == "Rates"}
    assert limited == {"publications", "submissions"}, "say in docs/protocol.md what is limited"


def test_all_there_is_to_say_is_shown() -> None:
    assert {example["action"] for example in EXAMPLES if "action" in example} == set(
        channel.ACTIONS
    )
    assert {example["type"] for example in EXAMPLES if "type" in example} == channel_client.TYPES


def test_every_member_of_an_action_is_told() -> None:
    for name, kind in channel.ACTIONS.items():
        section = TEXT.partition(f"\n### {name}\n")[2].partition("\n##")[0]
        shown = [example for example in EXAMPLES if example.get("action") == name]
        assert shown
        for member in kind.__struct_fields__:
            told = f"`{member}`" in section or f'"{member}"' in section
            assert told or any(member in example for example in shown), f"{name}: {member}"


def test_the_conversation_ends_as_it_says() -> None:
    client = Client()
    for line in LINES:
        way, _, frame = line.partition(" ")
        if way == "→":
            client.sends(json.loads(frame))
        else:
            assert client.gets(json.loads(frame))
    said = re.search(r"Here `(.+?)` goes on after `(.+?)`, and `(.+?)` after `(.+?)`\.", TEXT)
    assert said
    assert client.resume.after(said[1]) == said[2]
    assert client.resume.after(said[3]) == said[4]


def test_every_close_code_is_told_with_what_to_do() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \| .* \| (.*?) \|$", TEXT, re.MULTILINE)
    told = {int(code): does for codes, does in rows for code in codes.split(",")}
    assert set(told) == set(CloseCode)
    for code in (code for code in CloseCode if code < 4000):
        assert told[code].startswith("reconnects") is may_reconnect(code), code


@pytest.mark.parametrize(
    "said",
    [
        f"a frame to the server | {channel.MAX_FRAME} bytes",
        f"a message's data | {channel.MAX_DATA} bytes",
        f"`id` | {channel.MAX_ID} characters",
        f"`topic` | {MAX_TOPIC_LENGTH} characters, {MAX_TOPIC_SEGMENTS} segments",
        f"`filter` | {MAX_FILTER_LENGTH} characters",
        f"`after` | {channel.MAX_AFTER} characters",
        f"`token` | {channel.MAX_TOKEN} characters",
        f"The first {channel.MAX_MISTAKES} malformed frames",
        f"1 to {channel.MAX_KEY} visible ASCII",
        f"`GET {channel.PATH}`",
        f"`{channel.PROTOCOL}`",
    ],
)
def test_bounds_are_those_of_the_code(said: str) -> None:
    assert said in TEXT
