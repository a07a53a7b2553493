"""How an operation is shown over HTTP: the public representation, with links and headers."""

from __future__ import annotations

from typing import Any

import msgspec

from ringback.core.model import OperationState, Position
from ringback.core.view import operation_fields, timestamp
from ringback.edges.http.message import JSON, Headers, Request, Response
from ringback.service import Service

RETRY_FIRST = 1
"""Seconds until the first poll of a young operation."""
SOON = b"%d" % RETRY_FIRST
RETRY_LAST = 30
"""Seconds between polls at most."""
RETRY_SHARE = 10
"""A poll waits a tenth of the time that the operation has taken already."""


def retry_after(state: OperationState, now: float) -> int:
    """Seconds after which polling makes sense: soon at first, then ever more patiently."""
    waited = int(max(0.0, now - state.created_at)) // RETRY_SHARE
    return min(RETRY_LAST, max(RETRY_FIRST, waited))


def links(request: Request, operation: str) -> dict[str, str]:
    """Where the operation's resources are, under the prefix we are mounted at."""
    own = f"{request.prefix}/operations/{operation}"
    return {
        "self": own,
        "events": f"{own}/events",
        "result": f"{own}/result",
        "cancel": f"{own}/cancel",
    }


async def representation(
    service: Service, request: Request, state: OperationState, after: Position | None = None
) -> dict[str, Any]:
    """The representation, with partial results (if a position is given, the first after it)."""
    fields = await shown(service, state, after)
    fields["links"] = links(request, state.id)
    return fields


async def shown(
    service: Service, state: OperationState, after: Position | None = None
) -> dict[str, Any]:
    """The same for where there are no links to follow."""
    fields = operation_fields(state)
    position = service.position(state)
    if state.part_count and after is not None:
        fields["parts"], position = await service.parts_after(state, after)
    elif state.part_count:
        fields["parts"] = await service.parts(state)
    fields["position"] = str(position)
    return fields


def etag(state: OperationState) -> bytes:
    """The version as an entity tag (RFC 9110 §8.8.3)."""
    return b'"%d"' % state.version


def headers_of(service: Service, state: OperationState) -> Headers:
    """Validators and caching (RFC 9110 §8.8.3, RFC 9111), and when to ask again."""
    headers: Headers = [
        (b"etag", etag(state)),
        (b"cache-control", b"private, no-cache"),
    ]
    if not state.terminal:
        headers.append((b"retry-after", b"%d" % retry_after(state, service.clock())))
    return headers


def fresh(state: OperationState, own: str, token: str, expires_at: str) -> bytes:
    """The acknowledgement of an operation nothing has happened to yet: what nearly all are.

    The same bytes as encoding its fields would give (a test holds it), without making them
    first: this is on the path of every acceptance.
    """
    created_at = timestamp(state.created_at)
    return (
        f'{{"id":"{state.id}","task":"{state.task}","status":"queued","version":0,"attempt":0,'
        f'"created_at":"{created_at}","updated_at":"{created_at}","progress":null,"part_count":0,'
        f'"links":{{"self":"{own}","events":"{own}/events","result":"{own}/result",'
        f'"cancel":"{own}/cancel"}},"token":"{token}","token_expires_at":"{expires_at}"}}'
    ).encode()


def acknowledgement(service: Service, request: Request, state: OperationState) -> Response:
    """The 202 (RFC 9110 §15.3.3): where to look, when, and the token to do it with."""
    tokens = service.tokens
    own = f"{request.prefix}/operations/{state.id}"
    token, expires_at = tokens.make(state), timestamp(tokens.expires_at(state))
    if state.version == 0 and state.ready_at <= state.created_at and state.parent is None:
        body, wait = fresh(state, own, token, expires_at), SOON
    else:
        fields = operation_fields(state)
        fields["links"] = links(request, state.id)
        fields["token"] = token
        fields["token_expires_at"] = expires_at
        body = msgspec.json.encode(fields)
        wait = b"%d" % retry_after(state, service.clock())
    path = own.encode("latin-1")
    return Response(
        202,
        body,
        [
            JSON,
            (b"location", path),
            (b"retry-after", wait),
            (b"link", b'<%s/events>; rel="monitor"' % path),
            (b"cache-control", b"no-store"),
        ],
    )
