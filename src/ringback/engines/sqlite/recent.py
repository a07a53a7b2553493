"""The keys that came last, and how they get to where all others are.

A key's place in ``idempotency_keys`` is as good as random: written at once, each acceptance would
change a page of its own. So a key first stands in the row of its operation, which is written
anyway, and each writing connection holds in memory which slots these have. When there are enough
of them that many fall on one page of the large table, they are merged into it in the order of
their slots.

What makes this right, all of it under SQLite's write lock:

- Operations are numbered in the order of arrival and no number is ever used again, so whoever has
  seen up to one number finds all that came since above it.
- A slot is only taken over from a key that has expired, and only such are swept. So of several
  keys with one slot, in rows or in the large table, the one that expires last counts.
- ``merges`` says up to which operation all keys have been copied, and of the merge that is under
  way, up to which slot. Every step moves that in the transaction that copies. So any process may
  do the next step of a merge that another began, and one that dies leaves nothing half done.
- A key outlives its operation: it is copied before its operation is deleted.

What a key means, and whether it counts at all, is in keys.py.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import apsw

SLOTS = 1 << 62
"""Slots that digests fall on: a signed 64-bit number, and some room for the next ones."""
ALL = (1 << 63) - 1
"""Beyond all slots."""
MERGE_AT = 50_000
"""Operations since the last merge beyond which there is one. Twice as many would take twice the
6 MB of memory in each process and the time to read them when it starts; with half as many keys, a
page is shared by half as many when a million are merged into."""
MERGE_KEYS = 4000
"""Keys copied in one transaction, about: some 20 ms where each changes a page of its own."""

Recent = tuple[int, bytes, float]
"""A key as its operation's row has it: slot, fingerprint, and when it expires."""
STORE = (
    "INSERT INTO idempotency_keys VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "fingerprint = excluded.fingerprint, operation = excluded.operation, "
    "expires_at = excluded.expires_at WHERE excluded.expires_at > expires_at"
)


class Key(NamedTuple):
    """A key that was found, wherever it is."""

    fingerprint: bytes
    operation: str
    expires_at: float


class RecentKeys:
    """Which slots the recent keys have, as one connection that writes knows it.

    To be used within a transaction. What needs them first looks at what others have committed.
    """

    def __init__(self, cursor: apsw.Cursor) -> None:
        self._cursor = cursor
        self._rows: dict[int, int] = {}
        """The newest operation of each slot. Some may be deleted by now, or their keys swept."""
        self._seen = self._seen_before = 0
        """The operation up to which they are known, and were before this transaction."""
        self._current = False
        self._undo: list[tuple[int, int | None]] = []
        """What each slot that was added in this transaction had before."""
        self._last = self._merged = self._floor = 0
        self._any_merged = False
        self._catch_up()
        self._current = False

    def __len__(self) -> int:
        """How many operations there may be whose keys are not merged."""
        return self._last - self._merged

    def begun(self, floor: int) -> None:
        """A transaction finds that no new operation may get this number, nor one below it."""
        self._floor = floor

    def committed(self) -> None:
        """What this transaction added is stored. From now on others may add and merge."""
        if self._current:
            self._seen = max(self._seen, self._last)
            self._current = False
            self._undo.clear()

    def rolled_back(self) -> None:
        """What this transaction added has not happened, if there was one at all."""
        if not self._current:
            return
        for slot, before in reversed(self._undo):
            if before is None:
                del self._rows[slot]
            else:
                self._rows[slot] = before
        self._undo.clear()
        self._seen = self._seen_before  # since then, some were its own
        self._current = False

    def _catch_up(self) -> None:
        """See what others have added and merged, once in a transaction."""
        self._current = True
        found: Any = self._cursor.execute(
            "SELECT merged, EXISTS (SELECT 1 FROM idempotency_keys), "
            "coalesce((SELECT max(row) FROM operations), 0) FROM merges"
        ).fetchone()
        merged, self._any_merged, last = found
        self._last = max(last, merged)  # the newest of those that were merged may be deleted
        if merged > self._merged:
            self._merged = merged
            self._rows = {slot: row for slot, row in self._rows.items() if row > merged}
        self._seen_before = self._seen = max(self._seen, merged)
        if self._last > self._seen:
            self._rows.update(
                self._cursor.execute(
                    "SELECT key_slot, row FROM operations "
                    "WHERE row > ? AND key_slot IS NOT NULL ORDER BY row",
                    (self._seen,),
                )
            )
            self._seen = self._last

    def at(self, slots: range) -> dict[int, Key]:
        """The keys that have these slots, recent or not."""
        if not self._current:
            self._catch_up()
        found: dict[int, Key] = {}
        if self._any_merged:
            for slot, fingerprint, operation, expires_at in self._cursor.execute(
                "SELECT slot, fingerprint, operation, expires_at FROM idempotency_keys "
                "WHERE slot >= ? AND slot < ?",
                (slots.start, slots.stop),
            ):
                found[slot] = Key(fingerprint, _unpacked(operation), expires_at)
        if self._rows.keys().isdisjoint(slots):
            return found
        for slot in slots:
            row: Any = self._cursor.execute(
                "SELECT key_fingerprint, id, key_expires FROM operations "
                "WHERE row = ? AND key_slot IS NOT NULL",
                (self._rows.get(slot),),
            ).fetchone()
            if row is not None and (slot not in found or row[2] > found[slot].expires_at):
                found[slot] = Key(*row)
        return found

    def add(self, row: int, key: Recent | None) -> int:
        """A new operation is stored, with this key, if any. Its number from now on."""
        if row <= self._floor:
            self._floor += 1
            self._cursor.execute("UPDATE operations SET row = ? WHERE row = ?", (self._floor, row))
            row = self._floor
        self._last = row
        if key is not None:
            slot = key[0]
            self._undo.append((slot, self._rows.get(slot)))
            self._rows[slot] = row
        return row

    def leave(self, rows: list[int], now: float) -> None:
        """Keep what operations leave that are to be deleted: their keys, and the last number."""
        found: Any = self._cursor.execute(
            "SELECT merged, (SELECT max(row) FROM operations) FROM merges"
        ).fetchone()
        merged, last = found
        self._copy([row for row in rows if row > merged], now)
        if last in rows:
            self._floor = max(last, self._floor)
            self._cursor.execute("UPDATE merges SET floor = ?", (self._floor,))

    def merge(self) -> bool:
        """Do the next step of a merge, if one is under way or due; whether it was."""
        if not self._current:
            self._catch_up()
        found: Any = self._cursor.execute("SELECT merged, upto, slot FROM merges").fetchone()
        merged, upto, start = found
        if upto == merged:
            if self._last - merged <= MERGE_AT:
                return False
            upto, start = self._last, 0
        steps = len(self._rows) // MERGE_KEYS + 1
        end = start + SLOTS // steps + 1
        if end >= SLOTS:
            merged, end = upto, ALL
        keys = self._rows.items()
        self._copy([row for slot, row in keys if start <= slot < end and row <= upto])
        self._cursor.execute(
            "UPDATE merges SET merged = ?, upto = ?, slot = ?", (merged, upto, end)
        )
        return True

    def _copy(self, rows: list[int], now: float = 0.0) -> None:
        """Put those keys of operations into the large table that have not expired by now."""
        if not rows:
            return
        found: list[Any] = self._cursor.execute(
            "SELECT key_slot, key_fingerprint, id, key_expires FROM operations WHERE row IN "
            "(SELECT value FROM json_each(?)) AND key_expires > ? ORDER BY key_slot",
            (json.dumps(rows), now),
        ).fetchall()
        self._cursor.executemany(
            STORE, [(slot, fingerprint, _packed(id), at) for slot, fingerprint, id, at in found]
        )
        self._any_merged = bool(self._any_merged or found)


def _packed(operation: str) -> bytes | str:
    """An id as 16 bytes, being a UUID; any other as it is."""
    digits = operation.replace("-", "")
    if len(operation) == 36 and len(digits) == 32 and operation == operation.lower():
        try:
            return bytes.fromhex(digits)
        except ValueError:
            return operation
    return operation


def _unpacked(operation: bytes | str) -> str:
    if isinstance(operation, str):
        return operation
    digits = operation.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
