"""One application in two homes, unchanged: in processes of its own, and in functions on AWS.

What users see is the same, whatever is killed, cut, doubled or late on the way.
"""

import asyncio
import contextlib
import io
import itertools
import json
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from ringback.client import AsyncClient
from tests.clients.typescript import NODE
from tests.examples.ask_around_me.browser.visitor import Company
from tests.examples.ask_around_me.homes.places import Aws, Place
from tests.examples.ask_around_me.people import Json, Person, asking
from tests.serving import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLLOWER = Path(__file__).with_name("follower.mjs")
PATIENCE = 60.0
"""Seconds for anything: functions start cold, and the machine may be busy."""
KILLS = 20
"""Attempts to hit a worker in the middle of its work, and not before or after."""
_towns = itertools.count()


@pytest.fixture
def town() -> dict[str, Any]:
    """A place that no other test has."""
    return {"lat": -40.0, "lng": -170.0 + 1.5 * next(_towns)}


def picture() -> bytes:
    """A photo that is quick to look at, and larger than API Gateway and Lambda take."""
    made = io.BytesIO()
    Image.radial_gradient("L").save(made, "JPEG")
    return made.getvalue() + bytes(7_000_000)  # nobody minds what comes after a picture's end


class Follower:
    """The page's client, in a process of Node's."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[Json] = []
        """The questions it was told of, in order."""
        self.statuses: list[str] = []

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "the client has ended"
        said = json.loads(line)
        if "data" in said:
            self.told.append(said["data"])
        else:
            self.statuses.append(said["status"])

    async def hears(self, question: str) -> None:
        """Read on until it is told of this question."""
        while all(each["id"] != question for each in self.told):
            await self._read()

    async def becomes(self, status: str) -> None:
        """Read on until the connection is so."""
        while status not in self.statuses:
            await self._read()


@contextlib.asynccontextmanager
async def following(
    place: Place, client: Path, transport: str, before: Json
) -> AsyncIterator[Follower]:
    """Follow what is asked after a read."""
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(FOLLOWER), client.as_uri(), place.url, place.socket_url, transport),
        *(before["position"], *before["topics"]),
        stdin=subprocess.PIPE,  # it ends with that
        stdout=subprocess.PIPE,
    )
    try:
        yield Follower(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.communicate()


@pytest.mark.parametrize("transport", ["websocket", "sse", "long-polling", "polling"])
async def test_what_one_asks_another_is_told(
    place: Place, client: Path, town: dict[str, Any], transport: str
) -> None:
    """What was asked while they were away, too; each once, and in order."""
    async with Person.of(place.url) as ada:
        before = await ada.around(**town)
        away = await ada.ask("While they are away?", **town)
        async with following(place, client, transport, before) as eve:
            await eve.hears(away["id"])
            there = await ada.ask("While they are there?", **town)
            await eve.hears(there["id"])
            assert eve.told == [away, there]


async def test_answers_of_many_come_to_one_result(place: Place, town: dict[str, Any]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        people = [await stack.enter_async_context(Person.of(place.url, each)) for each in "ABCD"]
        asked = await people[0].ask(**town)
        before = await people[0].look(asked["id"])
        await asyncio.gather(
            *(
                each.done("answer", {"question": asked["id"], "stars": 2 + number})
                for number, each in enumerate(people)
            )
        )
        await people[3].done("withdraw", {"question": asked["id"]})
        found = await people[1].look(asked["id"])
        assert found["mine"]["stars"] == 3
        assert found["question"]["answers"] == {
            "count": 3,
            "average": 3.0,
            "distribution": [0, 0, 0, 1, 0, 1, 0, 1, 0, 0],
        }
        told = await people[2].messages([f"questions/{asked['cell']}"], before["position"])
        assert [each["data"]["version"] for each in told] == [2, 3, 4, 5, 6]
        assert told[-1]["data"] == found["question"]


async def test_a_photo_is_seen_by_all(place: Place, town: dict[str, Any]) -> None:
    """One larger than a function takes: it goes past those, into the bucket, which tells them."""
    sent = picture()
    async with (
        Person.of(place.url) as ada,
        AsyncClient(place.url, token=ada.headers["Authorization"].split()[1]) as client,
        httpx.AsyncClient(timeout=PATIENCE) as browser,
    ):
        asked = await ada.ask(**town)
        name = f"photos/{asked['id']}/{uuid.uuid4()}.jpg"
        told: list[int] = []
        operation = await client.upload(
            sent, name=name, type="image/jpeg", on_sent=lambda sent, _: told.append(sent)
        )
        assert told == sorted(told), "all at once, and not again in pieces"
        result = await operation.result()
        (photo,) = (await ada.look(asked["id"]))["question"]["photos"]
        assert photo == result
        shown = await browser.get(place.url + photo["small"])
        assert shown.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(shown.content)).size == (240, 240)


async def test_a_worker_killed_in_the_middle_loses_nothing(
    place: Place, town: dict[str, Any]
) -> None:
    async with Person.of(place.url) as ada:
        before = await ada.around(**town)
        ids = []
        for _ in range(KILLS):
            given = asking(**town)
            ids.append(given["id"])
            accepted = await ada.post(
                "/tasks/ask", json=given, headers={"Idempotency-Key": given["id"]}
            )
            operation = accepted.json()

            async def runs(shown: Json = operation) -> bool:
                answer = await ada.get(
                    shown["links"]["self"], headers={"Authorization": f"Bearer {shown['token']}"}
                )
                return bool(answer.json()["status"] != "queued")

            await until(runs, PATIENCE)
            await place.kill_worker()
            operation = await ada.ended(operation)
            assert operation["status"] == "succeeded", operation
            if operation["attempt"] > 1:
                break
        else:
            raise AssertionError("It was never hit in the middle.")
        found = await ada.around(**town)
        assert {each["id"] for each in found["questions"]} == set(ids)
        told = await ada.messages(before["topics"], before["position"])
        assert [each["data"]["id"] for each in told] == ids


@pytest.mark.soak
async def test_two_pages_see_the_same(place: Place, browser: Browser, tmp_path: Path) -> None:
    photo = tmp_path / "tea.jpg"
    photo.write_bytes(picture())
    async with Company(browser) as company:
        ada = await company.comes(place.url, "Ada")
        eve = await company.comes(place.url, "Eve")
        sent: list[str] = []
        ada.page.on("request", lambda request: sent.append(request.method))
        await ada.is_live()
        await eve.is_live()
        await ada.ask("How is the tea?", photos=[photo])
        await eve.sees("How is the tea?")
        await eve.open("How is the tea?")
        await eve.give_stars(4)
        await expect(eve.page.get_by_role("button", name="Photo 1 of 1")).to_be_visible()
        await ada.open("How is the tea?")
        await ada.sees_score("4.0", "1")
    assert not company.faults, "\n".join(company.faults)
    assert ("PATCH" not in sent) == isinstance(place, Aws), "functions take no such files"


# On AWS alone


async def test_a_connection_that_is_cut_goes_on_where_it_was(
    on_aws: Aws, client: Path, town: dict[str, Any]
) -> None:
    async with Person.of(on_aws.url) as ada:
        before = await ada.around(**town)
        async with following(on_aws, client, "websocket", before) as eve:
            first = await ada.ask("Before?", **town)
            await eve.hears(first["id"])
            for connection in list(on_aws.sockets.connections):
                await _cut(on_aws, connection)
            second = await ada.ask("After?", **town)
            await eve.hears(second["id"])
            assert eve.told == [first, second]
            assert eve.statuses.count("connected") > 1


async def test_a_page_may_put_a_photo_into_the_bucket(on_aws: Aws, town: dict[str, Any]) -> None:
    async with Person.of(on_aws.url) as ada, httpx.AsyncClient(timeout=PATIENCE) as browser:
        asked = await ada.ask(**town)
        declared = await ada.post(
            "/uploads",
            json={
                "name": f"photos/{asked['id']}/{uuid.uuid4()}.jpg",
                "size": 3,
                "type": "image/jpeg",
            },
        )
        assert declared.status_code == 201, declared.text
        shown = await ada.get(
            declared.json()["upload"]["url"],
            headers={"Authorization": f"Bearer {declared.json()['token']}"},
        )
        for signed in (declared.json()["upload"]["signed_url"], shown.json()["signed_url"]):
            allowed = await browser.options(
                signed,
                headers={
                    "Origin": on_aws.url,
                    "Access-Control-Request-Method": "PUT",
                    "Access-Control-Request-Headers": "content-type",
                },
            )
            assert allowed.is_success
            assert allowed.headers["Access-Control-Allow-Origin"] == on_aws.url


async def _cut(place: Aws, connection: str) -> None:
    """By the SDK, as an administrator would."""
    import boto3

    def cut() -> Any:
        sockets = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=place.socket_url.replace("ws", "http", 1),
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        with contextlib.suppress(sockets.exceptions.GoneException):
            sockets.delete_connection(ConnectionId=connection)
        sockets.close()

    await asyncio.to_thread(cut)


@pytest.mark.soak
async def test_messages_that_come_twice_and_in_any_order_change_nothing(
    on_aws: Aws, town: dict[str, Any]
) -> None:
    async with Person.of(on_aws.url) as ada:
        asked = await ada.ask(**town)
        before = await ada.look(asked["id"])
        *_, lost = await on_aws.messages()  # in the hands of a worker that was killed

        async def send(operation: Json) -> None:
            body = json.dumps({"operation": operation["id"], "task": operation["task"]})
            await on_aws.ask("sqs", "send_message", QueueUrl=on_aws.queue, MessageBody=body)

        operations = []
        for stars in (1, 2, 5):
            accepted = await ada.post(
                "/tasks/answer",
                json={"question": asked["id"], "stars": stars},
                headers={"Idempotency-Key": str(uuid.uuid4())},
            )
            operations.append(accepted.json())
            await send(operations[-1])
        ended = [await ada.ended(each) for each in operations]
        for each in [*reversed(ended), *ended]:
            await send(each)

        async def is_empty() -> bool:
            waiting, delayed, in_hand = await on_aws.messages()
            return waiting + delayed == 0 and in_hand <= lost

        await until(is_empty, PATIENCE, every=0.1)
        found = await ada.look(asked["id"])
        assert found["mine"]["stars"] == 5, "what was accepted last"
        assert found["question"]["answers"]["count"] == 1
        for each in ended:
            again = await ada.get(
                each["links"]["self"], headers={"Authorization": f"Bearer {each['token']}"}
            )
            assert again.json()["version"] == each["version"]
        told = await ada.messages([f"questions/{asked['cell']}"], before["position"])
        assert len(told) == 3, "each answer once"
