"""What is kept of questions, answers, people and pictures, wherever that is: the port.

In a file of the data folder, or on AWS, where functions share no folder, in DynamoDB and S3. Each
call is whole or not at all, and what it reads is what was stored last.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ringback.settings import Settings

from .model import Answer, Answering, Asking, Detail, Person, Point, Question

if TYPE_CHECKING:
    from PIL import Image

TABLE = "ASK_AROUND_ME_TABLE"
"""Names the table that everything is in, instead of a file."""
BUCKET = "ASK_AROUND_ME_BUCKET"
"""Names the bucket of the pictures, beside the table."""


class Records(Protocol):
    """What cannot be done raises ``TaskFailed``, with a reason that the page knows."""

    def meet(self, person: Person) -> None:
        """Learn, or learn anew, how somebody is called."""
        ...

    def check_asking(self, asking: Asking, person: str, now: float) -> None:
        """Raise ``TaskFailed`` when somebody has asked enough for one day, and this is new."""
        ...

    def ask(self, asking: Asking, person: str, now: float) -> Detail:
        """Ask, unless this very question was asked already: then it is that one."""
        ...

    def answer(
        self, answering: Answering, person: str, operation: str, now: float
    ) -> tuple[Answer | None, Detail]:
        """Answer, in place of what the person answered before; what counts by now."""
        ...

    def withdraw(
        self, asked: str, person: str, operation: str, now: float
    ) -> tuple[Answer | None, Detail]:
        """Take one's own answer back, if there is one; what counts by now."""
        ...

    def check_photo(self, asked: str, person: str, photo: str) -> None:
        """Raise ``TaskFailed`` unless somebody may put this picture to a question."""
        ...

    def attach(self, asked: str, photo: str, width: int, height: int, now: float) -> Detail:
        """Put a picture to a question, once."""
        ...

    def keep(self, photo: str, side: int, picture: Image.Image) -> None:
        """Store one size of a picture: all of it, or none."""
        ...

    def picture(self, photo: str, side: int) -> Path | bytes | None:
        """One size of a picture, if there is such a one."""
        ...

    def look(self, asked: str, person: str | None) -> tuple[Detail, Answer | None]:
        """One question, with what somebody answered."""
        ...

    def around(
        self, centre: Point, radius: float, cover: Sequence[str], person: str | None
    ) -> tuple[list[Question], bool, dict[str, Answer]]:
        """The questions within a radius, nearest first; whether there may be more; and what
        somebody answered. ``cover`` are the cells that the circle meets.
        """
        ...


def records_of(settings: Settings) -> Records:
    """Where these settings and the environment say that it is."""
    return _records(settings.data, os.environ.get(TABLE), os.environ.get(BUCKET))


@lru_cache(maxsize=8)
def _records(folder: Path, table: str | None, bucket: str | None) -> Records:
    if table is None:
        from .local import LocalRecords

        return LocalRecords(folder)
    from .aws import AwsRecords

    return AwsRecords(table, bucket)
