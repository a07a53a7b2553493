"""The Ringback application, who may what in it, and its topics. ``tasks`` adds what it does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from ringback import Claims, Ringback
from ringback.settings import Settings

from .model import Detail, Question
from .records import Records, records_of
from .signin import SignIn

KEPT = 3600.0
"""Seconds for which messages are kept: a page that was away for longer reads anew."""
RATE = 5.0
"""Submissions a second of one person: faster than anybody asks and answers."""


async def authenticate(headers: Mapping[str, str]) -> Claims | None:
    """Who sends a request, for Ringback and for our own routes."""
    return await sign_in().claims(headers)


def nobody(claims: Claims, **parameters: str) -> bool:
    """Who may publish from outside: what is told was stored before, by a task."""
    return False


rb = Ringback("ask-around-me", authenticate=authenticate, rate=RATE)

area = rb.topic("questions/{cell}", model=Question, subscribe="anyone", publish=nobody, age=KEPT)
"""The questions of a cell, each whenever it has changed."""
single = rb.topic("answers/{question}", model=Detail, subscribe="anyone", publish=nobody, age=KEPT)
"""One question with its heat map. Not coalesced: where an answer and a withdrawal, or a photo, are
told at once, the older state may come last, and whoever got that alone would be left with it. The
page takes the higher version, of all that come."""


def records() -> Records:
    """Where questions and answers are."""
    return records_of(rb.settings)


def sign_in() -> SignIn:
    """Who is asking."""
    return _sign_in(rb.settings)


@lru_cache(maxsize=4)
def _sign_in(settings: Settings) -> SignIn:
    return SignIn(settings)
