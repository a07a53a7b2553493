"""Answers: stars by halves, places, one for each person, changed, withdrawn, never another's."""

import asyncio
import random
import time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.ask_around_me import cells, questions, tasks
from examples.ask_around_me.model import Answering, Asking, Detail, Point
from examples.ask_around_me.model import Person as Somebody
from examples.ask_around_me.store import Store
from ringback import BlockingOperation
from tests.examples.ask_around_me.people import HERE, Person, served
from tests.thorough import examples


async def test_half_stars_stay_half_stars(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        asked = await ada.ask()
        first = await ada.done("answer", {"question": asked["id"], "stars": 3.5})
        assert first["answer"]["stars"] == 3.5
        second = await eve.done("answer", {"question": asked["id"], "stars": 0.5})
        assert second["question"]["answers"] == {
            "count": 2,
            "average": 2.0,
            "distribution": [1, 0, 0, 0, 0, 0, 1, 0, 0, 0],
        }
        assert asked["version"] < first["question"]["version"] < second["question"]["version"]


async def test_one_answer_each_which_can_be_changed_and_withdrawn(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        id = (await ada.ask())["id"]
        await eve.done("answer", {"question": id, "stars": 5})
        await ada.done("answer", {"question": id, "stars": 1})
        changed = await ada.done("answer", {"question": id, "stars": 2})
        assert changed["question"]["answers"]["count"] == 2
        assert changed["question"]["answers"]["average"] == 3.5
        assert (await ada.around())["mine"][id]["stars"] == 2
        assert (await ada.look(id))["mine"]["stars"] == 2
        assert (await eve.look(id))["mine"]["stars"] == 5
        withdrawn = await ada.done("withdraw", {"question": id})
        assert withdrawn["answer"] is None
        assert withdrawn["question"]["answers"]["count"] == 1
        assert withdrawn["question"]["answers"]["average"] == 5.0
        assert (await ada.around())["mine"] == {}
        assert (await eve.look(id))["mine"]["stars"] == 5, "another's answer stays"
        nothing = await ada.done("withdraw", {"question": id})
        assert nothing["question"]["version"] == withdrawn["question"]["version"]


async def test_places_are_counted_by_cell(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        asked = await ada.ask("Where?", kind="place")
        assert asked["answers"] == {"count": 0, "average": None, "distribution": None}
        spot = {"lat": 47.38, "lng": 8.55}
        for person in (ada, eve):
            await person.done("answer", {"question": asked["id"], "place": spot})
        found = await ada.look(asked["id"])
        (cell,) = found["heat"]
        assert cell["cell"] == cells.heat_cell_of(Point(**spot))
        assert cell["count"] == 2
        assert found["mine"]["place"] == spot
        await eve.done("answer", {"question": asked["id"], "place": HERE})
        await ada.done("withdraw", {"question": asked["id"]})
        found = await ada.look(asked["id"])
        assert [each["count"] for each in found["heat"]] == [1]
        assert found["heat"][0]["cell"] == cells.heat_cell_of(Point(**HERE))
        assert found["question"]["answers"]["count"] == 1


@pytest.mark.parametrize("place", [{"lat": 40.7, "lng": -73.9}, {"lat": 34.0, "lng": -118.2}])
async def test_cells_whose_names_begin_with_a_digit_are_as_good_as_any(
    data: Path, place: dict[str, float]
) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask("Where?", kind="place", **place)
        await ada.done("answer", {"question": asked["id"], "place": place})
        assert (await ada.look(asked["id"]))["heat"][0]["count"] == 1


async def test_what_does_not_fit_is_refused(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        stars, place = await ada.ask(), await ada.ask("Where?", kind="place")
        assert await ada.refused("answer", {"question": stars["id"], "place": HERE}) == "wrong-kind"
        assert await ada.refused("answer", {"question": place["id"], "stars": 3}) == "wrong-kind"
        away = {"lat": HERE["lat"] + 0.2, "lng": HERE["lng"]}
        assert await ada.refused("answer", {"question": place["id"], "place": away}) == "too-far"
        unknown = str(UUID(int=1))
        assert await ada.refused("answer", {"question": unknown, "stars": 3}) == "unknown-question"
        assert await ada.refused("withdraw", {"question": unknown}) == "unknown-question"
        for wrong in (
            {"stars": 0},
            {"stars": 5.5},
            {"stars": 3.3},
            {"stars": 3, "place": HERE},
            {},
        ):
            answer = await ada.post(
                "/tasks/answer",
                json={"question": stars["id"], **wrong},
                headers={"Idempotency-Key": "a-key-of-its-own"},
            )
            assert answer.status_code == 422, wrong
        assert (await ada.look(stars["id"]))["question"]["answers"]["count"] == 0


async def test_many_answer_at_once_and_all_count(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = tasks._publish

    def unevenly(op: BlockingOperation, changed: Detail) -> None:
        time.sleep(changed.question.version % 2 * 0.05)  # every other one would be overtaken
        publish(op, changed)

    monkeypatch.setattr(tasks, "_publish", unevenly)
    async with served(data) as url, Person.of(url) as ada:
        id = (await ada.ask())["id"]
        before = (await ada.look(id))["position"]

        async def answer(number: int) -> None:
            async with Person.of(url, f"N{number}") as person:
                stars = 0.5 + number % 10 / 2
                await person.done("answer", {"question": id, "stars": stars})

        await asyncio.gather(*(answer(number) for number in range(20)))
        found = await ada.look(id)
        assert found["question"]["answers"]["distribution"] == [2] * 10
        told = await ada.messages([f"questions/{found['question']['cell']}"], before)
        versions = [each["data"]["version"] for each in told]
        assert versions == sorted(versions), "what is told of one question comes in order"
        assert versions[-1] == found["question"]["version"]
        details = await ada.messages([f"answers/{id}"], before)
        assert details[-1]["data"] == {"question": found["question"], "heat": []}


# Below the tasks: the order of operations, whatever the order in which they are done.

QUESTION = UUID(int=7)
PEOPLE = ("a", "b", "c")


def asked(store: Store, kind: str) -> None:
    with store.writing() as db:
        for person in PEOPLE:
            questions.meet(db, Somebody(id=person, name=person))
        asking = Asking.model_validate(
            {"id": QUESTION, "text": "?", "kind": kind, "at": {"lat": 0, "lng": 0}}
        )
        questions.ask(db, asking, "a", time.time())


def recount(store: Store) -> tuple[int, dict[str, int]]:
    with store.reading() as db:
        (kept,) = db.execute("SELECT answers FROM questions").fetchone()
        counted = db.execute(
            "SELECT bucket, count(*) FROM answers WHERE bucket IS NOT NULL GROUP BY bucket"
        ).fetchall()
        tallied = db.execute("SELECT bucket, count FROM tallies").fetchall()
    assert dict(map(tuple, tallied)) == dict(map(tuple, counted))
    return kept, dict(map(tuple, counted))


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(PEOPLE), st.none() | st.integers(1, 10)), min_size=1, max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_in_any_order_and_repeated_the_last_accepted_counts(
    tmp_path_factory: pytest.TempPathFactory,
    sent: list[tuple[str, int | None]],
    chance: random.Random,
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    asked(store, "stars")
    operations = [(f"{number:04}", *each) for number, each in enumerate(sent)]
    done = operations + chance.sample(operations, len(operations) // 2)  # some are tried again
    chance.shuffle(done)
    for operation, person, halves in done:
        with store.writing() as db:
            if halves is None:
                questions.withdraw(db, str(QUESTION), person, operation, 1.0)
            else:
                answering = Answering(question=QUESTION, stars=halves / 2)
                questions.answer(db, answering, person, operation, 1.0)
    last = {person: halves for _, person, halves in operations}
    counting = [halves for halves in last.values() if halves is not None]
    kept, _ = recount(store)
    assert kept == len(counting)
    with store.reading() as db:
        found = questions.question(db, str(QUESTION)).answers
    assert found.distribution == [counting.count(step) for step in range(1, 11)]
    wanted = round(sum(counting) / 2 / len(counting), 2) if counting else None
    assert found.average == wanted


def test_a_change_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    asked(store, "stars")

    def fail() -> None:
        with store.writing() as db:
            questions.answer(db, Answering(question=QUESTION, stars=3), "a", "1", 1.0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert recount(store) == (0, {})


def test_the_heat_map_keeps_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MAX_HEAT", 2)
    store = Store(tmp_path)
    asked(store, "place")
    places = [(0.0, 0.0), (0.1, 0.1), (0.05, 0.1)]
    with store.writing() as db:
        for person, (lat, lng) in zip(PEOPLE, places, strict=True):
            answering = Answering(question=QUESTION, place=Point(lat=lat, lng=lng))
            questions.answer(db, answering, person, person, 1.0)
        found = questions.detail(db, str(QUESTION))
    assert len(found.heat) == 2
    assert found.question.answers.count == 3
