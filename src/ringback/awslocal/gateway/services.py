"""First-class integrations of HTTP APIs: a route that leads to a queue, a bus, a state machine."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from xml.sax.saxutils import escape

from ringback.awslocal.gateway.http_events import Call
from ringback.awslocal.gateway.mapping import evaluate
from ringback.awslocal.gateway.messages import Response, told
from ringback.awslocal.model import Integration

log = logging.getLogger("ringback.aws.gateway")


class Services(Protocol):
    """AWS's services, as boto3 names them."""

    async def ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """Raises what boto3 raises."""
        ...


Arguments = dict[str, Any]

_SUBTYPES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "EventBridge-PutEvents": ("events", "put_events", ("Detail", "DetailType", "Source")),
    "SQS-SendMessage": ("sqs", "send_message", ("QueueUrl", "MessageBody")),
    "SQS-ReceiveMessage": ("sqs", "receive_message", ("QueueUrl",)),
    "SQS-DeleteMessage": ("sqs", "delete_message", ("QueueUrl", "ReceiptHandle")),
    "SQS-PurgeQueue": ("sqs", "purge_queue", ("QueueUrl",)),
    "Kinesis-PutRecord": ("kinesis", "put_record", ("StreamName", "Data", "PartitionKey")),
    "StepFunctions-StartExecution": ("stepfunctions", "start_execution", ("StateMachineArn",)),
    "StepFunctions-StopExecution": ("stepfunctions", "stop_execution", ("ExecutionArn",)),
}
"""Of each subtype the service, the operation, and the parameters that have to be there."""

_TYPED: Mapping[str, Callable[[str], Any]] = {
    "DelaySeconds": int,
    "MaxNumberOfMessages": int,
    "VisibilityTimeout": int,
    "WaitTimeSeconds": int,
    "MessageAttributes": json.loads,
    "MessageSystemAttributes": json.loads,
    "Resources": json.loads,
}


async def send(
    integration: Integration,
    call: Call,
    authorizer: Mapping[str, Any] | None,
    services: Services,
) -> Response:
    """What the service answers."""
    known = _SUBTYPES.get(integration.subtype or "")
    if known is None:
        log.error("Nothing stands here for integrations of subtype %s", integration.subtype)
        return told(500, "Internal Server Error")
    service, operation, needed = known
    arguments: Arguments = {}
    for name, value in integration.parameters.items():
        found = evaluate(value, call, authorizer)
        if found is None or name == "Region":
            continue
        try:
            arguments[name] = _TYPED.get(name, str)(found)
        except ValueError:
            return told(400, f"The parameter {name} is not what {integration.subtype} takes.")
    missing = [name for name in needed if name not in arguments]
    if missing:
        return told(400, f"{integration.subtype} needs {', '.join(missing)}.")
    if operation == "put_events":
        arguments = {"Entries": [arguments]}
    try:
        answer = await services.ask(service, operation, **arguments)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        log.error("%s: %s", integration.subtype, error)
        return told(400 if hasattr(error, "response") else 500, str(error))
    return _answered(operation, answer if isinstance(answer, Mapping) else {})


def _answered(operation: str, answer: Mapping[str, Any]) -> Response:
    """SQS answers in XML here, the others in JSON."""
    said = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    if operation in ("send_message", "receive_message", "delete_message", "purge_queue"):
        action = "".join(part.capitalize() for part in operation.split("_"))
        id_ = answer.get("ResponseMetadata", {}).get("RequestId", "")
        body = (
            f'<?xml version="1.0"?><{action}Response '
            'xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
            f"{_result(action, said)}"
            f"<ResponseMetadata><RequestId>{escape(id_)}</RequestId></ResponseMetadata>"
            f"</{action}Response>"
        )
        return Response(status=200, headers=(("content-type", "text/xml"),), body=body.encode())
    body = json.dumps(said, default=str)
    return Response(
        status=200,
        headers=(("content-type", "application/x-amz-json-1.1"),),
        body=body.encode(),
    )


def _result(action: str, said: Mapping[str, Any]) -> str:
    if action in ("DeleteMessage", "PurgeQueue"):
        return ""
    if action == "ReceiveMessage":
        inner = "".join(
            f"<Message>{_elements(each)}</Message>" for each in said.get("Messages", ())
        )
    else:
        inner = _elements(said)
    return f"<{action}Result>{inner}</{action}Result>"


def _elements(said: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in said.items()
        if isinstance(value, str | int)
    )
