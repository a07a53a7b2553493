"""Who may do what; deny first."""

from __future__ import annotations

import pytest

from ringback.core.access import ADMIN_SCOPE, ANONYMOUS, Claims, may_follow, may_forget, may_submit
from tests.core.states import operation

MINE = operation(subject="me")
NOBODYS = operation()
ADMIN = Claims(subject="boss", scopes=frozenset({ADMIN_SCOPE}))


def test_the_owner_an_administrator_and_the_token_follow() -> None:
    assert may_follow(Claims(subject="me"), MINE)
    assert may_follow(ADMIN, MINE)
    assert may_follow(Claims(operation=MINE.id), MINE)


@pytest.mark.parametrize(
    "claims",
    [
        ANONYMOUS,
        Claims(subject="other"),
        Claims(subject=""),
        Claims(operation=NOBODYS.id),
        Claims(subject="other", scopes=frozenset({"ringback"})),
    ],
)
def test_nobody_else_does(claims: Claims) -> None:
    assert not may_follow(claims, MINE)


def test_an_anonymous_operation_belongs_to_its_token_alone() -> None:
    """That neither has a subject does not make two anonymous callers the same."""
    assert not may_follow(ANONYMOUS, NOBODYS)
    assert may_follow(Claims(operation=NOBODYS.id), NOBODYS)


def test_submitting_needs_a_name_unless_told_otherwise() -> None:
    assert not may_submit(ANONYMOUS, development=False, public=False)
    assert not may_submit(Claims(operation=MINE.id), development=False, public=False)
    assert may_submit(Claims(subject="me"), development=False, public=False)
    assert may_submit(ANONYMOUS, development=True, public=False)
    assert may_submit(ANONYMOUS, development=False, public=True)


def test_what_belongs_to_somebody_only_they_forget() -> None:
    for claims in (Claims(subject="me"), ADMIN):
        assert may_forget(claims, MINE)
    assert not may_forget(Claims(operation=MINE.id), MINE), "a link that was passed on"
    assert not may_forget(Claims(subject="other"), MINE)
    assert may_forget(Claims(operation=NOBODYS.id), NOBODYS)
    assert not may_forget(Claims(subject="me"), NOBODYS)
