"""What people type, and how times and errors are shown to them."""

from pathlib import Path

import msgspec
import pytest

from ringback.cli import exits, moments
from ringback.cli.commands.settings import _without_password
from ringback.cli.inputs import duration, read_input
from ringback.client import Refused, Unreachable
from ringback.errors import (
    ConfigurationError,
    Forbidden,
    InvalidInput,
    QueueFull,
    RingbackError,
    StoreUnavailable,
    TransitionError,
    Unauthenticated,
    UnknownTask,
)


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], {}),
        (['{"a": 1}'], {"a": 1}),
        (["[1, 2]"], [1, 2]),
        (['"a=b"'], "a=b"),
        (["3"], 3),
        (["null"], None),
        (["n=3", "x=1.5", "yes=true", "no=null"], {"n": 3, "x": 1.5, "yes": True, "no": None}),
        (["name=Ada Lovelace"], {"name": "Ada Lovelace"}),
        (["zip=01234"], {"zip": "01234"}),
        (['code="007"'], {"code": "007"}),
        (['tags=["a","b"]', "o={}"], {"tags": ["a", "b"], "o": {}}),
        (["empty="], {"empty": ""}),
        (["formula=a=b"], {"formula": "a=b"}),
        (["text=two\nlines"], {"text": "two\nlines"}),
    ],
)
def test_input(arguments: list[str], value: object) -> None:
    assert msgspec.json.decode(read_input(arguments)) == value


def test_an_input_file_is_sent_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b' {"a": 1.10} ')
    assert read_input([f"@{file}"]) == b' {"a": 1.10} '
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not JSON"):
        read_input([f"@{file}"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5h", 5400), ("30m", 1800), ("7d", 604800), ("2w", 1209600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1h", "0", "1y", "1h30m", "1 h 2"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigurationError, match="1h, 7d"):
        duration(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 ms"),
        (0.0042, "4 ms"),
        (1.25, "1.2 s"),
        (9.99, "10.0 s"),
        (59.6, "1 min"),
        (95, "1 min 35 s"),
        (3600, "1 h"),
        (3 * 3600 + 59, "3 h"),
        (90061, "1 d 1 h"),
        (15 * 86400, "2 w 1 d"),
    ],
)
def test_lengths_of_time(seconds: float, shown: str) -> None:
    assert moments.span(seconds) == shown


def test_how_long_ago() -> None:
    now = moments.parsed("2026-01-01T00:01:30Z")
    assert moments.ago("2026-01-01T00:00:00.000Z", now) == "1 min ago"
    assert moments.ago("2026-01-01T00:02:30.000Z", now) == "in 1 min"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput(), 2),
        (UnknownTask(), 2),
        (Unauthenticated(), 2),
        (Forbidden(), 2),
        (ConfigurationError(), 2),
        (TransitionError(), 2),
        (QueueFull(), 4),
        (StoreUnavailable(), 4),
        (Unreachable(), 4),
        (Refused(status=502), 4),
        (Refused(status=405), 2),
        (RingbackError(), 4),
    ],
)
def test_exit_statuses_of_errors(error: RingbackError, status: int) -> None:
    assert exits.status_of(error) == status


def test_an_error_is_explained_without_control_characters() -> None:
    error = InvalidInput(
        "No\x1b[2J.", errors=[{"pointer": "/a/0\x07", "detail": "wrong"}], near=["x\x1b"]
    )
    text = exits.explain(error)
    assert "a.0" in text
    assert "\x1b" not in text
    assert "\x07" not in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://h:4222/", "nats://h:4222/"),
        ("nats://user@h/", "nats://user@h/"),
        ("nats://user:secret@h/", "nats://user:••••••@h/"),
        ("nats://user:se@cret@h", "nats://user:••••••@h"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert _without_password(url) == shown
