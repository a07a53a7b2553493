"""The functions: what calls each, what it may do, where it logs, and when somebody is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringback.sam import policies
from ringback.sam.alarms import alarm
from ringback.sam.events import pattern, topics
from ringback.sam.plan import LONGEST, Plan, told
from ringback.sam.policies import Statement
from ringback.sam.queues import FAILURES, WORK_SLACK, letters_of, queue_of
from ringback.sam.yaml import Note, att, ref, when
from ringback.uploads.presigned import PUT

Resources = Iterator[tuple[str, Any]]

HTTP_TIMEOUT = 30
"""Seconds: an HTTP API waits no longer."""
SOCKET_TIMEOUT = 29
"""Seconds: nor a WebSocket API."""
AUTHORIZER_TIMEOUT = 10
STREAM_TIMEOUT = 60
UPKEEP_TIMEOUT = 60
"""Seconds between two of its runs."""
STREAM_RETRIES = 8
"""Before a batch that cannot be done is left to the failures, so that what is behind it goes on."""
STREAM_AGE = 3600
"""Seconds that a record is tried for: news that is older is no news, and followers replay."""
BACKSTOP_WINDOW = 20
"""Seconds: what the first sending did in time needs no second."""
STREAM_BATCH = 100
EVENTS_RETRIES = 2
STORED = {"eventName": ["INSERT", "MODIFY"]}
NEWS: tuple[dict[str, Any], ...] = (
    {"dynamodb": {"Keys": {"pk": {"S": ["journal", {"prefix": "relay#"}, {"prefix": "rest#"}]}}}},
    {
        "dynamodb": {
            "Keys": {"pk": {"S": [{"prefix": "op#"}]}, "sk": {"S": ["op", {"prefix": "e#"}]}}
        }
    },
    {"dynamodb": {"NewImage": {"wake": {"S": [{"exists": True}]}}}},
)
"""Records that somebody is told of: messages, operations and their events, connections."""
QUEUED: tuple[dict[str, Any], ...] = (
    {"dynamodb": {"Keys": {"sk": {"S": ["op"]}}, "NewImage": {"status": {"S": ["queued"]}}}},
)
"""Records of what may have to be sent again."""
AT_ONCE = {30: 10, 60: 5, 300: 1, 900: 1}
"""Messages that one invocation takes: where work is long, nothing waits for its neighbours."""
LATE = 60_000
"""Milliseconds behind its stream from which a function is late."""

# What checkov asks for, and why it is not here.
SKIPS = (
    "checkov:skip=CKV_AWS_117:It calls public endpoints of AWS alone; a VPC would add a NAT.",
    "checkov:skip=CKV_AWS_173:Its environment has names; of secrets at most JwtSecret (NoEcho).",
)
SKIP_LOGS = "checkov:skip=CKV_AWS_158:Logs are encrypted with a key of AWS's own."
NO_LETTERS = (
    "checkov:skip=CKV_AWS_116:Nobody calls it asynchronously; its source tells of failures."
)
OTHER_LETTERS = "checkov:skip=CKV_AWS_116:EventInvokeConfig says what becomes of calls that failed."
NO_RESERVE = "checkov:skip=CKV_AWS_115:What it reserved, the account's other functions would lack."


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function, before it is written."""

    name: str
    """Without the ``Function`` at its end."""
    about: str
    timeout: int
    allow: Sequence[Statement]
    events: Mapping[str, Any] = field(default_factory=dict)
    app: bool = False
    """Whether the application's own code runs in it."""
    work: bool = False
    """Whether it has the memory for work."""
    reserved: bool = False
    """Whether environments may be kept for it."""
    asynchronous: Mapping[str, Any] | None = None
    """How calls are tried again that nobody waits for."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of its environment, beside those that all have."""
    late: bool = False
    """Whether it reads a stream, and can be late."""

    @property
    def id(self) -> str:
        return f"{self.name}Function"

    def resources(self, plan: Plan) -> Resources:
        """The function, its role, its log and its alarms. The code's place stands in each function:
        `aws cloudformation package` does not look at the globals.
        """
        skips = [*SKIPS, NO_LETTERS if self.asynchronous is None else OTHER_LETTERS]
        properties: dict[str, Any] = {
            "CodeUri": plan.code,
            "Role": att(f"{self.id}Role.Arn"),
            "Timeout": self.timeout,
        }
        if self.work:
            properties["MemorySize"] = ref("WorkMemorySize")
        if self.reserved:
            properties["ReservedConcurrentExecutions"] = when(
                "ReservesForRequests", ref("ReservedForRequests")
            )
        else:
            skips.append(NO_RESERVE)
        if self.variables:
            properties["Environment"] = {"Variables": dict(self.variables)}
        properties["LoggingConfig"] = {"LogGroup": ref(f"{self.id}Logs")}
        if self.events:
            properties["Events"] = dict(self.events)
        yield (
            self.id,
            Note(
                {"Type": "AWS::Serverless::Function", "Properties": properties},
                above=self.about,
                inside=tuple(skips),
            ),
        )
        if self.asynchronous is not None:
            # Beside the function, under the name that SAM gives it, and not inside: CDK takes it
            # there only with a destination for success.
            config = {"FunctionName": ref(self.id), "Qualifier": "$LATEST", **self.asynchronous}
            yield (
                f"{self.id}EventInvokeConfig",
                {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": config},
            )
        allow = [*self.allow, *plan.additions.statements] if self.app else self.allow
        yield f"{self.id}Role", policies.role(self.id, f"{self.id}Logs", allow, app=self.app)
        yield (
            f"{self.id}Logs",
            Note(
                {
                    "Type": "AWS::Logs::LogGroup",
                    "Properties": {"RetentionInDays": ref("LogRetention")},
                },
                inside=(SKIP_LOGS,),
            ),
        )
        yield from self._alarms()

    def _alarms(self) -> Resources:
        dimensions = {"FunctionName": ref(self.id)}
        yield alarm(
            f"{self.id}Errors",
            f"{self.id} failed: its log says why.",
            "AWS/Lambda",
            "Errors",
            dimensions,
        )
        if self.late:
            yield alarm(
                f"{self.id}Age",
                f"{self.id} is behind its stream.",
                "AWS/Lambda",
                "IteratorAge",
                dimensions,
                statistic="Maximum",
                threshold=LATE,
                periods=5,
            )


def functions(plan: Plan) -> Iterator[Function]:
    """All of them, in the order in which a request meets them."""
    queues = [queue_of(seconds) for seconds in plan.classes]
    send = [policies.send(queues)] if queues else []
    table, payloads = policies.table(), policies.payloads
    files = policies.uploads("read", "write", "delete") if plan.uploads else []
    yield Function(
        name="Http",
        about="Every route of the HTTP API.",
        timeout=HTTP_TIMEOUT,
        allow=[table, *payloads("read", "write", "delete"), *files, *send],
        app=True,
        reserved=True,
    )
    yield Function(
        name="Socket",
        about="Every action of the WebSocket protocol ringback.v1, connecting and leaving too.",
        timeout=SOCKET_TIMEOUT,
        allow=[table, *payloads("read", "write", "delete"), *send, policies.push()],
        app=True,
        reserved=True,
    )
    yield Function(
        name="Authorizer",
        about="Says who it is that connects to the WebSocket API.",
        timeout=AUTHORIZER_TIMEOUT,
        allow=[policies.knowing(), *policies.beginning()],
        app=plan.decides,
        reserved=True,
    )
    for seconds, tasks in plan.work:
        taken = policies.uploads("read") if plan.uploads else []
        allow = [table, *payloads("read", "write", "delete"), *taken, *send]
        yield _work(seconds, "\n".join(told(tasks)), allow)
    yield Function(
        name="Push",
        about="Tells followers what the table's stream says is new, and puts events on the bus.",
        timeout=STREAM_TIMEOUT,
        allow=[
            *policies.stream(),
            policies.reading(),
            policies.telling(),
            *payloads("read"),
            policies.push(),
            policies.put_events(),
            policies.report(FAILURES),
        ],
        events={"Stream": _stream(NEWS, window=0, parallel=2)},
        late=True,
    )
    yield Function(
        name="Backstop",
        about="The stream's second reader: sends to the queues again what was stored and not "
        "sent, because whoever accepted it died in between. A table's stream takes no third.",
        timeout=STREAM_TIMEOUT,
        allow=[
            *policies.stream(),
            policies.reading(),
            *payloads("read"),
            *send,
            policies.report(FAILURES),
        ],
        variables={"RINGBACK_STREAM": "backstop"},
        events={"Stream": _stream(QUEUED, window=BACKSTOP_WINDOW, parallel=1)},
        late=True,
    )
    yield Function(
        name="Upkeep",
        about="Every minute: leases that ran out, work whose time has come, what is past its "
        "retention.",
        timeout=UPKEEP_TIMEOUT,
        allow=[table, policies.expiry(), *payloads("read", "write", "delete"), *files, *send],
        events={
            "EveryMinute": {
                "Type": "Schedule",
                "Properties": {"Schedule": "rate(1 minute)", "Input": '{"ringback": "upkeep"}'},
            }
        },
        # The next minute's does what this one did not.
        asynchronous={"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": UPKEEP_TIMEOUT},
    )
    if plan.takes_events:
        yield Function(
            name="Events",
            about="What comes from outside: events of the bus, messages of the topic, files in "
            "the bucket. Each becomes operations of its handlers.",
            timeout=STREAM_TIMEOUT,
            allow=[
                table,
                *payloads("read", "write", "delete"),
                *files,
                *send,
                policies.report(FAILURES),
            ],
            events=_outside(plan),
            asynchronous={
                "MaximumRetryAttempts": EVENTS_RETRIES,
                "DestinationConfig": {"OnFailure": {"Destination": att(f"{FAILURES}.Arn")}},
            },
        )


def _work(seconds: int, tasks: str, allow: Sequence[Statement]) -> Function:
    queue = queue_of(seconds)
    return Function(
        name=f"Work{seconds}",
        about=f"Work of up to {seconds} seconds:\n{tasks}",
        timeout=min(LONGEST, seconds + WORK_SLACK),
        allow=[policies.receive(queue), *allow],
        app=True,
        work=True,
        events={
            "Queue": {
                "Type": "SQS",
                "Properties": {
                    "Queue": att(f"{queue}.Arn"),
                    "BatchSize": AT_ONCE[seconds],
                    "FunctionResponseTypes": ["ReportBatchItemFailures"],
                    "ScalingConfig": {"MaximumConcurrency": ref("WorkConcurrency")},
                },
            }
        },
    )


def _stream(wanted: Sequence[Any], *, window: int, parallel: int) -> dict[str, Any]:
    return {
        "Type": "DynamoDB",
        "Properties": {
            "Stream": att("Table.StreamArn"),
            # From the beginning, so that nothing is missed between deployment and first poll.
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": STREAM_BATCH,
            "MaximumBatchingWindowInSeconds": window,
            "ParallelizationFactor": parallel,
            "FilterCriteria": {
                "Filters": [{"Pattern": json.dumps(each | STORED)} for each in wanted]
            },
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": STREAM_RETRIES,
            "MaximumRecordAgeInSeconds": STREAM_AGE,
            "DestinationConfig": {
                "OnFailure": {"Type": "SQS", "Destination": att(f"{FAILURES}.Arn")}
            },
        },
    }


def _outside(plan: Plan) -> dict[str, Any]:
    events: dict[str, Any] = {}
    for index, found in enumerate(topics(plan.patterns), 1):
        events["Bus" if index == 1 else f"Bus{index}"] = {
            "Type": "EventBridgeRule",
            "Properties": {
                "EventBusName": ref("Bus"),
                "Pattern": pattern(plan.name, found),
                "RetryPolicy": {"MaximumRetryAttempts": 8, "MaximumEventAgeInSeconds": STREAM_AGE},
                "DeadLetterConfig": {"Arn": att(f"{letters_of('Events')}.Arn")},
            },
        }
    events["Topic"] = {
        "Type": "SNS",
        "Properties": {
            "Topic": ref("Topic"),
            "RedrivePolicy": {"deadLetterTargetArn": att(f"{letters_of('Events')}.Arn")},
        },
    }
    put = {"Name": "suffix", "Value": f"/{PUT}"}  # and not what is then made of it
    for name, prefix, more, wanted in (
        ("Uploads", policies.UPLOADS, [put], plan.uploads),
        ("Inbox", policies.INBOX, [], plan.inbox),
    ):
        if wanted:
            rules = [{"Name": "prefix", "Value": prefix}, *more]
            events[name] = {
                "Type": "S3",
                "Properties": {
                    "Bucket": ref("Files"),
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"S3Key": {"Rules": rules}},
                },
            }
    return events
