"""Makes a stack's queues, tables, topics, buckets and buses in moto."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import Resource, Stack
from ringback.errors import ConfigurationError

EVENTS = "ringback-local-events"
"""A queue of the home's own: what topics, buckets and the default bus tell functions goes through
it."""
BUS = "ringback-local-bus-"
"""How the queue of another bus begins."""
RULE = "ringback-local"
DEFAULT = "default"
EVERY = {"source": [{"prefix": ""}]}
"""A pattern that every event on a bus fits."""


def provision(stack: Stack, clients: Clients) -> dict[str, str]:
    """Make everything. Returned are the URLs of the queues that events come in, by their bus."""
    maker = _Maker(stack, clients)
    # In an order in which what is referred to is there.
    for kind in MAKERS:
        for resource in stack.resources.values():
            if resource.type != kind:
                continue
            try:
                MAKERS[kind](maker, resource)
            except Exception as error:  # boto3's errors have no common class with its checks
                raise ConfigurationError(
                    f"{resource.name} ({resource.type}) cannot be made: {error}"
                ) from error
    maker.listen()
    return maker.queues


def bridged(stack: Stack) -> set[str]:
    """Physical names of the buckets that tell the default bus."""
    found = set()
    for resource in stack.resources.values():
        said = resource.properties.get("NotificationConfiguration", {})
        bridge = said.get("EventBridgeConfiguration")
        if bridge is not None and _text(bridge.get("EventBridgeEnabled", True)) == "true":
            found.add(resource.physical)
    return found


def open_to_pages(stack: Stack, clients: Clients, gateways: Mapping[str, str]) -> None:
    """Let pages put files into buckets from where they are here, if they may from where they are on
    AWS. ``gateways``: from the hosts of APIs, there and here, to their URLs.
    """
    here = {f"http://{host}": url for host, url in gateways.items()}
    there = {f"https://{host}": url for host, url in gateways.items()}
    for resource in stack.resources.values():
        if resource.type != "AWS::S3::Bucket":
            continue
        rules = [_cors(rule) for rule in _cors_rules(resource)]
        for rule in rules:
            own = {there[each] for each in rule["AllowedOrigins"] if each in there}
            rule["AllowedOrigins"] += [each for each, url in here.items() if url in own]
        if rules:
            _put_cors(clients.now, resource, rules)


class _Maker:
    def __init__(self, stack: Stack, clients: Clients) -> None:
        self._stack = stack
        self._ask = clients.now
        self.queues: dict[str, str] = {}
        self._redrive: list[tuple[str, str]] = []
        self._events_arn = self._queue_of(DEFAULT)

    def _queue_of(self, bus: str) -> str:
        """The ARN of the home's queue for a bus."""
        name = EVENTS if bus == DEFAULT else f"{BUS}{bus}"[:80]
        self.queues[bus] = self._ask("sqs", "create_queue", QueueName=name)["QueueUrl"]
        place = self._stack.place
        return f"arn:aws:sqs:{place.region}:{place.account}:{name}"

    # Queues

    def queue(self, resource: Resource) -> None:
        """A queue without its redrive policy, which may name another that comes later."""
        attributes = {
            name: json.dumps(value) if isinstance(value, (dict, list)) else _text(value)
            for name, value in resource.properties.items()
            if name in QUEUE
        }
        policy = attributes.pop("RedrivePolicy", None)
        made = self._ask("sqs", "create_queue", QueueName=resource.physical, Attributes=attributes)
        if policy is not None:
            self._redrive.append((made["QueueUrl"], policy))

    # Tables

    def table(self, resource: Resource) -> None:
        said = dict(resource.properties)
        ttl = said.pop("TimeToLiveSpecification", None)
        arguments = {name: said[name] for name in TABLE if name in said}
        arguments["TableName"] = resource.physical
        arguments.setdefault("BillingMode", "PROVISIONED")
        if arguments["BillingMode"] == "PROVISIONED":
            arguments.setdefault(
                "ProvisionedThroughput", {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
            )
        if "StreamSpecification" in arguments:
            view = arguments["StreamSpecification"].get("StreamViewType", "NEW_AND_OLD_IMAGES")
            arguments["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
        self._ask("dynamodb", "create_table", **_numbers(arguments))
        if ttl and _text(ttl.get("Enabled", True)) == "true":
            self._ask(
                "dynamodb",
                "update_time_to_live",
                TableName=resource.physical,
                TimeToLiveSpecification={
                    "Enabled": True,
                    "AttributeName": str(ttl["AttributeName"]),
                },
            )

    # Topics

    def topic(self, resource: Resource) -> None:
        attributes = {
            name: _text(resource.properties[name])
            for name in ("DisplayName", "FifoTopic", "ContentBasedDeduplication")
            if name in resource.properties
        }
        self._ask("sns", "create_topic", Name=resource.physical, Attributes=attributes)
        for each in resource.properties.get("Subscription", []):
            self._subscribe(resource.arn, each)

    def subscription(self, resource: Resource) -> None:
        self._subscribe(str(resource.properties["TopicArn"]), resource.properties)

    def _subscribe(self, topic: str, said: Mapping[str, Any]) -> None:
        if said.get("Protocol") == "lambda":
            return
        attributes = {
            name: json.dumps(said[name]) if isinstance(said[name], dict) else _text(said[name])
            for name in ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")
            if name in said
        }
        self._ask(
            "sns",
            "subscribe",
            TopicArn=topic,
            Protocol=str(said["Protocol"]),
            Endpoint=str(said["Endpoint"]),
            Attributes=attributes,
        )

    # Buckets

    def bucket(self, resource: Resource) -> None:
        region = self._stack.place.region
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        self._ask(
            "s3",
            "create_bucket",
            Bucket=resource.physical,
            **({"CreateBucketConfiguration": where} if where else {}),
        )
        said = resource.properties
        if said.get("VersioningConfiguration", {}).get("Status") == "Enabled":
            self._ask(
                "s3",
                "put_bucket_versioning",
                Bucket=resource.physical,
                VersioningConfiguration={"Status": "Enabled"},
            )
        rules = [_cors(rule) for rule in _cors_rules(resource)]
        if rules:
            _put_cors(self._ask, resource, rules)
        self._notify(resource)

    def _notify(self, resource: Resource) -> None:
        said = resource.properties.get("NotificationConfiguration", {})
        configuration: dict[str, Any] = {
            "QueueConfigurations": [
                {
                    "Id": f"queue{number}",
                    "QueueArn": each["Queue"],
                    "Events": [each["Event"]],
                    **_filtered(each),
                }
                for number, each in enumerate(said.get("QueueConfigurations", []))
            ],
            "TopicConfigurations": [
                {
                    "Id": f"topic{number}",
                    "TopicArn": each["Topic"],
                    "Events": [each["Event"]],
                    **_filtered(each),
                }
                for number, each in enumerate(said.get("TopicConfigurations", []))
            ],
        }
        if resource.physical in {
            *(each.bucket for each in self._stack.notifications),
            *bridged(self._stack),
        }:
            # moto calls no functions, and tells a bus less than S3 does: all is told to the home.
            configuration["QueueConfigurations"].append(
                {
                    "Id": "ringback-local",
                    "QueueArn": self._events_arn,
                    "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                }
            )
        if any(configuration.values()):
            self._ask(
                "s3",
                "put_bucket_notification_configuration",
                Bucket=resource.physical,
                NotificationConfiguration={
                    name: value for name, value in configuration.items() if value
                },
                SkipDestinationValidation=True,
            )

    # Buses and what else there is

    def bus(self, resource: Resource) -> None:
        self._ask("events", "create_event_bus", Name=resource.physical)

    def parameter(self, resource: Resource) -> None:
        said = resource.properties
        self._ask(
            "ssm",
            "put_parameter",
            Name=resource.physical,
            Value=_text(said.get("Value", "")),
            Type=str(said.get("Type", "String")),
            Overwrite=True,
        )

    def secret(self, resource: Resource) -> None:
        value = resource.properties.get("SecretString", "{}")
        self._ask(
            "secretsmanager", "create_secret", Name=resource.physical, SecretString=_text(value)
        )

    def listen(self) -> None:
        """Join the queues, and have topics and buses tell the home."""
        for url, policy in self._redrive:
            self._ask(
                "sqs", "set_queue_attributes", QueueUrl=url, Attributes={"RedrivePolicy": policy}
            )
        for topic in sorted({each.topic for each in self._stack.subscriptions}):
            self._ask("sns", "subscribe", TopicArn=topic, Protocol="sqs", Endpoint=self._events_arn)
        for bus in sorted({each.bus for each in self._stack.rules if each.pattern is not None}):
            arn = self._events_arn if bus == DEFAULT else self._queue_of(bus)
            self._ask(
                "events",
                "put_rule",
                Name=RULE,
                EventBusName=bus,
                EventPattern=json.dumps(EVERY),
                State="ENABLED",
            )
            self._ask(
                "events",
                "put_targets",
                Rule=RULE,
                EventBusName=bus,
                Targets=[{"Id": "home", "Arn": arn}],
            )


QUEUE = {
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "VisibilityTimeout",
}
TABLE = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
    "StreamSpecification",
)
MAKERS: dict[str, Callable[[_Maker, Resource], None]] = {
    "AWS::SQS::Queue": _Maker.queue,
    "AWS::DynamoDB::Table": _Maker.table,
    "AWS::SNS::Topic": _Maker.topic,
    "AWS::SNS::Subscription": _Maker.subscription,
    "AWS::S3::Bucket": _Maker.bucket,
    "AWS::Events::EventBus": _Maker.bus,
    "AWS::SSM::Parameter": _Maker.parameter,
    "AWS::SecretsManager::Secret": _Maker.secret,
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(value: Any) -> Any:
    """boto3 wants numbers where templates may have text."""
    if isinstance(value, dict):
        return {
            name: int(each) if name.endswith("CapacityUnits") else _numbers(each)
            for name, each in value.items()
            if name not in ("ContributorInsightsSpecification",)
        }
    return [_numbers(each) for each in value] if isinstance(value, list) else value


def _cors_rules(bucket: Resource) -> list[Mapping[str, Any]]:
    return list(bucket.properties.get("CorsConfiguration", {}).get("CorsRules", []))


def _put_cors(ask: Callable[..., Any], bucket: Resource, rules: list[dict[str, Any]]) -> None:
    ask(
        "s3",
        "put_bucket_cors",
        Bucket=bucket.physical,
        CORSConfiguration={"CORSRules": rules},
    )


def _cors(rule: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        name: list(rule[name])
        for name in ("AllowedHeaders", "AllowedMethods", "AllowedOrigins")
        if name in rule
    }
    if "ExposedHeaders" in rule:
        made["ExposeHeaders"] = list(rule["ExposedHeaders"])
    if "MaxAge" in rule:
        made["MaxAgeSeconds"] = int(rule["MaxAge"])
    return made


def _filtered(said: Mapping[str, Any]) -> dict[str, Any]:
    rules = said.get("Filter", {}).get("S3Key", {}).get("Rules", [])
    if not rules:
        return {}
    return {
        "Filter": {
            "Key": {
                "FilterRules": [
                    {"Name": str(rule["Name"]).lower(), "Value": str(rule["Value"])}
                    for rule in rules
                ]
            }
        }
    }
