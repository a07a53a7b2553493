"""A whole template runs: queues, streams, buses, topics, buckets and schedules call functions."""

import datetime
import json
import time
from typing import Any

import httpx
import pytest
from aws_lambda_powertools.utilities.parser.models import (
    DynamoDBStreamLambdaOnFailureDestinationModel,
    DynamoDBStreamModel,
    EventBridgeModel,
    S3EventNotificationEventBridgeModel,
    S3Model,
    SnsModel,
    SqsModel,
)

from tests.awslocal.sources.conftest import Watched

pytestmark = pytest.mark.asyncio(loop_scope="module")


def source(event: Any) -> Any:
    return event.get("source") if isinstance(event, dict) else None


def bodies(event: Any) -> list[Any]:
    return [json.loads(each["body"]) for each in event["Records"]]


async def send(watched: Watched, *said: dict[str, Any]) -> None:
    await watched.ask(
        "sqs",
        "send_message_batch",
        QueueUrl=watched.url("Jobs"),
        Entries=[
            {"Id": str(number), "MessageBody": json.dumps({"kind": "job", **each})}
            for number, each in enumerate(said)
        ],
    )


async def test_a_queue_calls_with_its_messages(watched: Watched) -> None:
    await send(watched, {"n": "plain"}, {"n": "noise", "kind": "noise"})
    (event,) = await watched.came("work", lambda event: bodies(event)[0]["n"] == "plain")
    SqsModel.model_validate(event)
    (record,) = event["Records"]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == watched.home.stack.resources["Jobs"].arn
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert set(record) == {
        "attributes",
        "awsRegion",
        "body",
        "eventSource",
        "eventSourceARN",
        "md5OfBody",
        "messageAttributes",
        "messageId",
        "receiptHandle",
    }


async def test_a_message_that_fails_alone_comes_again_and_then_lies_dead(watched: Watched) -> None:
    await send(watched, {"n": "fine"}, {"n": "bad", "fail": True})
    assert (await watched.arrives("Dead"))["n"] == "bad"
    seen = [body["n"] for event in watched.seen("work") for body in bodies(event)]
    assert seen.count("fine") == 1
    assert seen.count("bad") == 2
    assert "noise" not in seen


async def test_a_batch_that_fails_comes_again_as_a_whole(watched: Watched) -> None:
    await send(watched, {"n": "breaks", "break": True})
    assert (await watched.arrives("Dead"))["n"] == "breaks"


def names(event: Any) -> list[str]:
    return [each["dynamodb"]["Keys"]["id"]["S"] for each in event["Records"]]


def poisoned(event: Any) -> bool:
    return "i3" in names(event)


async def test_a_stream_calls_in_order_and_bisects(watched: Watched) -> None:
    table = watched.home.stack.resources["Table"]
    for number in range(6):
        item: dict[str, Any] = {"id": {"S": f"i{number}"}}
        if number == 3:
            item["poison"] = {"BOOL": True}
        await watched.ask("dynamodb", "put_item", TableName=table.physical, Item=item)
    # Changes no filter lets through.
    await watched.ask(
        "dynamodb", "put_item", TableName=table.physical, Item={"id": {"S": "i0"}, "x": {"S": ""}}
    )
    given_up = await watched.arrives("GivenUp")
    DynamoDBStreamLambdaOnFailureDestinationModel.model_validate(given_up)
    about = given_up["DDBStreamBatchInfo"]
    assert given_up["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert (about["batchSize"], about["startSequenceNumber"]) == (1, about["endSequenceNumber"])
    await watched.came("changes", lambda event: names(event)[-1] == "i5" and not poisoned(event))
    DynamoDBStreamModel.model_validate(watched.seen("changes")[0])
    record = watched.seen("changes")[0]["Records"][0]
    assert record["eventSourceARN"].startswith(f"{table.arn}/stream/")
    assert isinstance(record["dynamodb"]["ApproximateCreationDateTime"], float)
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "i0"}}
    seen = [each for event in watched.seen("changes") for each in event["Records"]]
    assert {each["eventName"] for each in seen} == {"INSERT"}
    # Alone, and once more: what was with it went on.
    tried = [names(event) for event in watched.seen("changes")]
    assert tried.count(["i3"]) == 2
    good = [batch for batch in tried if "i3" not in batch]
    assert [name for batch in good for name in batch] == ["i0", "i1", "i2", "i4", "i5"]


async def test_a_stream_goes_on_from_the_record_that_failed(watched: Watched) -> None:
    await watched.came("checked", lambda event: names(event)[0] == "i3")
    batches = [names(event) for event in watched.seen("checked")]
    before = [batch for batch in batches if "i2" in batch]
    assert len(before) == 1


async def test_what_is_expired_is_deleted_and_the_stream_says_by_whom(watched: Watched) -> None:
    table = watched.home.stack.resources["Table"].physical
    for name, expires in (("old", time.time() - 60), ("kept", time.time() + 600)):
        item = {"id": {"S": name}, "expires": {"N": str(int(expires))}}
        await watched.ask("dynamodb", "put_item", TableName=table, Item=item)
    found = [
        record
        for event in await watched.came("checked", lambda event: removed(event))
        for record in removed(event)
    ]
    assert [each["dynamodb"]["Keys"]["id"]["S"] for each in found] == ["old"]
    assert found[0]["userIdentity"] == {
        "type": "Service",
        "principalId": "dynamodb.amazonaws.com",
    }
    left = await watched.ask("dynamodb", "get_item", TableName=table, Key={"id": {"S": "kept"}})
    assert "Item" in left


def removed(event: Any) -> list[Any]:
    return [each for each in event["Records"] if each["eventName"] == "REMOVE"]


async def test_a_rule_calls_for_what_fits(watched: Watched) -> None:
    entries = [
        {"Source": "one", "DetailType": "d", "Detail": json.dumps({"size": size})}
        for size in (3, 9)
    ]
    await watched.ask("events", "put_events", Entries=entries)
    (event,) = await watched.came("told", lambda event: source(event) == "one")
    EventBridgeModel.model_validate(event)
    assert event["detail"] == {"size": 9}
    assert event["detail-type"] == "d"
    assert {"version", "id", "account", "time", "region", "resources"} <= set(event)


async def test_another_bus_and_a_transformer(watched: Watched) -> None:
    entry = {"Source": "s", "DetailType": "sold", "Detail": '{"what": "cup"}'}
    await watched.ask("events", "put_events", Entries=[{**entry, "EventBusName": "shop"}])
    await watched.ask("events", "put_events", Entries=[entry])
    events = await watched.came("told", lambda event: "sold" in event)
    assert events == [{"sold": "cup", "text": "A cup"}]


async def test_a_topic_calls_for_what_its_filter_lets_through(watched: Watched) -> None:
    arn = watched.home.stack.resources["Top"].arn
    for colour in ("blue", "red"):
        words = {"colour": {"DataType": "String", "StringValue": colour}}
        await watched.ask(
            "sns", "publish", TopicArn=arn, Message=f"{colour} news", MessageAttributes=words
        )

    def news(event: Any) -> bool:
        return (
            isinstance(event, dict)
            and "Records" in event
            and event["Records"][0].get("EventSource") == "aws:sns"
        )

    (event,) = await watched.came("told", news)
    SnsModel.model_validate(event)
    said = event["Records"][0]["Sns"]
    assert (said["Message"], said["TopicArn"]) == ("red news", arn)
    assert said["MessageAttributes"] == {"colour": {"Type": "String", "Value": "red"}}


async def test_a_bucket_calls_for_new_objects(watched: Watched) -> None:
    bucket = watched.home.stack.resources["Files"].physical
    for key in ("out/a.txt", "in/b.bin", "in/c d.txt"):
        await watched.ask("s3", "put_object", Bucket=bucket, Key=key, Body=b"hello")

    def stored(event: Any) -> bool:
        return (
            isinstance(event, dict)
            and "Records" in event
            and event["Records"][0].get("eventSource") == "aws:s3"
        )

    (event,) = await watched.came("told", stored)
    S3Model.model_validate(event)
    (record,) = event["Records"]
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["s3"]["bucket"]["name"] == bucket
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("in/c+d.txt", 5)


async def test_a_bucket_tells_the_bus(watched: Watched) -> None:
    said = await watched.arrives("Heard")
    S3EventNotificationEventBridgeModel.model_validate(said)
    assert (said["source"], said["detail"]["object"]["key"]) == ("aws.s3", "out/a.txt")
    assert await watched.came("told", lambda event: event == "out/a.txt")


async def test_a_schedule_calls(watched: Watched) -> None:
    await watched.home.schedules["ToldHourly"].fire(
        datetime.datetime(2026, 11, 22, 8, tzinfo=datetime.UTC)
    )
    (event,) = await watched.came("told", lambda event: source(event) == "aws.events")
    EventBridgeModel.model_validate(event)
    assert event["detail-type"] == "Scheduled Event"
    assert event["time"] == "2026-11-22T08:00:00Z"
    assert event["resources"][0].startswith("arn:aws:events:")


async def test_nobody_waits_for_a_call_that_fails_and_its_destination_is_told(
    watched: Watched,
) -> None:
    entry = {"Source": "fail", "DetailType": "d", "Detail": "{}"}
    await watched.ask("events", "put_events", Entries=[entry])
    said = await watched.arrives("Lost")
    assert said["requestContext"]["condition"] == "RetriesExhausted"
    assert said["requestContext"]["approximateInvokeCount"] == 2
    assert said["requestPayload"]["source"] == "fail"
    assert said["responsePayload"]["errorMessage"] == "always"
    tries = [event for event in watched.seen("failing") if source(event) == "fail"]
    assert len(tries) == 2


async def test_functions_call_functions(watched: Watched) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=50) as client:
        answer = await client.get(watched.home.urls["ServerlessHttpApi"] + "/call")
    assert answer.json()["failed"] == "Unhandled"
    assert answer.json()["said"]["errorType"] == "RuntimeError"
    (event,) = await watched.came("told", lambda event: "called" in event)
    assert event["called"]["rawPath"] == "/call"


async def test_what_was_asked_of_aws_is_counted(watched: Watched) -> None:
    # The home's own requests are nobody's bill; what Lambda would have asked for is.
    counted = await watched.home.requests()
    assert counted["lambda"]["Invoke"] == 2
    assert counted["sqs"]["ReceiveMessage"] >= 1
    assert "CreateTable" not in counted.get("dynamodb", {})
