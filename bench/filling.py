"""Fills a store with operations for the growth benchmark, in seconds rather than minutes.

`python -m bench.filling FOLDER TASK COUNT finished|queued`, in Ringback's environment. One
operation goes through Ringback itself; then its rows are copied by SQL, each time with an id,
a subject, times and an idempotency key of its own. So the rows are what this version writes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from bench.servers.ringback_growth import rb
from ringback.engines.sqlite.engine import FILE
from ringback.ids import new_id

HEAVY, HEAVY_EVERY = "heavy", 10  # one subject has a tenth of all
SUBJECTS = 1000  # the others share the rest
SPREAD_S = 86400.0  # accepted over one day: what the retention keeps
FAR = 10 * 365 * 86400.0  # nothing may expire: the file is kept between runs
CACHE_KIB = 2 * 1024 * 1024
SLOT_BYTES = 8
BATCH = 20_000
COPIED = "copied"
TIMES = ("created_at", "updated_at", "ready_at", "started_at", "finished_at")

Row = tuple[Any, ...]


async def accept_one(folder: Path, task: str, status: str) -> str:
    """Make the store, and in it the operation that is copied; its id."""
    rb.configure(data=folder)
    finished = status == "finished"
    async with rb.running(worker=finished):
        state = await rb.submit(task, {"index": 0}, subject=HEAVY, key=COPIED)
        if finished:
            await rb.wait(state.id, timeout=30)
    return state.id


class Copier:
    """The rows of one operation, and copies of them."""

    def __init__(self, connection: apsw.Connection, operation: str) -> None:
        cursor = connection.cursor()
        found = cursor.execute("SELECT * FROM operations WHERE id = ?", (operation,))
        self.columns = [name for name, *_ in found.get_description()]
        self.values: Row = next(iter(found))
        self.operation = operation
        self.row: int = self.values[0]
        self.messages: list[Row] = cursor.execute(
            "SELECT offset, kind, data FROM operation_messages WHERE operation = ?", (self.row,)
        ).fetchall()

    def copies(self, count: int) -> Iterator[tuple[Row, list[Row], Row]]:
        """The rows of operation, log and key of each copy, in the order of their ids."""
        place = {name: number for number, name in enumerate(self.columns)}
        end = time.time()
        for index in range(1, count):
            at = end - SPREAD_S * (1 - index / count)
            row, operation = self.row + index, new_id(at)
            values = list(self.values)
            values[place["row"]], values[place["id"]] = row, operation
            slot = values[place["key_slot"]] = int.from_bytes(os.urandom(SLOT_BYTES)) >> 2
            values[place["key_expires"]] = at + FAR
            heavy = index % HEAVY_EVERY == 0
            values[place["subject"]] = HEAVY if heavy else f"subject-{index % SUBJECTS}"
            values[place["input"]] = b'{"index":%d}' % index
            for name in TIMES:
                if values[place[name]] is not None:
                    values[place[name]] = at
            if values[place["expires_at"]] is not None:
                values[place["expires_at"]] = at + FAR
            own, copied = operation.encode(), self.operation.encode()
            messages = [
                (row, offset, kind, bytes(data).replace(copied, own), at)
                for offset, kind, data in self.messages
            ]
            packed = bytes.fromhex(operation.replace("-", ""))
            key = (slot, values[place["key_fingerprint"]], packed, at + FAR)
            yield tuple(values), messages, key


def copy(folder: Path, operation: str, count: int, *, queued: bool) -> None:
    """Fill up to `count` operations."""
    connection = apsw.Connection(str(folder / FILE))
    # No journal: a store that is not finished is thrown away.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
        connection.execute(f"PRAGMA {pragma}")
    copier = Copier(connection, operation)
    marks = ", ".join("?" * len(copier.columns))
    into_operations = f"INSERT INTO operations VALUES ({marks})"  # noqa: S608 - nobody's input
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    batch: list[tuple[Row, list[Row], Row]] = []

    def flush() -> None:
        cursor.executemany(into_operations, [b[0] for b in batch])
        cursor.executemany(
            "INSERT INTO operation_messages VALUES (?, ?, ?, ?, ?)",
            [message for b in batch for message in b[1]],
        )
        # In the order of arrival, which is none: so the pages get as full as they do in life.
        cursor.executemany(
            "INSERT INTO idempotency_keys VALUES (?, ?, ?, ?)", [b[2] for b in batch]
        )
        batch.clear()

    for each in copier.copies(count):
        batch.append(each)
        if len(batch) >= BATCH:
            flush()
    flush()
    if queued:
        # The first has to be the first in the queue, too: else a worker comes to it last.
        oldest = time.time() - SPREAD_S
        cursor.execute(
            "UPDATE operations SET created_at = ?1, updated_at = ?1, ready_at = ?1 WHERE row = ?2",
            (oldest, copier.row),
        )
        cursor.execute("UPDATE counters SET value = ? WHERE name = 'queued'", (count,))
    last = copier.row + count - 1
    cursor.execute("UPDATE merges SET floor = ?1, merged = ?1, upto = ?1", (last,))
    cursor.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def main() -> None:
    """Fill the store named on the command line."""
    folder, task, count, status = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    operation = asyncio.run(accept_one(folder, task, status))
    copy(folder, operation, count, queued=status == "queued")


if __name__ == "__main__":
    main()
