"""What is kept, in a file and in DynamoDB and S3: the same answers to the same calls."""

import io
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from examples.ask_around_me import cells, questions, records
from examples.ask_around_me.model import Answering, Asking, Person, Point
from examples.ask_around_me.records import Records
from ringback import TaskFailed
from ringback.settings import Settings
from tests import moto

HERE = Point(lat=47.3769, lng=8.5417)
NOW = 1_800_000_000.0
PEOPLE = ("ada", "eve", "joe", "amy")


@pytest.fixture(params=["file", "table"])
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Records:
    if request.param == "table":
        for name, value in moto.environment().items():
            monkeypatch.setenv(name, value)
        name = f"records-{uuid.uuid4().hex}"
        moto.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        monkeypatch.setenv(records.TABLE, name)
        monkeypatch.setenv(records.BUCKET, moto.bucket())
    made = records.records_of(Settings(data=tmp_path))
    for each in PEOPLE:
        made.meet(Person(id=each, name=each.title()))
    return made


def asking(kind: str = "stars", at: Point = HERE) -> Asking:
    return Asking.model_validate({"id": uuid.uuid4(), "text": "?", "kind": kind, "at": at})


def rating(asked: UUID, stars: float) -> Answering:
    return Answering(question=asked, stars=stars)


def around(kept: Records, at: Point = HERE, person: str | None = None) -> Any:
    return kept.around(at, cells.MAX_RADIUS, cells.cover(at, cells.MAX_RADIUS), person)


def reason(failed: pytest.ExceptionInfo[TaskFailed]) -> object:
    return failed.value.problem()["reason"]


def test_a_question_is_asked_once_and_found_around(kept: Records) -> None:
    first = asking()
    asked = kept.ask(first, "ada", NOW)
    assert kept.ask(first, "ada", NOW + 1) == asked, "tried again"
    assert (asked.question.version, asked.question.author.name) == (1, "Ada")
    away = Point(lat=HERE.lat + 0.05, lng=HERE.lng)
    second = kept.ask(asking(at=away), "eve", NOW + 2)
    kept.ask(asking(at=Point(lat=-HERE.lat, lng=HERE.lng)), "ada", NOW + 3)
    found, more, mine = around(kept)
    assert (found, more, mine) == ([asked.question, second.question], False, {})
    assert around(kept, away)[0] == [second.question, asked.question], "the nearest first"
    kept.meet(Person(id="ada", name="Ada L."))
    assert kept.look(str(first.id), None)[0].question.author.name == "Ada L."
    with pytest.raises(TaskFailed) as failed:
        kept.ask(first, "eve", NOW)
    assert reason(failed) == "id-taken"


def test_answers_count_once_for_each_person_and_the_last_accepted_stays(kept: Records) -> None:
    asked = asking()
    id = str(asked.id)
    kept.ask(asked, "ada", NOW)
    kept.answer(rating(asked.id, 4), "ada", "op-2", NOW)
    mine, detail = kept.answer(rating(asked.id, 1), "ada", "op-1", NOW + 1)
    assert mine is not None
    assert mine.stars == 4, "what was accepted later had overtaken it"
    assert (detail.question.version, detail.question.answers.count) == (2, 1)
    _, detail = kept.answer(rating(asked.id, 3), "eve", "op-3", NOW)
    assert (detail.question.answers.count, detail.question.answers.average) == (2, 3.5)
    again, same = kept.answer(rating(asked.id, 3), "eve", "op-3", NOW + 9)
    assert same == detail
    assert again is not None
    assert again.at.timestamp() == NOW
    found, _, answers = around(kept, person="eve")
    assert (found, answers) == ([detail.question], {id: again})
    mine, detail = kept.withdraw(id, "ada", "op-4", NOW)
    assert mine is None
    assert detail.question.answers.distribution == [0] * 5 + [1] + [0] * 4
    assert kept.look(id, "ada") == (detail, None)
    assert kept.look(id, "eve") == (detail, again)


def test_of_answers_given_at_once_none_is_lost(kept: Records) -> None:
    asked = asking()
    kept.ask(asked, "ada", NOW)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            list(
                pool.map(
                    lambda number: kept.answer(
                        rating(asked.id, (number % 2) + 1), PEOPLE[number], "op-1", NOW
                    ),
                    range(4),
                )
            )
    answers = kept.look(str(asked.id), None)[0].question.answers
    assert answers.distribution == [0, 2, 0, 2, 0, 0, 0, 0, 0, 0]


def test_places_make_a_heat_map(kept: Records) -> None:
    asked = asking("place")
    kept.ask(asked, "ada", NOW)
    for person, lat in (("ada", 47.3769), ("eve", 47.3769), ("joe", 47.41)):
        place = Point(lat=lat, lng=HERE.lng)
        mine, _ = kept.answer(
            Answering(question=asked.id, place=place), person, f"op-{person}", NOW
        )
        assert mine is not None
        assert mine.place == place
    detail, _ = kept.look(str(asked.id), None)
    assert [each.count for each in detail.heat] == [2, 1]
    assert detail.question.answers.model_dump() == {
        "count": 3,
        "average": None,
        "distribution": None,
    }
    with pytest.raises(TaskFailed) as failed:
        kept.answer(rating(asked.id, 1), "ada", "op-9", NOW)
    assert reason(failed) == "wrong-kind"


def test_of_a_person_so_many_a_day(kept: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "DAILY", 3)
    last = asking()
    for number in range(3):
        kept.check_asking(asking(), "ada", NOW + number)
        last = asking()
        kept.ask(last, "ada", NOW + number)
    for call in (kept.check_asking, kept.ask):
        with pytest.raises(TaskFailed) as failed:
            call(asking(), "ada", NOW + 10)
        assert reason(failed) == "daily-limit"
    kept.check_asking(last, "ada", NOW + 10)
    kept.ask(asking(), "eve", NOW + 10)
    kept.ask(asking(), "ada", NOW + questions.DAY)


def test_pictures(kept: Records) -> None:
    asked = asking()
    id = str(asked.id)
    kept.ask(asked, "ada", NOW)
    with pytest.raises(TaskFailed) as failed:
        kept.check_photo(id, "eve", "op-1")
    assert reason(failed) == "not-yours"
    photo = str(uuid.uuid4())
    assert kept.picture(photo, 240) is None
    kept.keep(photo, 240, Image.new("RGB", (240, 100), "red"))
    found = kept.picture(photo, 240)
    data = found.read_bytes() if isinstance(found, Path) else found
    assert data is not None
    assert Image.open(io.BytesIO(data)).size == (240, 100)
    for number in range(questions.MAX_PHOTOS):
        for _ in range(2):
            kept.attach(id, f"{photo}-{number}", 240, 100, NOW + number)
    detail, _ = kept.look(id, None)
    assert [each.id for each in detail.question.photos] == [f"{photo}-{n}" for n in range(4)]
    assert detail.question.version == 1 + questions.MAX_PHOTOS
    kept.check_photo(id, "ada", f"{photo}-0")
    for call in (
        lambda: kept.check_photo(id, "ada", photo),
        lambda: kept.attach(id, photo, 1, 1, time.time()),
    ):
        with pytest.raises(TaskFailed) as failed:
            call()
        assert reason(failed) == "too-many-photos"


def test_what_is_not_there(kept: Records) -> None:
    nothing = uuid.uuid4()
    for call in (
        lambda: kept.look(str(nothing), "ada"),
        lambda: kept.answer(rating(nothing, 1), "ada", "op-1", NOW),
        lambda: kept.withdraw(str(nothing), "ada", "op-1", NOW),
        lambda: kept.check_photo(str(nothing), "ada", "op-1"),
    ):
        with pytest.raises(TaskFailed) as failed:
            call()
        assert reason(failed) == "unknown-question"
