"""What an application registers is what its template has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from ringback import CloudEvent, Ringback
from ringback.awslocal.sources.patterns import fits
from ringback.awslocal.template import read
from ringback.engines.dynamodb import schema
from ringback.engines.dynamodb.connections import SOCKET, SOCKETS, WAKE
from ringback.engines.dynamodb.items import OPERATION
from ringback.engines.dynamodb.packs import JOURNAL
from ringback.engines.dynamodb.streams import RELAY
from ringback.errors import ConfigurationError
from ringback.sam import document, plan, text
from ringback.sam.events import MAX_PATTERN, event_type, topics
from ringback.wire.channel import ACTIONS
from tests.sam.conftest import TARGET
from tests.sam.shop import rb


def made(app: Ringback, **options: Any) -> dict[str, Any]:
    return document(app, plan(app, "app:rb", **options))


def work(x: int) -> int:
    return x


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def test_is_read_as_it_was_meant(template: dict[str, Any], written: str) -> None:
    assert yaml_parse(written) == template


def test_is_the_same_each_time(written: str) -> None:
    assert text(rb, plan(rb, TARGET)) == written


def test_says_above_each_function_what_it_is_for(written: str) -> None:
    lines = written.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("  ") and line.endswith("Function:") and line != "  Function:":
            assert lines[index - 1].startswith("  # "), line
    assert "  # quick: 20 s, 2 attempts, on the event loop" in lines
    assert "  # endless: no time-out, 4 attempts, 3 at once, in a process of its own" in written


# Work


@pytest.mark.parametrize("seconds", [30, 60, 900])
def test_a_queue_suits_its_function(template: dict[str, Any], seconds: int) -> None:
    function = properties(template, f"Work{seconds}Function")
    assert function["Timeout"] == min(900, seconds + 15)
    queue = properties(template, f"Work{seconds}Queue")
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]
    letters = f"Work{seconds}DeadLetters"
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": arn(letters), "maxReceiveCount": 5}
    assert properties(template, letters)["MessageRetentionPeriod"] == 14 * 86400
    source = function["Events"]["Queue"]["Properties"]
    assert source["Queue"] == arn(f"Work{seconds}Queue")
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_only_what_is_needed_has_a_queue(template: dict[str, Any]) -> None:
    assert "Work300Queue" not in template["Resources"]
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    urls = json.loads(variables["RINGBACK_AWS_QUEUES"]["Fn::Sub"])
    assert urls == {str(each): f"${{Work{each}Queue}}" for each in (30, 60, 900)}


def test_an_application_without_tasks_has_no_queue_of_work() -> None:
    template = made(Ringback("empty"))
    assert not [name for name in template["Resources"] if name.startswith("Work")]
    assert "EventsFunction" not in template["Resources"]


def test_what_lambda_cannot_do_is_refused_with_the_cure() -> None:
    app = Ringback("slow")
    app.task(name="slow", timeout=901)(work)
    with pytest.raises(ConfigurationError, match=r"slow may take 901 seconds.*900.*in steps"):
        made(app)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runtime": "python2.7"}, "python3.11"),
        ({"handler": "app"}, r"module\.name"),
        ({"prefix": "background"}, "/background"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        made(Ringback("x"), **options)


# What is kept


def test_the_table_is_what_its_engine_wants(template: dict[str, Any]) -> None:
    table = properties(template, "Table")
    wanted = schema.table("any")
    for name in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"):
        assert table[name] == wanted[name]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == schema.time_to_live()
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


def test_the_bucket_is_nobody_elses(template: dict[str, Any]) -> None:
    bucket = properties(template, "Files")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (statement,) = properties(template, "FilesPolicy")["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_nothing_that_may_be_needed_expires_by_itself(template: dict[str, Any]) -> None:
    """Work may wait, and messages may be kept, for longer than any number of days."""
    assert template["Parameters"]["PayloadDays"]["Default"] == 0
    _, rule = properties(template, "Files")["LifecycleConfiguration"]["Rules"]
    condition, payloads, otherwise = rule["Fn::If"]
    assert template["Conditions"][condition]
    assert payloads["Prefix"] == "payloads/"
    assert otherwise == {"Ref": "AWS::NoValue"}


# The stream


def filters(template: dict[str, Any], function: str) -> list[Any]:
    source = properties(template, function)["Events"]["Stream"]["Properties"]
    return [json.loads(each["Pattern"]) for each in source["FilterCriteria"]["Filters"]]


def test_records_that_nobody_has_to_know_call_no_function(template: dict[str, Any]) -> None:
    news, queued = filters(template, "PushFunction"), filters(template, "BackstopFunction")
    # Five without asking AWS for more.
    assert len(news) <= 5
    assert all(each["eventName"] == ["INSERT", "MODIFY"] for each in (*news, *queued))
    operation = {"pk": {"S": "op#0198"}, "sk": {"S": OPERATION}}

    def record(keys: Any, event: str = "MODIFY", **image: str) -> dict[str, Any]:
        new = {name: {"S": value} for name, value in image.items()}
        return {"eventName": event, "dynamodb": {"Keys": keys, "NewImage": keys | new}}

    def key(pk: str, sk: str) -> dict[str, Any]:
        return {"pk": {"S": pk}, "sk": {"S": sk}}

    told = [
        record(operation, status="running"),
        record(key("op#0198", "e#1"), "INSERT"),
        record(key(JOURNAL, "000000000000000001"), "INSERT"),
        record(key(f"{RELAY}1", "1"), "INSERT"),
        record(key(f"{SOCKETS}A=", SOCKET), "INSERT", **{WAKE: "opened"}),
    ]
    untold = [
        record(operation, "REMOVE", status="queued"),
        record(key("op#0198", "m#1"), "INSERT"),
        record(key("key#1", "key"), "INSERT"),
        record(key("limit#t", "task")),
        record(key(f"{SOCKETS}A=", SOCKET)),
        record(key("topic#a", "1"), "INSERT"),
    ]
    assert all(any(fits(each, found) for each in news) for found in told)
    assert not any(any(fits(each, found) for each in news) for found in untold)
    assert any(fits(each, record(operation, status="queued")) for each in queued)
    assert not any(fits(each, found) for each in queued for found in (*told, *untold))


# What comes from outside


def test_events_of_others_come_and_its_own_do_not(template: dict[str, Any]) -> None:
    events = properties(template, "EventsFunction")["Events"]
    assert events["Bus"]["Properties"]["Pattern"] == {
        "source": [{"anything-but": "ringback.shop"}],
        "detail-type": [{"prefix": "orders."}, {"prefix": "aws.s3.ObjectCreated:"}],
    }


def test_what_of_outside_fails_for_good_is_kept(template: dict[str, Any]) -> None:
    config = properties(template, "EventsFunctionEventInvokeConfig")
    assert config["FunctionName"] == {"Ref": "EventsFunction"}
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": arn("Failures")}}
    assert "MaximumRetryAttempts" in properties(template, "UpkeepFunctionEventInvokeConfig")


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("order.placed", "order.placed"),
        ("order.*", {"prefix": "order."}),
        ("*.placed", {"suffix": ".placed"}),
        ("*", {"exists": True}),
        ("**", {"exists": True}),
        ("order.*.eu", {"wildcard": "order.*.eu"}),
        ("a*b\\c", {"wildcard": "a*b\\\\c"}),
    ],
)
def test_patterns_become_eventbridges(pattern: str, wanted: Any) -> None:
    assert event_type(pattern) == wanted


def test_many_patterns_become_few_rules() -> None:
    names = [f"event.number.{index:04d}" for index in range(500)]
    chunks = list(topics(names))
    assert [name for chunk in chunks for name in chunk] == names
    assert all(len(json.dumps(chunk)) <= MAX_PATTERN for chunk in chunks)


def test_files_come_below_their_prefixes(template: dict[str, Any]) -> None:
    events = properties(template, "EventsFunction")["Events"]
    prefixes = {
        name: events[name]["Properties"]["Filter"]["S3Key"]["Rules"]
        for name in ("Uploads", "Inbox")
    }
    assert prefixes == {
        "Uploads": [
            {"Name": "prefix", "Value": "uploads/"},
            {"Name": "suffix", "Value": "/put"},
        ],
        "Inbox": [{"Name": "prefix", "Value": "inbox/"}],
    }


# APIs


def test_every_action_has_a_route(template: dict[str, Any]) -> None:
    api = properties(template, "SocketApi")
    assert set(api["Routes"]) == {"$connect", "$disconnect", "$default", *ACTIONS}
    assert api["RouteSelectionExpression"] == "$request.body.action"
    assert api["Auth"] == {"AuthType": "CUSTOM", "AuthArn": arn("AuthorizerFunction")}


def routes(template: dict[str, Any]) -> dict[str, bool]:
    """Keys of HTTP routes, and whether API Gateway may look at tokens there."""
    return {
        each["Properties"]["RouteKey"]: "AuthorizerId" in each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::ApiGatewayV2::Route"
    }


def test_where_a_user_is_needed_the_api_may_look(template: dict[str, Any]) -> None:
    assert routes(template) == {
        "$default": False,
        "GET /operations": True,
        "POST /revocations": True,
        "POST /tasks/{task}": True,
        "POST /uploads": True,
        "POST /tasks/fair": False,
    }


def test_it_looks_below_the_prefix_of_the_mount() -> None:
    app = Ringback("mounted")
    app.task(name="t")(work)
    assert set(routes(made(app, prefix="/background"))) == {
        "$default",
        "GET /background/operations",
        "POST /background/revocations",
        "POST /background/tasks/{task}",
    }


def test_it_does_not_look_where_the_application_says_who_is_asking() -> None:
    app = Ringback("own", authenticate=lambda headers: None)
    app.task(name="t")(work)
    template = made(app)
    assert routes(template) == {"$default": False}
    assert "JwtAuthorizer" not in template["Resources"]


# Pages


@pytest.mark.parametrize("others", [(), ("https://a.example", "https://b.example")])
def test_pages_of_its_own_and_those_named_may_put_files(
    written: str, tmp_path: Path, others: tuple[str, ...]
) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(written, "utf-8")
    stack = read(path, {"CorsOrigins": ",".join(others)}, endpoint="http://moto")
    (rule,) = stack.resources["Files"].properties["CorsConfiguration"]["CorsRules"]
    (own, *named) = rule["AllowedOrigins"]
    assert own.startswith("https://")
    assert own.endswith(".amazonaws.com")
    assert tuple(named) == others


# Alarms


def test_alarms_tell_of_what_is_late_lost_or_wrong(template: dict[str, Any]) -> None:
    alarms = {
        name: each["Properties"]
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }
    functions = [name for name in template["Resources"] if name.endswith("Function")]
    queues = [f"Work{seconds}Queue" for seconds in (30, 60, 900)]
    letters = [f"Work{seconds}DeadLetters" for seconds in (30, 60, 900)]
    assert set(alarms) == {
        *(f"{name}ErrorsAlarm" for name in functions),
        *(f"{name}AgeAlarm" for name in (*queues, "PushFunction", "BackstopFunction")),
        *(f"{name}Alarm" for name in (*letters, "EventsDeadLetters", "Failures")),
        "HttpApiAlarm",
        "TableReadThrottlesAlarm",
        "TableWriteThrottlesAlarm",
        "ThrottlesAlarm",
    }
    assert all(each["AlarmActions"] == [{"Ref": "Alarms"}] for each in alarms.values())
    assert alarms["PushFunctionAgeAlarm"]["MetricName"] == "IteratorAge"


def test_an_event_can_be_handled_by_nothing_but_itself() -> None:
    app = Ringback("only-events")

    @app.on("a")
    def handle(event: CloudEvent) -> None: ...

    template = made(app)
    assert set(properties(template, "EventsFunction")["Events"]) == {"Bus", "Topic"}
    assert template["Outputs"]["TopicArn"]["Value"] == {"Ref": "Topic"}
