"""A WebSocket API's events: who connects, who goes, and what is sent between."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

import msgspec

from ringback.core.access import Claims
from ringback.core.connections import Connection
from ringback.edges.http.gate import Gate
from ringback.edges.http.message import Request, problem_response
from ringback.edges.websocket.edge import operation_token
from ringback.errors import Forbidden, RingbackError, Unauthenticated
from ringback.lambdas.calls import Call, told
from ringback.lambdas.line import AGAIN
from ringback.lambdas.parts import Parts
from ringback.lambdas.triggers import Event
from ringback.wire import channel

CLAIMS = "ringback"
"""Under this name the authorizer hands over the claims."""
CONNECT, DISCONNECT = "CONNECT", "DISCONNECT"

log = logging.getLogger("ringback.lambda")

Answer = dict[str, Any]


async def _nothing_more() -> dict[str, Any]:
    return {"type": "websocket.disconnect"}


def request_of(event: Event) -> Request:
    """The handshake's request."""
    context = event["requestContext"]
    headers = [
        (name.lower().encode("latin-1"), str(value).encode("latin-1", "replace"))
        for name, value in (event.get("headers") or {}).items()
    ]
    scope = {
        "type": "websocket",
        "method": "GET",
        "http_version": "1.1",
        "path": channel.PATH,
        "query_string": _query_of(event),
        "headers": headers,
        "client": ((context.get("identity") or {}).get("sourceIp", ""), 0),
    }
    return Request(scope, _nothing_more)


def _query_of(event: Event) -> bytes:
    """The query with all that is in it: of a repeated parameter the plain map has the last alone,
    and each token is looked at.
    """
    raw = event.get("rawQueryString")  # which an HTTP API's authorizer is asked with
    if raw is not None:
        return str(raw).encode("latin-1", "replace")
    several = event.get("multiValueQueryStringParameters")
    query = several or event.get("queryStringParameters") or {}
    return urlencode(query, doseq=bool(several)).encode()


async def admitted(gate: Gate, clock: float, request: Request) -> Claims:
    """Who is at the door. Raises ``Unauthenticated`` or ``Forbidden``."""
    gate.admit(request)
    claims = await gate.claims(request)
    if claims.expires_at is not None and claims.expires_at <= clock:
        raise Unauthenticated("The token has expired. Get a new one.")
    return claims


class Sockets:
    """The routes of a WebSocket API."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def handle(self, event: Event) -> Answer:
        """Answer an event of any route."""
        context = event["requestContext"]
        kind = context.get("eventType")
        if kind == CONNECT:
            return await self._connect(event)
        id: str = context["connectionId"]
        if kind == DISCONNECT:
            await self._parts.table.close_connection(id)
            return {"statusCode": 200}
        found = await self._parts.table.find_connection(id, self._parts.service.clock())
        if found is None:  # closed as far as the table knows: the client is to come again
            await self._parts.posts.post(id, channel.bye(AGAIN))
            await self._parts.posts.close(id)
            return {"statusCode": 410}
        connection, left = found
        await Call(self._parts, connection, left=left).carry_out(event.get("body") or "")
        return {"statusCode": 200}

    async def _connect(self, event: Event) -> Answer:
        context = event["requestContext"]
        request = request_of(event)
        gate, clock = self._parts.context.gate, self._parts.service.clock()
        try:
            handed = (context.get("authorizer") or {}).get(CLAIMS)
            if handed is not None:
                claims = msgspec.json.decode(handed, type=Claims)
            else:
                claims = await admitted(gate, clock, request)
            protocol = _agreed(request)
        except RingbackError as error:
            refused = problem_response(told(error))
            return {"statusCode": refused.status, "body": refused.body.decode()}
        shown = operation_token(request)
        await self._parts.table.open_connection(
            Connection(
                id=context["connectionId"],
                connected_at=context.get("connectedAt", clock * 1000) / 1000,
                claims=claims,
                shown=None if shown is None else gate.seal(shown),
                address=(context.get("identity") or {}).get("sourceIp"),
            )
        )
        answer: Answer = {"statusCode": 200}
        if protocol is not None:
            answer["headers"] = {"Sec-WebSocket-Protocol": protocol}
        return answer


def _agreed(request: Request) -> str | None:
    """The subprotocol to answer with; None: the client offered none."""
    offered = request.header(b"sec-websocket-protocol")
    if not offered:
        return None
    if channel.PROTOCOL not in [each.strip() for each in offered.split(",")]:
        raise Forbidden(f"This server speaks the subprotocol {channel.PROTOCOL}.")
    return channel.PROTOCOL


async def authorize(parts: Parts, event: Event) -> Answer:
    """A Lambda authorizer's answer, for ``$connect`` or an HTTP API: by the rules of all edges.

    Whoever shows no token is let in and may do what anybody may; whoever shows one that is not good
    is not. Raises ``Exception("Unauthorized")``, which is how an authorizer says 401.
    """
    request = request_of(event)
    try:
        claims = await admitted(parts.context.gate, parts.service.clock(), request)
    except Unauthenticated as error:
        log.info("Refused at the door: %s", error)
        raise Exception("Unauthorized") from None
    except RingbackError as error:
        log.info("Refused at the door: %s", error)
        claims, allowed = Claims(), False
    else:
        allowed = True
    handed = {CLAIMS: msgspec.json.encode(claims).decode()}
    if "routeArn" in event and event.get("version") == "2.0":
        return {"isAuthorized": allowed, "context": handed}
    return {
        "principalId": claims.subject or "anonymous",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow" if allowed else "Deny",
                    "Resource": event.get("methodArn") or event.get("routeArn"),
                }
            ],
        },
        "context": handed,
    }
