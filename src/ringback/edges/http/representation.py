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
    """The representation, with partial results (those after a position, if one is given)."""
    fields = operation_fields(state)
    fields["position"] = str(service.position(state))
    if state.part_count:
        fields["parts"] = await service.parts(state, after)
    fields["links"] = links(request, state.id)
    return fields


def headers_of(service: Service, state: OperationState) -> Headers:
    """Validators and caching (RFC 9110 §8.8.3, RFC 9111), and when to ask again."""
    headers: Headers = [
        (b"etag", b'"%d"' % state.version),
        (b"cache-control", b"private, no-cache"),
    ]
    if not state.terminal:
        headers.append((b"retry-after", b"%d" % retry_after(state, service.clock())))
    return headers


def acknowledgement(service: Service, request: Request, state: OperationState) -> Response:
    """The 202 (RFC 9110 §15.3.3): where to look, when, and the token to do it with."""
    fields = operation_fields(state)
    fields["links"] = own = links(request, state.id)
    tokens = service.tokens
    fields["token"] = tokens.make(state)
    fields["token_expires_at"] = timestamp(tokens.expires_at(state))
    body = msgspec.json.encode(fields)
    path = own["self"].encode("latin-1")
    return Response(
        202,
        body,
        [
            JSON,
            (b"location", path),
            (b"retry-after", b"%d" % retry_after(state, service.clock())),
            (b"link", b'<%s/events>; rel="monitor"' % path),
            (b"cache-control", b"no-store"),
        ],
    )
