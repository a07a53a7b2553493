"""The public names are these: to add one is a promise, to remove one breaks somebody's program."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ringback

NAMES = {
    "BlockingOperation",
    "Claims",
    "CloudEvent",
    "Operation",
    "OperationCancelled",
    "OperationState",
    "Position",
    "RetryLater",
    "Ringback",
    "RingbackError",
    "Status",
    "TaskFailed",
    "Upload",
    "__version__",
}
PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "python.md"


def test_the_public_names_are_these() -> None:
    assert set(ringback.__all__) == NAMES
    assert sorted(ringback.__all__) == ringback.__all__


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_is_there(name: str) -> None:
    assert getattr(ringback, name) is not None
    assert name in dir(ringback)


def test_each_is_documented_and_nothing_else() -> None:
    headings = re.findall(r"^## `?(\w+)`?$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(NAMES)


def test_no_other_name_is_made_up() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = ringback.Nothing


def test_a_star_import_brings_all() -> None:
    text = f"from ringback import *; assert {NAMES - {'__version__'}!r} <= set(globals())"
    subprocess.run([sys.executable, "-c", text], check=True)


def test_the_package_is_typed() -> None:
    assert (Path(ringback.__file__).parent / "py.typed").is_file()
