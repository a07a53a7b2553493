"""The template as a whole: its sections in order, and the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringback.app import Ringback
from ringback.sam import apis, policies, queues, storage
from ringback.sam.functions import functions
from ringback.sam.parameters import conditions, environment, interface, parameters
from ringback.sam.plan import Plan
from ringback.sam.yaml import att, dump, plain, ref, sub


def text(rb: Ringback, plan: Plan) -> str:
    """The template as it is read by people and by the tools."""
    return dump(sections(rb, plan), head=_head(plan), apart=("Resources",))


def document(rb: Ringback, plan: Plan) -> dict[str, Any]:
    """The template as data, with functions in their long form."""
    found: dict[str, Any] = plain(sections(rb, plan))
    return found


def sections(rb: Ringback, plan: Plan) -> dict[str, Any]:
    """What it has; at last, what the application adds. Raises ``ConfigurationError`` where that
    is named as something here.
    """
    variables = environment(
        queues.urls(plan), policies.FILES, policies.UPLOADS, policies.SOCKET_STAGE
    )
    known = parameters(plan, rb.settings)
    ours = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"{plan.name}, by Ringback",
        "Metadata": interface(known),
        "Parameters": known,
        "Conditions": conditions(plan),
        "Globals": {
            "Function": {
                "Handler": plan.handler,
                "Runtime": plan.runtime,
                "Architectures": [ref("Architecture")],
                "MemorySize": ref("MemorySize"),
                "Tracing": "Active",
                "Environment": {"Variables": variables | dict(plan.additions.variables)},
            }
        },
        "Resources": dict(_resources(plan)),
        "Outputs": _outputs(plan),
    }
    return plan.additions.join(ours)


def _resources(plan: Plan) -> Iterator[tuple[str, Any]]:
    yield from apis.http_api(plan)
    yield from apis.socket_api()
    for function in functions(plan):
        yield from function.resources(plan)
    yield from storage.table()
    yield from storage.bucket()
    yield from queues.queues(plan)
    yield from storage.bus()
    if plan.takes_events:
        yield from storage.topic()
    yield from storage.alarms()


def _outputs(plan: Plan) -> dict[str, Any]:
    stage = policies.SOCKET_STAGE
    outputs = {
        "Url": ("Where requests go.", att("HttpApi.ApiEndpoint")),
        "SocketUrl": (
            "Where WebSockets connect to.",
            sub(f"wss://${{SocketApi}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{stage}"),
        ),
        "Engine": ("For ringback ops --engine.", sub("dynamodb:${Table}")),
        "Bucket": ("Payloads and uploads.", ref("Files")),
        "Queues": ("The queues of work, by seconds.", queues.urls(plan)),
        "BusName": ("Where emitted events are put.", ref("Bus")),
        "AlarmTopic": ("Who is told of alarms.", ref("Alarms")),
    }
    if plan.takes_events:
        outputs["TopicArn"] = ("Where other functions tell what they did.", ref("Topic"))
    return {
        name: {"Description": description, "Value": value}
        for name, (description, value) in outputs.items()
    }


def _head(plan: Plan) -> str:
    return (
        f"{plan.name}, without servers: made by `ringback aws template {plan.target}`.\n"
        "Make it anew when tasks, handlers or their time-outs change. Every function has the same "
        f"code and the same handler, {plan.handler}, which tells by an event what called it."
    )
