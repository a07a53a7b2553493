"""Cross-origin requests: what an answer says that goes past the middleware.

Answers through ASGI get these fields from Starlette's middleware; those on a connection that an
edge owns get the same from here.
"""

from __future__ import annotations

from collections.abc import Sequence

EXPOSED = (
    "ETag",
    "Location",
    "Link",
    "Retry-After",
    "Preference-Applied",
    "Idempotency-Replayed",
    "Content-Location",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Complete",
    "WWW-Authenticate",
    "Last-Event-ID",
    "Mercure-Last-Event-ID",
)
"""Answer headers that a page of another origin may read."""


def answer_fields(origin: str | None, origins: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """What allows a page of this origin to read the answer; nothing for one that may not."""
    if origin is None or not origins:
        return []
    exposed = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
    if "*" in origins:
        return [(b"access-control-allow-origin", b"*"), exposed]
    fields = [(b"access-control-allow-credentials", b"true"), exposed, (b"vary", b"Origin")]
    if origin in origins:
        fields.append((b"access-control-allow-origin", origin.encode("latin-1")))
    return fields
