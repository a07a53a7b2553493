"""One thread that writes, and commits what concurrent requests bring in one transaction.

A commit waits for the disk; while it waits, the requests that arrive gather, and the next
commit takes them all. So the cost of an fsync is shared by as many as there are, without a
timer, and a lone request waits for the end of its loop turn and for nobody else. The loop hands
over one batch at a time: thread and loop change places once for each commit, not for each
request, which matters more than the statements do where both share a core.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from ringback.engines.sqlite.schema import configure, migrate
from ringback.errors import ConfigurationError, RingbackError, StoreUnavailable

T = TypeVar("T")

MAX_BATCH = 512
"""Jobs in one transaction: what a commit of some milliseconds gathers under full load."""
MAX_PENDING = 20_000
"""Jobs waiting for the writer; beyond it, the store is not keeping up and says so at once."""
BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process's write before the store counts as unavailable."""
BUSY_NAP = 0.0003
"""Seconds between two looks at a lock another process holds: a commit takes about as long."""
RETRY_AFTER = 2
"""Seconds after which a client may try again when the store could not commit."""

log = logging.getLogger("ringback.sqlite")

STORE_ERRORS = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.NoMemError,
    apsw.CorruptError,
    apsw.NotADBError,
)
"""What the disk, a lock or the folder does to us, as against a mistake of ours."""


class Transaction:
    """What a job works with. A job makes all its checks before its first write."""

    __slots__ = ("changed", "claimed_at", "cursor", "policies", "queued", "queued_before")

    def __init__(self, connection: apsw.Connection) -> None:
        self.cursor = connection.cursor()
        self.changed: set[str] = set()
        """Names of topics, and ``QUEUE``, to be hinted at after the commit."""
        self.queued = 0
        """How many operations are queued, as this transaction sees it."""
        self.queued_before = 0
        self.policies: dict[Any, int] = {}
        """Rows of policies that are known to be stored."""
        self.claimed_at = float("inf")
        """When this connection last claimed, to notice that the clock was set back."""

    def begin(self) -> None:
        self.cursor.execute("BEGIN IMMEDIATE")
        self.changed.clear()
        row = self.cursor.execute("SELECT value FROM counters WHERE name = 'queued'").fetchone()
        self.queued = self.queued_before = row[0] if row else 0

    def commit(self) -> None:
        if self.queued != self.queued_before:
            self.cursor.execute(
                "UPDATE counters SET value = ? WHERE name = 'queued'", (self.queued,)
            )
        self.cursor.execute("COMMIT")

    def rollback(self, connection: apsw.Connection) -> None:
        if not connection.get_autocommit():  # SQLite may have rolled back by itself
            self.cursor.execute("ROLLBACK")
        self.policies.clear()


_Job = tuple[Callable[[Transaction], Any], "asyncio.Future[Any]"]
_Outcome = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Writer:
    """The writing connection of one process, and its thread."""

    def __init__(self, path: Path, committed: Callable[[frozenset[str]], None]) -> None:
        """``committed`` is called on the event loop with what each transaction changed."""
        self._path = path
        self._committed = committed
        self._batches: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._waiting: list[_Job] = []
        self._scheduled = False
        self._writing = False
        self._loop: asyncio.AbstractEventLoop  # from open() on
        self._thread: threading.Thread | None = None
        self._store: tuple[apsw.Connection, Transaction] | None = None
        self._closed = True
        self._busy_since = 0.0

    async def open(self) -> None:
        """Open or create the database, in the thread that will write. Raises ConfigurationError."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="ringback-writer", daemon=True
        )
        self._thread.start()
        await opened

    async def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        if self._closed or self._thread is None:
            return
        self._closed = True
        if not self._writing and not self._waiting:
            self._batches.put(None)  # else the last batch's end says so
        await asyncio.to_thread(self._thread.join)

    def run(self, job: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Have ``job`` done in the next transaction; the future is done once that is on disk."""
        if self._closed:
            raise StoreUnavailable("The store is not open.", retry_after=RETRY_AFTER)
        if len(self._waiting) >= MAX_PENDING:
            raise StoreUnavailable(
                "The disk does not keep up with what is to be stored.", retry_after=RETRY_AFTER
            )
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append((job, future))
        if not self._writing and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        """Give the thread all that waits, if it is idle."""
        self._scheduled = False
        if self._writing:
            return
        if not self._waiting:
            if self._closed:
                self._batches.put(None)
            return
        self._writing = True
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._batches.put(batch)

    def _settle(self, outcomes: list[_Outcome], changed: frozenset[str]) -> None:
        self._writing = False
        self._hand_over()  # first, so that the disk is busy while the outcomes are told
        for future, result, error in outcomes:
            _finish(future, result, error)
        if changed:
            self._committed(changed)

    # What follows runs in the thread.

    def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            self._connect()
        except BaseException as error:  # handed to whoever opens the engine
            self._loop.call_soon_threadsafe(
                _finish, opened, None, _opening_error(error, self._path)
            )
            return
        self._loop.call_soon_threadsafe(_finish, opened, None, None)
        while (batch := self._batches.get()) is not None:
            self._report(*self._write(batch))
        if self._store is not None:
            self._store[0].close()

    def _connect(self) -> tuple[apsw.Connection, Transaction]:
        connection = apsw.Connection(str(self._path))
        connection.set_busy_handler(self._wait_for_lock)
        configure(connection)
        migrate(connection)
        self._store = connection, Transaction(connection)
        return self._store

    def _wait_for_lock(self, calls: int) -> bool:
        now = time.monotonic()
        if calls == 0:
            self._busy_since = now
        if now - self._busy_since > BUSY_TIMEOUT:
            return False
        time.sleep(BUSY_NAP)
        return True

    def _write(self, batch: list[_Job]) -> tuple[list[_Outcome], frozenset[str]]:
        try:
            return self._attempt(batch)
        except STORE_ERRORS as error:
            return self._unavailable(batch, error), frozenset()
        except Exception as error:
            if len(batch) == 1:
                log.exception("A write failed; its caller is told.")
                return [(batch[0][1], None, error)], frozenset()
        # One job is at fault: the others must not suffer with it.
        outcomes: list[_Outcome] = []
        changed: frozenset[str] = frozenset()
        for job in batch:
            outcome, more = self._write([job])
            outcomes += outcome
            changed |= more
        return outcomes, changed

    def _report(self, outcomes: list[_Outcome], changed: frozenset[str]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, outcomes, changed)
        except RuntimeError:  # the loop was closed under us: nobody is left to be told
            log.debug("The event loop closed before a commit could be reported.")

    def _attempt(self, batch: list[_Job]) -> tuple[list[_Outcome], frozenset[str]]:
        connection, transaction = self._store or self._connect()
        outcomes: list[_Outcome] = []
        try:
            transaction.begin()
            for job, future in batch:
                try:
                    outcomes.append((future, job(transaction), None))
                except RingbackError as error:  # refused by a check, before any write
                    outcomes.append((future, None, error))
            changed = frozenset(transaction.changed)
            transaction.commit()
        except BaseException:
            transaction.rollback(connection)
            raise
        return outcomes, changed

    def _unavailable(self, batch: list[_Job], error: apsw.Error) -> list[_Outcome]:
        log.error("The store cannot commit: %s", error)
        if not isinstance(error, apsw.BusyError) and self._store is not None:
            # The file may have gone bad under this connection; the next batch opens it anew.
            try:
                self._store[0].close(True)
            except apsw.Error:
                log.warning("The failed connection did not close cleanly.")
            self._store = None
        refusal = StoreUnavailable(
            f"The store cannot commit ({_reason(error)}), so nothing was accepted. "
            "Try again after Retry-After.",
            retry_after=RETRY_AFTER,
        )
        return [(future, None, refusal) for _, future in batch]


def _finish(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # its caller has gone away
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _opening_error(error: BaseException, path: Path) -> BaseException:
    if isinstance(error, apsw.Error):
        return ConfigurationError(
            f"The data folder cannot be used ({_reason(error)}): {path.parent}. "
            "Give a folder that this user can write to with --data or RINGBACK_DATA."
        )
    return error


def _reason(error: apsw.Error) -> str:
    """What happened, in words an operator understands."""
    match error:
        case apsw.FullError():
            return "the disk is full"
        case apsw.BusyError() | apsw.LockedError():
            return "another process has locked the database"
        case apsw.ReadOnlyError():
            return "the folder is read-only"
        case apsw.CantOpenError() | apsw.PermissionsError():
            return "the file cannot be opened"
        case apsw.CorruptError() | apsw.NotADBError():
            return "the file is damaged or is no Ringback database"
        case _:
            return f"input or output error: {error}"
