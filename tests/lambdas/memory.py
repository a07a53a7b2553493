"""Connections in memory beside a store of SQLite: what functions need of a table, without AWS."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ringback.core.connections import LEASE, Changes, Connection, Held, Passing, Rest, read, write
from ringback.core.model import Publication
from ringback.engines.dynamodb.connections import is_pattern
from ringback.engines.sqlite import SqliteEngine
from ringback.ports import QUEUE


@dataclasses.dataclass
class Row:
    data: bytes
    holder: str | None = None
    until: float = 0.0
    news: int = 0


class Memory:
    """What all functions share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.rows: dict[str, Row] = {}
        self.following: set[tuple[str, str]] = set()
        self.passing: dict[str, Passing] = {}
        self.rests: dict[str, Rest] = {}
        self.records: list[dict[str, Any]] = []
        self.told: Callable[[], None] = lambda: None
        self._read = 0

    def record(self, **what: Any) -> None:
        """Something that the stream tells."""
        with self.lock:
            sequence = {"SequenceNumber": str(len(self.records))}
            self.records.append({"eventSource": "aws:dynamodb", "dynamodb": sequence, **what})
        self.told()

    def engine(self) -> "MemoryTable":
        return MemoryTable(self)

    def settings(self) -> dict[str, Any]:
        return {}

    async def read(self) -> list[dict[str, Any]]:
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def told() -> None:
            loop.call_soon_threadsafe(news.set)

        self.told = told
        while not (records := self.records[self._read :]):
            await news.wait()
            news.clear()
        self._read += len(records)
        return records

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        async with self.engine() as engine:
            stop = engine.listen(lambda changed: self.record(topics=sorted(changed - {QUEUE})))
            try:
                yield
            finally:
                stop()


class MemoryTable(SqliteEngine):
    """One function's view of it."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(memory.folder)
        self.memory = memory

    async def open_connection(self, connection: Connection) -> None:
        self.memory.rows[connection.id] = Row(write(connection))
        self.memory.record(opened=connection.id)

    async def find_connection(self, id: str, now: float) -> tuple[Connection, bool] | None:
        row = self.memory.rows.get(id)
        if row is None:
            return None
        return read(row.data), row.holder is not None and row.until < now

    async def hold_connection(self, id: str, holder: str, now: float) -> Held | None:
        with self.memory.lock:
            row = self.memory.rows.get(id)
            if row is None:
                return None
            if row.holder is None or row.until < now:
                row.holder, row.until = holder, now + LEASE
            else:
                row.news += 1
            return Held(read(row.data), row.holder, row.news)

    async def save_connection(
        self, held: Held, now: float, *, release: bool, unfinished: bool = False
    ) -> Held | None:
        with self.memory.lock:
            row = self.memory.rows.get(held.connection.id)
            if row is None or row.holder != held.holder:
                return None
            if release and row.news != held.news:
                return msgspec.structs.replace(held, news=row.news)
            row.data, row.until = write(held.connection), now + LEASE
            if release:
                row.holder, row.news = None, 0
        if unfinished:
            self.memory.record(unfinished=held.connection.id)
        return held

    async def close_connection(self, id: str) -> None:
        with self.memory.lock:
            row = self.memory.rows.pop(id, None)
            if row is not None:
                self.memory.following -= {(text, id) for text in read(row.data).followed}

    async def add_follower(self, id: str, filter: str, *, pattern: bool) -> None:
        assert pattern == is_pattern(filter)
        with self.memory.lock:
            self.memory.following.add((filter, id))

    async def remove_follower(self, id: str, filter: str, *, pattern: bool) -> None:
        with self.memory.lock:
            self.memory.following.discard((filter, id))

    async def followers(self, topic: str, after: str = "") -> Sequence[str]:
        return [id for text, id in tuple(self.memory.following) if text == topic and id > after]

    async def pattern_followers(self) -> Sequence[tuple[str, str]]:
        return [each for each in tuple(self.memory.following) if is_pattern(each[0])]

    def changes(self, records: Sequence[Mapping[str, Any]]) -> Changes:
        return Changes(
            topics=frozenset(name for each in records for name in each.get("topics", ())),
            passing=tuple(
                found
                for each in records
                if (found := self.memory.passing.get(each.get("passing", "")))
            ),
            rests=tuple(
                self.memory.rests[each["rest"]]
                for each in records
                if each.get("rest") in self.memory.rests
            ),
            opened=tuple(each["opened"] for each in records if "opened" in each),
            unfinished=tuple(each["unfinished"] for each in records if "unfinished" in each),
        )

    async def take_passing(self, key: str) -> bool:
        waiting: dict[str, Any] = (
            self.memory.rests if key in self.memory.rests else (self.memory.passing)
        )
        return waiting.pop(key, None) is not None

    async def hand_on(self, rest: Rest) -> None:
        key = f"rest {len(self.memory.records)}"
        self.memory.rests[key] = msgspec.structs.replace(rest, key=key)
        self.memory.record(rest=key)

    async def flush(self) -> None:
        pass

    def relay(self, publications: Sequence[Publication], now: float) -> None:
        for publication in publications:
            key = str(len(self.memory.records))
            self.memory.passing[key] = Passing(key, ((publication, now),))
            self.memory.record(passing=key)
