"""Queues: one for each class of time-outs, with its dead letters, and those of failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringback.sam.alarms import alarm
from ringback.sam.plan import LONGEST, Plan
from ringback.sam.yaml import Note, att, ref, sub

Resources = Iterator[tuple[str, Any]]

WORK_SLACK = 15
"""Seconds that a function has beyond its class: to start, and to store how the attempt ended."""
VISIBILITY = 6
"""Times the function's time-out, as Lambda's documentation asks for: what it is throttled for and
takes again must not have become visible meanwhile."""
RECEIVES = 5
"""Times a message is taken before it is a dead letter. The operation's own retries are not among
them: an attempt that failed is told to the table, and its message is done."""
LETTERS_KEPT = 14 * 86400
"""Seconds: the most there is, so that a dead letter outlasts a holiday."""
FAILURES = "Failures"
SKIP = "checkov:skip=CKV_AWS_27:It is encrypted: SqsManagedSseEnabled."


def queue_of(seconds: int) -> str:
    return f"Work{seconds}Queue"


def letters_of(name: str) -> str:
    return f"{name}DeadLetters"


def queues(plan: Plan) -> Resources:
    names = []
    for seconds in plan.classes:
        queue, letters = queue_of(seconds), letters_of(f"Work{seconds}")
        timeout = min(LONGEST, seconds + WORK_SLACK)
        yield (
            queue,
            Note(
                {
                    "Type": "AWS::SQS::Queue",
                    "Properties": {
                        "VisibilityTimeout": VISIBILITY * timeout,
                        "MessageRetentionPeriod": 4 * 86400,
                        "SqsManagedSseEnabled": True,
                        "RedrivePolicy": {
                            "deadLetterTargetArn": att(f"{letters}.Arn"),
                            "maxReceiveCount": RECEIVES,
                        },
                    },
                },
                inside=(SKIP,),
                above=f"Says which operations of up to {seconds} seconds there are; the table has "
                f"them. Invisible for {VISIBILITY} times the function's {timeout} seconds.",
            ),
        )
        yield letters, _letters("")
        yield alarm(
            f"{queue}Age",
            f"Work waits in {queue}: raise WorkConcurrency.",
            "AWS/SQS",
            "ApproximateAgeOfOldestMessage",
            {"QueueName": att(f"{queue}.QueueName")},
            statistic="Maximum",
            threshold=max(300, 2 * seconds),
            periods=5,
        )
        yield _letters_alarm(letters)
        names += [queue, letters]
    if plan.takes_events:
        letters = letters_of("Events")
        yield letters, _letters("Events and messages that no function could take.")
        yield _letters_alarm(letters)
        yield f"{letters}Policy", _policy([letters], _TLS_ONLY, _from_rules(letters))
    yield FAILURES, _letters("What was given up: where in the stream it stands, or the event.")
    yield _letters_alarm(FAILURES)
    yield "QueuesPolicy", _policy([*names, FAILURES], _TLS_ONLY)


def _letters(about: str) -> Note:
    return Note(
        {
            "Type": "AWS::SQS::Queue",
            "Properties": {"MessageRetentionPeriod": LETTERS_KEPT, "SqsManagedSseEnabled": True},
        },
        above=about,
        inside=(SKIP,),
    )


def _letters_alarm(queue: str) -> tuple[str, Any]:
    return alarm(
        queue,
        f"{queue} has letters. When the cause is mended: ringback aws redrive.",
        "AWS/SQS",
        "ApproximateNumberOfMessagesVisible",
        {"QueueName": att(f"{queue}.QueueName")},
        statistic="Maximum",
    )


_TLS_ONLY = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def _from_rules(queue: str) -> dict[str, Any]:
    return {
        "Sid": "OfRulesAndTopic",
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]},
        "Action": "sqs:SendMessage",
        "Resource": att(f"{queue}.Arn"),
        "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
    }


def _policy(queues: list[str], *statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [ref(name) for name in queues],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)},
        },
    }


def urls(plan: Plan) -> Any:
    """The setting ``aws_queues``."""
    pairs = (f'"{seconds}": "${{{queue_of(seconds)}}}"' for seconds in plan.classes)
    return sub(f"{{{', '.join(pairs)}}}")
