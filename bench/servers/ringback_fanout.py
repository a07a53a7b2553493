"""Ringback for the fan-out benchmark: topics that subjects with a scope may read and write.

`live/N` is ephemeral, `kept/N` durable with a history. Callers are known by HS256 tokens; the key
comes from `RINGBACK_JWT_SECRET`.
"""

from __future__ import annotations

from ringback import Ringback
from ringback.core.access import Claims

SCOPE = "bench"
HISTORY = 10_000
"""Messages: what the replaying client is behind."""


def _may(claims: Claims, n: str) -> bool:
    return SCOPE in claims.scopes and n.isdigit()


rb = Ringback(
    "bench-fanout",
    publish_rate=0,
    max_connections=200_000,
    max_connections_per_subject=0,
)
rb.topic("live/{n}", durable=False, publish=_may, subscribe=_may)
rb.topic("kept/{n}", count=HISTORY, publish=_may, subscribe=_may)
