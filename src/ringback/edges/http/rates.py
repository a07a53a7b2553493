"""How often one caller may submit: the generic cell rate algorithm, in this process."""

from __future__ import annotations

from collections import OrderedDict

from ringback.errors import RateLimited

MAX_CALLERS = 50_000
"""Callers remembered; the one seen longest ago is dropped, which only ever favours it."""

SLACK = 0.01
"""Share of the interval that is forgiven: sums of fractions are not exact, and the last request
of a burst must not be refused for that."""


def caller(subject: str | None, address: str | None) -> str:
    """By what a caller's requests are counted: the subject, or else the address.

    The marks keep a subject from being taken for an address.
    """
    return f"s{subject}" if subject is not None else f"a{address or ''}"


class Rates:
    """Allows ``rate`` requests a second for each caller, and ``burst`` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self.limited = rate > 0
        """Whether there is any bound."""
        self._interval = 1.0 / rate if rate > 0 else 0.0
        self._tolerance = self._interval * (burst + SLACK)
        self._due: OrderedDict[str, float] = OrderedDict()

    def check(self, caller: str, now: float) -> None:
        """Count a request at ``now`` (monotonic seconds). Raises ``RateLimited``."""
        if not self._interval:
            return
        due = max(self._due.get(caller, now), now) + self._interval
        if due - now > self._tolerance:
            raise RateLimited(retry_after=due - now - self._tolerance)
        self._due[caller] = due
        self._due.move_to_end(caller)
        while len(self._due) > MAX_CALLERS:
            self._due.popitem(last=False)
