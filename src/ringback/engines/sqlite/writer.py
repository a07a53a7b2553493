"""One connection that writes, and commits what concurrent requests bring in one transaction.

A commit waits for the disk; while it waits, the requests that arrive gather, and the next
commit takes them all. So the cost of an fsync is shared by as many as there are, without a
timer, and a lone request waits for the end of its loop turn and for nobody else.

The statements run on the event loop, the commit in a thread. A statement takes microseconds,
and handing each to a thread costs more than that: SQLite lets go of the interpreter lock
around every one, and the thread then queues for it behind the loop. What may wait goes to the
thread whole: a lock that another process holds, a job that is known to be long, a connection
to be opened. One batch is under way at a time, so loop and thread never meet in SQLite.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw

from ringback.engines.sqlite.file import PASSING, STORE_ERRORS, File, opening_error, reason
from ringback.engines.sqlite.recent import RecentKeys
from ringback.errors import ConfigurationError, RingbackError, StoreUnavailable

T = TypeVar("T")

MAX_BATCH = 256
"""Jobs in one transaction: what a commit of some milliseconds gathers under full load, and a few
milliseconds of statements at most."""
MAX_PENDING = 20_000
"""Jobs waiting for the writer; beyond it, the store is not keeping up and says so at once."""
BUSY_TIMEOUT = 2.0
"""Seconds to wait for another process's write before the store counts as unavailable."""
OPENING_TIMEOUT = 10.0
"""Seconds to wait at the start for other processes that open the file or bring it up to date."""
BUSY_NAP = 0.0003
"""Seconds between two looks at a lock another process holds: a commit takes about as long."""
RETRY_AFTER = 2
"""Seconds after which a client may try again when the store could not commit."""
NOT_OPEN = "The store is not open: this server is starting or stopping."
BEGUN = "SELECT value, (SELECT floor FROM merges) FROM counters WHERE name = 'queued'"
"""What every transaction must know of the store: in one statement, since many are small."""

log = logging.getLogger("ringback.sqlite")


class Transaction:
    """What a job works with. A job makes all its checks before its first write."""

    __slots__ = ("changed", "claimed_at", "cursor", "policies", "queued", "queued_before", "recent")

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
        """When this connection last claimed, to notice that the clock was set back. Infinity:
        that is not known, and has to be looked into."""
        self.recent = RecentKeys(self.cursor)

    def begin(self) -> None:
        self.cursor.execute("BEGIN IMMEDIATE")
        self.changed.clear()
        found: Any = self.cursor.execute(BEGUN).fetchone()
        self.queued, floor = found
        self.queued_before = self.queued
        self.recent.begun(floor)

    def commit(self) -> None:
        if self.queued != self.queued_before:
            self.cursor.execute(
                "UPDATE counters SET value = ? WHERE name = 'queued'", (self.queued,)
            )
        self.cursor.execute("COMMIT")
        self.recent.committed()

    def rollback(self) -> None:
        if not self.cursor.connection.get_autocommit():  # SQLite may have rolled back by itself
            self.cursor.execute("ROLLBACK")
        self.policies.clear()
        self.recent.rolled_back()
        self.claimed_at = float("inf")


class _Job(NamedTuple):
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    long: bool


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    result: Any
    error: BaseException | None


class _Prepared(NamedTuple):
    """A batch whose statements have run: it lacks its commit."""

    batch: list[_Job]
    outcomes: list[_Outcome]
    changed: frozenset[str]


class Writer:
    """The writing connection of one process, and its thread."""

    def __init__(
        self,
        path: Path,
        committed: Callable[[frozenset[str]], None],
        reopened: Callable[[], None],
    ) -> None:
        """Both are called on the event loop: ``committed`` with what each transaction changed,
        ``reopened`` when the file had failed and has been opened anew.
        """
        self._path = path
        self._committed = committed
        self._reopened = reopened
        self._batches: queue.SimpleQueue[list[_Job] | _Prepared | None] = queue.SimpleQueue()
        self._waiting: list[_Job] = []
        self._scheduled = False
        self._writing = False
        self._loop: asyncio.AbstractEventLoop  # from open() on
        self._thread: threading.Thread | None = None
        self._store: tuple[File, Transaction] | None = None
        self.epoch: str | None = None
        """That of the operations' logs, once the file was opened."""
        self._closed = True
        self._patient = True
        """Whether a lock may be waited for: in the thread, and never on the loop."""
        self._busy_since = 0.0
        self._busy_timeout = OPENING_TIMEOUT

    @property
    def unmerged(self) -> int:
        """How many operations may have keys to be merged, as far as this connection has seen."""
        return len(self._store[1].recent) if self._store else 0

    async def open(self) -> None:
        """Open or create the database, in the thread that will write. Raises ConfigurationError."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._thread = threading.Thread(
            target=self._run, args=(opened,), name="ringback-writer", daemon=True
        )
        self._thread.start()
        try:
            await opened
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        if self._closed or self._thread is None:
            return
        self._closed = True
        if not self._writing and not self._waiting:
            self._batches.put(None)  # else the last batch's end says so
        await asyncio.to_thread(self._thread.join)

    def run(self, work: Callable[[Transaction], T], *, long: bool = False) -> asyncio.Future[T]:
        """Have ``work`` done in the next transaction; the future is done once that is on disk.

        ``long`` work takes milliseconds, and is kept off the event loop. Work may be done
        again from its beginning, if the transaction it was in had to be rolled back.
        """
        if self._closed:
            raise StoreUnavailable(NOT_OPEN, retry_after=RETRY_AFTER)
        if len(self._waiting) >= MAX_PENDING:
            raise StoreUnavailable(
                "The disk does not keep up with what is to be stored.", retry_after=RETRY_AFTER
            )
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Job(work, future, long))
        if not self._writing and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._begin)
        return future

    def _begin(self) -> None:
        """Write all that waits, if no batch is under way."""
        self._scheduled = False
        if self._writing:
            return
        if not self._waiting:
            if self._closed:
                self._batches.put(None)
            return
        self._writing = True
        batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
        self._batches.put(self._prepare(batch) or batch)

    def _prepare(self, batch: list[_Job]) -> _Prepared | None:
        """Run a batch's statements here and now; None where that is the thread's to do."""
        if self._store is None or any(job.long for job in batch):
            return None
        file, transaction = self._store
        self._patient = False
        try:
            file.check()
            transaction.begin()
            outcomes = _run_all(batch, transaction)
            return _Prepared(batch, outcomes, frozenset(transaction.changed))
        except Exception as error:
            # The thread does it all again: it waits for locks, and finds out what is at fault.
            log.debug("A batch goes to the thread: %s", error)
            self._roll_back()
            return None
        finally:
            self._patient = True

    def _roll_back(self) -> None:
        """Undo what was not committed. A connection that cannot even do that is given up."""
        if self._store is None:
            return
        try:
            self._store[1].rollback()
        except apsw.Error as error:
            log.warning("A failed transaction could not be rolled back: %s", error)
            self._drop()

    def _drop(self) -> None:
        """Give up the connection; the next batch opens the file anew."""
        if self._store is not None:
            self._store[0].close()
            self._store = None

    def _settle(self, outcomes: list[_Outcome], changed: frozenset[str]) -> None:
        self._writing = False
        for future, result, error in outcomes:
            _finish(future, result, error)
        if self._waiting or self._closed:
            self._begin()
        if changed:
            self._committed(changed)

    # What follows runs in the thread.

    def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            self._store = self._open()
        except BaseException as error:  # handed to whoever opens the engine
            self._tell(_finish, opened, None, opening_error(error, self._path))
        else:
            self._tell(_finish, opened, None, None)
        while (batch := self._batches.get()) is not None:
            if isinstance(batch, _Prepared):
                self._tell(self._settle, *self._commit(batch))
            else:
                self._tell(self._settle, *self._write(batch))
        if self._store is not None:
            self._store[0].close()

    def _open(self) -> tuple[File, Transaction]:
        """Connect, beside others that may be doing the same: SQLite asks no busy handler when
        several turn a new file to WAL at once, and tells all but one that it is locked.
        """
        deadline = time.monotonic() + OPENING_TIMEOUT
        while True:
            try:
                store = self._connect()
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(BUSY_NAP)
            else:
                self._busy_timeout = BUSY_TIMEOUT
                return store

    def _connect(self) -> tuple[File, Transaction]:
        file = File(self._path, self._wait_for_lock, epoch=self.epoch)
        self.epoch = file.epoch
        return file, Transaction(file.connection)

    def _wait_for_lock(self, calls: int) -> bool:
        if not self._patient:
            return False
        now = time.monotonic()
        if calls == 0:
            self._busy_since = now
        if now - self._busy_since > self._busy_timeout:
            return False
        time.sleep(BUSY_NAP)
        return True

    def _commit(self, prepared: _Prepared) -> tuple[list[_Outcome], frozenset[str]]:
        if self._store is None:
            return self._write(prepared.batch)
        try:
            self._store[1].commit()
        except STORE_ERRORS as error:
            self._roll_back()
            return self._unavailable(prepared.batch, error), frozenset()
        except Exception:
            log.exception("A commit failed; its batch is written anew.")
            self._roll_back()
            return self._write(prepared.batch)
        return prepared.outcomes, prepared.changed

    def _write(self, batch: list[_Job]) -> tuple[list[_Outcome], frozenset[str]]:
        try:
            return self._attempt(batch)
        except STORE_ERRORS as error:
            return self._unavailable(batch, error), frozenset()
        except Exception as error:
            if len(batch) == 1:
                log.exception("A write failed; its caller is told.")
                return [_Outcome(batch[0].future, None, error)], frozenset()
        # One job is at fault: the others must not suffer with it.
        outcomes: list[_Outcome] = []
        changed: frozenset[str] = frozenset()
        for job in batch:
            outcome, more = self._write([job])
            outcomes += outcome
            changed |= more
        return outcomes, changed

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop was closed under us: nobody is left to be told
            log.debug("The event loop closed before a commit could be reported.")

    def _attempt(self, batch: list[_Job]) -> tuple[list[_Outcome], frozenset[str]]:
        file, transaction = self._store or self._reconnect()
        file.check()
        try:
            transaction.begin()
            outcomes = _run_all(batch, transaction)
            changed = frozenset(transaction.changed)
            transaction.commit()
        except BaseException:
            self._roll_back()
            raise
        return outcomes, changed

    def _reconnect(self) -> tuple[File, Transaction]:
        """Open the file anew. One that is gone is not made again: nobody would see the loss."""
        try:
            self._store = self._connect()
        except ConfigurationError as error:
            raise apsw.CantOpenError(str(error)) from error
        self._tell(self._reopened)
        return self._store

    def _unavailable(self, batch: list[_Job], error: apsw.Error) -> list[_Outcome]:
        log.error("The store cannot commit (%s): %s", reason(error), error)
        if not isinstance(error, PASSING):
            self._drop()  # the file may have gone bad under this connection
        text = (
            f"The store cannot commit ({reason(error)}), so nothing was accepted. "
            "Try again after Retry-After."
        )
        return [
            _Outcome(job.future, None, StoreUnavailable(text, retry_after=RETRY_AFTER))
            for job in batch
        ]


def _run_all(batch: list[_Job], transaction: Transaction) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    for work, future, _ in batch:
        try:
            outcomes.append(_Outcome(future, work(transaction), None))
        except RingbackError as error:  # refused by a check, before any write
            outcomes.append(_Outcome(future, None, error))
    return outcomes


def _finish(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # its caller has gone away
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
