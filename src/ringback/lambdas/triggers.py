"""What called: events told apart by their form."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from ringback.errors import ConfigurationError

Event = Mapping[str, Any]

FUNCTION_URL = ".lambda-url."
"""In the name of its host."""
GIVES_UP = 30.0
"""Seconds after which an HTTP API gives up."""


class Trigger(StrEnum):
    """What a function was called by."""

    HTTP = "HTTP API"
    SOCKET = "WebSocket API"
    AUTHORIZER = "authorizer"
    SQS = "SQS"
    STREAM = "DynamoDB stream"
    SNS = "SNS"
    S3 = "S3"
    EVENT = "EventBridge"
    SCHEDULE = "schedule"


SOURCES = {
    "aws:sqs": Trigger.SQS,
    "aws:dynamodb": Trigger.STREAM,
    "aws:sns": Trigger.SNS,
    "aws:s3": Trigger.S3,
}
SCHEDULERS = ("aws.events", "aws.scheduler")
UPKEEP = {"ringback": "upkeep"}
"""What a schedule may hand over in place of an event of its own."""


def trigger_of(event: Event) -> Trigger:
    """What sent an event. Raises ``ConfigurationError`` for one that is of nothing known here."""
    context = event.get("requestContext")
    if "methodArn" in event or "routeArn" in event:
        return Trigger.AUTHORIZER
    if isinstance(context, Mapping):
        if "connectionId" in context:
            return Trigger.SOCKET
        if "http" in context:
            return Trigger.HTTP
        raise ConfigurationError(
            "This is no event of an HTTP API's payload format 2.0. Set PayloadFormatVersion to "
            "2.0; a REST API is not served."
        )
    records = event.get("Records")
    if isinstance(records, list) and records:
        source = records[0].get("eventSource") or records[0].get("EventSource")
        if source in SOURCES:
            return SOURCES[source]
    elif event == UPKEEP or (
        event.get("source") in SCHEDULERS and event.get("detail-type") == "Scheduled Event"
    ):
        return Trigger.SCHEDULE
    elif "detail-type" in event:
        return Trigger.EVENT
    raise ConfigurationError(
        f"This event is of no trigger that is known here; it has {', '.join(sorted(event))[:200]}. "
        "Known are HTTP and WebSocket APIs, their authorizers, SQS, DynamoDB streams, SNS, S3, "
        "EventBridge and schedules."
    )


def time_for(event: Event, remaining: float) -> float:
    """Seconds until a request's answer is of no use, of those that the function may still run.

    An HTTP API began to count when it took the request, and the function has started since.
    """
    request = event["requestContext"]
    if FUNCTION_URL in request.get("domainName", ""):
        return remaining
    ago = time.time() - request.get("timeEpoch", 0) / 1000
    return min(remaining, GIVES_UP - (ago if 0 < ago < GIVES_UP else 0.0))
