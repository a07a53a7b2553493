"""Each function may do exactly what it needs: a change of what it may is a change here."""

from __future__ import annotations

from typing import Any

import pytest

from ringback import Ringback
from ringback.sam import document, plan

TABLE = (
    "dynamodb:BatchGetItem dynamodb:BatchWriteItem dynamodb:ConditionCheckItem "
    "dynamodb:DeleteItem dynamodb:GetItem dynamodb:PutItem dynamodb:Query dynamodb:UpdateItem"
)
LOOK = "dynamodb:BatchGetItem dynamodb:GetItem dynamodb:Query"
TELL = "dynamodb:BatchWriteItem dynamodb:DeleteItem dynamodb:PutItem dynamodb:UpdateItem"
LIST = "s3:ListBucket"
STREAM = "dynamodb:DescribeStream dynamodb:GetRecords dynamodb:GetShardIterator"
READ = "s3:GetObject"
ALL = "s3:GetObject s3:PutObject s3:DeleteObject"
SEND = "sqs:SendMessage"
RECEIVE = "sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage"
PUSH = "execute-api:ManageConnections"
OF_EACH = {
    "Log": "logs:CreateLogStream logs:PutLogEvents",
    "Trace": "xray:PutTelemetryRecords xray:PutTraceSegments",
}
PAYLOADS = {"Payloads": ALL, "ListPayloads": LIST}
PAYLOADS_READ = {"Payloads": READ, "ListPayloads": LIST}
UPLOADS = {"Uploads": f"{ALL} s3:AbortMultipartUpload", "ListUploads": LIST}
TAKEN = {"Uploads": READ, "ListUploads": LIST}
READS_STREAM = {"Stream": STREAM, "ListStreams": "dynamodb:ListStreams", "ReportFailures": SEND}
WORK = {"Receive": RECEIVE, "Table": TABLE, **PAYLOADS, **TAKEN, "Send": SEND}

EXPECTED: dict[str, dict[str, str]] = {
    "HttpFunction": {"Table": TABLE, **PAYLOADS, **UPLOADS, "Send": SEND},
    "SocketFunction": {"Table": TABLE, **PAYLOADS, "Send": SEND, "Push": PUSH},
    "AuthorizerFunction": {
        "Know": "dynamodb:GetItem dynamodb:Query",
        "Begin": "dynamodb:UpdateItem",
        "MakeSecret": "dynamodb:PutItem",
    },
    "Work30Function": WORK,
    "Work60Function": WORK,
    "Work900Function": WORK,
    "PushFunction": {
        **READS_STREAM,
        "Read": LOOK,
        "Tell": TELL,
        **PAYLOADS_READ,
        "Push": PUSH,
        "PutEvents": "events:PutEvents",
    },
    "BackstopFunction": {**READS_STREAM, "Read": LOOK, **PAYLOADS_READ, "Send": SEND},
    "UpkeepFunction": {
        "Table": TABLE,
        "Expiry": "dynamodb:DescribeTimeToLive",
        **PAYLOADS,
        **UPLOADS,
        "Send": SEND,
    },
    "EventsFunction": {
        "Table": TABLE,
        **PAYLOADS,
        **UPLOADS,
        "Send": SEND,
        "ReportFailures": SEND,
    },
}
APP = {"HttpFunction", "SocketFunction"} | {f"Work{seconds}Function" for seconds in (30, 60, 900)}
"""Those in which the application's own code runs."""


def statements(template: dict[str, Any], function: str) -> dict[str, Any]:
    role = template["Resources"][f"{function}Role"]["Properties"]
    (policy,) = role["Policies"]
    return {each["Sid"]: each for each in policy["PolicyDocument"]["Statement"]}


def test_there_are_these_functions(template: dict[str, Any]) -> None:
    kinds = {name: each["Type"] for name, each in template["Resources"].items()}
    assert {name for name, kind in kinds.items() if kind == "AWS::Serverless::Function"} == set(
        EXPECTED
    )


@pytest.mark.parametrize("function", EXPECTED)
def test_may_do_exactly(template: dict[str, Any], function: str) -> None:
    found = statements(template, function)
    actions = {sid: set(each["Action"]) for sid, each in found.items()}
    assert actions == {
        sid: set(text.split()) for sid, text in (EXPECTED[function] | OF_EACH).items()
    }
    assert all(each["Effect"] == "Allow" for each in found.values())
    assert not any("*" in action for each in actions.values() for action in each)


@pytest.mark.parametrize("function", EXPECTED)
def test_only_traces_are_of_everything(template: dict[str, Any], function: str) -> None:
    wide = [sid for sid, each in statements(template, function).items() if each["Resource"] == "*"]
    assert wide == ["Trace"]


@pytest.mark.parametrize("function", EXPECTED)
def test_writes_to_its_own_log_alone(template: dict[str, Any], function: str) -> None:
    resources = template["Resources"]
    log = {"Ref": f"{function}Logs"}
    assert resources[function]["Properties"]["LoggingConfig"]["LogGroup"] == log
    assert statements(template, function)["Log"]["Resource"] == {
        "Fn::GetAtt": [f"{function}Logs", "Arn"]
    }
    assert resources[f"{function}Logs"]["Properties"] == {
        "RetentionInDays": {"Ref": "LogRetention"}
    }


@pytest.mark.parametrize("function", EXPECTED)
def test_the_applications_policy_goes_where_its_code_runs(
    template: dict[str, Any], function: str
) -> None:
    role = template["Resources"][f"{function}Role"]["Properties"]
    assert ("ManagedPolicyArns" in role) == (function in APP)


def test_a_hook_of_the_application_may_do_what_the_application_may() -> None:
    rb = Ringback(authenticate=lambda headers: None)
    found = document(rb, plan(rb, "app:rb"))["Resources"]["AuthorizerFunctionRole"]["Properties"]
    assert "ManagedPolicyArns" in found


@pytest.mark.parametrize("seconds", [30, 60, 900])
def test_work_takes_from_its_own_queue_alone(template: dict[str, Any], seconds: int) -> None:
    found = statements(template, f"Work{seconds}Function")
    assert found["Receive"]["Resource"] == {"Fn::GetAtt": [f"Work{seconds}Queue", "Arn"]}
    assert found["Send"]["Resource"] == [
        {"Fn::GetAtt": [f"Work{each}Queue", "Arn"]} for each in (30, 60, 900)
    ]


def test_posts_and_closes_connections_and_asks_nothing_of_them(template: dict[str, Any]) -> None:
    for function in ("SocketFunction", "PushFunction"):
        resources = [each["Fn::Sub"] for each in statements(template, function)["Push"]["Resource"]]
        assert [text.split("${SocketApi}/live/")[1] for text in resources] == [
            "DELETE/@connections/*",
            "POST/@connections/*",
        ]


def test_files_are_reached_below_their_prefix_alone(template: dict[str, Any]) -> None:
    for function in EXPECTED:
        found = statements(template, function)
        for sid, prefix in (("Payloads", "payloads/*"), ("Uploads", "uploads/*")):
            if sid in found:
                assert found[sid]["Resource"]["Fn::Sub"].endswith(f"-files/{prefix}")
                # Or S3 would say of an object that is gone that it may not be read.
                listing = found[f"List{sid}"]
                assert listing["Resource"]["Fn::Sub"].endswith("-files")
                assert listing["Condition"] == {"StringLike": {"s3:prefix": prefix}}


def test_who_says_who_comes_in_reads_no_operation(template: dict[str, Any]) -> None:
    known = statements(template, "AuthorizerFunction")["Know"]
    assert known["Condition"] == {
        "ForAllValues:StringLike": {
            "dynamodb:LeadingKeys": [
                "meta",
                "fact#secret",
                "fact#tasks",
                "journal",
                "topics",
                "topic#$revocations",
            ]
        }
    }


def test_who_says_who_comes_in_writes_what_a_table_begins_with(template: dict[str, Any]) -> None:
    found = statements(template, "AuthorizerFunction")
    assert found["Begin"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["meta"]},
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["pk", "sk", "epoch"]},
    }
    assert found["MakeSecret"]["Condition"] == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["fact#secret"]}
    }


def test_who_tells_followers_writes_no_operation(template: dict[str, Any]) -> None:
    told = statements(template, "PushFunction")["Tell"]
    assert told["Condition"] == {
        "ForAllValues:StringLike": {
            "dynamodb:LeadingKeys": [
                "socket#*",
                "follow#*",
                "follow-patterns",
                "relay#*",
                "rest#*",
            ]
        }
    }
