"""Work from SQS: each message is a hint, and the table says what is to be done."""

import asyncio
import json
import time
from typing import Any

import pytest

from ringback import Operation, Ringback
from ringback.lambdas import work
from ringback.lambdas.handler import LambdaHandler
from ringback.ports import Chosen
from tests import moto
from tests.lambdas.cloud import KEYS, Context, On
from tests.lambdas.events import http
from tests.lambdas.table import Table

pytest.importorskip("ringback.engines.dynamodb.engine")


class Home:
    """Functions of one application on one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.runs: list[int] = []
        self.ahead = 0.0
        self._handlers: list[LambdaHandler] = []
        self.handler = self.function()

    def function(self) -> LambdaHandler:
        """A further environment."""
        clock = lambda: time.time() + self.ahead  # noqa: E731
        rb = Ringback(open_topics=True, clock=clock, **self.table.settings())

        @rb.task(timeout=20)
        async def double(x: int, op: Operation) -> int:
            self.runs.append(x)
            await op.publish("done", x)
            return 2 * x

        @rb.task(timeout=30)
        async def long(x: int) -> int:
            self.runs.append(x)
            await asyncio.sleep(60)
            return x

        @rb.task(timeout=20)
        async def loud(x: int, op: Operation) -> int:
            self.runs.append(x)
            for number in range(20):
                await op.emit("said", "." * 250_000, subject=str(number))
            return x

        @rb.task(retries=0)
        async def endless(x: int) -> int:
            self.runs.append(x)
            await asyncio.Event().wait()
            return x

        @rb.task(timeout=20, concurrency=1, lease=200)
        async def alone(x: int) -> int:
            self.runs.append(x)
            return x

        handler = LambdaHandler(On(rb, self.table), None)
        self._handlers.append(handler)
        return handler

    def submit(self, task: str, x: int) -> tuple[str, str]:
        answer = self.handler(http("POST", f"/tasks/{task}", json.dumps({"x": x})), Context(30))
        assert answer["statusCode"] == 202, answer
        shown = json.loads(answer["body"])
        return shown["id"], shown["token"]

    def show(self, operation: str, token: str) -> dict[str, Any]:
        event = http("GET", f"/operations/{operation}", authorization=f"Bearer {token}")
        shown: dict[str, Any] = json.loads(self.handler(event, Context(30))["body"])
        return shown

    async def hold_a_place(self, operation: str) -> None:
        """Have a worker that takes its time claim an operation."""
        async with self.table.engine() as engine:
            assert isinstance(engine, Chosen)
            claimed = await engine.claim_chosen("slow", [operation], time.time())
            assert len(claimed.operations) == 1

    def work(self, messages: list[dict[str, Any]], seconds: float = 50.0) -> list[str]:
        """The messages that are to come again."""
        answer = self.handler({"Records": messages}, Context(seconds))
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def close(self) -> None:
        for handler in self._handlers:
            handler.close()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {**KEYS, **moto.environment()}.items():
        monkeypatch.setenv(name, value)
    home = Home(Table())
    yield home
    home.close()


def test_accepts_sends_runs_and_settles(home: Home) -> None:
    operation, token = home.submit("double", 2)
    messages = home.table.messages()
    assert [json.loads(each["body"])["operation"] for each in messages] == [operation]
    assert home.work(messages) == []
    shown = home.show(operation, token)
    assert (shown["status"], shown["result"]) == ("succeeded", 4)
    # The same once more, twice in a batch, does nothing.
    assert home.work([messages[0], messages[0] | {"messageId": "again"}]) == []
    assert home.runs == [2]


def test_what_is_no_work_of_ours_comes_again(home: Home) -> None:
    body = json.dumps({"operation": "x", "task": "unknown"})
    message = {"messageId": "m1", "body": body, "eventSource": "aws:sqs"}
    assert home.work([message, {**message, "messageId": "m2", "body": "no JSON"}]) == ["m1", "m2"]


def test_what_does_not_end_in_time_is_given_back(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LAST", 54.0)  # a second for the work, half a minute for the rest
    monkeypatch.setattr(work, "NEARLY", 2.0)  # it was begun late
    operation, token = home.submit("long", 1)
    assert home.work(home.table.messages(), seconds=60.0) == []
    shown = home.show(operation, token)
    assert (shown["status"], shown["attempt"]) == ("queued", 1)
    # And it was sent again.
    assert [json.loads(each["body"])["operation"] for each in home.table.messages(20)] == [
        operation
    ]


def test_what_had_all_of_a_functions_time_has_failed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would be given back and run again for ever."""
    monkeypatch.setattr(work, "LAST", 54.0)
    operation, token = home.submit("endless", 1)
    assert home.work(home.table.messages(20), seconds=60.0) == []
    shown = home.show(operation, token)
    assert (shown["status"], shown["error"]["type"]) == ("failed", "urn:ringback:problem:timeout")
    assert "no timeout" in shown["error"]["detail"]
    assert home.runs == [1]


def test_a_limit_passes_its_place_on(home: Home) -> None:
    operations = [home.submit("alone", x) for x in range(3)]
    messages = home.table.messages()
    while len(messages) < 3:
        messages += home.table.messages()
    assert home.work(messages) == []
    assert sorted(home.runs) == [0, 1, 2]
    for operation in operations:
        assert home.show(*operation)["status"] == "succeeded"


def test_what_cannot_be_stored_has_failed(home: Home) -> None:
    """Left running, it would be done again and again, until its attempts are used up."""
    operation, token = home.submit("loud", 1)
    assert home.work(home.table.messages(20)) == []
    shown = home.show(operation, token)
    assert shown["status"] == "failed"
    assert shown["error"]["type"] == "urn:ringback:problem:limit-exceeded"
    assert "cannot be stored" in shown["error"]["detail"]
    assert (home.runs, shown["attempt"]) == ([1], 1)


@pytest.mark.parametrize("seconds", [50.0, 25.0], ids=["time for one more", "no time"])
def test_a_place_is_given_on_to_whom_no_message_of_the_batch_names(
    home: Home, seconds: float
) -> None:
    (first, _), (second, token) = home.submit("alone", 1), home.submit("alone", 2)
    messages = {json.loads(each["body"])["operation"]: each for each in home.table.messages()}
    while len(messages) < 2:
        messages |= {json.loads(each["body"])["operation"]: each for each in home.table.messages()}
    assert home.work([messages[first]], seconds) == []
    if seconds < 50.0:
        assert home.runs == [1]
        told = home.table.messages(20)
        assert [json.loads(each["body"])["operation"] for each in told] == [second]
        assert home.work(told) == []
    assert home.runs == [1, 2]
    assert home.show(second, token)["status"] == "succeeded"


def test_what_waits_for_a_limit_for_long_is_upkeeps_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or its messages would be more with every minute."""
    monkeypatch.setattr(work, "PAUSE", (1.0, 1.0))
    (first, _), (second, token) = home.submit("alone", 1), home.submit("alone", 2)
    messages = {json.loads(each["body"])["operation"]: each for each in home.table.messages()}
    while len(messages) < 2:
        messages |= {json.loads(each["body"])["operation"]: each for each in home.table.messages()}
    asyncio.run(home.hold_a_place(first))
    assert home.work([messages[second]], seconds=20.0) == []
    assert len(home.table.messages(20)) == 1  # it is looked at again in some seconds
    home.ahead = 90.0
    assert home.work([messages[second]], seconds=20.0) == []
    assert home.table.messages(0) == []
    assert home.handler({"ringback": "upkeep"}, Context(30))["sent"] >= 1
    assert home.show(second, token)["status"] == "queued"


def test_the_backstop_sends_what_was_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    operation, token = home.submit("double", 3)
    home.table.messages()  # lost: nobody works on it
    records = asyncio.run(home.table.read())
    monkeypatch.setenv("RINGBACK_STREAM", "backstop")
    assert home.handler({"Records": records}, Context(30)) == {"batchItemFailures": []}
    messages = home.table.messages(20)
    assert [json.loads(each["body"])["operation"] for each in messages] == [operation]
    assert home.work(messages) == []
    assert home.show(operation, token)["status"] == "succeeded"
    # Of what is done nothing is sent.
    home.handler({"Records": records}, Context(30))
    assert home.table.messages(0) == []


def test_upkeep_takes_over_from_a_worker_that_died(home: Home) -> None:
    event = {
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "detail": {},
        "id": "1",
        "resources": [],
    }
    answer = home.handler(event, Context(30))
    assert answer["expired"] == 0
    assert home.handler({"ringback": "upkeep"}, Context(30))["swept"] == 0
