"""Connections that write, and keys that they take: what the tests of keys are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ringback.core.lifecycle import accept
from ringback.core.model import Accepted, IdempotencyRecord
from ringback.engines.sqlite import commit, upkeep
from ringback.engines.sqlite.engine import FILE
from ringback.engines.sqlite.file import File
from ringback.engines.sqlite.recent import SLOTS
from ringback.engines.sqlite.writer import Transaction
from tests.core.states import NOW, operation

FEW = {"MERGE_AT": 6, "MERGE_KEYS": 2}
"""Bounds that a short story goes beyond."""


def opened(folder: Path) -> Transaction:
    """Another connection that writes; a lock it does not wait for."""
    folder.mkdir(exist_ok=True)
    return Transaction(File(folder / FILE, lambda calls: False, epoch=None).connection)


def close(transaction: Transaction) -> None:
    transaction.cursor.connection.close(True)


@contextmanager
def written(transaction: Transaction) -> Iterator[Transaction]:
    """A transaction that is committed."""
    transaction.begin()
    yield transaction
    transaction.commit()


def record(
    name: int, payload: int = 0, expires_at: float = NOW + 100, *, slot: int | None = None
) -> IdempotencyRecord:
    """The record of a key; two of one ``slot`` collide."""
    high = (name * 0x9E3779B97F4A7C15) % SLOTS if slot is None else slot
    return IdempotencyRecord(
        scope=(high << 2).to_bytes(8) + name.to_bytes(8),
        payload=payload.to_bytes(16),
        expires_at=expires_at,
    )


def take(
    transaction: Transaction, key: IdempotencyRecord, now: float = NOW, room: int = 10**6
) -> Accepted:
    return commit.accept(transaction, accept(operation(now)), key, room)


def forget(transaction: Transaction, operation: str, now: float = NOW) -> None:
    """Have an operation succeed, and forget it."""
    transaction.cursor.execute(
        "UPDATE operations SET status = 'succeeded' WHERE id = ?", (operation,)
    )
    upkeep.forget(transaction, operation, now)


def rows(transaction: Transaction) -> list[int]:
    """Operations whose keys are not merged."""
    found: list[Any] = transaction.cursor.execute(
        "SELECT row FROM operations WHERE row > (SELECT merged FROM merges)"
    ).fetchall()
    return [row for (row,) in found]


def merge_all(transaction: Transaction) -> int:
    """All steps there are, a transaction each; how many."""
    for steps in range(1000):
        with written(transaction):
            if not transaction.recent.merge():
                return steps
    raise AssertionError("it never ends")
