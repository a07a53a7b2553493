"""Header fields and parameters: no text breaks the parsers, and what is valid is read."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ringback.edges.http import fields
from ringback.errors import MalformedRequest
from ringback.tasks.inputs import MAX_KEY_LENGTH, check_caller

VISIBLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
LATIN = st.text(st.characters(max_codepoint=255))


@given(VISIBLE)
def test_any_key_is_read_from_a_structured_field(key: str) -> None:
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", key) + '"'
    assert fields.idempotency_key(quoted) == key
    assert fields.idempotency_key(f"  {quoted} ") == key
    assert fields.idempotency_key(f"{quoted};a=1") == key


@given(LATIN)
def test_any_other_text_is_refused_or_a_key(text: str) -> None:
    try:
        key = fields.idempotency_key(text)
        check_caller(None, key)
    except MalformedRequest:
        return
    assert 1 <= len(key) <= MAX_KEY_LENGTH
    assert key.isascii()
    assert key.isprintable()


@given(LATIN)
def test_a_preference_is_never_an_error(text: str) -> None:
    asynchronous, wait = fields.preferences(text)
    assert isinstance(asynchronous, bool)
    assert wait is None or wait >= 0


@given(st.lists(st.sampled_from(["respond-async", "wait=7", 'wait="7"', "x=1", "y"]), max_size=6))
def test_preferences_are_read_in_any_order(parts: list[str]) -> None:
    asynchronous, wait = fields.preferences(", ".join(parts))
    assert asynchronous is ("respond-async" in parts)
    assert wait == (7 if any("wait" in part for part in parts) else None)


@given(LATIN)
def test_entity_tags_are_never_an_error(text: str) -> None:
    strong = fields.entity_tags(text, weak=False)
    assert strong <= fields.entity_tags(text, weak=True)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=5))
def test_tags_are_read(versions: list[int]) -> None:
    quoted = ", ".join(f'"{version}"' for version in versions)
    weak = ", ".join(f'W/"{version}"' for version in versions)
    expected = {str(version) for version in versions}
    assert fields.entity_tags(quoted, weak=False) == expected
    assert fields.entity_tags(weak, weak=True) == expected
    assert fields.entity_tags(weak, weak=False) == set()


@given(st.text(), st.text())
def test_a_start_is_a_time_or_refused(delay: str, moment: str) -> None:
    for query in ({"delay": delay}, {"start_at": moment}, {"delay": delay, "start_at": moment}):
        try:
            found = fields.start_at(query, 1000.0)
        except MalformedRequest:
            continue
        assert found is not None
        assert abs(found) < 1e15


@given(st.datetimes())
def test_any_moment_is_read(moment: datetime) -> None:
    utc = moment.replace(tzinfo=UTC)
    text = utc.isoformat().replace("+00:00", "Z")
    assert fields.start_at({"start_at": text}, 0.0) == utc.timestamp()
    assert fields.start_at({"start_at": text.lower()}, 0.0) == utc.timestamp()
