"""Writes down what it is called with, and fails where it is told to."""

import json
import os
from pathlib import Path
from typing import Any

import boto3

SEEN = Path(os.environ["SEEN"])


def seen(name: str, event: Any) -> None:
    with SEEN.open("a") as file:
        file.write(json.dumps([name, event]) + "\n")


def work(event: Any, context: Any) -> dict[str, Any]:
    """A queue's messages: those that say so fail alone, or break the whole batch."""
    seen("work", event)
    bodies = {each["messageId"]: json.loads(each["body"]) for each in event["Records"]}
    for record in event["Records"]:
        body = json.loads(record["body"])
        if body.get("break") or body.get("fail"):
            # Again at once: nobody waits for a visibility that a busy machine outlasts.
            boto3.client("sqs").change_message_visibility(
                QueueUrl=os.environ["QUEUE"],
                ReceiptHandle=record["receiptHandle"],
                VisibilityTimeout=0,
            )
    if any(body.get("break") for body in bodies.values()):
        raise RuntimeError("a broken batch")
    return {
        "batchItemFailures": [
            {"itemIdentifier": name} for name, body in bodies.items() if body.get("fail")
        ]
    }


def changes(event: Any, context: Any) -> None:
    """A stream's records: a batch with a poisoned one fails."""
    seen("changes", event)
    if any("poison" in each["dynamodb"].get("NewImage", {}) for each in event["Records"]):
        raise ValueError("poison")


def checked(event: Any, context: Any) -> dict[str, Any]:
    """The same, told record by record."""
    seen("checked", event)
    return {
        "batchItemFailures": [
            {"itemIdentifier": each["dynamodb"]["SequenceNumber"]}
            for each in event["Records"]
            if "poison" in each["dynamodb"].get("NewImage", {})
        ][:1]
    }


def told(event: Any, context: Any) -> None:
    seen("told", event)


def failing(event: Any, context: Any) -> None:
    seen("failing", event)
    raise RuntimeError("always")


def calling(event: Any, context: Any) -> dict[str, Any]:
    client = boto3.client("lambda")
    arguments = {"FunctionName": os.environ["TOLD"], "Payload": json.dumps({"called": event})}
    client.invoke(**arguments, InvocationType="Event")
    answer = client.invoke(FunctionName=os.environ["FAILING"], Payload=b"{}")
    return {"failed": answer["FunctionError"], "said": json.loads(answer["Payload"].read())}
