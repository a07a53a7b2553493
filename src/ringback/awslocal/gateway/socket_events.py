"""The events of a WebSocket API, in the fields and the order that AWS shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringback.awslocal.gateway.messages import (
    Event,
    Request,
    clf_time,
    every,
    forwarded,
    last,
    short_id,
)
from ringback.awslocal.gateway.selection import CONNECT, DISCONNECT
from ringback.awslocal.model import Place, Stage

HIDDEN = frozenset(("connection", "upgrade", "content-length"))
"""Headers of a handshake that an authorizer is shown, and ``$connect`` is not."""


@dataclass(kw_only=True)
class Peer:
    """A connection as events tell of it."""

    id: str
    api_id: str
    place: Place
    stage: Stage
    domain: str
    source: str
    """The client's address."""
    agent: str | None
    connected_at: float
    active_at: float
    authorizer: Mapping[str, Any] | None = None
    """What an authorizer said at the handshake: every later event has it."""

    @property
    def arn(self) -> str:
        """What a policy has to allow."""
        place = self.place
        return (
            f"arn:aws:execute-api:{place.region}:{place.account}:{self.api_id}/"
            f"{self.stage.name}/{CONNECT}"
        )


def authorize(peer: Peer, request: Request, trace: str, now: float, request_id: str) -> Event:
    """What a REQUEST authorizer is asked with. Its empty maps are there."""
    headers = forwarded(request, trace)
    headers += [
        (name, value)
        for name, value in request.headers
        if name.lower() in ("connection", "upgrade")
    ]
    return {
        "type": "REQUEST",
        "methodArn": peer.arn,
        "headers": last(headers),
        "multiValueHeaders": every(headers),
        "queryStringParameters": last(request.query),
        "multiValueQueryStringParameters": every(request.query),
        "stageVariables": dict(peer.stage.variables),
        "requestContext": _context(peer, CONNECT, "CONNECT", now, request_id),
    }


def connect(peer: Peer, request: Request, trace: str, now: float, request_id: str) -> Event:
    headers = [each for each in forwarded(request, trace) if each[0].lower() not in HIDDEN]
    event: Event = {"headers": last(headers), "multiValueHeaders": every(headers)}
    if request.query:
        event["queryStringParameters"] = last(request.query)
        event["multiValueQueryStringParameters"] = every(request.query)
    event["requestContext"] = _context(peer, CONNECT, "CONNECT", now, request_id)
    return _ended(event, peer)


def message(peer: Peer, route_key: str, body: str, now: float, request_id: str) -> Event:
    event: Event = {"requestContext": _context(peer, route_key, "MESSAGE", now, request_id)}
    event["body"] = body
    return _ended(event, peer)


def disconnect(peer: Peer, code: int, reason: str, now: float, request_id: str) -> Event:
    headers = {"Host": peer.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    event: Event = {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
    }
    context = _context(peer, DISCONNECT, "DISCONNECT", now, request_id)
    event["requestContext"] = {
        "routeKey": context.pop("routeKey"),
        "disconnectStatusCode": code,
        **context,
        "disconnectReason": reason,
    }
    return _ended(event, peer)


def _ended(event: Event, peer: Peer) -> Event:
    if peer.stage.variables:
        event["stageVariables"] = dict(peer.stage.variables)
    event["isBase64Encoded"] = False
    return event


def _context(peer: Peer, route_key: str, kind: str, now: float, request_id: str) -> Event:
    context: Event = {"routeKey": route_key}
    if peer.authorizer is not None:
        context["authorizer"] = dict(peer.authorizer)
    if kind == "MESSAGE":
        context["messageId"] = short_id()
    identity = {"sourceIp": peer.source}
    if peer.agent is not None:
        identity = {"userAgent": peer.agent, **identity}
    return context | {
        "eventType": kind,
        "extendedRequestId": request_id,
        "requestTime": clf_time(now),
        "messageDirection": "IN",
        "stage": peer.stage.name,
        "connectedAt": int(peer.connected_at * 1000),
        "requestTimeEpoch": int(now * 1000),
        "identity": identity,
        "requestId": request_id,
        "domainName": peer.domain,
        "connectionId": peer.id,
        "apiId": peer.api_id,
    }
