"""What calls functions: mappings, rules, schedules, subscriptions, notifications."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ringback.awslocal.model import EventSource, Notification, Rule, Subscription, Target
from ringback.awslocal.template.context import Context, listed, truth


def mappings(context: Context) -> Iterator[EventSource]:
    for name, properties in context.of("AWS::Lambda::EventSourceMapping"):
        function = context.function(properties.get("FunctionName"))
        arn = str(properties.get("EventSourceArn", ""))
        source = context.by_arn(arn.partition("/stream/")[0], "AWS::DynamoDB::Table")
        source = source or context.by_arn(arn, "AWS::SQS::Queue")
        if function is None or source is None:
            what = "function" if function is None else f"source {arn}"
            context.left_out.append((name, f"event source mapping: its {what} is not here"))
            continue
        stream = "/stream/" in arn
        types = [str(each) for each in properties.get("FunctionResponseTypes", [])]
        scaling = properties.get("ScalingConfig", {})
        yield EventSource(
            name=name,
            function=function,
            source=source,
            kind="dynamodb" if stream else "sqs",
            enabled=truth(properties.get("Enabled", True)),
            batch=int(properties.get("BatchSize", 100 if stream else 10)),
            window=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
            filters=tuple(
                _json(each.get("Pattern"))
                for each in properties.get("FilterCriteria", {}).get("Filters", [])
            ),
            partial="ReportBatchItemFailures" in types,
            most=int(scaling["MaximumConcurrency"]) if "MaximumConcurrency" in scaling else None,
            latest=properties.get("StartingPosition", "LATEST") == "LATEST",
            bisect=truth(properties.get("BisectBatchOnFunctionError", False)),
            retries=int(properties.get("MaximumRetryAttempts", -1)),
            oldest=float(properties.get("MaximumRecordAgeInSeconds", -1)),
            parallel=int(properties.get("ParallelizationFactor", 1)),
            on_failure=properties.get("DestinationConfig", {})
            .get("OnFailure", {})
            .get("Destination"),
        )


def _json(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", json.loads(value) if isinstance(value, str) else value)


def rules(context: Context) -> Iterator[Rule]:
    for name, properties in context.of("AWS::Events::Rule"):
        pattern = properties.get("EventPattern")
        yield Rule(
            name=name,
            arn=context.attributes.arn(name),
            bus=str(properties.get("EventBusName", "default")).rpartition("/")[2],
            pattern=None if pattern is None else _json(pattern),
            schedule=properties.get("ScheduleExpression"),
            enabled=properties.get("State", "ENABLED") != "DISABLED",
            targets=tuple(_target(each) for each in properties.get("Targets", [])),
        )
    for name, properties in context.of("AWS::Scheduler::Schedule"):
        yield Rule(
            name=name,
            arn=context.attributes.arn(name),
            schedule=str(properties.get("ScheduleExpression", "")),
            zone=str(properties.get("ScheduleExpressionTimezone", "UTC")),
            enabled=properties.get("State", "ENABLED") != "DISABLED",
            targets=(_target({"Id": name, **properties.get("Target", {})}),),
        )


def _target(said: Mapping[str, Any]) -> Target:
    return Target(
        id=str(said.get("Id", "")),
        arn=str(said.get("Arn", "")),
        input=said.get("Input"),
        input_path=said.get("InputPath"),
        transformer=said.get("InputTransformer"),
        dead_letters=(said.get("DeadLetterConfig") or {}).get("Arn"),
        group=(said.get("SqsParameters") or {}).get("MessageGroupId"),
    )


def subscriptions(context: Context) -> Iterator[Subscription]:
    for name, properties in context.of("AWS::SNS::Subscription"):
        if properties.get("Protocol") == "lambda":
            yield from _subscription(name, str(properties["TopicArn"]), properties, context)
    for name, properties in context.of("AWS::SNS::Topic"):
        for number, each in enumerate(properties.get("Subscription", [])):
            if each.get("Protocol") == "lambda":
                arn = context.attributes.arn(name)
                yield from _subscription(f"{name}{number}", arn, each, context)


def _subscription(
    name: str, topic: str, said: Mapping[str, Any], context: Context
) -> Iterator[Subscription]:
    function = context.function(said.get("Endpoint"))
    if function is None:
        context.left_out.append((name, "subscription of a function that is not here"))
        return
    pattern = said.get("FilterPolicy")
    yield Subscription(
        name=name,
        topic=topic,
        function=function,
        filter=None if pattern is None else _json(pattern),
        filter_scope=said.get("FilterPolicyScope", "MessageAttributes"),
    )


def notifications(context: Context) -> Iterator[Notification]:
    for name, properties in context.of("AWS::S3::Bucket"):
        said = properties.get("NotificationConfiguration", {})
        for number, each in enumerate(said.get("LambdaConfigurations", [])):
            function = context.function(each.get("Function"))
            if function is None:
                context.left_out.append((name, "notification of a function that is not here"))
                continue
            found = {
                str(rule.get("Name", "")).lower(): str(rule.get("Value", ""))
                for rule in each.get("Filter", {}).get("S3Key", {}).get("Rules", [])
            }
            yield Notification(
                name=f"{name}{number}",
                bucket=context.attributes.physical(name),
                function=function,
                events=tuple(map(str, listed(each.get("Event")))),
                prefix=found.get("prefix", ""),
                suffix=found.get("suffix", ""),
            )
