"""What can be asked of an operation: one record for each verb.

What belongs here: the data of a command. What it does is ``lifecycle``'s to decide.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from ringback.core.model import Event, Publication


class Verb(StrEnum):
    """What can be asked of an operation."""

    START = "start"
    CLAIM = "claim"
    REPORT = "report"
    SUCCEED = "succeed"
    FAIL = "fail"
    RELEASE = "release"
    EXPIRE = "expire"
    CANCEL = "cancel"
    STOP = "stop"
    REDRIVE = "redrive"


class Start(msgspec.Struct, frozen=True):
    """Let a held operation be claimed; ``input`` replaces what was known when it was accepted."""

    input: bytes | None = None


class Claim(msgspec.Struct, frozen=True):
    """A worker takes it, under a lease."""

    worker: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Progress, partial results and messages of a running attempt, committed together."""

    attempt: int
    """``lifecycle.NOBODY`` before any: the bytes of an upload arriving."""
    progress: float | None = None
    message: str | None = None
    parts: tuple[bytes, ...] = ()
    publications: tuple[Publication, ...] = ()


class Succeed(msgspec.Struct, frozen=True, kw_only=True):
    """The function returned."""

    attempt: int
    result: bytes
    report: Report | None = None
    """What was still to be reported."""
    events: tuple[Event, ...] = ()


class Fail(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt failed; or what was queued can never run."""

    attempt: int
    """``lifecycle.NOBODY`` for what is queued."""
    problem: bytes
    """RFC 9457, JSON."""
    retryable: bool = True
    expected: bool = False
    """The function itself said that the work cannot succeed: no dead letter."""
    delay: float | None = None
    """Seconds; replaces the backoff."""
    jitter: float = 0.0
    """Uniform in [0, 1)."""
    diagnosis: str | None = None
    """For operators."""


class Release(msgspec.Struct, frozen=True):
    """A draining worker gives it back; this is no failure."""

    attempt: int


class Expire(msgspec.Struct, frozen=True):
    """Take it from a worker whose lease is over; does nothing while it is not."""

    attempt: int
    jitter: float = 0.0


class Cancel(msgspec.Struct, frozen=True):
    """The caller wants it to stop. Best effort: it may still succeed."""


class Stop(msgspec.Struct, frozen=True):
    """The worker has stopped it, because it was cancelled."""

    attempt: int


class Redrive(msgspec.Struct, frozen=True):
    """Do a dead letter's work again, as a new operation, since a terminal state is for good."""

    id: str
    """The new operation's."""
    traceparent: str | None = None


Command: TypeAlias = (
    Start | Claim | Report | Succeed | Fail | Release | Expire | Cancel | Stop | Redrive
)

VERBS: dict[type[msgspec.Struct], Verb] = {
    Start: Verb.START,
    Claim: Verb.CLAIM,
    Report: Verb.REPORT,
    Succeed: Verb.SUCCEED,
    Fail: Verb.FAIL,
    Release: Verb.RELEASE,
    Expire: Verb.EXPIRE,
    Cancel: Verb.CANCEL,
    Stop: Verb.STOP,
    Redrive: Verb.REDRIVE,
}
