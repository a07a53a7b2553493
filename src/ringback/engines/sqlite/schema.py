"""The tables, and how an older file becomes a newer one.

``MIGRATIONS[n]`` takes a database from ``user_version`` n to n + 1, in one transaction. A
released migration is never edited: a change of the schema is a further entry.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import apsw

from ringback.errors import ConfigurationError

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL
    ) WITHOUT ROWID;

    -- One row for each distinct policy; an operation refers to its own.
    CREATE TABLE policies (
        row INTEGER PRIMARY KEY,
        value BLOB NOT NULL UNIQUE
    );

    CREATE TABLE operations (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        task TEXT NOT NULL,
        status TEXT NOT NULL,
        version INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        ready_at REAL NOT NULL,
        limit_key TEXT,
        subject TEXT,
        policy INTEGER NOT NULL REFERENCES policies (row),
        lane INTEGER,          -- NULL: it has no key
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        started_at REAL,
        finished_at REAL,
        worker TEXT,
        lease_until REAL,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        progress REAL,
        progress_message TEXT,
        part_count INTEGER NOT NULL DEFAULT 0,
        parts_after INTEGER NOT NULL DEFAULT 0,
        dead_letter INTEGER NOT NULL DEFAULT 0,
        parent TEXT,
        traceparent TEXT,
        expires_at REAL,
        input BLOB,            -- NULL: in payloads, being large
        result BLOB,           -- likewise, where result_large
        result_large INTEGER NOT NULL DEFAULT 0,
        error BLOB,
        diagnosis TEXT
    );
    -- The work queue: what a claim walks, in the order it hands out.
    CREATE INDEX operations_ready ON operations (task, policy, priority DESC, ready_at, row)
        WHERE status = 'queued' AND lane IS NULL;
    CREATE INDEX operations_in_lane ON operations (lane, ready_at, row)
        WHERE status = 'queued' AND lane IS NOT NULL;
    CREATE INDEX operations_running ON operations (task, limit_key) WHERE status = 'running';
    CREATE INDEX operations_by_subject ON operations (subject, id) WHERE subject IS NOT NULL;
    CREATE INDEX operations_by_parent ON operations (parent, id) WHERE parent IS NOT NULL;
    CREATE INDEX operations_dead ON operations (id) WHERE dead_letter;
    CREATE INDEX operations_expiring ON operations (expires_at) WHERE expires_at IS NOT NULL;

    -- Large inputs and results, so that a change of state does not rewrite them.
    CREATE TABLE payloads (
        operation INTEGER NOT NULL,
        kind TEXT NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (operation, kind)
    ) WITHOUT ROWID;

    -- The log of each operation; offset 0, its acceptance, is the row in operations itself.
    CREATE TABLE operation_messages (
        operation INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        kind TEXT NOT NULL,
        data BLOB NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (operation, offset)
    ) WITHOUT ROWID;

    -- Every other topic that has a log.
    CREATE TABLE topics (
        row INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        head INTEGER NOT NULL,
        published_at REAL NOT NULL
    );
    CREATE TABLE topic_messages (
        topic INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        data BLOB NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (topic, offset)
    ) WITHOUT ROWID;
    CREATE INDEX topic_messages_by_age ON topic_messages (at);

    -- CloudEvents that were emitted; their handlers are operations.
    CREATE TABLE events (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        source TEXT NOT NULL,
        type TEXT NOT NULL,
        subject TEXT,
        operation TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        traceparent TEXT,
        data BLOB NOT NULL,
        at REAL NOT NULL
    );
    CREATE INDEX events_by_age ON events (at);
    CREATE INDEX events_by_operation ON events (operation);

    -- What was accepted under which key; see keys.py. A key lands on any page of this table, so
    -- its rows are small and it has no index: the sweep walks it.
    CREATE TABLE idempotency_keys (
        slot INTEGER PRIMARY KEY,
        fingerprint BLOB NOT NULL,
        operation BLOB NOT NULL,
        expires_at REAL NOT NULL
    );

    -- Ids that were here, so that asking for one is answered with 410 and not 404.
    CREATE TABLE forgotten (
        id TEXT PRIMARY KEY,
        subject TEXT,
        expires_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX forgotten_expiring ON forgotten (expires_at);

    -- Queues of operations that have a key; see lanes.py.
    CREATE TABLE lanes (
        row INTEGER PRIMARY KEY,
        task TEXT NOT NULL,
        limit_key TEXT NOT NULL,
        policy INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        rated INTEGER NOT NULL, -- whether its policy has a rate
        open_at REAL NOT NULL,
        head INTEGER NOT NULL, -- the first in it: what lanes that open together are ordered by
        UNIQUE (task, limit_key, policy, priority)
    );
    CREATE INDEX lanes_open ON lanes (task, policy, priority DESC, open_at, head);

    -- When each key of a rate-limited task may start its next operation (GCRA).
    CREATE TABLE rates (
        task TEXT NOT NULL,
        limit_key TEXT NOT NULL,
        started_at REAL NOT NULL,
        next_at REAL NOT NULL,
        PRIMARY KEY (task, limit_key)
    ) WITHOUT ROWID;

    -- Counted as it changes, since counting rows would cost more the longer the queue.
    CREATE TABLE counters (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO counters VALUES ('queued', 0);
    """,
    """
    -- The key an operation was accepted under, which counts here until it is merged into
    -- idempotency_keys; see recent.py.
    ALTER TABLE operations ADD COLUMN key_slot INTEGER;
    ALTER TABLE operations ADD COLUMN key_fingerprint BLOB;
    ALTER TABLE operations ADD COLUMN key_expires REAL;
    CREATE TABLE merges (      -- has one row
        floor INTEGER NOT NULL,  -- no new operation gets this number, nor one below it
        merged INTEGER NOT NULL, -- the keys of all operations up to this one are merged,
        upto INTEGER NOT NULL,   -- and of those up to this one
        slot INTEGER NOT NULL    -- those that have a slot below this one
    );
    INSERT INTO merges
        SELECT row, row, row, 0 FROM (SELECT coalesce(max(row), 0) AS row FROM operations);
    """,
    """
    -- The messages of all topics in the order of their commits; see journal.py. A position of
    -- before says gap, its epoch being the topic's own.
    CREATE TABLE journal (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        topic INTEGER NOT NULL,
        at REAL NOT NULL,
        attributes BLOB,
        data BLOB NOT NULL
    );
    INSERT INTO journal (topic, at, data)
        SELECT topic, at, data FROM topic_messages ORDER BY at, topic, offset;
    CREATE INDEX journal_by_topic ON journal (topic, number);
    DROP TABLE topic_messages;
    CREATE TABLE topics_now (
        row INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        kept INTEGER NOT NULL,      -- messages
        bytes INTEGER NOT NULL,     -- of their data
        trimmed INTEGER NOT NULL,   -- the newest number that was removed of it
        published_at REAL NOT NULL,
        expires_at REAL,            -- when its oldest message is to go; NULL: none is
        age REAL NOT NULL,
        retained INTEGER NOT NULL
    );
    INSERT INTO topics_now
        SELECT t.row, t.name, count(j.number), coalesce(sum(length(j.data)), 0), 0,
            t.published_at, CASE WHEN count(j.number) THEN 0.0 END, 86400.0, 0
        FROM topics t LEFT JOIN journal j ON j.topic = t.row GROUP BY t.row;
    DROP TABLE topics;
    ALTER TABLE topics_now RENAME TO topics;
    CREATE INDEX topics_expiring ON topics (expires_at) WHERE expires_at IS NOT NULL;
    -- The newest number that was removed of a topic that is no more.
    INSERT INTO counters VALUES ('trimmed', 0);
    """,
    """
    -- Messages that their publishers gave an id.
    CREATE INDEX journal_by_id ON journal (json_extract(CAST(attributes AS TEXT), '$.id'))
        WHERE json_extract(CAST(attributes AS TEXT), '$.id') IS NOT NULL;
    """,
    """
    -- For lists by status; see lists.py. Only what finished: it is written once.
    CREATE INDEX operations_finished ON operations (subject, status, id)
        WHERE subject IS NOT NULL AND finished_at IS NOT NULL;
    CREATE INDEX operations_unsuccessful ON operations (status, id)
        WHERE finished_at IS NOT NULL AND status <> 'succeeded';
    """,
)

EPOCH_BYTES = 5
"""Randomness of an epoch's name: ten hexadecimal digits."""


def migrate(connection: apsw.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Bring the file to the newest schema. Raises ``ConfigurationError`` for one that is newer,
    or is another program's.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.pragma("user_version")
        if version > len(migrations):
            raise ConfigurationError(
                f"The data folder was written by a newer Ringback (schema {version}; this one "
                f"knows {len(migrations)}). Upgrade Ringback, or use another data folder."
            )
        if version == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").get:
            raise ConfigurationError(
                f"{connection.filename} is another program's database. Use another data folder."
            )
        for number in range(version, len(migrations)):
            connection.execute(migrations[number])
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(
            "INSERT INTO facts VALUES ('epoch', ?) ON CONFLICT DO NOTHING",
            (secrets.token_hex(EPOCH_BYTES).encode(),),
        )
        connection.execute("COMMIT")
    except BaseException:
        if not connection.get_autocommit():
            connection.execute("ROLLBACK")
        raise


def configure(connection: apsw.Connection) -> None:
    """Settings of every connection that writes; see https://sqlite.org/pragma.html."""
    mode = connection.execute("PRAGMA journal_mode = WAL").get
    if mode != "wal":
        raise ConfigurationError(
            f"SQLite cannot use WAL in this folder (it says {mode!r}). Use a folder on a local "
            "disk: network file systems do not have the shared memory that WAL needs."
        )
    # FULL: the commit returns after the WAL is on disk, so that a 202 survives a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_SIZE_LIMIT}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")


CHECKPOINT_PAGES = 4000
"""Pages (16 MiB) of WAL before they are moved into the file: fewer, longer checkpoints."""
WAL_SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes to which the WAL file is cut back after it was reset."""
CACHE_KIB = 64 * 1024
"""KiB of page cache for the writer: the hot ends of all indexes, with a million operations."""
