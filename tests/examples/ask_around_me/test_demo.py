"""`ringback demo ask-around-me`: neighbours who ask and answer, and a worker that can be killed."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.ask_around_me import plausible
from examples.ask_around_me.cells import metres
from examples.ask_around_me.model import Point
from tests.cli.program import Shell, alive
from tests.examples.ask_around_me.people import HERE, Json, Person, asking
from tests.serving import until

LIMIT = 80.0
"""Seconds for what takes a few on a machine that does nothing else."""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """The demo as a user starts it: what it said."""
    shell = Shell(tmp_path / "home").fresh()
    with shell.start("demo", "ask-around-me", "--port", 0, "--json") as demo:
        said = demo.json_line()
        yield said
        assert demo.stop() == 0
        assert "Traceback" not in demo.err, demo.err
        assert not Path(said["store"]).exists(), "nothing is left behind"


async def test_neighbours_ask_and_answer_where_they_are_and_where_they_are_moved_to(
    started: Any,
) -> None:
    url = started["url"]
    async with Person.of(url) as ada:
        home = (await ada.get("/api/config")).json()
        assert home["demo"] == {}

        async def lively(at: Json) -> list[Json]:
            found: list[Json] = (await ada.around(**at))["questions"]
            answered = [each for each in found if each["answers"]["count"]]
            return found if len(found) > 3 and answered else []

        here = await until(lambda: lively(HERE), LIMIT)
        assert {each["author"]["name"] for each in here} <= set(plausible.NAMES)
        there: Json = {"lat": -33.86, "lng": 151.21}
        assert (await ada.put("/api/demo/place", json=there)).status_code == 204
        moved = await until(lambda: lively(there), LIMIT)
        assert not {each["id"] for each in moved} & {each["id"] for each in here}
        mine = await ada.ask("What do you think?", **there)

        async def answered() -> int:
            return int((await ada.look(mine["id"]))["question"]["answers"]["count"])

        assert await until(answered, LIMIT)


@pytest.mark.soak
async def test_a_killed_worker_is_replaced_and_what_it_did_is_done(started: Any) -> None:
    (worker,) = started["worker_pids"]
    async with Person.of(started["url"]) as ada:
        given = asking("Still there?")
        accepted = (
            await ada.post("/tasks/ask", json=given, headers={"Idempotency-Key": str(uuid.uuid4())})
        ).json()

        async def runs() -> bool:
            shown = await ada.get(accepted["links"]["self"])
            return bool(shown.json()["status"] == "running")

        await until(runs)
        for headers in ({"Origin": "https://elsewhere.example"}, {"Host": "elsewhere.example"}):
            refused = await ada.post("/api/demo/kill-worker", headers=headers)
            assert refused.status_code == 403
        assert alive(worker)
        killed = (await ada.post("/api/demo/kill-worker")).json()
        assert killed["pid"] == worker
        await until(lambda: not alive(worker))
        operation = await asyncio.wait_for(ada.ended(accepted), LIMIT)
        assert operation["status"] == "succeeded"
        assert operation["attempt"] > 1
        ids = [each["id"] for each in (await ada.around())["questions"]]
        assert ids.count(given["id"]) == 1


def test_what_neighbours_say_is_valid_wherever_they_live() -> None:
    assert len({topic.text for topic in plausible.TOPICS}) == len(plausible.TOPICS) == 24
    assert all(len(topic.text) <= 100 for topic in plausible.TOPICS)
    order = plausible.topics()
    assert sorted(order) == sorted(plausible.TOPICS)
    for number in range(0, len(order), 2):
        assert {topic.kind for topic in order[number : number + 2]} == {"stars", "place"}
    for lat, lng in ((47.4, 8.5), (0.0, 180.0), (-16.8, -179.999), (89.5, 0.0)):
        at = Point(lat=lat, lng=lng)
        for number in range(50):
            assert metres(at, plausible.nearby(at, 3500)) < 3600
            assert metres(at, plausible.place(str(number), at)) < 3000
            assert plausible.stars(str(number), "?") * 2 in range(1, 11)
