"""A server of its own, whose topic is followed over every transport."""

from __future__ import annotations

import os

from ringback import Ringback
from ringback.core.access import Claims

rb = Ringback(
    "fanout",
    mercure=True,
    mercure_anonymous=True,
    publish_rate=0,
)


def everybody(claims: Claims, n: str) -> bool:
    """A predicate: each topic then has followers of its own, though they are the same."""
    return True


rb.topic("soak/{n}", subscribe=everybody if "GUARDED" in os.environ else "anyone", publish="anyone")
