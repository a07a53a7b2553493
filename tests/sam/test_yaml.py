"""What is written is read back as what was meant."""

from __future__ import annotations

from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from ringback.sam.yaml import NO_VALUE, Note, Tag, att, dump, plain, ref, sub, when


@pytest.mark.parametrize(
    "value",
    [
        "plain words",
        "",
        "yes",
        "Off",
        "~",
        "1",
        "2012-10-17",
        "a: b",
        "a:",
        "a #b",
        "a#b",
        "- a",
        "{a}",
        "$request.body.action",
        "*",
        '{"30": "${Queue}"}',
        "it's",
        "both \" and '",
        "two\nlines",
        " edges ",
        "ringback:admin",
        1,
        0.5,
        True,
        None,
        [],
        {},
        [1, [2, 3], {"a": {"b": []}}],
        ["a,b", "[c]"],
        {"on": {"y": "n"}, "2": 3},
        ref("Y"),
        att("Table.Arn"),
        sub("${Table.Arn}/index/*"),
        when("Wanted", ref("A")),
        when("Wanted", {"A": [ref("B"), NO_VALUE]}, []),
        Tag("Not", [Tag("Equals", [ref("A"), ""])]),
        Tag("Join", [",", ref("List")]),
        Note({"a": Note([1], above="one")}, above="a note\nof two lines", inside=("inside",)),
        [Note({"a": 1}, above="of an item"), "b"],
    ],
)
def test_reads_back(value: Any) -> None:
    written = dump({"value": value, "beside": {"same": value}}, head="a head")
    assert yaml_parse(written) == {"value": plain(value), "beside": {"same": plain(value)}}


def test_comments_are_broken_and_stand_where_they_belong() -> None:
    value = {"Resources": {"A": Note({"b": 1}, above="word " * 30), "C": {}}}
    lines = dump(value, apart=("Resources",)).splitlines()
    assert lines[0] == "Resources:"
    assert all(len(line) <= 100 for line in lines)
    assert lines[1].startswith("  # word word")
    assert lines[-4:] == ["  A:", "    b: 1", "", "  C: {}"]
