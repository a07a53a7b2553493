"""How records of a stream are tried again, and in which order."""

import asyncio
from pathlib import Path
from typing import Any, cast

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import EventSource, Function, FunctionError, Outcome, Resource
from ringback.awslocal.sources.destinations import Destinations
from ringback.awslocal.sources.streams import Lane, StreamMapping
from tests.awslocal.waiting import until

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/t"
FAILED = Outcome(error=FunctionError(kind="unhandled", type="E", message="no"), request_id="r")
THROTTLED = Outcome(error=FunctionError(kind="throttled", type="T", message=""), request_id="r")


def record(number: int) -> dict[str, Any]:
    return {
        "eventName": "INSERT",
        "dynamodb": {
            "SequenceNumber": str(number),
            "Keys": {"id": {"S": str(number)}},
            "ApproximateCreationDateTime": 1.0,
        },
    }


def numbers(records: list[dict[str, Any]]) -> list[int]:
    return [int(each["dynamodb"]["SequenceNumber"]) for each in records]


class Function_:  # noqa: N801 - the one that is called
    """Answers as it is told, and keeps what it was called with."""

    def __init__(self, *poisoned: int, partial: bool = False, throttled: int = 0) -> None:
        self.calls: list[list[int]] = []
        self._poisoned = set(poisoned)
        self._partial = partial
        self._throttled = throttled

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        if self._throttled:
            self._throttled -= 1
            return THROTTLED
        called = numbers(event["Records"])
        self.calls.append(called)
        bad = [number for number in called if number in self._poisoned]
        if self._partial:
            items = [{"itemIdentifier": str(number)} for number in bad]
            return Outcome(payload={"batchItemFailures": items})
        return FAILED if bad else Outcome()


class Told:
    """Destinations."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []

    async def send(self, arn: str, payload: dict[str, Any]) -> None:
        self.said.append(payload)


def mapping(function: Function_, told: Told | None = None, **said: Any) -> StreamMapping:
    source = EventSource(
        **{"name": "m", "function": "F", "source": "T", "kind": "dynamodb", "batch": 100, **said}
    )
    made = Function(name="F", function_name="f", arn="arn:f", handler="", runtime="", code=Path())
    table = Resource(name="T", type="AWS::DynamoDB::Table", physical="t", arn=ARN)
    return StreamMapping(
        source,
        table,
        made,
        cast("Clients", None),  # nothing is read
        function,
        cast("Destinations", told or Told()),
        scale=0.001,
    )


def records(count: int) -> list[dict[str, Any]]:
    return [record(number) for number in range(count)]


async def test_what_succeeds_is_called_once() -> None:
    function = Function_()
    await mapping(function).process(records(3))
    assert function.calls == [[0, 1, 2]]


async def test_halves_are_tried_until_the_one_that_fails_stands_alone() -> None:
    function, told = Function_(5), Told()
    await mapping(function, told, bisect=True, retries=1, on_failure="arn:aws:sqs:::q").process(
        records(8)
    )
    assert function.calls == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [4, 5],
        [4],
        [5],
        [5],
        [6, 7],
    ]
    (said,) = told.said
    assert said["DDBStreamBatchInfo"]["startSequenceNumber"] == "5"
    assert said["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert said["requestContext"]["approximateInvokeCount"] == 2


async def test_without_bisecting_a_batch_is_given_up_as_a_whole() -> None:
    function, told = Function_(1), Told()
    await mapping(function, told, retries=2, on_failure="arn:aws:sqs:::q").process(records(3))
    assert function.calls == [[0, 1, 2]] * 3
    assert told.said[0]["DDBStreamBatchInfo"]["batchSize"] == 3


async def test_partial_failures_go_on_from_the_first_that_failed() -> None:
    function = Function_(2, partial=True)
    await mapping(function, partial=True, retries=1).process(records(4))
    assert function.calls == [[0, 1, 2, 3], [2, 3]]


async def test_partial_failures_and_bisecting() -> None:
    function = Function_(2, partial=True)
    await mapping(function, partial=True, bisect=True, retries=0).process(records(5))
    assert function.calls == [[0, 1, 2, 3, 4], [2], [3, 4]]


async def test_an_answer_that_is_none_fails_all() -> None:
    class Odd(Function_):
        async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
            await super().invoke(function, event)
            return Outcome(payload={"batchItemFailures": [{"itemIdentifier": ""}]})

    function = Odd()
    await mapping(function, partial=True, retries=1).process(records(2))
    assert function.calls == [[0, 1], [0, 1]]


async def test_being_throttled_is_no_attempt() -> None:
    function = Function_(throttled=3)
    await mapping(function, retries=0).process(records(1))
    assert function.calls == [[0]]


async def test_records_that_are_too_old_are_given_up() -> None:
    function, told = Function_(0), Told()
    await mapping(function, told, oldest=60, on_failure="arn:aws:sqs:::q").process(records(1))
    assert len(function.calls) > 1
    assert told.said[0]["requestContext"]["condition"] == "RecordAgeExceeded"


async def test_a_lane_makes_batches_of_what_filters_let_through() -> None:
    function = Function_()
    lane = Lane(
        mapping(
            function, batch=2, filters=({"dynamodb": {"Keys": {"id": {"S": ["1", "3", "4"]}}}},)
        )
    )
    for each in records(6):
        lane.records.put_nowait(each)
    task = asyncio.create_task(lane.run())
    await until(lambda: [number for call in function.calls for number in call] == [1, 3, 4])
    task.cancel()
    assert max(map(len, function.calls)) <= 2
