"""How often and how long something is tried again."""

from __future__ import annotations

import random
import time

from ringback.client.answers import Refused, Unreachable
from ringback.errors import RingbackError

TOLD_AT = 2
"""Tries in vain at which a person is told: the first may be a server changing over."""
PAUSE_FIRST = 0.5
"""Seconds the first pause before a new try takes at most; it doubles with each."""
PAUSE_MAX = 10.0
"""Seconds between two tries at most."""
SOON = frozenset({429, 500, 502, 503, 504})
"""Statuses that say: not now. The middle ones come from proxies, while the server restarts."""


class Tries:
    """How often something was tried in vain, and for how long."""

    def __init__(self, patience: float, *, reached: bool = False) -> None:
        self._patience = patience
        self._since: float | None = None
        self.reached = reached
        """Whether the server ever answered."""
        self.count = 0

    def contact(self) -> None:
        """The server answers."""
        self.reached, self._since = True, None

    def pause(self, retry_after: float | None) -> float | None:
        """Seconds to wait before the next try; None when there is to be none.

        Exponential with full jitter, so that clients that lost one server do not come back as
        one; never before the server asked for.
        """
        ceiling = min(PAUSE_MAX, PAUSE_FIRST * 2 ** min(self.count, 16))
        pause = max(random.uniform(0, ceiling), retry_after or 0.0)  # noqa: S311 - no secret
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now + pause - self._since > self._patience:
            return None
        self.count += 1
        return pause


def worth_trying(error: RingbackError, tries: Tries) -> bool:
    """Whether the same request may succeed in a while."""
    if isinstance(error, Unreachable):
        # Nothing there at the first contact is more likely a wrong address than a restart.
        return tries.reached or tries.count > 0 or bool(error.fields.get("connected"))
    if isinstance(error, Refused):
        return error.http_status in SOON
    return error.retryable
