"""What each function may do: exact actions on exact resources, and nothing beside.

Each function has a role of its own. SAM would attach managed policies to one that it makes, which
allow writing any log and reading any queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ringback.sam.yaml import Tag, att, ref, sub, when

Statement = dict[str, Any]

SOCKET_STAGE = "live"
"""Of the WebSocket API; a part of its URL."""
FILES = "${AWS::StackName}-${AWS::AccountId}-${AWS::Region}-files"
"""The bucket's name, with the region, since no other in the world may have it. It cannot be left to
CloudFormation: the function that the bucket tells is itself told which bucket it is, and one of the
two has to come first."""
FILES_ARN = f"arn:${{AWS::Partition}}:s3:::{FILES}"
INBOX = "inbox/"
"""Where in the bucket others put files for handlers of ``aws.s3.…`` events."""
PAYLOADS = "payloads/"
"""Where in the bucket is what is too large for an item."""
UPLOADS = "uploads/"
_READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query")
_WRITE = (
    "dynamodb:ConditionCheckItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
)
TOLD = ("socket#*", "follow#*", "follow-patterns", "relay#*", "rest#*")
"""Partitions of connections, of who follows what, and of what is on its way."""
KNOWN = ("meta", "fact#secret", "fact#tasks", "journal", "topics", "topic#$revocations")
"""Partitions of what a function reads to start, and of what was revoked."""


def role(
    function: str, logs: str, statements: Sequence[Mapping[str, Any]], *, app: bool
) -> dict[str, Any]:
    """The role of one function; ``app``: the application's own code runs in it."""
    properties: dict[str, Any] = {
        "AssumeRolePolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        },
    }
    if app:
        properties["ManagedPolicyArns"] = when("HasAppPolicy", [ref("AppPolicyArn")])
    properties["Policies"] = [
        {
            "PolicyName": function,
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [*statements, _logs(logs), _trace()],
            },
        }
    ]
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def table() -> Statement:
    """All that becomes of operations, topics and connections."""
    return _allow("Table", [*_READ, *_WRITE], [att("Table.Arn"), sub("${Table.Arn}/index/*")])


def reading() -> Statement:
    """Look at what is there; write nothing."""
    return _allow("Read", _READ, att("Table.Arn"))


def telling() -> Statement:
    """Write what becomes of connections and of those who follow, and what is on its way to them."""
    return _allow("Tell", _WRITE[1:], att("Table.Arn")) | _only(TOLD)


def knowing() -> Statement:
    """Read what says whether a token is good, and no more: no operation, and nobody's messages."""
    return _allow("Know", ("dynamodb:GetItem", "dynamodb:Query"), att("Table.Arn")) | _only(KNOWN)


def beginning() -> list[Statement]:
    """Make what a table has to have before anybody is let in: its epoch and its secret.

    Both are made on the condition that there are none, which IAM cannot ask for; but whoever has
    this right reads the secret anyway, and could sign with it whatever it likes.
    """
    epoch = _allow("Begin", ("dynamodb:UpdateItem",), att("Table.Arn")) | _only(["meta"])
    epoch["Condition"]["ForAllValues:StringEquals"] = {"dynamodb:Attributes": ["pk", "sk", "epoch"]}
    secret = _allow("MakeSecret", ("dynamodb:PutItem",), att("Table.Arn"))
    return [epoch, secret | _only(["fact#secret"])]


def _only(partitions: Sequence[str]) -> dict[str, Any]:
    return {"Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(partitions)}}}


def expiry() -> Statement:
    """Whether the table deletes by itself what has expired: if not, all of it would be read."""
    return _allow("Expiry", ("dynamodb:DescribeTimeToLive",), att("Table.Arn"))


def payloads(*actions: str) -> list[Statement]:
    """What is too large for an item. Of an object that is gone, S3 says so only to whoever may list
    its bucket there; to others, that they may not read it.
    """
    return [
        _allow("Payloads", _of_objects(actions), sub(f"{FILES_ARN}/{PAYLOADS}*")),
        _listing("ListPayloads", PAYLOADS),
    ]


def uploads(*actions: str) -> list[Statement]:
    """Files that are sent in, and the list of their pieces."""
    return [
        _allow(
            "Uploads",
            [*_of_objects(actions), *(["s3:AbortMultipartUpload"] if "write" in actions else [])],
            sub(f"{FILES_ARN}/{UPLOADS}*"),
        ),
        _listing("ListUploads", UPLOADS),
    ]


def _listing(sid: str, prefix: str) -> Statement:
    condition = {"Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}}}
    return _allow(sid, ("s3:ListBucket",), sub(FILES_ARN)) | condition


def _of_objects(actions: Iterable[str]) -> list[str]:
    names = {"read": "s3:GetObject", "write": "s3:PutObject", "delete": "s3:DeleteObject"}
    return [names[action] for action in actions]


def send(queues: Iterable[str]) -> Statement:
    return _allow("Send", ("sqs:SendMessage",), [att(f"{queue}.Arn") for queue in queues])


def receive(queue: str) -> Statement:
    return _allow(
        "Receive",
        ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"),
        att(f"{queue}.Arn"),
    )


def report(queue: str) -> Statement:
    """Where Lambda puts, in the function's name, what it could not do at last."""
    return _allow("ReportFailures", ("sqs:SendMessage",), att(f"{queue}.Arn"))


def push() -> Statement:
    return _allow(
        "Push",
        ("execute-api:ManageConnections",),
        [
            sub(
                "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:"
                f"${{SocketApi}}/{SOCKET_STAGE}/{method}/@connections/*"
            )
            for method in ("DELETE", "POST")
        ],
    )


def put_events() -> Statement:
    return _allow("PutEvents", ("events:PutEvents",), att("Bus.Arn"))


def stream() -> list[Statement]:
    return [
        _allow(
            "Stream",
            ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"),
            att("Table.StreamArn"),
        ),
        _allow("ListStreams", ("dynamodb:ListStreams",), sub("${Table.Arn}/stream/*")),
    ]


def _logs(group: str) -> Statement:
    return _allow("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), att(f"{group}.Arn"))


def _trace() -> Statement:
    # X-Ray has no resources to name.
    return _allow("Trace", ("xray:PutTelemetryRecords", "xray:PutTraceSegments"), "*")


def _allow(sid: str, actions: Sequence[str], resource: Tag | str | list[Tag]) -> Statement:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
