"""What a pattern may cost, in steps: whoever follows by one, everybody waits for it."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from ringback.core import automaton
from ringback.core.automaton import MAX_JUMPS, MAX_NAMED, MAX_STATES
from ringback.core.filters import parse
from ringback.core.uri_template import compile_template
from ringback.core.url_pattern import PathPattern, UrlPattern
from ringback.errors import InvalidInput, MalformedRequest

HUB = "http://localhost:8000/.well-known/mercure"
LINES_PER_CHARACTER = 5 + 3 * MAX_JUMPS
"""Of the loop that reads a text; three for each jump."""


def lines(work: Callable[[], object]) -> int:
    """How many lines of the automaton's module run."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != automaton.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


COSTLY = {
    "stars": "/p/" + "*".join("ab" * (MAX_STATES // 4)),
    "exponentially many sets of states": f"/p/(.*a[ab]{{{MAX_STATES - 10}}})",
    "all is optional, and again": "/p/((?:" + "[ab]?" * 14 + ")*)x",
    "nested repetitions": "/p/((?:a|b|(?:ab?)*)*)x",
}


@pytest.mark.parametrize("pattern", COSTLY.values(), ids=COSTLY)
def test_a_character_costs_a_bounded_number_of_steps(pattern: str) -> None:
    filter = parse(pattern)
    for topic in ("p/" + "abb" * 80, "p/" + "ab" * 120, "p/" + "a" * 240):
        steps = lines(lambda topic=topic: filter.matches(topic))  # type: ignore[misc]
        assert len(topic) < steps < len(topic) * LINES_PER_CHARACTER


@pytest.mark.parametrize(
    "pattern",
    [
        "/p/" + "*".join("ab" * 125),
        "/p/:x/" + "y" * MAX_STATES,
        r"/:a(\d{60})/:b(\d{60})",
        "/((?:" + "".join(f"{letter}?" for letter in "abcdefghijklmnopqrstuvwxyz") + ")+x)",
        "/(((((){100}){100}){100}){100})",
        f"/([\u0400-{chr(0x400 + MAX_NAMED)}])",
        "/([\u0400-\u0500])([\u0500-\u0600])",
        "/" + "".join(f"([\u0400-{chr(0x500 + n)}])" for n in range(50)),
    ],
)
def test_what_would_cost_more_is_refused(pattern: str) -> None:
    with pytest.raises(MalformedRequest):
        PathPattern(pattern)
    with pytest.raises(MalformedRequest):
        UrlPattern(pattern, HUB)
    with pytest.raises(InvalidInput):
        parse(pattern)


def test_refusing_costs_a_bounded_number_of_steps() -> None:
    """Without a character nothing else would bound them: here, a hundred million parts."""

    def refused() -> None:
        with pytest.raises(MalformedRequest):
            PathPattern("/(((((){100}){100}){100}){100})")

    assert lines(refused) < 100_000


@pytest.mark.parametrize("template", ["{a:30}", "{?" + ",".join("abcdefghijklmnop") + "}"])
def test_a_template_that_would_cost_more_is_refused(template: str) -> None:
    with pytest.raises(MalformedRequest):
        compile_template(template)


def test_there_is_room_for_what_people_write() -> None:
    digits = "([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    uuid = "0b0f3a56-7c1d-4e1f-9a57-0123456789ab"
    pattern = UrlPattern(f"https://example.com/:a{digits}/x/:b{digits}", HUB)
    assert pattern.matches(f"https://example.com/{uuid}/x/{uuid}")
    assert not pattern.matches(f"https://example.com/{uuid}/x/{uuid}0")
    host = "https://a-name-of-a-host-that-is-long.example.com/organizations/"
    template = compile_template(host + "{id}/orders{?status,from,to,page,size,sort*}")
    assert template.matches(host + "7/orders?status=open&page=2&sort=a&sort=b")
    assert template.matches(host + "7/orders?size=1")
    assert not template.matches(host + "7/orders?total=2:")
    assert parse("/" + "x" * 200 + "/:id").matches("x" * 200 + "/1"), "a literal beginning is free"


def test_the_same_pattern_is_read_once_and_asked_once_for_a_topic() -> None:
    text, topic = "/asked/:once(\\w+)", "asked/" + "x" * 200
    first = parse(text)
    assert lines(lambda: first.matches(topic)) > len(topic)
    second = parse(text)
    assert second.also is first.also
    assert lines(lambda: second.matches(topic)) < 10


def test_what_is_remembered_of_a_pattern_is_no_more_than_was_written() -> None:
    """Patterns are remembered by the thousand, and a range of many characters is soon written."""
    parts = [f"([{chr(first)}-{chr(first + MAX_NAMED - 20)}])" for first in range(0x4E00, 0x4E05)]
    texts = [f"{{}}://{{}}.x{n}/{{}}/?{{}}#{{}}".format(*parts) for n in range(100)]
    UrlPattern(texts[0], HUB)
    tracemalloc.start()
    try:
        kept = [UrlPattern(text, HUB) for text in texts]
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / len(kept) < 16 * 1024
