"""Events from outside: EventBridge, SNS, SQS and S3, to handlers of ``@rb.on`` and of uploads.

Each handler of each event is an operation, accepted under the event's own id: what is delivered
twice is done once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from ringback.core.access import ANONYMOUS
from ringback.core.model import Event as CoreEvent
from ringback.errors import InvalidInput, RingbackError
from ringback.ids import is_id
from ringback.service import Service
from ringback.tasks.events import cloud_event
from ringback.uploads import Uploads

OWN = "ringback."
"""Begins the EventBridge source of events that an application of ours put on a bus."""

log = logging.getLogger("ringback.lambda")

Record = Mapping[str, Any]


class Outside:
    """Takes events in."""

    def __init__(self, service: Service, uploads: Uploads) -> None:
        self._service = service
        self._uploads = uploads

    # EventBridge

    async def event(self, event: Record) -> None:
        """An event of a bus. One that this application put there itself is passed over: its
        handlers have it already.
        """
        source = event.get("source", "")
        if source == OWN + self._service.name:
            return
        detail = event.get("detail")
        if source.startswith(OWN) and isinstance(detail, Mapping) and "specversion" in detail:
            await self._cloud(detail)
            return
        await self._emitted(
            id=event["id"],
            source=f"aws:{source}",
            type=event["detail-type"],
            data=detail,
            subject=next(iter(event.get("resources") or ()), None),
        )

    # SNS

    async def notification(self, record: Record) -> None:
        """A message of an SNS topic: a CloudEvent if it is one, else ``aws.sns.{topic}``."""
        told = record["Sns"]
        data = _decoded(told.get("Message", ""))
        if isinstance(data, Mapping) and "specversion" in data:
            await self._cloud(data)
            return
        arn: str = told.get("TopicArn", "")
        await self._emitted(
            id=told["MessageId"],
            source=arn,
            type="aws.sns." + arn.rpartition(":")[2],
            data=data,
            subject=told.get("Subject"),
        )

    # S3

    async def stored(self, record: Record) -> None:
        """An object of a bucket: an upload of ours, else of type ``aws.s3.ObjectCreated:…``."""
        s3 = record["s3"]
        bucket: str = s3["bucket"]["name"]
        key = unquote_plus(s3["object"]["key"])
        upload = self._uploads.upload_of(bucket, key)
        if upload is not None and is_id(upload):
            try:
                await self._uploads.arrived(upload)
            except RingbackError as error:
                if error.status >= 500:
                    raise  # for a new try
                log.warning("The upload %s is refused: %s", upload, error)
            return
        name: str = record.get("eventName", "ObjectCreated")
        sequencer = s3["object"].get("sequencer") or record.get("eventTime", "")
        await self._emitted(
            id=f"{bucket}/{key}:{sequencer}"[-200:],
            source=f"arn:aws:s3:::{bucket}",
            type=f"aws.s3.{name}",
            data={"bucket": bucket, **s3["object"], "key": key},
            subject=key,
        )

    # Handlers

    async def _cloud(self, told: Mapping[str, Any]) -> None:
        await self._emitted(
            id=str(told.get("id")),
            source=str(told.get("source")),
            type=str(told.get("type")),
            data=told.get("data"),
            subject=told.get("subject"),
            traceparent=told.get("traceparent"),
        )

    async def _emitted(
        self,
        *,
        id: str,
        source: str,
        type: str,
        data: Any,
        subject: str | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Accept an operation for each handler. Raises ``StoreUnavailable``, for a new try."""
        service = self._service
        event = CoreEvent(
            id=id,
            source=source,
            type=type,
            time=service.clock(),
            data=msgspec.json.encode(data),
            subject=subject,
            traceparent=traceparent,
        )
        # The time is left to the event's own: what is the same has to look the same.
        body = msgspec.json.decode(cloud_event(event), type=dict[str, Any])
        body.pop("time")
        for handler in service.registry.handlers(type):
            try:
                await service.submit(
                    handler.task, msgspec.json.encode(body), ANONYMOUS, key=_key(source, id)
                )
            except InvalidInput as error:
                log.error(
                    "%s does not take the event %s of %s: %s", handler.task.name, id, source, error
                )
            except RingbackError as error:
                if error.status < 500:  # it would be refused in the same way again
                    log.error("The event %s of %s is not handled: %s", id, source, error)
                else:
                    raise


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _key(source: str, id: str) -> str:
    """An event's idempotency key: of visible ASCII characters, and not too long."""
    return "event:" + hashlib.sha256(f"{len(source)}:{source}{id}".encode()).hexdigest()
