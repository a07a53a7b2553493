"""A server of its own, whose topic is followed over every transport."""

from __future__ import annotations

from ringback import Ringback

rb = Ringback(
    "fanout",
    mercure=True,
    mercure_anonymous=True,
    publish_rate=0,
)
rb.topic("soak/{n}", subscribe="anyone", publish="anyone")
