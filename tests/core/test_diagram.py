"""The committed diagram of the lifecycle is the one that the table gives."""

from __future__ import annotations

import re

from docs import lifecycle
from ringback.core.commands import Verb
from ringback.core.lifecycle import TRANSITIONS
from ringback.core.model import TERMINAL, Status


def test_the_page_has_todays_diagram() -> None:
    page = lifecycle.PAGE.read_text("utf-8")
    assert lifecycle.drawn(page) == page, "run: python docs/lifecycle.py"


def test_the_diagram_shows_every_transition() -> None:
    shown: set[tuple[str, str, str]] = set()
    for source, target, label in re.findall(r"(\w+) --> (\w+): (.+)", lifecycle.diagram()):
        shown |= {(source, verb, target) for verb in label.split(", ")}
    assert shown == {
        (status.value, verb.value, target.value)
        for (status, verb), targets in TRANSITIONS.items()
        for target in targets
        if status not in TERMINAL
    }


def test_the_page_explains_every_verb() -> None:
    page = lifecycle.PAGE.read_text("utf-8")
    explained = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert explained == {verb.value for verb in Verb}
    assert all(status.value in page for status in Status)
