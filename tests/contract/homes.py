"""Where the contract's engines live: one class for each engine, one instance for each test.

A further engine needs a class here and a line in `HOMES`; the tests are the contract, and know
none of the engines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import apsw

from ringback.engines.sqlite import SqliteEngine
from ringback.ports import FullEngine


class Home(Protocol):
    """A fresh store, and as many engines on it as a test wants."""

    def engine(self, *, max_queued: int = ..., event_retention: float = ...) -> FullEngine:
        """One more engine on the store, still closed: what another process would have."""

    def events(self) -> list[tuple[str, str]]:
        """The events that are stored, in order: their ids, and the operations that made them."""


class SqliteHome:
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


HOMES: dict[str, Callable[[Path], Home]] = {"sqlite": SqliteHome}
