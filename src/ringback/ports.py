"""What an engine must do: the contract.

An engine keeps operations, the logs of topics and the work queue. It decides nothing: the
core turns commands into changes, and the engine commits each whole or not at all. The suite
in ``tests/contract`` is this text, executed; every engine passes it.

``Engine`` is the port. What only some engines can do, or only some callers need, is a small
capability protocol of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, Self, runtime_checkable

from ringback.core.model import (
    Accepted,
    Change,
    Claimed,
    Demand,
    IdempotencyRecord,
    OperationState,
    Page,
    Position,
    Publication,
    Query,
)

QUEUE = "$queue"
"""The hint that operations may have become ready to be claimed."""
EVERYTHING = "$everything"
"""The hint that anything may have changed: what an engine says when it cannot know."""

Hint = Callable[[frozenset[str]], None]
"""Called on the engine's event loop with the names of topics that changed, or the two above."""


class Engine(Protocol):
    """Durable storage of operations and logs. Used from one event loop; ``async with`` it.

    Every method raises ``StoreUnavailable`` when the store cannot answer, and then nothing was
    stored. A method that returns has its effect on disk, or replicated: it survives the loss of
    the process and of the machine's power.
    """

    @property
    def epoch(self) -> str:
        """The epoch of the logs of all operations: one life of this store."""

    async def __aenter__(self) -> Self:
        """Open the store, creating or migrating it. Raises ``ConfigurationError``."""

    async def __aexit__(self, *exc: object) -> None:
        """Close the store. What was committed stays."""

    def accept(self, change: Change, key: IdempotencyRecord | None) -> Awaitable[Accepted]:
        """Store a new operation, and with it the record of its idempotency key.

        Precondition: ``change.before`` is None. Atomic: of any number of concurrent calls with
        the same scope, one stores its operation and the others return that one, ``replayed``.
        A record that has expired counts as absent. Raises ``IdempotencyKeyReused`` if the
        scope is known with another payload, ``OperationForgotten`` if the operation it was
        for is gone, and ``QueueFull`` when the bound of queued operations is reached.
        """

    def commit(self, change: Change) -> Awaitable[None]:
        """Commit a change whole: the new state, the messages, the events, the new operations.

        Precondition: ``change.before`` is what was loaded or claimed. The change applies only
        if the stored version, status and attempt are still those of ``before``; else it raises
        ``Conflict`` and nothing is stored. Messages of a topic get consecutive offsets in the
        order given; they are readable as soon as this returns, in every process.
        """

    def claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> Awaitable[Claimed]:
        """Give a worker up to ``limit`` queued operations, each now running under a lease.

        Eligible: queued, ``ready_at <= now``, of a demanded task with slots left, within its
        policy's concurrency (overall and for its key) and rate (for its key). Order: higher
        priority first, then earlier ``ready_at``, then earlier acceptance; one that is not
        eligible never keeps an eligible one from being claimed. Atomic: no operation is given
        to two workers. ``next_ready_at`` is when a further one becomes eligible by time alone.
        """

    async def load(self, operation: str) -> OperationState:
        """The stored state. Raises ``UnknownOperation``, or ``OperationForgotten``."""

    async def read(self, topic: str, after: Position | None, limit: int) -> Page:
        """Messages of a log after a position, oldest first; from the oldest kept for None.

        ``gap`` says that messages after the position asked for are no longer kept, or that the
        position is not of this log. A topic nobody has published to has an empty log.
        Raises ``UnknownOperation`` / ``OperationForgotten`` for the log of such an operation.
        """


@runtime_checkable
class Leases(Protocol):
    """Keeping running operations alive, and finding those whose worker is gone."""

    async def renew(
        self, leases: Sequence[tuple[str, int]], now: float
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Extend leases, given as (operation id, attempt), by their policy's length from now.

        Returns the ids whose lease is lost (running no more, or in another attempt), and those
        that still run but were asked to be cancelled.
        """

    async def overdue(self, now: float, limit: int) -> Sequence[OperationState]:
        """Running operations whose lease is over (``core.retry.lease_over``)."""


@runtime_checkable
class Listing(Protocol):
    """Looking for operations."""

    async def list(self, query: Query) -> Sequence[OperationState]:
        """The operations that match, newest first."""

    async def count_queued(self) -> int:
        """How many operations are queued now."""


@runtime_checkable
class Retention(Protocol):
    """Forgetting what is past its time."""

    async def forget(self, operation: str, now: float) -> None:
        """Delete a terminal operation and its log. Raises ``StillOpen`` while it is open."""

    async def sweep(self, now: float) -> int:
        """Delete a bounded number of whatever has expired; returns how many rows went."""


@runtime_checkable
class Hints(Protocol):
    """Being told that a commit happened, here or in another process.

    A hint may be lost, repeated, late or about nothing: whoever gets one reads the log.
    """

    def listen(self, hint: Hint) -> Callable[[], None]:
        """Call ``hint`` after commits; returns what ends that."""


@runtime_checkable
class Publishing(Protocol):
    """Publishing outside any operation."""

    async def publish(self, publications: Sequence[Publication], now: float) -> Sequence[Position]:
        """Append to topics' logs, all or none; returns the position of each message."""


@runtime_checkable
class Facts(Protocol):
    """A few small durable values shared by all processes: the secret, the catalogue of tasks."""

    async def fact(self, name: str) -> bytes | None:
        """The value under this name."""

    async def set_fact(self, name: str, value: bytes, *, replace: bool = True) -> bytes:
        """Store a value unless there is one and ``replace`` is false; returns what is stored."""


class FullEngine(Engine, Leases, Listing, Retention, Hints, Publishing, Facts, Protocol):
    """What the embedded and the cluster home bring along."""
