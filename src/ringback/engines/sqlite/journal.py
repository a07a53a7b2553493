"""The journal: the messages of all topics, in the order of their commits.

A message's number in the journal is its place in every reading of it, so one position serves
for any set of topics. A topic's own log is what the journal has of it: its numbers rise, and a
step between two of them says nothing. Each topic knows the newest number that was removed of it:
a reader who had less is told of a gap.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import apsw
import msgspec

from ringback.core.filters import AnyFilter, Filter
from ringback.core.model import BEGINNING, KEEP, Kind, Message, Page, Position, Publication
from ringback.engines.sqlite.writer import Transaction

PAGE_BYTES = 1024 * 1024
"""Bytes of messages in one page, so that a reader of large ones does not fill the memory."""
MAX_PAGE = 1000
"""Messages in one page."""
SLACK = 8
"""A log is cut when it is over its bound by one part in so many: to remove one message for each
that comes would double what publishing costs."""
MAX_MISSED = 1000
"""Topics that lost messages and are known to who follows all of them; of more, it may be any."""
WALK = 20
"""Numbers of the journal that are walked in the time in which one topic's are found."""

_ALL = (
    "SELECT j.number, t.name, j.at, j.attributes, j.data FROM journal j "
    "JOIN topics t ON t.row = j.topic WHERE "
)
_ONWARD = "j.number > ? ORDER BY j.number LIMIT ?"
_SEEKING = f"{_ALL}j.topic IN (SELECT value FROM json_each(?)) AND {_ONWARD}"  # noqa: S608 - our own
_WALKING = _SEEKING.replace("j.topic IN", "+j.topic IN")  # + keeps it from the index


def append(transaction: Transaction, publication: Publication, now: float) -> int:
    """Append a message; its number."""
    cursor = transaction.cursor
    keep, size = publication.keep or KEEP, len(publication.data)
    found = cursor.execute(
        "UPDATE topics SET kept = kept + 1, bytes = bytes + ?, published_at = ?, "
        # Declared otherwise than before: the sweep has to look when its oldest is to go.
        "expires_at = CASE WHEN age = ? THEN coalesce(expires_at, ?) ELSE ? END, "
        "age = ?, retained = ? WHERE name = ? RETURNING row, kept, bytes",
        (size, now, keep.age, now + keep.age, now, keep.age, keep.retained, publication.topic),
    ).fetchone()
    if found is None:
        cursor.execute(
            "INSERT INTO topics (name, kept, bytes, trimmed, published_at, expires_at, age, "
            "retained) VALUES (?, 1, ?, (SELECT value FROM counters WHERE name = 'trimmed'), "
            "?, ?, ?, ?)",
            (publication.topic, size, now, now + keep.age, keep.age, keep.retained),
        )
        found = (cursor.connection.last_insert_rowid(), 1, size)
    row, kept, total = found
    cursor.execute(
        "INSERT INTO journal (topic, at, attributes, data) VALUES (?, ?, ?, ?)",
        (row, now, publication.attributes, publication.data),
    )
    number = cursor.connection.last_insert_rowid()
    if _over(kept, keep.count) or _over(total, keep.bytes):
        _cut(cursor, row, kept - (keep.count or kept), total - (keep.bytes or total))
    transaction.changed.add(publication.topic)
    return number


def _over(size: int, bound: int | None) -> bool:
    return bound is not None and size > bound + bound // SLACK


def _cut(cursor: apsw.Cursor, row: int, messages: int, size: int) -> None:
    """Remove so many of a log's oldest messages, and so many bytes; the newest stays."""
    gone = freed = last = 0
    for number, length in cursor.execute(
        "SELECT number, length(data) FROM journal WHERE topic = ? AND number < "
        "(SELECT max(number) FROM journal WHERE topic = ?) ORDER BY number",
        (row, row),
    ):
        if gone >= messages and freed >= size:
            break
        last, gone, freed = number, gone + 1, freed + length
    remove(cursor, row, last, gone, freed)


def remove(cursor: apsw.Cursor, row: int, last: int, count: int, size: int) -> None:
    """Remove a log's messages up to a number; there are so many, of so many bytes."""
    cursor.execute("DELETE FROM journal WHERE topic = ? AND number <= ?", (row, last))
    cursor.execute(
        "UPDATE topics SET kept = kept - ?, bytes = bytes - ?, trimmed = max(trimmed, ?) "
        "WHERE row = ?",
        (count, size, last, row),
    )


@contextmanager
def _moment(connection: apsw.Connection) -> Iterator[None]:
    """All that is read is of one moment: what is cut from a log between two statements would be
    neither among its messages nor a gap.
    """
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # a failure may have ended it
            connection.execute("COMMIT")


def read(
    connection: apsw.Connection, epoch: str, topic: str, after: Position | None, limit: int
) -> Page:
    """Messages of one topic; see ``ports.Engine.read``."""
    with _moment(connection):
        newest = _head(connection)
        row, trimmed = _topic(connection, topic)
        if after is None:
            after = Position(epoch, trimmed)
        offset, gap = _start(epoch, newest, after)
        gap = gap or offset < trimmed
        found = connection.execute(
            "SELECT number, ?, at, attributes, data FROM journal WHERE topic = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            (topic, row, offset, min(limit, MAX_PAGE)),
        )
        return _page(epoch, found, newest, gap=gap, missed=(topic,) if gap else ())


def replay(
    connection: apsw.Connection, epoch: str, filter: AnyFilter, after: Position | None, limit: int
) -> Page:
    """Messages of all topics that match; see ``ports.Journal.replay``."""
    if isinstance(filter, Filter) and filter.exact:
        return read(connection, epoch, filter.text, after, limit)
    with _moment(connection):
        newest = _head(connection)
        topics = [
            (row, name, trimmed)
            for row, name, trimmed in _candidates(connection, filter)
            if filter.matches(name)
        ]
        topics += _unknown(connection, filter, {name for _, name, _ in topics})
        offset, gap = _start(epoch, newest, after) if after is not None else (0, False)
        missed = [each[1] for each in topics if offset < each[2]] if after is not None else []
        rows = msgspec.json.encode([row for row, _, _ in topics]).decode()
        # Either the journal is walked from here on, or each topic's place in it is looked up.
        walk = newest - offset < WALK * len(topics)
        sought = (rows, offset, min(limit, MAX_PAGE))
        found = connection.execute(_WALKING if walk else _SEEKING, sought)
        # Of a position of another store nobody knows which topics lost something.
        return _page(epoch, found, newest, gap=gap or bool(missed), missed=() if gap else missed)


def trimmed(connection: apsw.Connection, filter: AnyFilter) -> dict[str, int]:
    """Up to where topics that match lost messages; see ``ports.Journal.trimmed``."""
    with _moment(connection):
        topics = [each for each in _candidates(connection, filter) if filter.matches(each[1])]
        topics += _unknown(connection, filter, {name for _, name, _ in topics})
        return {name: number for _, name, number in topics if number}


def follow(connection: apsw.Connection, epoch: str, after: Position | None, limit: int) -> Page:
    """Messages of all topics; see ``ports.Journal.follow``."""
    newest = _head(connection)
    if after is None:
        return Page(messages=(), position=Position(epoch, newest))
    offset, gap = _start(epoch, newest, after)
    found = connection.execute(_ALL + _ONWARD, (offset, min(limit, MAX_PAGE)))
    page = _page(epoch, found, newest, gap=gap)
    if page.position.offset - offset == len(page.messages) and not gap:
        return page  # nothing was removed of what lies between
    if gap:
        return page
    missed = connection.execute(
        "SELECT name FROM topics WHERE trimmed > ? LIMIT ?", (offset, MAX_MISSED + 1)
    ).fetchall()
    names = tuple(name for (name,) in missed) if len(missed) <= MAX_MISSED else ()
    return msgspec.structs.replace(page, gap=bool(missed), missed=names)


def retained(
    connection: apsw.Connection,
    epoch: str,
    filter: AnyFilter,
    upto: Position,
    limit: int,
    beyond: str,
) -> Sequence[Message]:
    """The last messages of retained topics; see ``ports.Journal.retained``."""
    found: list[Message] = []
    seen, size = beyond, 0
    for name, row in _retained_topics(connection, filter, beyond):
        if name == seen or not filter.matches(name):
            continue
        seen = name
        last = connection.execute(
            "SELECT number, ?, at, attributes, data FROM journal "
            "WHERE topic = ? AND number <= ? ORDER BY number DESC LIMIT 1",
            (name, row, upto.offset),
        )
        for message in _messages(epoch, last):
            found.append(message)
            size += len(message.data)
        if len(found) >= min(limit, MAX_PAGE) or size >= PAGE_BYTES:
            break
    return found


def _retained_topics(
    connection: apsw.Connection, filter: AnyFilter, beyond: str
) -> Iterable[tuple[str, int]]:
    """Names and rows of retained topics whose names begin as all that match do, in the order of
    their names; one may come several times.
    """
    ranges = {(each.prefix, _above(each)) for each in filter.alternatives}
    # SQLite compares texts by their UTF-8, which is the order Python has them in.
    return heapq.merge(
        *(
            cast(
                Iterable[tuple[str, int]],
                connection.execute(
                    "SELECT name, row FROM topics "
                    "WHERE name >= ? AND name < ? AND name > ? AND retained ORDER BY name",
                    (prefix, above, beyond),
                ),
            )
            for prefix, above in ranges
        )
    )


def find(connection: apsw.Connection, epoch: str, id: str) -> Position | None:
    """The newest message of this id; see ``ports.Journal.find``."""
    found: Any = connection.execute(
        "SELECT number FROM journal WHERE json_extract(CAST(attributes AS TEXT), '$.id') = ? "
        "ORDER BY number DESC LIMIT 1",
        (id,),
    ).get
    return None if found is None else Position(epoch, found)


def _candidates(connection: apsw.Connection, filter: AnyFilter) -> Iterable[Any]:
    """Topics whose names begin as all that match do, each once: row, name, newest removed."""
    found: dict[int, Any] = {}
    for each in filter.alternatives:
        for topic in connection.execute(
            "SELECT row, name, trimmed FROM topics WHERE name >= ? AND name < ?",
            (each.prefix, _above(each)),
        ):
            found[topic[0]] = topic
    return found.values()


def _above(filter: Filter) -> str:
    """What comes after all names that begin as a filter's topics do."""
    return filter.prefix + ("\0" if filter.exact else "\U0010ffff")


def _unknown(
    connection: apsw.Connection, filter: AnyFilter, known: set[str]
) -> Iterable[tuple[int, str, int]]:
    """Topics that are asked for by their names, and are not there: perhaps no more."""
    for each in filter.alternatives:
        if each.exact and each.text not in known:
            row, trimmed = _topic(connection, each.text)
            yield row, each.text, trimmed


def _head(connection: apsw.Connection) -> int:
    """The number of the newest message there was.

    Read before the messages are: what comes in between is then on the page, or after it.
    """
    found: Any = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = 'journal'"
    ).fetchone()
    return int(found[0]) if found else 0


def _topic(connection: apsw.Connection, topic: str) -> tuple[int, int]:
    """A topic's row, and the newest number removed of it."""
    found: Any = connection.execute(
        "SELECT row, trimmed FROM topics WHERE name = ?", (topic,)
    ).fetchone()
    if found is None:
        floor: Any = connection.execute("SELECT value FROM counters WHERE name = 'trimmed'").get
        found = (0, floor)
    return found[0], found[1]


def _start(epoch: str, newest: int, after: Position) -> tuple[int, bool]:
    """After which number to read, and whether the position is not of this journal."""
    if after == BEGINNING:
        return 0, False
    if after.epoch != epoch or after.offset > newest:
        return 0, True
    return after.offset, False


def _page(
    epoch: str, found: Iterable[Any], newest: int, *, gap: bool, missed: Sequence[str] = ()
) -> Page:
    messages = tuple(_messages(epoch, found))
    return Page(
        messages=messages,
        position=messages[-1].position if messages else Position(epoch, newest),
        gap=gap,
        missed=tuple(missed),
    )


def _messages(epoch: str, found: Iterable[Any]) -> Iterable[Message]:
    size = 0
    for number, topic, at, attributes, data in found:
        yield Message(
            topic=topic,
            position=Position(epoch, number),
            kind=Kind.MESSAGE,
            data=data,
            at=at,
            attributes=attributes,
        )
        size += len(data)
        if size >= PAGE_BYTES:
            return
