"""The embedded engine: the port on top of one SQLite file.

Writes go through the writer thread, which shares commits; reads of one operation or one page
of a log go straight to a second connection, on the event loop: in WAL mode they wait for
nobody, and take less time than handing them to a thread would.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import apsw
import msgspec

from ringback.core.filters import AnyFilter, Filter
from ringback.core.model import (
    Accepted,
    Change,
    Claimed,
    Demand,
    IdempotencyRecord,
    Message,
    OperationState,
    Page,
    Position,
    Publication,
    Query,
)
from ringback.core.topics import OPERATIONS
from ringback.engines.sqlite import claims, commit, journal, lists, logs, upkeep
from ringback.engines.sqlite.file import STORE_ERRORS, opening_error, reason
from ringback.engines.sqlite.hints import Neighbours, Watch
from ringback.engines.sqlite.keys import KeySweep
from ringback.engines.sqlite.merger import Merger
from ringback.engines.sqlite.readers import Readers
from ringback.engines.sqlite.writer import NOT_OPEN, RETRY_AFTER, Writer
from ringback.errors import ConfigurationError, StoreUnavailable
from ringback.ports import Hint, Relayed

T = TypeVar("T")
log = logging.getLogger("ringback.sqlite")

FILE = "ringback.db"
"""The name of the database in the data folder."""
READER_CACHE_KIB = 16 * 1024
"""KiB of page cache for the reading connection."""
READER_BUSY_MS = 100
"""Milliseconds: only recovery after a crash ever makes a reader wait."""
RELAY_BYTES = 96 * 1024
"""Bytes of relayed messages that are sent in one datagram, with one more message at most."""
_RELAYED = msgspec.msgpack.Encoder()
_RECEIVED = msgspec.msgpack.Decoder(tuple[list[Publication], float])
MAX_QUEUED = 1_000_000
"""Queued operations beyond which a new one is refused: days of work for most applications."""


class SqliteEngine:
    """``FullEngine`` in a folder on a local disk. Several processes may open the same folder."""

    def __init__(
        self,
        folder: Path | str,
        *,
        max_queued: int = MAX_QUEUED,
        event_retention: float = 86400.0,
    ) -> None:
        """``event_retention``: seconds for which emitted events are kept."""
        self.folder = Path(folder)
        self._max_queued = max_queued
        self._event_retention = event_retention
        self._expired_keys = KeySweep()
        self._silent_topics = upkeep.TopicSweep()
        self._path = self.folder / FILE
        self._writer = Writer(self._path, self._committed, self._reopen_reader)
        self._merger = Merger(self._writer)
        self._neighbours = Neighbours(self.folder, self._told, self._receive)
        self._reader: apsw.Connection | None = None
        self._readers = Readers(self._connect_reader)
        self._watch: Watch | None = None
        self._listeners: list[Hint] = []
        self._receivers: list[Relayed] = []
        self._epoch = ""

    async def __aenter__(self) -> Self:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {self.folder} cannot be made ({error.strerror}). "
                "Give one that this user can write to with --data or RINGBACK_DATA."
            ) from error
        await self._writer.open()
        try:
            self._epoch = self._writer.epoch or ""
            self._open_reader()
            self._neighbours.open()
            self._watch = Watch(self._data_version, self._hint)
            self._watch.open()
        except BaseException as error:
            await self.__aexit__()
            if isinstance(error, apsw.Error):
                raise opening_error(error, self._path) from error
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._watch is not None:
            await self._watch.close()
        await self._merger.close()
        await self._writer.close()
        self._neighbours.close()
        self._readers.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # Engine

    @property
    def epoch(self) -> str:
        return self._epoch

    def accept(self, change: Change, key: IdempotencyRecord | None) -> asyncio.Future[Accepted]:
        limit = self._max_queued
        return self._writer.run(lambda tx: commit.accept(tx, change, key, limit))

    def commit(self, change: Change) -> asyncio.Future[None]:
        return self._writer.run(lambda tx: commit.commit(tx, change))

    def claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> asyncio.Future[Claimed]:
        return self._writer.run(lambda tx: claims.claim(tx, worker, demands, limit, now))

    async def load(self, operation: str) -> OperationState:
        return self._read(lambda connection: logs.load(connection, operation))

    async def read(self, topic: str, after: Position | None, limit: int) -> Page:
        epoch = self._epoch
        if topic.startswith(OPERATIONS):
            operation = topic.removeprefix(OPERATIONS)
            return self._read(lambda c: logs.read(c, epoch, operation, after, limit))
        return self._read(lambda c: journal.read(c, epoch, topic, after, limit))

    # Journal

    async def follow(self, after: Position | None, limit: int) -> Page:
        return self._read(lambda c: journal.follow(c, self._epoch, after, limit))

    async def replay(self, filter: AnyFilter, after: Position | None, limit: int) -> Page:
        if isinstance(filter, Filter) and filter.exact:
            return await self.read(filter.text, after, limit)
        return await self._look(lambda c: journal.replay(c, self._epoch, filter, after, limit))

    async def trimmed(self, filter: AnyFilter) -> Mapping[str, int]:
        return await self._look(lambda connection: journal.trimmed(connection, filter))

    async def retained(
        self, filter: AnyFilter, upto: Position, limit: int, *, beyond: str = ""
    ) -> Sequence[Message]:
        def look(connection: apsw.Connection) -> Sequence[Message]:
            return journal.retained(connection, self._epoch, filter, upto, limit, beyond)

        return self._read(look) if filter.exact else await self._look(look)

    async def find(self, id: str) -> Position | None:
        return self._read(lambda connection: journal.find(connection, self._epoch, id))

    # Leases

    async def renew(
        self, leases: Sequence[tuple[str, int]], now: float
    ) -> tuple[frozenset[str], frozenset[str]]:
        return await self._writer.run(lambda tx: upkeep.renew(tx, leases, now))

    async def overdue(self, now: float, limit: int) -> Sequence[OperationState]:
        return self._read(lambda connection: upkeep.overdue(connection, now, limit))

    # Listing

    async def list(self, query: Query) -> Sequence[OperationState]:
        return await self._look(lambda connection: lists.listing(connection, query))

    async def _look(self, look: Callable[[apsw.Connection], T]) -> T:
        """Read what may take long, and so not on the event loop."""
        if self._reader is None:
            raise StoreUnavailable(NOT_OPEN, retry_after=RETRY_AFTER)
        return await asyncio.to_thread(self._look_now, look)

    def _look_now(self, look: Callable[[apsw.Connection], T]) -> T:
        try:
            return self._readers.use(look)
        except STORE_ERRORS as error:
            raise _unreadable(error) from error

    async def count_queued(self) -> int:
        return int(
            self._read(lambda c: c.execute("SELECT value FROM counters WHERE name = 'queued'").get)
        )

    async def count_queued_by_task(self) -> Mapping[str, int]:
        return await self._look(lists.queued_by_task)

    # Retention

    async def forget(self, operation: str, now: float) -> None:
        await self._writer.run(lambda tx: upkeep.forget(tx, operation, now))

    async def sweep(self, now: float) -> int:
        return await self._writer.run(
            lambda tx: upkeep.sweep(
                tx, now, self._event_retention, self._expired_keys, self._silent_topics
            ),
            long=True,
        )

    # Hints

    def listen(self, hint: Hint) -> Callable[[], None]:
        self._listeners.append(hint)

        def stop() -> None:
            if hint in self._listeners:
                self._listeners.remove(hint)

        return stop

    # Publishing

    async def publish(self, publications: Sequence[Publication], now: float) -> Sequence[Position]:
        return await self._writer.run(
            lambda tx: [
                Position(self._epoch, journal.append(tx, each, now)) for each in publications
            ]
        )

    # Relay

    def relay(self, publications: Sequence[Publication], now: float) -> None:
        if self._neighbours.present():
            self._relay_elsewhere(publications, now)
        for receive in tuple(self._receivers):
            receive(publications, now)

    def _relay_elsewhere(self, publications: Sequence[Publication], now: float) -> None:
        batch: list[Publication] = []
        size = 0
        for each in publications:
            size += len(each.data) + len(each.topic) + len(each.attributes or b"")
            if batch and size > RELAY_BYTES:
                self._neighbours.relay(_RELAYED.encode((batch, now)))
                batch, size = [], len(each.data)
            batch.append(each)
        self._neighbours.relay(_RELAYED.encode((batch, now)))

    def listen_relayed(self, receive: Relayed) -> Callable[[], None]:
        self._receivers.append(receive)

        def stop() -> None:
            if receive in self._receivers:
                self._receivers.remove(receive)

        return stop

    def _receive(self, data: bytes) -> None:
        try:
            publications, now = _RECEIVED.decode(data)
        except msgspec.MsgspecError as error:  # a process of another version
            log.warning("Relayed messages could not be read: %s", error)
            return
        for receive in tuple(self._receivers):
            receive(publications, now)

    # Facts

    async def fact(self, name: str) -> bytes | None:
        row = self._read(
            lambda c: c.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        )
        return bytes(row[0]) if row else None

    async def set_fact(self, name: str, value: bytes, *, replace: bool = True) -> bytes:
        verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
        await self._writer.run(
            lambda tx: tx.cursor.execute(f"{verb} INTO facts VALUES (?, ?)", (name, value))
        )
        return await self.fact(name) or b""

    def _open_reader(self) -> None:
        self._reader = self._connect_reader()

    def _connect_reader(self) -> apsw.Connection:
        reader = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
        reader.execute("PRAGMA query_only = 1")
        reader.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
        reader.set_busy_timeout(READER_BUSY_MS)
        return reader

    def _reopen_reader(self) -> None:
        """The file had failed, and may be another one since."""
        failed = self._reader
        if failed is None:  # the engine was closed meanwhile
            return
        try:
            self._open_reader()
        except STORE_ERRORS as error:
            log.warning("The store cannot be read yet (%s): %s", reason(error), error)
            return
        failed.close(True)
        self._readers.renew()

    def _data_version(self) -> int:
        if self._reader is None:
            return 0
        return int(self._reader.pragma("data_version"))

    def _read(self, query: Callable[[apsw.Connection], T]) -> T:
        if self._reader is None:
            raise StoreUnavailable(NOT_OPEN, retry_after=RETRY_AFTER)
        try:
            return query(self._reader)
        except STORE_ERRORS as error:
            raise _unreadable(error) from error

    def _committed(self, changed: frozenset[str]) -> None:
        self._neighbours.tell(changed)
        self._told(changed)
        self._merger.look()

    def _told(self, changed: frozenset[str]) -> None:
        if self._watch is not None:
            self._watch.explained()
        self._hint(changed)

    def _hint(self, changed: frozenset[str]) -> None:
        for listener in tuple(self._listeners):
            listener(changed)


def _unreadable(error: apsw.Error) -> StoreUnavailable:
    return StoreUnavailable(
        f"The store cannot be read ({reason(error)}). Try again after Retry-After.",
        retry_after=RETRY_AFTER,
    )
