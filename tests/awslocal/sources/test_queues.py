"""How messages of a queue become batches, and what becomes of them."""

import asyncio
import json
from collections import Counter
from typing import Any, cast

import pytest

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import EventSource, FunctionError, Outcome, Place, Resource
from ringback.awslocal.sources.queues import QueueMapping, failures
from tests.awslocal.waiting import until

ARN = "arn:aws:sqs:us-east-1:123456789012:q"
THROTTLED = Outcome(error=FunctionError(kind="throttled", type="T", message=""))
FAILED = Outcome(error=FunctionError(kind="unhandled", type="E", message=""))


class Queue:
    """As much of boto3 as is asked, over a list."""

    endpoint = "http://moto"
    place = Place()

    def __init__(self, *bodies: Any) -> None:
        self.waiting = [
            {
                "MessageId": f"m{number}",
                "ReceiptHandle": f"r{number}",
                "Body": json.dumps(body),
                "Attributes": {},
                "MessageAttributes": {
                    "b": {"DataType": "Binary", "BinaryValue": b"\x00"},
                    "s": {"DataType": "String", "StringValue": "v"},
                },
            }
            for number, body in enumerate(bodies)
        ]
        self.deleted: list[str] = []

    async def ask(self, service: str, operation: str, **said: Any) -> Any:
        await asyncio.sleep(0)
        if operation == "receive_message":
            if not self.waiting and said["WaitTimeSeconds"]:
                await asyncio.sleep(3600)
            most = said["MaxNumberOfMessages"]
            taken, self.waiting = self.waiting[:most], self.waiting[most:]
            return {"Messages": taken}
        self.deleted += [each["ReceiptHandle"] for each in said["Entries"]]
        return {}


class Called:
    def __init__(self, *outcomes: Outcome) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self._outcomes = list(outcomes)
        self.running = self.most = 0
        self.go = asyncio.Event()
        self.go.set()

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        self.batches.append(event["Records"])
        self.running += 1
        self.most = max(self.most, self.running)
        await self.go.wait()
        self.running -= 1
        return self._outcomes.pop(0) if self._outcomes else Outcome()


def start(queue: Queue, called: Called, **said: Any) -> asyncio.Task[None]:
    source = EventSource(**{"name": "m", "function": "F", "source": "Q", "kind": "sqs", **said})
    resource = Resource(name="Q", type="AWS::SQS::Queue", physical="q", arn=ARN)
    mapping = QueueMapping(source, resource, cast("Clients", queue), called, Counter(), scale=0.01)
    return asyncio.create_task(mapping.run())


async def test_batches_are_as_large_as_the_mapping_says() -> None:
    queue, called = Queue(*range(25)), Called()
    task = start(queue, called)
    await until(lambda: len(queue.deleted) == 25)
    task.cancel()
    assert [len(batch) for batch in called.batches] == [10, 10, 5]


async def test_a_window_gathers_larger_ones() -> None:
    queue, called = Queue(*range(25)), Called()
    task = start(queue, called, batch=20, window=5)
    await until(lambda: len(queue.deleted) == 25)
    task.cancel()
    assert [len(batch) for batch in called.batches] == [20, 5]


async def test_no_more_batches_at_once_than_may() -> None:
    queue, called = Queue(*range(50)), Called()
    called.go.clear()
    task = start(queue, called, most=2)
    await until(lambda: called.running == 2)
    called.go.set()
    await until(lambda: len(queue.deleted) == 50)
    task.cancel()
    assert called.most == 2


async def test_a_record_is_as_lambda_has_it() -> None:
    queue, called = Queue({"a": 1}), Called()
    task = start(queue, called)
    await until(lambda: bool(queue.deleted))
    task.cancel()
    ((record,),) = called.batches
    assert record["messageAttributes"] == {
        "b": {
            "binaryValue": "AA==",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary",
        },
        "s": {
            "stringValue": "v",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        },
    }


async def test_what_no_filter_lets_through_is_deleted_unseen() -> None:
    queue, called = Queue({"a": 1}, {"a": 2}, "no object"), Called()
    task = start(queue, called, filters=({"body": {"a": [2]}},))
    await until(lambda: len(queue.deleted) == 3)
    task.cancel()
    assert [json.loads(each["body"]) for batch in called.batches for each in batch] == [{"a": 2}]


async def test_a_throttled_batch_is_called_again() -> None:
    queue, called = Queue(1), Called(THROTTLED, THROTTLED)
    task = start(queue, called)
    await until(lambda: bool(queue.deleted))
    task.cancel()
    assert len(called.batches) == 3


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (FAILED, {"r0", "r1"}),
        (Outcome(payload=None), set()),
        (Outcome(payload={}), set()),
        (Outcome(payload={"batchItemFailures": []}), set()),
        (Outcome(payload={"batchItemFailures": [{"itemIdentifier": "m1"}]}), {"r1"}),
        (Outcome(payload={"batchItemFailures": [{"itemIdentifier": "m9"}]}), {"r0", "r1"}),
        (Outcome(payload={"batchItemFailures": [{"itemIdentifier": ""}]}), {"r0", "r1"}),
        (Outcome(payload={"batchItemFailures": "m1"}), {"r0", "r1"}),
        (Outcome(payload=["m1"]), {"r0", "r1"}),
    ],
)
async def test_what_failed_is_left_in_the_queue(outcome: Outcome, kept: set[str]) -> None:
    queue, called = Queue(1, 2), Called(outcome)
    task = start(queue, called, partial=True)
    await until(lambda: bool(called.batches) and len(queue.deleted) == 2 - len(kept))
    task.cancel()
    assert {"r0", "r1"} - set(queue.deleted) == kept


async def test_without_partial_failures_an_answer_is_not_looked_at() -> None:
    answer = {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    queue, called = Queue(1), Called(Outcome(payload=answer))
    task = start(queue, called)
    await until(lambda: bool(queue.deleted))
    task.cancel()


def test_failures() -> None:
    assert failures({"batchItemFailures": None}) == set()
    assert failures({"batchItemFailures": [{"other": "m"}]}) is None
