"""Cross-origin requests of an HTTP API that has a CORS configuration.

Headers that functions return for it are then ignored. A preflight is answered here when no route
takes it; one that a route takes (ANY and $default do) goes to that route, and past its authorizer.
"""

from __future__ import annotations

from ringback.awslocal.gateway.messages import Request, Response
from ringback.awslocal.model import Cors

PREFIX = "access-control-"


def is_preflight(request: Request) -> bool:
    return (
        request.method == "OPTIONS"
        and request.header("origin") is not None
        and request.header("access-control-request-method") is not None
    )


def add(cors: Cors, request: Request, response: Response) -> Response:
    """The answer with the configured headers if the origin is allowed, and without others of the
    kind."""
    kept = [each for each in response.headers if not each[0].lower().startswith(PREFIX)]
    return Response(
        status=response.status,
        headers=(*kept, *_headers(cors, request)),
        body=response.body,
    )


def allowed_origin(cors: Cors, origin: str) -> str | None:
    """What is said to this origin; None: nothing."""
    for each in cors.allow_origins:
        if each == "*":
            return "*"
        # `https://*` stands for all of its scheme.
        if each == origin or (each.endswith("://*") and origin.startswith(each[:-1])):
            return origin
    return None


def _headers(cors: Cors, request: Request) -> list[tuple[str, str]]:
    origin = request.header("origin")
    if origin is None:
        return []
    allowed = allowed_origin(cors, origin)
    if allowed is None:
        return []
    headers = [("access-control-allow-origin", allowed)]
    if allowed != "*":
        headers.append(("vary", "Origin"))
    if cors.allow_credentials:
        headers.append(("access-control-allow-credentials", "true"))
    if is_preflight(request):
        if cors.allow_methods:
            headers.append(("access-control-allow-methods", ",".join(cors.allow_methods)))
        if cors.allow_headers:
            headers.append(("access-control-allow-headers", ",".join(cors.allow_headers)))
        if cors.max_age is not None:
            headers.append(("access-control-max-age", str(cors.max_age)))
    elif cors.expose_headers:
        headers.append(("access-control-expose-headers", ",".join(cors.expose_headers)))
    return headers
