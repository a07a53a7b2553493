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
        self._looking: set[asyncio.Task[None]] = set()

    async def refresh(self) -> None:
        """Learn of those that were stored since, and tell of them."""
        news = False
        while True:
            page = await self._engine.read(TOPIC, self._position, PAGE)
            self._position = page.position
            if not page.messages:
                break
            for message in page.messages:
                news |= self._note(msgspec.json.decode(message.data, type=Revocation))
        if news:
            for listener in tuple(self._listeners):
                listener(self.covers)

    def follow(self) -> Callable[[], None]:
        """Learn of new ones as they are stored; returns what ends that."""
        return self._engine.listen(self._told)

    def _told(self, changed: frozenset[str]) -> None:
        if (TOPIC in changed or EVERYTHING in changed) and not self._looking:
            task = asyncio.get_running_loop().create_task(self._look(), name="ringback-revocations")
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _look(self) -> None:
        try:
            await self.refresh()
        except StoreUnavailable as error:  # the next change has it looked at again
            log.warning("Revocations could not be read: %s", error)

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
