"""What is kept on this machine: a file of SQLite, and pictures beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from . import pictures, questions
from .model import Answer, Answering, Asking, Detail, Person, Point, Question
from .store import store_in


class LocalRecords:
    """In the data folder; used by every process that has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = store_in(folder)

    def meet(self, person: Person) -> None:
        with self._store.writing() as db:
            questions.meet(db, person)

    def check_asking(self, asking: Asking, person: str, now: float) -> None:
        with self._store.reading() as db:
            if not questions.is_asked(db, asking):
                questions.check_daily(db, person, now)

    def ask(self, asking: Asking, person: str, now: float) -> Detail:
        with self._store.writing() as db:
            questions.ask(db, asking, person, now)
            return questions.detail(db, str(asking.id))

    def answer(
        self, answering: Answering, person: str, operation: str, now: float
    ) -> tuple[Answer | None, Detail]:
        with self._store.writing() as db:
            mine = questions.answer(db, answering, person, operation, now)
            return mine, questions.detail(db, str(answering.question))

    def withdraw(
        self, asked: str, person: str, operation: str, now: float
    ) -> tuple[Answer | None, Detail]:
        with self._store.writing() as db:
            mine = questions.withdraw(db, asked, person, operation, now)
            return mine, questions.detail(db, asked)

    def check_photo(self, asked: str, person: str, photo: str) -> None:
        with self._store.reading() as db:
            questions.check_photo(questions.question(db, asked), person, photo)

    def attach(self, asked: str, photo: str, width: int, height: int, now: float) -> Detail:
        with self._store.writing() as db:
            questions.attach(db, asked, photo, width, height, now)
            return questions.detail(db, asked)

    def keep(self, photo: str, side: int, picture: Image.Image) -> None:
        pictures.keep(self._folder, photo, side, picture)

    def picture(self, photo: str, side: int) -> Path | None:
        file = pictures.kept(self._folder, photo, side)
        return file if file.exists() else None

    def look(self, asked: str, person: str | None) -> tuple[Detail, Answer | None]:
        with self._store.reading() as db:
            found = questions.detail(db, asked)
            mine = None if person is None else questions.answer_of(db, asked, person)
        return found, mine

    def around(
        self, centre: Point, radius: float, cover: Sequence[str], person: str | None
    ) -> tuple[list[Question], bool, dict[str, Answer]]:
        with self._store.reading() as db:
            found, more = questions.around(db, centre, radius, cover)
            mine = {}
            if person is not None:
                mine = questions.answers_of(db, [each.id for each in found], person)
        return found, more, mine
