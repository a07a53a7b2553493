"""Buses, topics and buckets to functions.

moto calls no functions: it tells queues of the home's own, and what is told there is sorted here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from ringback.awslocal.clients import Clients
from ringback.awslocal.model import Notification, Rule, Stack, Subscription, Target
from ringback.awslocal.provision import bridged
from ringback.awslocal.sources.destinations import Destinations
from ringback.awslocal.sources.patterns import fits
from ringback.awslocal.sources.transforming import transformed

log = logging.getLogger("ringback.aws.events")

WAIT = 20
"""Seconds of a long poll."""
BROKEN = 0.5
"""Seconds after a request that failed."""

REASONS = {
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:Post": "POST Object",
}

Event = dict[str, Any]


class Events:
    """Sorts what comes in one of the home's queues."""

    def __init__(
        self, stack: Stack, queue: str, bus: str, clients: Clients, destinations: Destinations
    ) -> None:
        """`queue`: its URL; `bus`: of which what comes there is told."""
        self._stack = stack
        self._queue = queue
        self._bus_name = bus
        self._bridged = bridged(stack)
        self._clients = clients
        self._destinations = destinations

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                said = await self._clients.ask(
                    "sqs",
                    "receive_message",
                    QueueUrl=self._queue,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=WAIT,
                )
                messages = said.get("Messages", [])
                if messages:
                    await self._clients.ask(
                        "sqs",
                        "delete_message_batch",
                        QueueUrl=self._queue,
                        Entries=[
                            {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                            for number, each in enumerate(messages)
                        ],
                    )
            except Exception:
                log.debug("Polling for events failed", exc_info=True)
                await asyncio.sleep(BROKEN)
                continue
            for message in messages:
                try:
                    await self.sort(json.loads(message["Body"]))
                except Exception:
                    log.exception("An event could not be handed on: %s", message["Body"][:500])

    async def sort(self, said: Event) -> None:
        """Hand one event on."""
        if "detail-type" in said:
            await self._bus(said)
        elif said.get("Type") == "Notification" and "TopicArn" in said:
            self._topic(said)
        else:
            for record in said.get("Records", []):
                if record.get("eventSource") == "aws:s3":
                    await self._bucket(record)

    async def _bus(self, event: Event) -> None:
        place = self._stack.place
        # moto leaves fields out; these stand in the order that AWS has.
        event = {
            "version": "0",
            "id": event.get("id") or str(uuid.uuid4()),
            "detail-type": event["detail-type"],
            "source": event.get("source"),
            "account": place.account,
            "time": event.get("time"),
            "region": place.region,
            "resources": event.get("resources") or [],
            "detail": event.get("detail"),
        }
        for rule in self._stack.rules:
            if rule.pattern is None or not rule.enabled or rule.bus != self._bus_name:
                continue
            if fits(rule.pattern, event):
                for target in rule.targets:
                    await deliver(rule, target, event, self._destinations)

    def _topic(self, said: Event) -> None:
        for subscription in self._stack.subscriptions:
            if subscription.topic == said["TopicArn"] and _lets_through(subscription, said):
                self._destinations.submit(
                    subscription.function, {"Records": [self._notified(subscription, said)]}
                )

    def _notified(self, subscription: Subscription, said: Event) -> Event:
        return {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": f"{subscription.topic}:{subscription.name}",
            "Sns": {
                "Type": "Notification",
                "MessageId": said.get("MessageId"),
                "TopicArn": said["TopicArn"],
                "Subject": said.get("Subject"),
                "Message": said.get("Message"),
                "Timestamp": said.get("Timestamp"),
                "SignatureVersion": said.get("SignatureVersion", "1"),
                "Signature": said.get("Signature", ""),
                "SigningCertUrl": said.get("SigningCertURL", ""),
                "UnsubscribeUrl": said.get("UnsubscribeURL", ""),
                "MessageAttributes": said.get("MessageAttributes", {}),
            },
        }

    async def _bucket(self, record: Event) -> None:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        for notification in self._stack.notifications:
            if notification.bucket == bucket and _notifies(notification, record, key):
                self._destinations.submit(
                    notification.function, {"Records": [stored(record, notification)]}
                )
        if bucket in self._bridged:
            await self._bus(bridged_event(record, key))


def _lets_through(subscription: Subscription, said: Event) -> bool:
    if subscription.filter is None:
        return True
    if subscription.filter_scope == "MessageBody":
        try:
            return fits(subscription.filter, json.loads(said.get("Message", "")))
        except ValueError:
            return False
    return fits(subscription.filter, _attributes(said.get("MessageAttributes", {})))


def _attributes(said: Mapping[str, Any]) -> Event:
    values: Event = {}
    for name, each in said.items():
        value = each.get("Value")
        if each.get("Type") == "Number":
            value = float(value)
        elif each.get("Type") == "String.Array":
            value = json.loads(value)
        values[name] = value
    return values


def _notifies(notification: Notification, record: Event, key: str) -> bool:
    name = f"s3:{record['eventName']}"
    wanted = any(
        name.startswith(each[:-1]) if each.endswith("*") else name == each
        for each in notification.events
    )
    return wanted and key.startswith(notification.prefix) and key.endswith(notification.suffix)


def stored(record: Event, notification: Notification) -> Event:
    """An S3 record with the fields that moto leaves out, in S3's order."""
    bucket, thing = record["s3"]["bucket"], record["s3"]["object"]
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": record.get("awsRegion"),
        "eventTime": record.get("eventTime"),
        "eventName": record.get("eventName"),
        "userIdentity": {"principalId": "AWS:LOCAL"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "LOCAL", "x-amz-id-2": "LOCAL"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": notification.name,
            "bucket": {
                "name": bucket["name"],
                "ownerIdentity": {"principalId": "LOCAL"},
                "arn": bucket["arn"],
            },
            "object": {
                **thing,
                # As S3 writes a key: a slash stays one.
                "key": quote_plus(unquote_plus(thing["key"]), safe="/*"),
                "sequencer": f"{time.time_ns():018X}",
            },
        },
    }


def bridged_event(record: Event, key: str) -> Event:
    """What S3 tells EventBridge of the same."""
    thing, bucket = record["s3"]["object"], record["s3"]["bucket"]
    created = record["eventName"].startswith("ObjectCreated")
    detail: Event = {
        "version": "0",
        "bucket": {"name": bucket["name"]},
        "object": {"key": key, "sequencer": f"{time.time_ns():018X}"},
        "request-id": "LOCAL",
        "requester": "LOCAL",
        "source-ip-address": "127.0.0.1",
        "reason": REASONS.get(record["eventName"], "PutObject" if created else "DeleteObject"),
    }
    if created:
        detail["object"] |= {"size": thing.get("size"), "etag": thing.get("eTag")}
    else:
        detail["deletion-type"] = "Permanently Deleted"
    return {
        "detail-type": "Object Created" if created else "Object Deleted",
        "source": "aws.s3",
        "time": str(record.get("eventTime", "")).partition(".")[0].removesuffix("Z") + "Z",
        "resources": [bucket["arn"]],
        "detail": detail,
    }


async def deliver(rule: Rule, target: Target, event: Event, destinations: Destinations) -> None:
    """Send an event to one target of a rule; to its dead letters, if that fails."""
    payload = transformed(target, rule, event)
    try:
        await destinations.send(target.arn, payload, group=target.group)
    except Exception as error:
        log.exception("%s could not reach %s", rule.name, target.arn)
        if target.dead_letters:
            await destinations.send(
                target.dead_letters,
                payload,
                attributes={"RULE_ARN": rule.arn, "ERROR_MESSAGE": str(error)[:1024] or "?"},
            )
