"""Where the contract's engines live: one class for each engine, one instance for each test.

A further engine needs a class here and a line in `HOMES`; the tests are the contract, and know
none of the engines.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Protocol

import apsw
import pytest

from ringback.engines.dynamodb import DynamoEngine, items, schema
from ringback.engines.sqlite import SqliteEngine
from ringback.ports import FullEngine
from tests import moto


class Home(Protocol):
    """A fresh store, and as many engines on it as a test wants."""

    share: float
    """What part of the many in a test of many are done here: an engine whose requests go through
    a stand-in that takes milliseconds for each does fewer."""
    topics: int
    """Topics that one call publishes to."""
    exact: bool
    """Whether the bound of queued operations holds to the last one over several processes."""

    def engine(self, *, max_queued: int = ..., event_retention: float = ...) -> FullEngine:
        """One more engine on the store, still closed: what another process would have."""

    def events(self) -> list[tuple[str, str]]:
        """The events that are stored, in order: their ids, and the operations that made them."""


class SqliteHome:
    share = 1.0
    topics = 1000
    exact = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def engine(self, **options: Any) -> FullEngine:
        return SqliteEngine(self._folder, **options)

    def events(self) -> list[tuple[str, str]]:
        connection = apsw.Connection(str(self._folder / "ringback.db"))
        try:
            found: list[Any] = connection.execute(
                "SELECT id, operation FROM events ORDER BY row"
            ).fetchall()
        finally:
            connection.close()
        return found


class DynamoHome:
    """A table of its own, and a bucket for all. It has no expiry: what has expired is swept."""

    share = 0.015
    topics = 40
    exact = False

    def __init__(self, folder: Path) -> None:
        self._table = f"contract-{secrets.token_hex(6)}"
        self._client = moto.client("dynamodb")
        self._client.create_table(**schema.table(self._table))

    def engine(self, **options: Any) -> FullEngine:
        return DynamoEngine(self._table, bucket=moto.bucket(), options=moto.options(), **options)

    def events(self) -> list[tuple[str, str]]:
        found = self._client.scan(TableName=self._table)["Items"]
        events = [each for each in found if each["sk"]["S"].startswith("e#")]
        return [
            (items.event_of(each).id, each["pk"]["S"].partition("#")[2])
            for each in sorted(events, key=lambda each: str(each["sk"]["S"]))
        ]


class LargeDynamoHome(DynamoHome):
    """The same, and far more of it."""

    share = 0.3


HOMES: dict[str, type[SqliteHome | DynamoHome]] = {
    "sqlite": SqliteHome,
    "dynamodb": DynamoHome,
    "dynamodb, large": LargeDynamoHome,
}
_SOAK = (pytest.mark.soak, pytest.mark.timeout(900))
WHICH = [pytest.param(name, marks=_SOAK if "large" in name else ()) for name in HOMES]
"""Their names, for tests that run on each."""


def some(home: Home | type[SqliteHome | DynamoHome], many: int, least: int = 20) -> int:
    """How many of many are done on a home: a part, but so many at least that it says the same."""
    return max(min(least, many), int(many * home.share))
