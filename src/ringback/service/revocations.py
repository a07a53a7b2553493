"""Revocations: what a token allowed, ended before it expires.

A revocation is a message of the topic ``$revocations``, so that every process of the application
learns of it as of any other message, and a new one by reading what is kept. It is kept for as
long as a token may be good.

A subject's tokens are revoked by their time of issue: what was issued before the revocation is
refused, and a fresh one is good. A token without an ``iat`` is always from before. The token of an
operation is one for ever, so it is over for good.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from ringback.core.access import Claims
from ringback.core.model import Keep, Position, Publication
from ringback.errors import StoreUnavailable, Unauthenticated
from ringback.ids import Clock
from ringback.ports import EVERYTHING, FullEngine

TOPIC = "$revocations"
KEPT = 31 * 86400.0
"""Seconds: a token that is good for longer than a month should not be."""
PAGE = 1000
"""Revocations read at once."""
RETRY_EVERY = 0.5
"""Seconds between attempts to read them while the store cannot be read."""
MAX_KNOWN = 1_000_000
"""Revocations in memory, some 100 bytes each; the oldest are forgotten first."""

log = logging.getLogger("ringback.service")

Revoked = Callable[[Claims], bool]
"""Whether these claims are over."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One revocation, as it is stored."""

    at: float
    subject: str | None = None
    operation: str | None = None


class Revocations:
    """All that were revoked, as far as this process knows."""

    def __init__(self, engine: FullEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._subjects: dict[str, float] = {}
        self._operations: dict[str, float] = {}
        self._position: Position | None = None
        self._listeners: list[Callable[[Revoked], None]] = []
        self._looking: asyncio.Task[None] | None = None
        self._again = False
        """Whether there may be more than what is being looked at."""

    async def refresh(self) -> None:
        """Learn of those that were stored since, and tell of them."""
        while True:
            page = await self._engine.read(TOPIC, self._position, PAGE)
            self._position = page.position
            if not page.messages:
                break
            news = False
            for message in page.messages:
                news |= self._note(msgspec.json.decode(message.data, type=Revocation))
            if news:  # told now, since the next page may be one that cannot be read
                for listener in tuple(self._listeners):
                    listener(self.covers)

    def follow(self) -> Callable[[], None]:
        """Learn of new ones as they are stored; returns what ends that."""
        deafen = self._engine.listen(self._told)
        self._told(frozenset({TOPIC}))  # some may have been stored before there was an ear for it

        def end() -> None:
            deafen()
            if self._looking is not None:
                self._looking.cancel()

        return end

    def _told(self, changed: frozenset[str]) -> None:
        if TOPIC in changed or EVERYTHING in changed:
            self._again = True
            if self._looking is None:
                self._looking = asyncio.get_running_loop().create_task(
                    self._look(), name="ringback-revocations"
                )

    async def _look(self) -> None:
        """Read until nobody says that there is more."""
        try:
            while self._again:
                self._again = False
                try:
                    await self.refresh()
                except StoreUnavailable as error:
                    log.warning("Revocations could not be read: %s", error)
                    self._again = True
                    await asyncio.sleep(RETRY_EVERY)
                except Exception:  # a listener's fault must not keep the next ones from being read
                    log.exception("Revocations could not be told of.")
        finally:
            self._looking = None

    def listen(self, listener: Callable[[Revoked], None]) -> None:
        """Have ``listener`` called when there are new ones: to end what they are about."""
        self._listeners.append(listener)

    async def revoke(self, *, subject: str | None = None, operation: str | None = None) -> None:
        """Revoke all tokens of a subject that were issued until now, or an operation's token."""
        revocation = Revocation(at=self._clock(), subject=subject, operation=operation)
        publication = Publication(TOPIC, msgspec.json.encode(revocation), keep=Keep(age=KEPT))
        await self._engine.publish([publication], revocation.at)
        await self.refresh()

    def covers(self, claims: Claims) -> bool:
        """Whether these claims were revoked."""
        if claims.operation is not None and claims.operation in self._operations:
            return True
        if claims.subject is None:
            return False
        at = self._subjects.get(claims.subject)
        # The times of tokens are whole seconds, cut off: one of this second may be from before.
        return at is not None and (claims.issued_at is None or claims.issued_at <= at)

    def check(self, claims: Claims) -> None:
        """Raises ``Unauthenticated`` for claims that were revoked."""
        if (self._subjects or self._operations) and self.covers(claims):
            raise Unauthenticated("This token was revoked. Sign in again for a fresh one.")

    def _note(self, revocation: Revocation) -> bool:
        """Whether it is news."""
        changed = False
        for known, name in (
            (self._subjects, revocation.subject),
            (self._operations, revocation.operation),
        ):
            if name is not None and known.get(name, -1.0) < revocation.at:
                known.pop(name, None)
                known[name] = revocation.at
                changed = True
            if len(known) > MAX_KNOWN:
                del known[next(iter(known))]
        return changed
