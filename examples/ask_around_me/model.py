"""What goes over the wire: questions, answers, people, pictures.

A ``Question`` has the same shape wherever it is: in an answer to a read, in a task's result, in a
message. Its version says which of two is newer.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_TEXT = 100
"""Characters of a question."""
MAX_NAME = 40
"""Characters."""
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Control characters, halves of others, and what turns the order of all that follows on a page."""
DECIMALS = 5
"""Of degrees: about a metre."""
STEPS = 10
"""Ratings: half a star, one star, … five stars."""


class _Input(BaseModel):
    """What a caller sends: nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid")


class Point(BaseModel):
    """A position, kept to about a metre."""

    model_config = ConfigDict(frozen=True)

    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    lng: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]

    @property
    def rounded(self) -> Point:
        """To ``DECIMALS``, as it is stored: nobody needs to know more."""
        return Point(lat=round(self.lat, DECIMALS), lng=round(self.lng, DECIMALS))


def _one_line(text: str) -> str:
    """Without what would break a line or hide in it, and with single spaces."""
    text = " ".join(text.split())
    if UNFIT.search(text):
        raise ValueError("there are characters in it that cannot be shown")
    if not _is_seen(text):
        raise ValueError("there is nothing in it")
    return text


def _is_seen(text: str) -> bool:
    # Letters, numbers, punctuation, symbols; marks and what only formats are seen with these.
    return any(unicodedata.category(each)[0] in "LNPS" for each in text[:MAX_TEXT])


def name_in(given: object) -> str | None:
    """What can be shown of what somebody else calls a name: an issuer checks as it likes."""
    if not isinstance(given, str):
        return None
    name = " ".join(UNFIT.sub(" ", given).split())[:MAX_NAME].rstrip()
    return name if _is_seen(name) else None


Line = Annotated[str, AfterValidator(_one_line)]
Kind = Literal["stars", "place"]
Stars = Annotated[float, Field(ge=0.5, le=5, multiple_of=0.5, allow_inf_nan=False)]


class Asking(_Input):
    """The input of ``ask``."""

    id: UUID
    """Made by whoever asks, and kept when they try again: so nothing is asked twice."""
    text: Annotated[Line, Field(max_length=MAX_TEXT)]
    kind: Kind
    at: Point


class Answering(_Input):
    """The input of ``answer``: stars or a place, as the question wants."""

    question: UUID
    stars: Stars | None = None
    place: Point | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Answering:
        if (self.stars is None) == (self.place is None):
            raise ValueError("give either stars or place")
        return self


class Withdrawing(_Input):
    """The input of ``withdraw``."""

    question: UUID


class Naming(_Input):
    """How somebody wants to be called."""

    name: Annotated[Line, Field(max_length=MAX_NAME)]


class Person(BaseModel):
    """Somebody, as all others see them."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str


class Session(BaseModel):
    """Who one is now, and the token that says so."""

    token: str
    expires_at: datetime
    expires_in: int
    person: Person


class Photo(BaseModel):
    """A picture in three sizes: where they are, and what the largest measures."""

    id: str
    width: int
    height: int
    small: str
    medium: str
    large: str


class Answers(BaseModel):
    """What all answers together say."""

    count: int
    average: float | None
    """Stars, with two decimals; None while there are no answers, and of places."""
    distribution: list[int] | None
    """How many gave half a star, one star, … five; None of places."""


class Question(BaseModel):
    """A question and what became of it."""

    id: str
    version: int
    text: str
    kind: Kind
    at: Point
    cell: str
    author: Person
    created: datetime
    photos: list[Photo]
    answers: Answers


class Answer(BaseModel):
    """One person's."""

    question: str
    stars: float | None
    place: Point | None
    at: datetime


class HeatCell(BaseModel):
    """How many answers lie in a cell, and where that is."""

    cell: str
    count: int
    at: Point
    outline: list[tuple[float, float]]


class Detail(BaseModel):
    """A question with the places that were named, the most named first."""

    question: Question
    heat: list[HeatCell]


class Answered(BaseModel):
    """What became of an answer, or of its withdrawal."""

    question: Question
    answer: Answer | None


class Around(BaseModel):
    """What is asked around a point, and how to go on from there."""

    questions: list[Question]
    cells: list[str]
    topics: list[str]
    position: str
    more: bool
    mine: dict[str, Answer]


class Looked(BaseModel):
    """One question looked at, and how to go on from there."""

    question: Question
    heat: list[HeatCell]
    topics: list[str]
    position: str
    mine: Answer | None
