"""``HTTP_PROXY``: a request handed on to an address, its answer handed back."""

from __future__ import annotations

import logging
import re
from urllib.parse import quote

import httpx

from ringback.awslocal.gateway.answers import DROPPED
from ringback.awslocal.gateway.http_events import Call
from ringback.awslocal.gateway.messages import Response, forwarded, told
from ringback.awslocal.model import Integration

_VARIABLE = re.compile(r"\{([^{}]+?)\+?\}")
_DECODED = frozenset(("content-encoding", "transfer-encoding"))
"""Of a body that httpx has unpacked."""

log = logging.getLogger("ringback.aws.gateway")


async def send(integration: Integration, call: Call) -> Response:
    """The answer of `integration`'s address, whose ``{variables}`` are the path's."""
    address = _VARIABLE.sub(
        lambda found: quote(call.parameters.get(found[1], ""), safe="/"), integration.uri or ""
    )
    if call.request.raw_query:
        address += ("&" if "?" in address else "?") + call.request.raw_query
    method = integration.method or "ANY"
    headers = [
        (name, value)
        for name, value in forwarded(call.request, call.trace)
        if name.lower() not in ("host", "content-length")
    ]
    # The caller bounds the time. To read the authorities' certificates takes long.
    tls = address.startswith("https:")
    try:
        async with httpx.AsyncClient(timeout=None, verify=tls) as client:  # noqa: S113
            answer = await client.request(
                call.request.method if method == "ANY" else method,
                address,
                headers=headers,
                content=call.request.body,
            )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.error("%s cannot be reached: %s", address, error)
        return told(503, "Service Unavailable")
    kept = tuple(
        (name, value)
        for name, value in answer.headers.multi_items()
        if name not in DROPPED and name not in _DECODED
    )
    return Response(status=answer.status_code, headers=kept, body=answer.content)
