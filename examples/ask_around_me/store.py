"""Questions, answers and people in SQLite: a file in the data folder, used by every process.

What belongs here: what is stored, and that a change is whole or not at all. A connection is opened
for each use, so that any thread of any process may use it; writers wait for one another.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

FILE = "ask-around-me.db"
PATIENCE = 10.0
"""Seconds a writer waits for another."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS people (id TEXT PRIMARY KEY, name TEXT NOT NULL);

CREATE TABLE IF NOT EXISTS questions (
    id      TEXT PRIMARY KEY,
    version INTEGER NOT NULL,           -- one more with each change that others see
    text    TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('stars', 'place')),
    lat     REAL NOT NULL,
    lng     REAL NOT NULL,
    cell    TEXT NOT NULL,
    author  TEXT NOT NULL REFERENCES people (id),
    created REAL NOT NULL,
    answers INTEGER NOT NULL DEFAULT 0  -- the sum of its tallies
);
CREATE INDEX IF NOT EXISTS questions_by_cell ON questions (cell, created);
CREATE INDEX IF NOT EXISTS questions_by_author ON questions (author, created);

-- One for each person and question. One that was withdrawn stays, empty: it says that an older
-- answer, which is tried again late, must not come back.
CREATE TABLE IF NOT EXISTS answers (
    question  TEXT NOT NULL REFERENCES questions (id),
    person    TEXT NOT NULL REFERENCES people (id),
    halves    INTEGER,                  -- half stars, 1 to 10
    lat       REAL,
    lng       REAL,
    bucket    TEXT,                     -- what it counts for: its half stars, or its heat cell
    at        REAL NOT NULL,
    operation TEXT NOT NULL,            -- the id of what set it; ids of later ones are higher
    PRIMARY KEY (question, person)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_person ON answers (person);

CREATE TABLE IF NOT EXISTS tallies (
    question TEXT NOT NULL REFERENCES questions (id),
    bucket   TEXT NOT NULL,
    count    INTEGER NOT NULL CHECK (count > 0),
    PRIMARY KEY (question, bucket)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS photos (
    id       TEXT PRIMARY KEY,
    question TEXT NOT NULL REFERENCES questions (id),
    width    INTEGER NOT NULL,
    height   INTEGER NOT NULL,
    created  REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS photos_by_question ON photos (question, created);
"""


class Store:
    """The file; ``store_in`` gives the one of a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE
        self._file.touch(mode=0o600)  # its owner's only, whatever the folder is; -wal as well
        with self._opened() as db:
            db.execute("PRAGMA journal_mode = WAL")  # who reads never waits for who writes
            db.executescript(SCHEMA)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Look at one state of everything, however many statements it takes."""
        with self._opened() as db:
            db.execute("BEGIN")
            yield db
            db.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Change something: all of it, or nothing if the block raises. One at a time."""
        with self._opened() as db:
            # At once, and not with the first change: what is read before that must still hold.
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(
            sqlite3.connect(self._file, timeout=PATIENCE, isolation_level=None)
        ) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            # On disk before an operation is told to have succeeded, as Ringback's own store.
            db.execute("PRAGMA synchronous = FULL")
            yield db


@lru_cache(maxsize=8)
def store_in(folder: Path) -> Store:
    """The store of a data folder; made when it is first asked for."""
    return Store(folder)
