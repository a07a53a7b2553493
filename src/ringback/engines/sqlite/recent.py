"""The keys that came last, and how they get to where all others are.

A key's place in ``idempotency_keys`` is as good as random: written at once, each acceptance would
change a page of its own. So keys are appended to ``recent_keys``, where many share a page, and
each writing connection holds in memory which slots these have. When there are enough of them that
many fall on one page of the large table, they are merged into it in the order of their slots.

What makes this right, all of it under SQLite's write lock:

- Rows are numbered in the order of arrival and the last one is never deleted, so a number is never
  used again, and whoever has seen up to one number finds all that came since above it.
- Of several rows with one slot, the newest counts, and before what the large table has there.
- A merge is one row in ``merges``: the rows up to ``upto`` that have a slot below ``slot`` have
  been copied. Every step moves it in the transaction that copies. So any process may do the next
  step of a merge that another began, and one that dies leaves nothing half done. Rows are deleted
  once all were copied.

What a key means, and whether it counts at all, is in keys.py.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import apsw

SLOTS = 1 << 62
"""Slots that digests fall on: a signed 64-bit number, and some room for the next ones."""
MERGE_AT = 50_000
"""Recent keys beyond which they are merged. Twice as many would take twice the 6 MB of memory in
each process; half as many share a page with half as many others when a million are merged into."""
MERGE_KEYS = 4000
"""Keys copied in one transaction, about: some 20 ms where each changes a page of its own."""
DELETE_ROWS = 10_000
"""Rows deleted in one transaction: some milliseconds, since they lie side by side."""


class Key(NamedTuple):
    """A key as it is stored, but for its slot."""

    fingerprint: bytes
    operation: bytes | str
    expires_at: float


class RecentKeys:
    """Which slots the recent keys have, as one connection that writes knows it.

    To be used within a transaction. Each way in first looks at what others have committed, so
    that what this one deletes itself, and may have to roll back, is not taken for that.
    """

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self._rows: dict[int, int] = {}
        """The newest row of each slot, in the order of the rows. Some may be deleted by now."""
        self._first = 1
        self._last = 0
        self._current = False
        self._undo: list[tuple[int, int | None]] = []
        """What each slot that was added in this transaction had before."""
        self._catch_up()
        self._current = False

    def __len__(self) -> int:
        """How many there are at most."""
        return self._last - self._first + 1

    def committed(self) -> None:
        """What this transaction added is stored. From now on others may add and merge."""
        self._current = False
        self._undo.clear()

    def rolled_back(self) -> None:
        """What this transaction added has not happened, if there was one at all."""
        for slot, before in reversed(self._undo):
            del self._rows[slot]
            if before is not None:
                self._rows[slot] = before
        self._last -= len(self._undo)
        self._undo.clear()
        self._current = False

    def _catch_up(self) -> None:
        """See what others have added and merged, once in a transaction."""
        if self._current:
            return
        self._current = True
        ends: Any = self._cursor.execute(
            "SELECT (SELECT min(row) FROM recent_keys), (SELECT max(row) FROM recent_keys)"
        ).fetchone()
        first, last = ends
        if last is None:
            return  # there has never been any
        if last > self._last:
            for row, slot in self._cursor.execute(
                "SELECT row, slot FROM recent_keys WHERE row > ? ORDER BY row", (self._last,)
            ):
                self._put(slot, row)
            self._last = last
        if first > self._first:
            older = itertools.takewhile(lambda each: each[1] < first, self._rows.items())
            for slot, _ in list(older):
                del self._rows[slot]
            self._first = first

    def at(self, slots: range) -> dict[int, Key]:
        """The keys that have these slots, recent or not."""
        self._catch_up()
        cursor = self._cursor
        found: dict[int, Key] = {
            slot: Key(*key)
            for slot, *key in cursor.execute(
                "SELECT slot, fingerprint, operation, expires_at FROM idempotency_keys "
                "WHERE slot >= ? AND slot < ?",
                (slots.start, slots.stop),
            )
        }
        if self._rows.keys().isdisjoint(slots):
            return found
        for slot in slots:
            row: Any = cursor.execute(
                "SELECT fingerprint, operation, expires_at FROM recent_keys WHERE row = ?",
                (self._rows.get(slot),),
            ).fetchone()
            if row is not None:
                found[slot] = Key(*row)
        return found

    def add_new(self, slots: range, key: Key) -> bool:
        """Store a key in the first of these slots, if no key has any of them; whether it was."""
        self._catch_up()
        if not self._rows.keys().isdisjoint(slots):
            return False
        self._cursor.execute(
            "INSERT INTO recent_keys SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM idempotency_keys WHERE slot >= ? AND slot < ?)",
            (self._last + 1, slots.start, *key, slots.start, slots.stop),
        )
        if not self._cursor.connection.changes():
            return False
        self._added(slots.start)
        return True

    def add(self, slot: int, key: Key) -> None:
        """Store a key, in place of any other that has this slot."""
        self._catch_up()
        self._cursor.execute(
            "INSERT INTO recent_keys VALUES (?, ?, ?, ?, ?)", (self._last + 1, slot, *key)
        )
        self._added(slot)

    def _added(self, slot: int) -> None:
        self._last += 1
        self._undo.append((slot, self._put(slot, self._last)))

    def _put(self, slot: int, row: int) -> int | None:
        before = self._rows.pop(slot, None)  # and back in at the end, to keep the order
        self._rows[slot] = row
        return before

    def sweep(self, now: float, limit: int) -> int:
        """Delete some that have expired; how many."""
        self._catch_up()
        self._cursor.execute(
            "DELETE FROM recent_keys WHERE row IN (SELECT row FROM recent_keys "
            "WHERE row < ? AND expires_at <= ? LIMIT ?)",
            (self._last, now, limit),
        )
        return self._cursor.connection.changes()

    def merge(self) -> bool:
        """Do the next step of a merge, if one is under way or due; whether it was."""
        self._catch_up()
        cursor = self._cursor
        found: Any = cursor.execute("SELECT upto, slot FROM merges").fetchone()
        if found is None:
            if len(self) <= MERGE_AT:
                return False
            found = (self._last - 1, 0)
            cursor.execute("INSERT INTO merges VALUES (?, ?)", found)
        upto, slot = found
        if slot < SLOTS:
            steps = max(0, upto - self._first) // MERGE_KEYS + 1
            self._copy(upto, slot, slot + SLOTS // steps + 1)
        else:
            self._delete(upto)
        return True

    def _copy(self, upto: int, slot: int, end: int) -> None:
        # Newer rows come later, and replace what they took the slot of.
        self._cursor.execute(
            "INSERT OR REPLACE INTO idempotency_keys "
            "SELECT slot, fingerprint, operation, expires_at FROM recent_keys "
            "WHERE row <= ?1 AND slot >= ?2 AND (slot < ?3 OR ?3 >= ?4) ORDER BY slot, row",
            (upto, slot, end, SLOTS),
        )
        self._cursor.execute("UPDATE merges SET slot = ?", (end,))

    def _delete(self, upto: int) -> None:
        rows = min(upto, self._first + DELETE_ROWS - 1)
        self._cursor.execute("DELETE FROM recent_keys WHERE row <= ?", (rows,))
        if rows == upto:
            self._cursor.execute("DELETE FROM merges")
