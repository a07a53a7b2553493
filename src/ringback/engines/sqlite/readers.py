"""Connections for what may take long to read, and is therefore read in threads.

A connection knows the schema and has pages of the file in memory: to open one for each list would
take about as long as the list itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import apsw

T = TypeVar("T")

KEPT = 2
"""Idle connections, each with its cache. More are opened while more is read at a time."""


class Readers:
    """Lends each call a connection of its own; any thread may call."""

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self._connect = connect
        self._idle: list[apsw.Connection] = []
        self._renewals = 0
        self._kept = KEPT
        self._lock = threading.Lock()

    def use(self, look: Callable[[apsw.Connection], T]) -> T:
        """What ``look`` finds; raises what it raises, and keeps no connection then."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
            renewals = self._renewals
        if connection is None:
            connection = self._connect()
        kept = False
        try:
            found = look(connection)
            # One that has not read to its end would go on seeing the store as it was.
            ended = connection.txn_state("main") == apsw.SQLITE_TXN_NONE
            with self._lock:
                kept = ended and renewals == self._renewals and len(self._idle) < self._kept
                if kept:
                    self._idle.append(connection)
        finally:
            if not kept:
                connection.close(True)
        return found

    def renew(self) -> None:
        """Use none of the connections again: the file may be another one since."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._renewals += 1
        for connection in idle:
            connection.close(True)

    def close(self) -> None:
        """Keep none from now on."""
        self._kept = 0
        self.renew()
