"""The records everything else speaks in.

What belongs here: frozen data, and the text forms of positions. What does not: decisions
(``lifecycle``), and how a record looks to a caller (``view``).

Times are seconds since the Unix epoch (floats); durations are seconds. Payloads are JSON
already encoded (bytes), since the core never looks inside.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """Where an operation stands. The last three are terminal: they never change again."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})

HELD = 253402300799.0
"""``ready_at`` of an operation that waits to be started (31 December 9999): say, for an upload."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How one task's operations are run; stored with each, so that any process can decide."""

    max_attempts: int = 4
    """Failed attempts after which the operation is a dead letter."""
    backoff_base: float = 1.0
    """Seconds: the first retry waits at most this long."""
    backoff_factor: float = 2.0
    """Each further retry may wait this many times longer."""
    backoff_cap: float = 300.0
    """Seconds: no retry waits longer."""
    lease: float = 30.0
    """Seconds a worker holds an operation without renewing."""
    timeout: float | None = None
    """Seconds one attempt may take; None: no bound."""
    retention: float = 86400.0
    """Seconds a finished operation can still be read."""
    concurrency: int | None = None
    """Operations of this task that may run at once, over all workers."""
    concurrency_per_key: int | None = None
    """The same, for each ``limit_key``."""
    rate_per_key: float | None = None
    """Starts per second allowed for each ``limit_key``."""
    resumable: bool = False
    """Whether partial results are kept over attempts, so that a retry goes on after them."""


class OperationState(msgspec.Struct, frozen=True, kw_only=True):
    """One operation as it is stored. Changed only by what ``lifecycle.decide`` returns."""

    id: str
    task: str
    input: bytes
    policy: Policy
    created_at: float
    updated_at: float
    subject: str | None = None
    """Whom it belongs to; None: to whoever holds its token."""
    status: Status = Status.QUEUED
    version: int = 0
    """Counts the messages of its log: the offset of the newest, 0 when just accepted."""
    attempt: int = 0
    """Counts the claims. Fences: a command of an older attempt changes nothing."""
    failures: int = 0
    """Attempts that failed or lost their lease; a released one is none."""
    priority: int = 0
    """Higher runs first."""
    ready_at: float = 0.0
    """Not to be claimed before."""
    limit_key: str | None = None
    """What per-key concurrency and rate count by."""
    started_at: float | None = None
    finished_at: float | None = None
    worker: str | None = None
    lease_until: float | None = None
    cancel_requested: bool = False
    progress: float | None = None
    """0 to 1."""
    progress_message: str | None = None
    part_count: int = 0
    parts_after: int = 0
    """Offset in the log after which the current partial results stand."""
    result: bytes | None = None
    error: bytes | None = None
    """An RFC 9457 problem."""
    diagnosis: str | None = None
    """What went wrong, for operators: a traceback. No part of the public representation."""
    dead_letter: bool = False
    parent: str | None = None
    """The operation whose event, or redrive, made this one."""
    traceparent: str | None = None
    expires_at: float | None = None
    """When a finished operation is forgotten."""

    @property
    def terminal(self) -> bool:
        """Whether it has ended for good."""
        return self.status in TERMINAL

    @property
    def topic(self) -> str:
        """The topic its log is."""
        return f"operations/{self.id}"


class Position(msgspec.Struct, frozen=True):
    """A place in a log: after the message with this offset. Text form ``epoch-offset``.

    The epoch names one life of the store; a position of another epoch cannot be resumed. An
    operation's offsets count its own messages. Topics share theirs: offsets rise over all topics,
    so that one position says where a reader stands in any number of them.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """The position in ``text``, or None if it is none (which reads as a foreign position)."""
        epoch, dash, offset = text.rpartition("-")
        if not dash or not epoch or not offset.isascii() or not offset.isdigit():
            return None
        if len(offset) > MAX_OFFSET_DIGITS or len(epoch) > MAX_EPOCH_LENGTH:
            return None
        return cls(epoch, int(offset))


BEGINNING = Position("0", 0)
"""Before the first message of any log."""

MAX_OFFSET_DIGITS = 18
"""Offsets fit a signed 64-bit integer."""
MAX_EPOCH_LENGTH = 32
"""Epochs are short random names."""


class Kind(StrEnum):
    """What a message of an operation's log tells; ``message`` on every other topic."""

    STATUS = "status"
    PROGRESS = "progress"
    PART = "part"
    MESSAGE = "message"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a topic's log."""

    topic: str
    position: Position
    kind: Kind
    data: bytes
    """JSON."""
    at: float
    """When it was committed."""
    attributes: bytes | None = None
    """What else was said of it, as a JSON object: what a transport has no other place for."""

    @property
    def private(self) -> bool:
        """Whether it is only for those who are allowed its topic in particular."""
        # No string of JSON contains this: a quote in it is escaped.
        return self.attributes is not None and b'"private":true' in self.attributes

    @property
    def particular(self) -> bool:
        """Whether each follower decides by the message, and not by its topic alone: it is private,
        or one of several that are the same for other topics.
        """
        return self.private or (self.attributes is not None and b'"topics":[' in self.attributes)


class Draft(msgspec.Struct, frozen=True):
    """A message of the operation's own log, before it has a position."""

    kind: Kind
    data: bytes


class Keep(msgspec.Struct, frozen=True):
    """How much of a topic's log is kept. What is over a bound goes in a while, oldest first."""

    age: float = 86400.0
    """Seconds."""
    count: int | None = None
    """Messages; None: no bound."""
    bytes: int | None = None
    """Bytes of data; None: no bound."""
    retained: bool = False
    """Whether the newest message stays, however old, and new followers get it first."""


KEEP = Keep()


class Publication(msgspec.Struct, frozen=True):
    """A message for another topic, before it has a position."""

    topic: str
    data: bytes
    attributes: bytes | None = None
    keep: Keep | None = KEEP
    """None: the topic is ephemeral. It has no log, and who follows it now gets the message."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvent (CloudEvents 1.0 §3), emitted by an operation for handlers."""

    id: str
    source: str
    type: str
    time: float
    data: bytes
    subject: str | None = None
    sequence: int = 0
    """CloudEvents' sequence extension: the order within the operation."""
    traceparent: str | None = None
    """CloudEvents' distributed tracing extension."""


class IdempotencyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What remembers that a request was accepted already."""

    scope: bytes
    """A digest of subject, task and key."""
    payload: bytes
    """A digest of the canonical payload."""
    expires_at: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one command does. An engine commits all of it, or nothing."""

    before: OperationState | None
    """What it was decided on; None: the operation is new."""
    after: OperationState
    messages: tuple[Draft, ...] = ()
    """For the operation's own log, in order; the last has the offset ``after.version``."""
    publications: tuple[Publication, ...] = ()
    events: tuple[Event, ...] = ()
    operations: tuple[OperationState, ...] = ()
    """New operations that this one causes: the handlers of its events."""
    lease: float | None = None
    """If given, the change applies only while the stored ``lease_until`` is this: a worker that
    renewed in the meantime keeps its operation."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What reading a log gives."""

    messages: tuple[Message, ...]
    position: Position
    """Where to read on."""
    gap: bool = False
    """Messages between the position asked for and the first one here are gone, or the
    position is of another epoch: what the reader knows is stale."""
    missed: tuple[str, ...] = ()
    """The topics of which messages are gone: all of them. Empty beside a gap: it may be any."""

    @property
    def start(self) -> Position:
        """Before its first message: where whoever was told of a gap, and no more, reads on."""
        if not self.messages:
            return self.position
        first = self.messages[0].position
        return Position(first.epoch, first.offset - 1)


class Accepted(msgspec.Struct, frozen=True):
    """The answer to an acceptance: the stored operation, or the one stored before."""

    operation: OperationState
    replayed: bool


class Claimed(msgspec.Struct, frozen=True):
    """What a worker got, and when it is worth asking again."""

    operations: tuple[OperationState, ...]
    next_ready_at: float | None


class Demand(msgspec.Struct, frozen=True):
    """How many operations of one task a worker can take."""

    task: str
    slots: int


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which operations to list, newest first."""

    subject: str | None = None
    """None: of anybody (an administrator's question)."""
    status: Status | None = None
    task: str | None = None
    parent: str | None = None
    dead_letter: bool | None = None
    after: str | None = None
    """The last id of the page before."""
    limit: int = 50
