"""What is done with questions: asking, answering, withdrawing, reading them, around a point or one.

Functions of an open connection: ``Store.writing`` and ``Store.reading`` say what is done together.
What cannot be done raises ``TaskFailed``, with a reason that the page knows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ringback import TaskFailed

from . import cells
from .model import (
    STEPS,
    Answer,
    Answering,
    Answers,
    Asking,
    Detail,
    HeatCell,
    Kind,
    Person,
    Photo,
    Point,
    Question,
)

DAILY = 20
"""Questions that one person may ask in a day."""
DAY = 86400.0
"""Seconds."""
MAX_AWAY = 20_000.0
"""Metres from a question to a place that answers it: the heat map stays one of this town."""
MAX_AROUND = 200
"""Questions in one answer."""
CANDIDATES = 5000
"""Questions of the cells that a circle meets which are looked at: the newest."""
MAX_HEAT = 500
"""Cells of a heat map in one message: 100 KB, of 256 that a message may have."""
MAX_PHOTOS = 4
"""Of one question."""
SIDES = (240, 640, 1600)
"""The longest sides of a picture's sizes, in pixels."""


def refused(reason: str, detail: str, **fields: object) -> TaskFailed:
    """This cannot be done, and trying again would not help. The page knows the reason."""
    return TaskFailed(detail, reason=reason, **fields)


def meet(db: sqlite3.Connection, person: Person) -> None:
    """Learn, or learn anew, how somebody is called."""
    db.execute(
        "INSERT INTO people (id, name) VALUES (?, ?)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
        (person.id, person.name),
    )


def check_daily(db: sqlite3.Connection, person: str, now: float) -> None:
    """Raise ``TaskFailed`` when somebody has asked enough for one day."""
    asked = [
        row["created"]
        for row in db.execute(
            "SELECT created FROM questions WHERE author = ? AND created > ?"
            " ORDER BY created DESC LIMIT ?",
            (person, now - DAY, DAILY),
        )
    ]
    check_times(asked, now)


def check_times(asked: Sequence[float], now: float) -> None:
    """The same of when somebody asked last, the newest first."""
    asked = [each for each in asked if each > now - DAY][:DAILY]
    if len(asked) == DAILY:
        raise refused(
            "daily-limit",
            f"You have asked {DAILY} questions within a day, and that is the most. "
            "The oldest makes room for another one soon.",
            retry_after=round(asked[-1] + DAY - now, 1),
        )


def is_asked(db: sqlite3.Connection, asking: Asking) -> bool:
    """Whether this very question was asked already."""
    row = db.execute("SELECT 1 FROM questions WHERE id = ?", (str(asking.id),)).fetchone()
    return row is not None


def ask(db: sqlite3.Connection, asking: Asking, person: str, now: float) -> Question:
    """Ask, unless this very question was asked already: then it is that one."""
    found = db.execute("SELECT author FROM questions WHERE id = ?", (str(asking.id),)).fetchone()
    if found is None:
        check_daily(db, person, now)
        at = asking.at.rounded
        db.execute(
            "INSERT INTO questions (id, version, text, kind, lat, lng, cell, author, created)"
            " VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(str(asking.id), asking.text, asking.kind),
                *(at.lat, at.lng, cells.cell_of(at), person, now),
            ),
        )
    else:
        check_same(found["author"], person)
    return question(db, str(asking.id))


def check_same(author: str, person: str) -> None:
    """Raise ``TaskFailed`` when the id of a question is somebody else's."""
    if author != person:
        raise refused("id-taken", "Another question has this id. Make a fresh UUID.")


def answer(
    db: sqlite3.Connection, answering: Answering, person: str, operation: str, now: float
) -> Answer | None:
    """Answer, in place of what the person answered before; what counts by now.

    What was accepted last counts, whatever is done last.
    """
    asked = question(db, str(answering.question))
    _set(db, asked, person, operation, now, *choice(asked.kind, asked.at, answering))
    return answer_of(db, asked.id, person)


def choice(kind: Kind, at: Point, answering: Answering) -> tuple[int | None, Point | None, str]:
    """An answer to a question of this kind: half stars, a place, and what it counts for."""
    if kind == "stars":
        if answering.stars is None:
            raise refused("wrong-kind", "This question is answered with stars.")
        halves = round(2 * answering.stars)
        return halves, None, str(halves)
    if answering.place is None:
        raise refused("wrong-kind", "This question is answered with a place.")
    place = answering.place.rounded
    if cells.metres(at, place) > MAX_AWAY:
        raise refused(
            "too-far", f"That is more than {MAX_AWAY / 1000:g} km away. Choose a place nearby."
        )
    return None, place, cells.heat_cell_of(place)


def withdraw(
    db: sqlite3.Connection, asked: str, person: str, operation: str, now: float
) -> Answer | None:
    """Take one's own answer back, if there is one; what counts by now."""
    _set(db, question(db, asked), person, operation, now, None, None, None)
    return answer_of(db, asked, person)


def _set(
    db: sqlite3.Connection,
    asked: Question,
    person: str,
    operation: str,
    now: float,
    halves: int | None,
    place: Point | None,
    bucket: str | None,
) -> None:
    """Let this be the person's answer, and have the tallies follow."""
    before = db.execute(
        "SELECT * FROM answers WHERE question = ? AND person = ?", (asked.id, person)
    ).fetchone()
    if before is not None and before["operation"] >= operation:
        return  # done already, or overtaken by what was accepted later
    lat, lng = (place.lat, place.lng) if place is not None else (None, None)
    db.execute(
        "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (asked.id, person, halves, lat, lng, bucket, now, operation),
    )
    old = before["bucket"] if before is not None else None
    if old == bucket:
        return
    if old is not None:
        where = (asked.id, old)
        db.execute("DELETE FROM tallies WHERE question = ? AND bucket = ? AND count = 1", where)
        db.execute("UPDATE tallies SET count = count - 1 WHERE question = ? AND bucket = ?", where)
    if bucket is not None:
        db.execute(
            "INSERT INTO tallies VALUES (?, ?, 1)"
            " ON CONFLICT (question, bucket) DO UPDATE SET count = count + 1",
            (asked.id, bucket),
        )
    db.execute(
        "UPDATE questions SET version = version + 1, answers = answers + ? WHERE id = ?",
        ((bucket is not None) - (old is not None), asked.id),
    )


def attach(
    db: sqlite3.Connection, asked: str, photo: str, width: int, height: int, now: float
) -> None:
    """Put a picture to a question, once."""
    if db.execute("SELECT 1 FROM photos WHERE id = ?", (photo,)).fetchone() is not None:
        return
    check_room(db, asked)
    db.execute("INSERT INTO photos VALUES (?, ?, ?, ?, ?)", (photo, asked, width, height, now))
    db.execute("UPDATE questions SET version = version + 1 WHERE id = ?", (asked,))


def check_room(db: sqlite3.Connection, asked: str) -> None:
    """Raise ``TaskFailed`` when a question has all the pictures it may have."""
    (count,) = db.execute("SELECT count(*) FROM photos WHERE question = ?", (asked,)).fetchone()
    check_count(count)


def check_photo(asked: Question, person: str, photo: str) -> None:
    """Raise ``TaskFailed`` unless somebody may put this picture to a question."""
    if asked.author.id != person:
        raise refused("not-yours", "Only who asked may add photos to a question.")
    if all(each.id != photo for each in asked.photos):
        check_count(len(asked.photos))


def check_count(count: int) -> None:
    """The same as ``check_room``, of how many there are."""
    if count >= MAX_PHOTOS:
        raise refused("too-many-photos", f"A question has at most {MAX_PHOTOS} photos.")


# Reading


def unknown() -> TaskFailed:
    """There is no such question."""
    return refused("unknown-question", "There is no such question (any more).")


def question(db: sqlite3.Connection, id: str) -> Question:
    """One question. Raises ``TaskFailed`` when there is none."""
    row = db.execute(f"{_SELECT} WHERE q.id = ?", (id,)).fetchone()
    if row is None:
        raise unknown()
    return _questions(db, [row])[0]


def detail(db: sqlite3.Connection, id: str) -> Detail:
    """One question with its heat map. Raises ``TaskFailed`` when there is none."""
    found = question(db, id)
    rows: Iterable[sqlite3.Row] = ()
    if found.kind == "place":
        rows = db.execute(
            "SELECT bucket, count FROM tallies WHERE question = ?"
            " ORDER BY count DESC, bucket LIMIT ?",
            (id, MAX_HEAT),
        )
    return Detail(question=found, heat=[heat_of(row["bucket"], row["count"]) for row in rows])


def heat_of(cell: str, count: int) -> HeatCell:
    """How many are in a small cell, and where that is."""
    return HeatCell(
        cell=cell,
        count=count,
        at=cells.middle_of(cell).rounded,
        outline=cells.outline_of(cell),
    )


def around(
    db: sqlite3.Connection, centre: Point, radius: float, cover: Sequence[str]
) -> tuple[list[Question], bool]:
    """The questions within a radius, nearest first, and whether there may be more.

    ``cover`` are the cells that the circle meets.
    """
    marks = ", ".join("?" * len(cover))
    near = []
    rows = db.execute(
        f"{_SELECT} WHERE q.cell IN ({marks}) ORDER BY q.created DESC LIMIT ?",
        (*cover, CANDIDATES),
    ).fetchall()
    for row in rows:
        away = cells.metres(centre, Point(lat=row["lat"], lng=row["lng"]))
        if away <= radius:
            near.append((away, -row["created"], row["id"], row))
    near.sort(key=lambda each: each[:3])
    return _questions(db, [row for *_, row in near[:MAX_AROUND]]), (
        len(near) > MAX_AROUND or len(rows) == CANDIDATES
    )


def answer_of(db: sqlite3.Connection, asked: str, person: str) -> Answer | None:
    """What somebody answered, if they did and have not taken it back."""
    return answers_of(db, [asked], person).get(asked)


def answers_of(db: sqlite3.Connection, asked: Sequence[str], person: str) -> dict[str, Answer]:
    """The same of several questions, by their ids."""
    marks = ", ".join("?" * len(asked))
    rows = db.execute(
        f"SELECT * FROM answers WHERE person = ? AND bucket IS NOT NULL AND question IN ({marks})",  # noqa: S608
        (person, *asked),
    )
    return {
        row["question"]: Answer(
            question=row["question"],
            stars=row["halves"] / 2 if row["halves"] is not None else None,
            place=Point(lat=row["lat"], lng=row["lng"]) if row["lat"] is not None else None,
            at=time_of(row["at"]),
        )
        for row in rows
    }


_SELECT = "SELECT q.*, p.name FROM questions q JOIN people p ON p.id = q.author"


def _questions(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[Question]:
    marks = ", ".join("?" * len(rows))
    ids = [row["id"] for row in rows]
    photos: dict[str, list[Photo]] = {id: [] for id in ids}
    for row in db.execute(
        f"SELECT * FROM photos WHERE question IN ({marks}) ORDER BY created, id",  # noqa: S608
        ids,
    ):
        photos[row["question"]].append(photo_of(row["id"], row["width"], row["height"]))
    stars = {row["id"]: [0] * STEPS for row in rows if row["kind"] == "stars"}
    marks = ", ".join("?" * len(stars))
    for row in db.execute(
        f"SELECT * FROM tallies WHERE question IN ({marks})",  # noqa: S608
        list(stars),
    ):
        stars[row["question"]][int(row["bucket"]) - 1] = row["count"]
    return [
        Question(
            id=row["id"],
            version=row["version"],
            text=row["text"],
            kind=row["kind"],
            at=Point(lat=row["lat"], lng=row["lng"]),
            cell=row["cell"],
            author=Person(id=row["author"], name=row["name"]),
            created=time_of(row["created"]),
            photos=photos[row["id"]],
            answers=answers_in(row["answers"], stars.get(row["id"])),
        )
        for row in rows
    ]


def answers_in(count: int, distribution: list[int] | None) -> Answers:
    """What all answers together say, of how many there are of each step."""
    average = None
    if distribution is not None and count:
        halves = sum(each * step for step, each in enumerate(distribution, 1))
        average = round(halves / 2 / count, 2)
    return Answers(count=count, average=average, distribution=distribution)


def photo_of(id: str, width: int, height: int) -> Photo:
    """A picture, with where its sizes are."""
    small, medium, large = (f"/photos/{id}/{side}.webp" for side in SIDES)
    return Photo(id=id, width=width, height=height, small=small, medium=medium, large=large)


def time_of(seconds: float) -> datetime:
    """A time as it is told."""
    return datetime.fromtimestamp(seconds, UTC)
