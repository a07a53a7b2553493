"""A read and a subscription joined: nothing between the two is lost, whoever asks meanwhile.

The same in several processes, and when one of them is killed in the middle of its work.
"""

import asyncio
import json
import threading
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from examples.ask_around_me import questions
from examples.ask_around_me.tasks import PACE
from tests.examples.ask_around_me.people import HERE, Json, Person, asking, served
from tests.serving import ServerProcess, until

SERVED = "examples.ask_around_me.app:app"
V1 = Subprotocol("ringback.v1")


async def test_whoever_reads_while_others_ask_misses_nothing(data: Path) -> None:
    """Each of many reads is at another moment of a stream of questions, and joined to it."""
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        ids: set[str] = set()

        async def asks(person: Person) -> None:
            for number in range(15):
                # All around: in every cell that the circle meets there may be some.
                at: Json = {"lat": HERE["lat"] + (number % 5 - 2) * 0.03, "lng": HERE["lng"]}
                ids.add((await person.ask(f"{number}?", **at))["id"])

        async with httpx.AsyncClient(base_url=url) as reader:
            asked = asyncio.gather(asks(ada), asks(eve))
            pages = []
            while not asked.done():
                pages.append((await reader.get("/api/questions", params=HERE)).json())
            await asked
        assert pages[0]["questions"] != pages[-1]["questions"], "it read meanwhile"
        for page in pages:
            told = await ada.messages(page["topics"], page["position"])
            known = [each["id"] for each in page["questions"]] + [
                each["data"]["id"] for each in told
            ]
            assert set(known) == ids


@pytest.mark.parametrize("asked_when", ["before the table is read", "after the table was read"])
async def test_what_is_asked_during_a_read_is_not_lost(
    data: Path, monkeypatch: pytest.MonkeyPatch, asked_when: str
) -> None:
    reading, asked = threading.Event(), threading.Event()
    read = questions.around

    def slowly(*arguments: Any) -> Any:
        found = read(*arguments) if asked_when.startswith("after") else None
        reading.set()
        assert asked.wait(20)
        return found or read(*arguments)

    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        monkeypatch.setattr(questions, "around", slowly)
        page = asyncio.ensure_future(ada.around())
        assert await asyncio.to_thread(reading.wait, 20)
        question = await eve.ask()
        asked.set()
        found = await page
        assert found["questions"] == ([question] if asked_when.startswith("before") else [])
        (told,) = await ada.messages(found["topics"], found["position"])
        assert told["data"] == question


async def test_so_it_is_with_the_answers_to_one_question(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask("Where?", kind="place")
        looked: list[Json] = []

        async def answers() -> None:
            for number in range(15):
                place = {"lat": HERE["lat"] + number * 0.01, "lng": HERE["lng"]}
                await ada.done("answer", {"question": asked["id"], "place": place})

        async def looks() -> None:
            looked.extend([await ada.look(asked["id"]) for _ in range(25)])

        await asyncio.gather(answers(), looks())
        last = await ada.look(asked["id"])
        for each in looked:
            told = await ada.messages(each["topics"], each["position"])
            seen = [message["data"]["question"] for message in told] + [each["question"]]
            assert max(question["version"] for question in seen) == last["question"]["version"]


async def test_what_one_process_does_those_of_another_see(data: Path) -> None:
    with ServerProcess(SERVED, data=data) as one, ServerProcess(SERVED, data=data) as two:
        async with Person.of(one.url) as ada, Person.of(two.url, "Eve") as eve:
            before = await eve.around()
            asked = await ada.ask()
            told = await until(lambda: eve.messages(before["topics"], before["position"]))
            assert told[0]["data"] == asked
            # Both know the other's tokens: they share a secret that one of them made.
            eve.base_url = httpx.URL(one.url)
            await eve.done("answer", {"question": asked["id"], "stars": 4.5})
            eve.base_url = httpx.URL(two.url)
            assert (await eve.look(asked["id"]))["mine"]["stars"] == 4.5


@pytest.mark.parametrize("step", ["checking", "publishing"])
async def test_killed_in_the_middle_it_is_asked_once(data: Path, step: str) -> None:
    """The server dies while it asks; the next goes on: the question is there, and told, once."""
    slow = {PACE: "1.5"}
    with ServerProcess(SERVED, data=data, environment=slow) as server:
        async with Person.of(server.url) as ada:
            before = await ada.around()
            given, key = asking(), str(uuid.uuid4())
            accepted = (
                await ada.post("/tasks/ask", json=given, headers={"Idempotency-Key": key})
            ).json()

            async def at_the_step() -> bool:
                shown = await ada.get(
                    accepted["links"]["self"],
                    headers={"Authorization": f"Bearer {accepted['token']}"},
                )
                progress = shown.json()["progress"]
                return progress is not None and progress["message"] == step

            await until(at_the_step)
            server.kill()
            server.start()
            # What a page does that heard nothing: it sends the same again, with the same key.
            operation = await ada.submit("ask", given, key)
            assert operation["id"] == accepted["id"]
            assert operation["status"] == "succeeded"
            assert operation["attempt"] > 1
            found = await ada.around()
            assert [each["id"] for each in found["questions"]] == [given["id"]]
            told = await ada.messages(before["topics"], before["position"])
            assert [each["data"]["id"] for each in told] == [given["id"]]


async def test_a_question_that_was_stored_but_not_told_is_told_by_the_next_attempt(
    data: Path,
) -> None:
    """As if the worker had died between the two: the question is there, and nobody knows."""
    async with served(data) as url, Person.of(url) as ada:
        given = asking()
        first = await ada.done("ask", given)
        after = (await ada.around())["position"]
        again = await ada.done("ask", given)
        (told,) = await ada.messages([f"questions/{first['cell']}"], after)
        assert told["data"] == again == first, "the same version: a duplicate, and known as one"


async def test_over_a_websocket_anybody_follows_and_who_signed_in_asks(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada, Person.of(url, "Eve") as eve:
        before = await eve.around()
        asked = await ada.ask("Before you came?")
        async with connect(f"{url.replace('http', 'ws')}/ws", subprotocols=[V1]) as socket:
            heard: list[Json] = []

            async def answer(action: Json) -> Json:
                await socket.send(json.dumps(action))
                while True:
                    frame = json.loads(await asyncio.wait_for(socket.recv(), 60))
                    if frame.get("id") == action["id"]:
                        return dict(frame)
                    heard.append(frame)

            for number, topic in enumerate(before["topics"]):
                follow = {"action": "subscribe", "id": f"s{number}", "filter": topic}
                reply = await answer(follow | {"after": before["position"]})
                assert reply["type"] == "reply", reply
            submit = {"action": "submit", "id": "1", "task": "ask", "input": asking("After?")}
            submit["key"] = str(uuid.uuid4())
            refused = await answer(submit)
            assert refused["problem"]["status"] == 401, "nobody knows who that is"
            token = eve.headers["Authorization"].partition(" ")[2]
            known = await answer({"action": "authenticate", "id": "2", "token": token})
            assert known["result"]["subject"] == eve.person["id"]
            assert (await answer(submit | {"id": "3"}))["type"] == "reply"

            def told() -> list[Json]:
                return [
                    frame["data"]
                    for frame in heard
                    if frame["type"] == "message" and frame["topic"] in before["topics"]
                ]

            while len(told()) < 2:
                heard.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
            assert told()[0] == asked
            assert told()[1]["author"] == eve.person


async def test_nobody_publishes_from_outside(data: Path) -> None:
    async with served(data) as url, Person.of(url) as ada:
        asked = await ada.ask()
        for topic in (f"questions/{asked['cell']}", f"answers/{asked['id']}", "anything"):
            answer = await ada.post(f"/topics/{topic}", json=asked)
            assert answer.status_code in (403, 404), answer.text
