"""A template's file to a ``Stack``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ringback.awslocal.model import Place, Resource, Stack
from ringback.awslocal.template import sources
from ringback.awslocal.template.apis import apis
from ringback.awslocal.template.attributes import TemplateAttributes
from ringback.awslocal.template.context import Context
from ringback.awslocal.template.documents import load, translate
from ringback.awslocal.template.functions import functions
from ringback.awslocal.template.intrinsics import Resolver
from ringback.errors import ConfigurationError

KEPT = (
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::S3::Bucket",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SSM::Parameter",
    "AWS::SecretsManager::Secret",
)
"""Types that are made in moto."""
READ = {
    *KEPT,
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::RouteResponse",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Events::Rule",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Scheduler::Schedule",
}
NEEDLESS = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGatewayV2::Deployment",
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Lambda::Alias",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::ScheduleGroup",
}
"""Types that nothing has to stand for: who may do what, and what is watched."""
ENDPOINT = "https://sqs.us-east-1.amazonaws.com"


def read(
    path: Path,
    parameters: Mapping[str, str] | None = None,
    *,
    place: Place | None = None,
    endpoint: str = ENDPOINT,
) -> Stack:
    """Read the template at `path`. Queue URLs begin with `endpoint`.

    Raises ``ConfigurationError`` for what is wrong with it or cannot be resolved here.
    """
    try:
        return _read(path, dict(parameters or {}), place or Place(), endpoint)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Of a list where names should be, a text for a number, and the like.
        raise ConfigurationError(
            f"Something in {path} has not the form that it should: {error}. `cfn-lint {path}` says "
            "where."
        ) from error


def _read(path: Path, given: dict[str, str], place: Place, endpoint: str) -> Stack:
    document = load(path)
    folder = path.resolve().parent
    # The parameters first: a missing one is told by name, before the translator trips over it.
    values = Resolver(document, given, place).parameters
    scalars = {name: str(value) for name, value in values.items() if not isinstance(value, list)}
    template = translate(document, folder, {**scalars, **given}, place)
    resolver = Resolver(template, given, place)
    attributes = TemplateAttributes(template, resolver, place, endpoint)
    resolver.attributes = attributes
    context = Context(
        template=template, folder=folder, place=place, resolver=resolver, attributes=attributes
    )
    for name, properties in context.of("AWS::DynamoDB::Table"):
        for wanted in ("AttributeDefinitions", "KeySchema"):
            if not properties.get(wanted):
                raise ConfigurationError(f"The table {name} in {path} has no {wanted}.")
    known = {each.name: each for each in functions(context)}
    http, sockets = apis(context)
    stack = Stack(
        place=place,
        parameters=resolver.parameters,
        functions=known,
        http_apis=http,
        socket_apis=sockets,
        resources={
            name: Resource(
                name=name,
                type=attributes.kind(name),
                physical=attributes.physical(name),
                arn=attributes.arn(name),
                properties=properties,
            )
            for name, properties in context.of(*KEPT)
        },
        mappings=tuple(sources.mappings(context)),
        rules=tuple(sources.rules(context)),
        subscriptions=tuple(sources.subscriptions(context)),
        notifications=tuple(sources.notifications(context)),
        outputs=dict(_outputs(context)),
    )
    return replace(stack, left_out=[*context.left_out, *_others(context)])


def _outputs(context: Context) -> list[tuple[str, Any]]:
    made = []
    for name, said in (context.template.get("Outputs") or {}).items():
        if not context.present(said):
            continue
        try:
            made.append((name, context.resolver.resolve(said.get("Value"))))
        except ConfigurationError:
            # Of a resource that nothing stands for here.
            continue
    return made


def _others(context: Context) -> list[tuple[str, str]]:
    return [
        (str(name), str(resource.get("Type")))
        for name, resource in context.template["Resources"].items()
        if resource.get("Type") not in READ | NEEDLESS and context.present(resource)
    ]
