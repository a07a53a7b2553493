"""A stack that is deployed, at moto: its logs, its dead letters, its end."""

from __future__ import annotations

import itertools
import time
from typing import Any

import boto3
import pytest
from moto.core.responses import ActionResult
from moto.sqs.responses import SQSResponse

from ringback.errors import ConfigurationError, StoreUnavailable
from ringback.sam.stack import Stack
from tests.sam.conftest import NAME


def client(service: str) -> Any:
    factory: Any = boto3.client
    return factory(service)


def write(stack: Stack, function: str, at: float, *texts: str) -> None:
    group = stack.logs()[function]
    logs = client("logs")
    stream = f"{at}"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(at * 1000), "message": f"{text}\n"} for text in texts],
    )


def test_says_what_it_is(aws: Stack) -> None:
    assert aws.outputs()["Engine"].startswith("dynamodb:shop-Table-")
    assert set(aws.resources("AWS::SQS::Queue")) == {
        "Work30DeadLetters",
        "EventsDeadLetters",
        "Work30Queue",
    }


def test_a_stack_that_is_not_there(aws: Stack) -> None:
    with pytest.raises(ConfigurationError, match="nowhere in eu-west-1"):
        Stack("nowhere").outputs()


def test_nobody_answers(aws: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as here:
        here.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        here.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            Stack(NAME).outputs()


def test_lines_come_in_order(aws: Stack) -> None:
    now = time.time()
    write(aws, "Push", now - 20, "second")
    write(aws, "Http", now - 30, "first")
    write(aws, "Http", now - 7200, "long ago")
    lines = aws.lines(aws.logs(), now - 60)
    assert [(line.function, line.text) for line in lines] == [
        ("Http", "first"),
        ("Push", "second"),
    ]
    assert [line.text for line in aws.lines(aws.logs("PushFunction"), now - 60)] == ["second"]
    with pytest.raises(ConfigurationError, match="Http, Push"):
        aws.logs("Nothing")


def test_a_tail_has_each_line_once(aws: Stack) -> None:
    now = time.time()
    write(aws, "Http", now - 5, "first")
    tail = aws.tail(aws.logs(), now - 60, every=0.01)
    assert next(tail).text == "first"
    write(aws, "Push", now - 3, "second")
    write(aws, "Http", now - 4, "late")
    assert [line.text for line in itertools.islice(tail, 2)] == ["late", "second"]


def test_letters_go_back(aws: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []

    def start(response: Any) -> ActionResult:  # moto has no such action
        moved.append(response._get_param("SourceArn"))
        return ActionResult({"TaskHandle": "task"})

    monkeypatch.setattr(SQSResponse, "start_message_move_task", start, raising=False)
    url = aws.resources("AWS::SQS::Queue")["Work30DeadLetters"]
    client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    letters = {each.name: each for each in aws.letters()}
    assert {name: (each.count, each.returns) for name, each in letters.items()} == {
        "Work30DeadLetters": (1, True),
        "EventsDeadLetters": (0, False),
    }
    aws.redrive(letters["Work30DeadLetters"])
    assert moved == [letters["Work30DeadLetters"].arn]


def test_its_end_takes_the_table_and_every_file(aws: Stack) -> None:
    s3 = client("s3")
    s3.put_bucket_versioning(Bucket="shop-files", VersioningConfiguration={"Status": "Enabled"})
    for name in ("payloads/a", "payloads/a", "uploads/b"):
        s3.put_object(Bucket="shop-files", Key=name, Body=b"x")
    s3.delete_object(Bucket="shop-files", Key="uploads/b")
    (table,) = aws.unprotect()
    assert aws.empty() == {"shop-files": 4}
    aws.delete()
    assert table not in client("dynamodb").list_tables()["TableNames"]
    with pytest.raises(ConfigurationError, match="shop"):
        aws.outputs()
