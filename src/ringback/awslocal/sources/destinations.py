"""Sends to whatever an ARN names: the targets of rules, and where failures go."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import Function, Outcome

log = logging.getLogger("ringback.aws.events")


class Submit(Protocol):
    def __call__(self, function: str, event: Any) -> None:
        """Call a function and wait for nothing."""
        ...


class Destinations:
    """Knows how each service is sent to."""

    def __init__(self, clients: Clients, functions: Mapping[str, Function]) -> None:
        self._clients = clients
        self._by_arn = {each.arn: name for name, each in functions.items()}
        self.submit: Submit
        """Set by whoever calls functions asynchronously."""

    def function(self, arn: str) -> str | None:
        """The logical id of the function with this ARN, whatever version it names."""
        return self._by_arn.get(":".join(arn.split(":")[:7]))

    async def send(
        self,
        arn: str,
        payload: Any,
        *,
        attributes: Mapping[str, str] | None = None,
        group: str | None = None,
        kind: str = "Lambda Function Invocation Result",
    ) -> None:
        """Send `payload` there; what nothing stands for is told in the log."""
        service = arn.split(":")[2] if arn.count(":") >= 5 else ""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        words = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (attributes or {}).items()
        }
        if service == "lambda" and (function := self.function(arn)):
            self.submit(function, json.loads(text))
        elif service == "sqs":
            fifo = {"MessageGroupId": group or "default"} if arn.endswith(".fifo") else {}
            url = f"{self._clients.endpoint}/{arn.split(':')[4]}/{arn.split(':')[5]}"
            await self._clients.ask(
                "sqs",
                "send_message",
                QueueUrl=url,
                MessageBody=text,
                MessageAttributes=words,
                **fifo,
            )
        elif service == "sns":
            await self._clients.ask(
                "sns", "publish", TopicArn=arn, Message=text, MessageAttributes=words
            )
        elif service == "events":
            said = json.loads(text)
            entry = {
                "Source": said.get("source", "lambda"),
                "DetailType": said.get("detail-type", kind),
                "Detail": json.dumps(said.get("detail", said)),
                "EventBusName": arn.rpartition("/")[2],
            }
            await self._clients.ask("events", "put_events", Entries=[entry])
        elif service == "s3":
            key = f"aws/lambda/async/{datetime.datetime.now(datetime.UTC):%Y/%m/%d/%H%M%S.%f}"
            await self._clients.ask(
                "s3", "put_object", Bucket=arn.rpartition(":")[2], Key=key, Body=text.encode()
            )
        else:
            log.warning("Nothing stands for %s here: what it should have got is dropped", arn)


def record(
    function: Function, event: Any, outcome: Outcome, *, condition: str, count: int
) -> dict[str, Any]:
    """What a destination of an asynchronous call is told."""
    context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
    payload = outcome.payload
    if outcome.error is not None:
        context["functionError"] = "Unhandled"
        payload = outcome.error.body()
    return {
        "version": "1.0",
        "timestamp": moment(),
        "requestContext": {
            "requestId": outcome.request_id,
            "functionArn": f"{function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": count,
        },
        "requestPayload": event,
        "responseContext": context,
        "responsePayload": payload,
    }


def moment() -> str:
    """Now, as AWS writes it."""
    now = datetime.datetime.now(datetime.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z"
