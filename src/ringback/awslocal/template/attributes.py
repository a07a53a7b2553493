"""What resources are called: physical names, ``Ref`` and attributes, before anything is made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringback.awslocal.model import Place
from ringback.awslocal.template.intrinsics import NO_VALUE, Resolver
from ringback.errors import ConfigurationError

STREAM = "/stream/2026-01-01T00:00:00.000"
"""Behind a table's ARN. A stream's label is the moment it was made: here always the same."""
LONGEST = 63
"""Characters that every service takes for a name."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a type of resource is named."""

    property: str | None
    """Which property gives the physical name."""
    arn: str
    """Pattern of its ARN."""
    ref: str = "{name}"


KINDS: dict[str, Kind] = {
    "AWS::ApiGatewayV2::Api": Kind(property=None, arn="arn:aws:apigateway:{region}::/apis/{name}"),
    "AWS::ApiGatewayV2::Stage": Kind(property="StageName", arn=""),
    "AWS::ApiGatewayV2::DomainName": Kind(property="DomainName", arn=""),
    "AWS::CloudWatch::Alarm": Kind(
        property="AlarmName", arn="arn:aws:cloudwatch:{region}:{account}:alarm:{name}"
    ),
    "AWS::DynamoDB::Table": Kind(
        property="TableName", arn="arn:aws:dynamodb:{region}:{account}:table/{name}"
    ),
    "AWS::Events::EventBus": Kind(
        property="Name", arn="arn:aws:events:{region}:{account}:event-bus/{name}"
    ),
    "AWS::Events::Rule": Kind(property="Name", arn="arn:aws:events:{region}:{account}:rule/{name}"),
    "AWS::IAM::Role": Kind(property="RoleName", arn="arn:aws:iam::{account}:role/{name}"),
    "AWS::KMS::Key": Kind(property=None, arn="arn:aws:kms:{region}:{account}:key/{name}"),
    "AWS::Lambda::Alias": Kind(property=None, arn="{function}:{alias}", ref="{arn}"),
    "AWS::Lambda::Function": Kind(
        property="FunctionName", arn="arn:aws:lambda:{region}:{account}:function:{name}"
    ),
    "AWS::Lambda::LayerVersion": Kind(
        property="LayerName", arn="arn:aws:lambda:{region}:{account}:layer:{name}:1", ref="{arn}"
    ),
    "AWS::Lambda::Version": Kind(property=None, arn="{function}:1", ref="{arn}"),
    "AWS::Logs::LogGroup": Kind(
        property="LogGroupName", arn="arn:aws:logs:{region}:{account}:log-group:{name}:*"
    ),
    "AWS::S3::Bucket": Kind(property="BucketName", arn="arn:aws:s3:::{name}"),
    "AWS::SNS::Topic": Kind(
        property="TopicName", arn="arn:aws:sns:{region}:{account}:{name}", ref="{arn}"
    ),
    "AWS::SQS::Queue": Kind(
        property="QueueName", arn="arn:aws:sqs:{region}:{account}:{name}", ref="{url}"
    ),
    "AWS::SSM::Parameter": Kind(
        property="Name", arn="arn:aws:ssm:{region}:{account}:parameter/{name}"
    ),
    "AWS::Scheduler::Schedule": Kind(
        property="Name", arn="arn:aws:scheduler:{region}:{account}:schedule/default/{name}"
    ),
    "AWS::SecretsManager::Secret": Kind(
        property="Name", arn="arn:aws:secretsmanager:{region}:{account}:secret:{name}", ref="{arn}"
    ),
}

FALLBACK = Kind(property=None, arn="arn:aws:local:{region}:{account}:{name}")
"""Of what nothing stands for here: enough for policies that name it."""
GENERATED = {"AWS::ApiGatewayV2::Api": 10, "AWS::ApiGateway::RestApi": 10}
"""Types whose physical name AWS makes up, and its length."""
# Joined by reference only, inside the template.
BARE = re.compile(r"AWS::ApiGatewayV2::(Route|Integration|Authorizer|Deployment|RouteResponse)")


class TemplateAttributes:
    """Names of one template's resources."""

    def __init__(
        self, template: Mapping[str, Any], resolver: Resolver, place: Place, endpoint: str
    ) -> None:
        self._resources: Mapping[str, Any] = template["Resources"]
        self._resolver = resolver
        self._place = place
        self._endpoint = endpoint
        self._names: dict[str, str] = {}
        self._open: list[str] = []

    def kind(self, name: str) -> str:
        resource = self._resources.get(name)
        if resource is None:
            raise ConfigurationError(f"The template has no resource or parameter {name}.")
        return str(resource["Type"])

    def physical(self, name: str) -> str:
        """The physical name of a resource."""
        known = self._names.get(name)
        if known is not None:
            return known
        if name in self._open:
            raise ConfigurationError(f"Resources refer to one another: {' → '.join(self._open)}.")
        self._open.append(name)
        try:
            made = self._names[name] = self._physical(name)
        finally:
            self._open.pop()
        return made

    def _physical(self, name: str) -> str:
        kind = self.kind(name)
        properties = self._resources[name].get("Properties") or {}
        rule = KINDS.get(kind, FALLBACK)
        if rule.property and rule.property in properties:
            given = self._resolver.resolve(properties[rule.property])
            if given is not NO_VALUE:
                return str(given)
        if BARE.fullmatch(kind):
            return name
        if kind in GENERATED:
            digest = hashlib.sha256(f"{self._place.stack}/{name}".encode()).digest()
            letters = "abcdefghijklmnopqrstuvwxyz0123456789"
            made = (letters[byte % len(letters)] for byte in digest)
            return "".join(made)[: GENERATED[kind]]
        made_up = f"{self._place.stack}-{name}"
        if kind == "AWS::S3::Bucket":
            made_up = f"{made_up}-{self._place.account}".lower()
        if kind == "AWS::SSM::Parameter":
            made_up = f"CFN-{name}"
        if kind == "AWS::SQS::Queue" and str(properties.get("FifoQueue", "")).lower() == "true":
            return made_up[: LONGEST - 5] + ".fifo"
        return made_up[:LONGEST]

    def arn(self, name: str) -> str:
        kind = self.kind(name)
        properties = self._resources[name].get("Properties") or {}
        values = {
            "name": self.physical(name).lstrip("/") if "SSM" in kind else self.physical(name),
            "region": self._place.region,
            "account": self._place.account,
        }
        if kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            function = str(self._resolver.resolve(properties.get("FunctionName")))
            if not function.startswith("arn:"):
                function = KINDS["AWS::Lambda::Function"].arn.format(**{**values, "name": function})
            values["function"] = function
            values["alias"] = str(self._resolver.resolve(properties.get("Name", "live")))
        if kind == "AWS::Events::Rule" and "EventBusName" in properties:
            bus = str(self._resolver.resolve(properties["EventBusName"])).rpartition("/")[2]
            if bus != "default":
                values["name"] = f"{bus}/{values['name']}"
        return KINDS.get(kind, FALLBACK).arn.format(**values)

    def url(self, name: str) -> str:
        return f"{self._endpoint}/{self._place.account}/{self.physical(name)}"

    def ref(self, name: str) -> str:
        rule = KINDS.get(self.kind(name), FALLBACK)
        return {
            "{name}": self.physical,
            "{arn}": self.arn,
            "{url}": self.url,
        }[rule.ref](name)

    def get(self, name: str, attribute: str) -> Any:
        kind = self.kind(name)
        if kind == "AWS::CloudFormation::Stack":
            raise ConfigurationError(f"{name} is a nested stack: give its own template.")
        physical = self.physical(name)
        region = self._place.region
        special: dict[tuple[str, str], Any] = {
            ("AWS::DynamoDB::Table", "StreamArn"): self.arn(name) + STREAM,
            ("AWS::SQS::Queue", "QueueName"): physical,
            ("AWS::SQS::Queue", "QueueUrl"): self.url(name),
            ("AWS::SNS::Topic", "TopicName"): physical,
            ("AWS::SNS::Topic", "TopicArn"): self.arn(name),
            ("AWS::Events::EventBus", "Name"): physical,
            ("AWS::IAM::Role", "RoleId"): physical,
            ("AWS::S3::Bucket", "DomainName"): f"{physical}.s3.amazonaws.com",
            ("AWS::S3::Bucket", "RegionalDomainName"): f"{physical}.s3.{region}.amazonaws.com",
            ("AWS::S3::Bucket", "WebsiteURL"): f"{self._endpoint}/{physical}",
            ("AWS::ApiGatewayV2::Api", "ApiId"): physical,
            ("AWS::ApiGatewayV2::Api", "ApiEndpoint"): (
                f"{self._scheme(name)}://{physical}.execute-api.{region}.amazonaws.com"
            ),
            ("AWS::SSM::Parameter", "Value"): self._property(name, "Value"),
            ("AWS::SSM::Parameter", "Type"): self._property(name, "Type"),
            ("AWS::Lambda::Version", "Version"): "1",
        }
        if (kind, attribute) in special:
            return special[kind, attribute]
        if attribute in ("Arn", "AliasArn", "FunctionArn", "AlarmArn", "LayerVersionArn"):
            return self.arn(name)
        if kind in KINDS:
            raise ConfigurationError(f"{name} ({kind}) has no attribute {attribute} here.")
        return f"{physical}.{attribute}"

    def _scheme(self, name: str) -> str:
        protocol = self._property(name, "ProtocolType")
        return "wss" if protocol == "WEBSOCKET" else "https"

    def _property(self, name: str, key: str) -> Any:
        value = (self._resources[name].get("Properties") or {}).get(key)
        return self._resolver.resolve(value)
