"""What a template comes to: records with nothing left to resolve, and how a function is called.

Every name that joins two records is a logical id of the template, or an ARN where the other side
may lie outside it. What reads a template is in ``reading``, what runs it elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose AWS it pretends to be."""

    account: str = "123456789012"
    region: str = "us-east-1"
    stack: str = "local"


# --- Functions ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function as Lambda would keep it."""

    name: str
    """Logical id."""
    function_name: str
    arn: str
    handler: str
    runtime: str
    code: Path
    """The folder it runs in: ``CodeUri``."""
    timeout: float = 3
    """Seconds."""
    memory: int = 128
    """MB."""
    environment: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[Path, ...] = ()
    reserved: int | None = None
    """Environments at once, at most; None: what the account has left."""
    retries: int = 2
    """Of an asynchronous call that failed."""
    oldest: float = 6 * 3600
    """Seconds that an asynchronous call may wait."""
    on_failure: str | None = None
    """ARN that an asynchronous call goes to at last."""
    on_success: str | None = None
    dead_letters: str | None = None
    """ARN of the older ``DeadLetterConfig``: gets the event alone."""


@dataclass(frozen=True, kw_only=True)
class FunctionError:
    """Why a call gave no payload."""

    kind: Literal["unhandled", "timeout", "crash", "throttled", "missing"]
    """unhandled: the handler raised, or could not be imported."""
    type: str
    message: str
    trace: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """What Lambda answers instead of a payload."""
        body: dict[str, Any] = {"errorType": self.type, "errorMessage": self.message}
        if self.trace:
            body["stackTrace"] = list(self.trace)
        return body


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one call ended. A function that returned nothing has neither payload nor error."""

    payload: Any = None
    error: FunctionError | None = None
    request_id: str = ""


class Invoker(Protocol):
    """Calls functions and waits for them."""

    async def invoke(self, function: str, event: dict[str, Any]) -> Outcome:
        """Call `function` (its logical id) with `event`, as ``RequestResponse`` does.

        Never raises for what the function does: it failed, ran out of time, is throttled or
        missing is said in the outcome. A caller that is cancelled leaves the function running.
        """
        ...


# --- APIs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Integration:
    """What a route leads to."""

    type: str = "AWS_PROXY"
    """AWS_PROXY, HTTP_PROXY, MOCK, AWS, HTTP."""
    function: str | None = None
    """Logical id, where it leads to a function of the template."""
    uri: str | None = None
    """Where it does not."""
    method: str | None = None
    payload_format: str = "2.0"
    """Of HTTP APIs; "1.0" is what raw resources that say nothing have."""
    timeout: float | None = None
    """Seconds; None: as long as the API allows."""
    subtype: str | None = None
    """``SQS-SendMessage`` and the like."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Request parameters."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Request templates of MOCK and AWS."""
    template_selection: str | None = None


@dataclass(frozen=True, kw_only=True)
class JwtAuthorizer:
    name: str
    issuer: str
    audience: tuple[str, ...] = ()
    identity_source: str = "$request.header.Authorization"


@dataclass(frozen=True, kw_only=True)
class LambdaAuthorizer:
    name: str
    """As routes name it."""
    function: str
    """Logical id."""
    identity_sources: tuple[str, ...] = ()
    """All have to be there; without one the answer is 401 and the function is not asked."""
    payload_format: str = "2.0"
    """WebSocket APIs always use the form of "1.0"."""
    simple: bool = False
    """Whether it answers ``{"isAuthorized": …}``; else with an IAM policy."""
    ttl: float = 0
    """Seconds that an answer is kept by its identity sources."""


@dataclass(frozen=True, kw_only=True)
class Cors:
    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int | None = None
    allow_credentials: bool = False


@dataclass(frozen=True, kw_only=True)
class Stage:
    name: str
    """``$default`` has no prefix in the path."""
    variables: Mapping[str, str] = field(default_factory=dict)
    rate: float | None = None
    """Requests a second, of the default route settings."""
    burst: int | None = None


@dataclass(frozen=True, kw_only=True)
class Route:
    key: str
    """``GET /items/{id}``, ``ANY /{proxy+}``, ``$default``; of sockets ``$connect``, ``join``."""
    integration: Integration | None = None
    """None: accepted and answered by nobody, as a ``$connect`` without integration."""
    authorization: Literal["NONE", "JWT", "CUSTOM", "AWS_IAM"] = "NONE"
    authorizer: str | None = None
    """Key into the API's authorizers."""
    scopes: tuple[str, ...] = ()
    responds: bool = False
    """WebSocket: there is a route response, so what the function returns goes to the client."""


@dataclass(frozen=True, kw_only=True)
class HttpApi:
    name: str
    """Logical id."""
    api_id: str
    title: str
    routes: tuple[Route, ...] = ()
    authorizers: Mapping[str, JwtAuthorizer | LambdaAuthorizer] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    cors: Cors | None = None


@dataclass(frozen=True, kw_only=True)
class SocketApi:
    name: str
    """Logical id."""
    api_id: str
    title: str
    selection: str = "$request.body.action"
    """Route selection expression."""
    routes: tuple[Route, ...] = ()
    authorizers: Mapping[str, LambdaAuthorizer] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()


# --- What else there is -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource that moto keeps: its type, and its properties resolved."""

    name: str
    """Logical id."""
    type: str
    """``AWS::SQS::Queue`` and so on."""
    physical: str
    """Queue name, table name, bucket name…"""
    arn: str
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """An event source mapping: a queue or a stream that is polled for a function."""

    name: str
    function: str
    """Logical id."""
    source: str
    """Logical id of the queue or of the table."""
    kind: Literal["sqs", "dynamodb"]
    enabled: bool = True
    batch: int = 10
    window: float = 0
    """Seconds."""
    filters: tuple[Mapping[str, Any], ...] = ()
    """Patterns; one that fits is enough. None at all: everything."""
    partial: bool = False
    """ReportBatchItemFailures."""
    most: int | None = None
    """MaximumConcurrency of a queue."""
    latest: bool = True
    """Of a stream: begin at its end; else at TRIM_HORIZON."""
    bisect: bool = False
    retries: int = -1
    """Of a stream; -1: until the records are gone."""
    oldest: float = -1
    """Seconds that a record is tried for at most."""
    parallel: int = 1
    """Batches of one shard at a time."""
    on_failure: str | None = None
    """ARN."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a rule or a schedule leads."""

    id: str
    arn: str
    input: str | None = None
    """What is sent instead of the event."""
    input_path: str | None = None
    transformer: Mapping[str, Any] | None = None
    dead_letters: str | None = None
    group: str | None = None
    """Message group, of a FIFO queue."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Of EventBridge: a pattern on a bus, or a schedule."""

    name: str
    arn: str
    bus: str = "default"
    pattern: Mapping[str, Any] | None = None
    schedule: str | None = None
    """``rate(…)`` or ``cron(…)`` or ``at(…)``."""
    zone: str = "UTC"
    enabled: bool = True
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Of a topic, to a function."""

    name: str
    topic: str
    """ARN."""
    function: str
    filter: Mapping[str, Any] | None = None
    filter_scope: Literal["MessageAttributes", "MessageBody"] = "MessageAttributes"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """Of a bucket, to a function."""

    bucket: str
    """Physical name."""
    function: str
    events: tuple[str, ...]
    """``s3:ObjectCreated:*``"""
    prefix: str = ""
    suffix: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A whole template."""

    place: Place
    parameters: Mapping[str, Any] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    http_apis: tuple[HttpApi, ...] = ()
    socket_apis: tuple[SocketApi, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """Queues, tables, topics, buckets, buses and what else moto keeps, by logical id."""
    mappings: tuple[EventSource, ...] = ()
    rules: tuple[Rule, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    notifications: tuple[Notification, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[tuple[str, str]] = ()
    """Resources nothing stands for here: logical id and type."""
