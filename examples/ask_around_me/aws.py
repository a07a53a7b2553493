"""What is kept on AWS: one table of DynamoDB, and a bucket for the pictures.

A question is one item with its tallies and pictures; beside it are a pointer to it in its cell, one
item for each person, and one for each answer. A change reads the items it needs, and writes them
all together if none of them has changed meanwhile; otherwise it begins again.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image

from ringback.errors import ConfigurationError, StoreUnavailable

from . import cells, pictures, questions
from .model import STEPS, Answer, Answering, Asking, Detail, Person, Point, Question
from .table import REGION, Change, Data, Key, Table

PHOTOS = "photos/"
ITSELF = "-"
"""The sort key where a partition has one item."""


class AwsRecords:
    """The table and the bucket; used by every function."""

    def __init__(self, table: str, bucket: str | None) -> None:
        if not bucket:
            raise ConfigurationError("Set ASK_AROUND_ME_BUCKET, for pictures, beside the table.")
        self._table = Table(table)
        self._bucket = bucket
        self._s3 = boto3.client("s3", region_name=os.environ.get(REGION))

    def meet(self, person: Person) -> None:
        def step(change: Change) -> None:
            key = _person(person.id)
            known = change.get(key) or {"asked": []}
            if known.get("name") != person.name:
                change.put(key, known | {"name": person.name})

        with _told():
            self._table.change(step)

    def check_asking(self, asking: Asking, person: str, now: float) -> None:
        with _told():
            found = self._table.read(_question(str(asking.id)), _person(person))
        if _question(str(asking.id)) not in found and _person(person) in found:
            questions.check_times(found[_person(person)][1]["asked"], now)

    def ask(self, asking: Asking, person: str, now: float) -> Detail:
        id = str(asking.id)

        def step(change: Change) -> None:
            change.load(_question(id), _person(person))
            there = change.get(_question(id))
            if there is not None:
                questions.check_same(there["author"], person)
                return
            known = change.get(_person(person)) or {"name": person, "asked": []}
            questions.check_times(known["asked"], now)
            times = [now, *known["asked"]][: questions.DAILY]
            change.put(_person(person), known | {"asked": times})
            at = asking.at.rounded
            question = {
                "text": asking.text,
                "kind": asking.kind,
                "at": at.model_dump(),
                "cell": cells.cell_of(at),
                "author": person,
                "created": now,
                "photos": [],
                "tallies": {},
            }
            change.put(_question(id), question)
            # With as many digits before the point for the next 250 years: in order as text.
            pointer = (f"cell#{question['cell']}", f"{now:017.6f}#{id}")
            change.put(pointer, {"id": id, "at": question["at"], "created": now})

        with _told():
            self._table.change(step)
            return self._detail(id)

    def answer(
        self, answering: Answering, person: str, operation: str, now: float
    ) -> tuple[Answer | None, Detail]:
        return self._set(str(answering.question), person, operation, now, answering)

    def withdraw(
        self, asked: str, person: str, operation: str, now: float
    ) -> tuple[Answer | None, Detail]:
        return self._set(asked, person, operation, now, None)

    def _set(
        self, asked: str, person: str, operation: str, now: float, answering: Answering | None
    ) -> tuple[Answer | None, Detail]:
        """Let this be the person's answer, and have the tallies follow."""
        where, key = _question(asked), _answer(asked, person)

        def step(change: Change) -> None:
            change.load(where, key)
            question, before = change.get(where), change.get(key)
            if question is None:
                raise questions.unknown()
            halves, place, bucket = None, None, None
            if answering is not None:
                at = Point(**question["at"])
                halves, place, bucket = questions.choice(question["kind"], at, answering)
            if before is not None and before["operation"] >= operation:
                return  # done already, or overtaken by what was accepted later
            answer = {
                "halves": halves,
                "place": None if place is None else place.model_dump(),
                "bucket": bucket,
                "at": now,
                "operation": operation,
            }
            change.put(key, answer)
            old = None if before is None else before["bucket"]
            if old == bucket:
                return
            tallies = dict(question["tallies"])
            for each, more in ((old, -1), (bucket, 1)):
                if each is not None:
                    tallies[each] = tallies.get(each, 0) + more
            counted = {each: count for each, count in tallies.items() if count}
            change.put(where, question | {"tallies": counted})

        with _told():
            self._table.change(step)
            return self._answers([asked], person).get(asked), self._detail(asked)

    def check_photo(self, asked: str, person: str, photo: str) -> None:
        with _told():
            questions.check_photo(self._detail(asked).question, person, photo)

    def attach(self, asked: str, photo: str, width: int, height: int, now: float) -> Detail:
        def step(change: Change) -> None:
            question = change.get(_question(asked))
            if question is None:
                raise questions.unknown()
            photos = question["photos"]
            if any(each["id"] == photo for each in photos):
                return
            questions.check_count(len(photos))
            added = {"id": photo, "width": width, "height": height}
            change.put(_question(asked), question | {"photos": [*photos, added]})

        with _told():
            self._table.change(step)
            return self._detail(asked)

    def keep(self, photo: str, side: int, picture: Image.Image) -> None:
        written = io.BytesIO()
        pictures.write(picture, written)
        with _told():
            self._s3.put_object(
                Bucket=self._bucket,
                Key=_picture(photo, side),
                Body=written.getvalue(),
                ContentType="image/webp",
            )

    def picture(self, photo: str, side: int) -> bytes | None:
        with _told():
            try:
                found = self._s3.get_object(Bucket=self._bucket, Key=_picture(photo, side))
            except self._s3.exceptions.NoSuchKey:
                return None
            return found["Body"].read()

    def look(self, asked: str, person: str | None) -> tuple[Detail, Answer | None]:
        with _told():
            found = self._detail(asked)
            mine = None if person is None else self._answers([asked], person).get(asked)
        return found, mine

    def around(
        self, centre: Point, radius: float, cover: Sequence[str], person: str | None
    ) -> tuple[list[Question], bool, dict[str, Answer]]:
        with _told(), ThreadPoolExecutor(len(cover)) as pool:
            pages = pool.map(
                lambda cell: self._table.newest(f"cell#{cell}", questions.CANDIDATES), cover
            )
            rows = sorted((each for page in pages for each in page), key=lambda e: -e["created"])
            rows = rows[: questions.CANDIDATES]
            near = []
            for row in rows:
                away = cells.metres(centre, Point(**row["at"]))
                if away <= radius:
                    near.append((away, -row["created"], row["id"]))
            near.sort()
            ids = [id for *_, id in near[: questions.MAX_AROUND]]
            found = self._questions(ids)
            mine = {} if person is None else self._answers(ids, person)
        more = len(near) > questions.MAX_AROUND or len(rows) == questions.CANDIDATES
        return found, more, mine

    # Reading

    def _detail(self, asked: str) -> Detail:
        read = self._table.read(_question(asked))
        if not read:
            raise questions.unknown()
        ((version, data),) = read.values()
        authors = self._table.read(_person(data["author"]))
        question = _question_of(asked, version, data, authors)
        heat: Iterable[tuple[str, int]] = ()
        if question.kind == "place":
            tallies: dict[str, int] = data["tallies"]
            heat = sorted(tallies.items(), key=lambda each: (-each[1], each[0]))
        bounded = list(heat)[: questions.MAX_HEAT]
        return Detail(question=question, heat=[questions.heat_of(*each) for each in bounded])

    def _questions(self, ids: Sequence[str]) -> list[Question]:
        read = self._table.read(*map(_question, ids))
        authors = self._table.read(*(_person(data["author"]) for _, data in read.values()))
        return [_question_of(id, *read[_question(id)], authors) for id in ids]

    def _answers(self, asked: Sequence[str], person: str) -> dict[str, Answer]:
        read = self._table.read(*(_answer(each, person) for each in asked))
        return {
            question: Answer(
                question=question,
                stars=data["halves"] / 2 if data["halves"] is not None else None,
                place=Point(**data["place"]) if data["place"] is not None else None,
                at=questions.time_of(data["at"]),
            )
            for (_, question), (_, data) in read.items()
            if data["bucket"] is not None
        }


def _question_of(
    id: str, version: int, data: Data, authors: dict[Key, tuple[int, Data]]
) -> Question:
    tallies = data["tallies"]
    distribution = None
    if data["kind"] == "stars":
        distribution = [tallies.get(str(step), 0) for step in range(1, STEPS + 1)]
    _, author = authors.get(_person(data["author"]), (0, {"name": data["author"]}))
    return Question(
        id=id,
        version=version,
        text=data["text"],
        kind=data["kind"],
        at=Point(**data["at"]),
        cell=data["cell"],
        author=Person(id=data["author"], name=author["name"]),
        created=questions.time_of(data["created"]),
        photos=[
            questions.photo_of(each["id"], each["width"], each["height"]) for each in data["photos"]
        ],
        answers=questions.answers_in(sum(tallies.values()), distribution),
    )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say in our words that AWS does not answer."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable(
            "The questions cannot be reached. Try again.", retry_after=1.0
        ) from error


def _question(id: str) -> Key:
    return f"question#{id}", ITSELF


def _person(id: str) -> Key:
    return f"person#{id}", ITSELF


def _answer(question: str, person: str) -> Key:
    return f"answers#{person}", question


def _picture(photo: str, side: int) -> str:
    return f"{PHOTOS}{photo}/{side}.webp"
