"""Asking, and reading what is asked around a point."""

import asyncio
import uuid
from pathlib import Path

import httpx
import pytest

from examples.ask_around_me import questions
from tests.examples.ask_around_me.people import HERE, Person, asking, served

TEN_METRES = 0.00009
"""Degrees of latitude."""


async def test_a_question_is_acknowledged_done_and_seen_by_those_who_did_not_sign_in(
    data: Path,
) -> None:
    async with served(data) as url, Person.of(url) as ada, httpx.AsyncClient(base_url=url) as all:
        asked = await ada.ask("  How is\tthe coffee?  ")
        assert asked["text"] == "How is the coffee?"
        assert asked["author"] == ada.person
        assert asked["answers"] == {"count": 0, "average": None, "distribution": [0] * 10}
        around = (await all.get("/api/questions", params=HERE)).json()
        assert around["questions"] == [asked]
        assert around["mine"] == {}
        assert f"questions/{asked['cell']}" in around["topics"]


async def test_asked_twice_it_is_one_question(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        given = asking()
        first = await ada.done("ask", given)
        again = await ada.done("ask", given)  # with another key, as after a failure
        assert again == first
        assert len((await ada.around())["questions"]) == 1
        assert await eve.refused("ask", given | {"text": "Mine now"}) == "id-taken"


async def test_the_same_key_is_the_same_operation(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        given, key = asking(), str(uuid.uuid4())
        first = await ada.submit("ask", given, key)
        assert (await ada.submit("ask", given, key))["id"] == first["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": " \n "},
        {"text": "x" * 101},
        {"text": "a\x00b"},
        {"text": "a\u202eb"},
        {"kind": "yes/no"},
        {"at": {"lat": 91, "lng": 0}},
        {"at": {"lat": 0, "lng": -181}},
        {"at": {"lat": 0}},
        {"id": "1"},
        {"author": "somebody"},
    ],
)
async def test_what_is_no_question_is_refused_before_it_is_stored(
    data: Path, wrong: dict[str, object]
) -> None:
    async with served(data) as url, Person.of(url) as ada:
        answer = await ada.post(
            "/tasks/ask", json=asking() | wrong, headers={"Idempotency-Key": str(uuid.uuid4())}
        )
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"]


async def test_a_hundred_characters_and_emoji_of_several_are_taken(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        text = "👨‍👩‍👧" + "ü" * 95
        assert (await ada.ask(text))["text"] == text


async def test_asking_takes_a_token_and_a_key(data: Path) -> None:
    async with (
        served(data) as url,
        httpx.AsyncClient(base_url=url) as nobody,
        Person.of(url) as ada,
    ):
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        assert (await nobody.post("/tasks/ask", json=asking(), headers=headers)).status_code == 401
        assert (await ada.post("/tasks/ask", json=asking())).status_code == 400


async def test_nearest_first_and_nothing_from_farther_away(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        lat = HERE["lat"]
        far = await ada.ask("Far?", lat=lat + 0.06)
        beyond = await ada.ask("Beyond?", lat=lat + 0.073)
        near = await ada.ask("Near?", lat=lat - 0.002)
        found = await ada.around()
        assert [each["id"] for each in found["questions"]] == [near["id"], far["id"]]
        assert not found["more"]
        close = (await ada.get("/api/questions", params=HERE | {"radius": 1000})).json()
        assert [each["id"] for each in close["questions"]] == [near["id"]]
        assert len(close["cells"]) <= len(found["cells"])
        there = await ada.around(lat=lat + 0.14)
        assert [each["id"] for each in there["questions"]] == [beyond["id"]]


async def test_the_180th_meridian_is_no_wall(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask("Which day is it?", lat=-16.8, lng=179.99)
        found = await ada.around(lat=-16.8, lng=-179.99)
        assert [each["id"] for each in found["questions"]] == [asked["id"]]
        assert f"questions/{asked['cell']}" in found["topics"]


async def test_nor_is_the_pole(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask("Which way is south?", lat=89.98, lng=-120)
        found = await ada.around(lat=89.99, lng=60)
        assert [each["id"] for each in found["questions"]] == [asked["id"]]


@pytest.mark.parametrize(
    "params",
    [
        {"lat": 91},
        {"lng": 180.1},
        {"lat": "nan"},
        {"lat": "inf"},
        {"radius": 8001},
        {"radius": 0},
        {"radius": "nan"},
    ],
)
async def test_a_read_says_what_is_wrong_with_it(
    data: Path, params: dict[str, str | float]
) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        query = httpx.QueryParams({**HERE, **params})
        answer = await client.get("/api/questions", params=query)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        (name,) = params
        assert answer.json()["errors"][0]["pointer"] == f"/{name}"


async def test_a_question_that_is_not_there(data: Path) -> None:
    async with served(data) as url, httpx.AsyncClient(base_url=url) as client:
        answer = await client.get(f"/api/questions/{uuid.uuid4()}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/api/questions/1")).status_code == 422
        assert (await client.get("/api/nothing")).status_code == 404


async def test_a_day_has_so_many_questions_and_the_failed_one_can_be_asked_later(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "DAILY", 3)
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        await asyncio.gather(*(ada.ask(f"{number}?") for number in range(3)))
        given = asking("One more?")
        refused = (await ada.submit("ask", given))["error"]
        assert refused["reason"] == "daily-limit"
        assert 0 < refused["retry_after"] <= questions.DAY
        await eve.ask("Another's?")
        monkeypatch.setattr(questions, "DAY", 0.0)  # the day is over
        assert (await ada.done("ask", given))["id"] == given["id"]
        assert len((await ada.around())["questions"]) == 5


async def test_many_at_once_do_not_pass_the_limit(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "DAILY", 4)
    async with served(data) as url, Person.of(url) as ada:
        ended = await asyncio.gather(*(ada.submit("ask", asking()) for _ in range(12)))
        assert sum(each["status"] == "succeeded" for each in ended) == 4
        assert len((await ada.around())["questions"]) == 4


async def test_no_more_than_so_many_come_at_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MAX_AROUND", 3)
    async with served(data) as url, Person.of(url) as ada:
        lat = HERE["lat"]
        asked = [await ada.ask(lat=lat + step * TEN_METRES) for step in (4, 1, 3, 2, 0)]
        found = await ada.around()
        assert found["more"]
        nearest = [asked[index]["id"] for index in (4, 1, 3)]
        assert [each["id"] for each in found["questions"]] == nearest
