"""What an engine must do: the contract.

An engine keeps operations, the logs of topics and the work queue. It decides nothing: the
core turns commands into changes, and the engine commits each whole or not at all. The suite
in ``tests/contract`` is this text, executed; every engine passes it.

``Engine`` is the port. What only some engines can do, or only some callers need, is a small
capability protocol of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

from ringback.core.connections import Changes, Connection, Held, Rest
from ringback.core.filters import AnyFilter
from ringback.core.model import (
    Accepted,
    Change,
    Claimed,
    Demand,
    IdempotencyRecord,
    Message,
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

    Several engines may be open on one store, in one process or many; what is said here holds
    over all of them. Two things only of an engine that is on one machine, and nearly of others:
    the bound of queued operations is exact, and what was accepted can be claimed, listed and
    counted at once, and not a moment later.

    Every method raises ``StoreUnavailable`` when the store cannot answer, and then nothing was
    stored; but when the disk itself fails in the very moment of a commit, nobody can say which,
    and whoever tries again does so under an idempotency key. A method that returns has its effect
    on disk, or replicated: it survives the loss of the process and of the machine's power.
    """

    @property
    def epoch(self) -> str:
        """The epoch of the logs of all operations: one life of this store."""

    async def __aenter__(self) -> Self:
        """Open the store, creating or migrating it. Raises ``ConfigurationError``."""

    async def __aexit__(self, *exc: object) -> None:
        """Close the store, once what was begun is done. What was committed stays."""

    def accept(self, change: Change, key: IdempotencyRecord | None) -> Awaitable[Accepted]:
        """Store a new operation, and with it the record of its idempotency key.

        Precondition: ``change`` is what ``lifecycle.accept`` made of a fresh operation. Atomic:
        of any number of concurrent calls with the same scope, one stores its operation and the
        others return that one as it stands by now, ``replayed``. A record that has expired when
        the operation was created counts as absent, and is replaced. Raises
        ``IdempotencyKeyReused`` if the scope is known with another payload,
        ``OperationForgotten`` if the operation it was for is gone, and ``QueueFull`` when the
        bound of queued operations is reached and this is no replay.
        """

    def commit(self, change: Change) -> Awaitable[None]:
        """Commit a change whole: the new state, the messages, the publications, the events, the
        new operations.

        Precondition: ``change.before`` is what was loaded or claimed. The change applies only
        if the stored version, status and attempt are still those of ``before``, and the stored
        lease is ``change.lease`` if that is given; else it raises ``Conflict`` and nothing is
        stored. A change that leaves the lease alone keeps one that was renewed meanwhile.

        The operation's own messages get consecutive offsets up to ``after.version``, publications
        rising ones in the order given; those to ephemeral topics are not stored. All are readable
        as soon as this returns, in every process, and so are the new operations, whatever the
        bound of queued ones.
        """

    def claim(
        self, worker: str, demands: Sequence[Demand], limit: int, now: float
    ) -> Awaitable[Claimed]:
        """Give a worker up to ``limit`` queued operations, each now running under a lease.

        Eligible: queued, ready, of a demanded task with slots left, within the policy it was
        accepted with: its concurrency (over all running ones of its task, and of its key) and
        its rate (a start of its key every 1/rate seconds at most, counted from the last of
        those that have one).
        Ready: its ``ready_at`` has come and, under a rate, its key's turn. What was queued before
        the clock was set back is ready when ``core.retry.waits_until`` says.

        Order: higher priority first, then what is ready earlier, then earlier acceptance; one
        that is not eligible never keeps an eligible one from being claimed. Atomic: no operation
        is given to two workers, and no limit is exceeded by several. Whatever was claimed has
        changed as ``lifecycle.claim`` says, its message included.

        ``next_ready_at``, if fewer than ``limit`` were given: when it is worth asking again though
        nothing happened; a time after ``now``, no later than that at which time alone makes a
        further one eligible, and None only if it makes none.
        """

    async def load(self, operation: str) -> OperationState:
        """The stored state. Raises ``UnknownOperation``, or ``OperationForgotten``."""

    async def read(self, topic: str, after: Position | None, limit: int) -> Page:
        """Up to ``limit`` messages of a log after a position, oldest first; from the oldest kept
        for None, from the very first for ``BEGINNING``.

        ``position`` is that of the last message given, or of the newest there is when there is
        none to give: where to read on. ``gap`` says that messages between the position asked for
        and the first one here are no longer kept, or that the position is not of this store or
        lies behind its end; then what is kept is given from its oldest on. A page never hides a
        hole: it ends before one, and the next says ``gap``.
        Raises ``UnknownOperation`` / ``OperationForgotten`` for the log of such an operation.
        """


@runtime_checkable
class Chosen(Protocol):
    """Claiming what somebody else has chosen: what a queue's message names."""

    async def claim_chosen(self, worker: str, operations: Sequence[str], now: float) -> Claimed:
        """Give a worker those of these operations that are eligible, as ``Engine.claim`` does, but
        in the order given. One that is not, or is not there, is left out.

        ``next_ready_at``: when time alone may make a further one of them eligible.
        """

    async def due(
        self, now: float, limit: int, task: str | None = None
    ) -> Sequence[OperationState]:
        """Up to ``limit`` queued operations that are ready, whether at a limit or not: those that
        have been for the longest time first; where there are more, some of each task.

        Of one ``task`` alone: the first that would be claimed if no limit held.
        """


@runtime_checkable
class Leases(Protocol):
    """Keeping running operations alive, and finding those whose worker is gone."""

    async def renew(
        self, leases: Sequence[tuple[str, int]], now: float
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Extend leases, given as (operation id, attempt), by their policy's length from now;
        also one that is over, as long as nobody has taken the operation away.

        Returns the ids whose lease is lost (running no more, or in another attempt), and those
        that still run but were asked to be cancelled. No version changes, and no message is told.
        """

    async def overdue(self, now: float, limit: int) -> Sequence[OperationState]:
        """Up to ``limit`` running operations whose lease is over (``core.retry.lease_over``)."""


@runtime_checkable
class Listing(Protocol):
    """Looking for operations."""

    async def list(self, query: Query) -> Sequence[OperationState]:
        """The operations that match all that is given, newest first: by id, descending. With
        ``after``, those with a lower id.
        """

    async def count_queued(self) -> int:
        """How many operations are queued now, held and delayed ones included."""

    async def count_queued_by_task(self) -> Mapping[str, int]:
        """The same for each task that has any: a look at all of them, and so not for often."""


@runtime_checkable
class Retention(Protocol):
    """Forgetting what is past its time."""

    async def forget(self, operation: str, now: float) -> None:
        """Delete a terminal operation and its log. Raises ``StillOpen`` while it is open, and
        ``UnknownOperation`` / ``OperationForgotten``.

        Whoever asks for it is told for thirty days that it was here.
        """

    async def sweep(self, now: float) -> int:
        """Look for what has expired, and delete a bounded number: operations and their logs,
        idempotency records, messages of topics and events. Returns how many went; called often
        enough, it finds everything. An expired idempotency record may stay while its operation
        does.

        A topic remembers for thirty days that messages of it went; after that, a position from
        before is a gap in topics that have begun since, though nothing may be missing.
        """


@runtime_checkable
class Hints(Protocol):
    """Being told that a commit happened, here or in another process.

    A hint may be repeated, late or about nothing, and a rare one may be lost: whoever gets one
    reads the log. It comes after what it is about can be read.
    """

    def listen(self, hint: Hint) -> Callable[[], None]:
        """Call ``hint`` after commits; returns what ends that."""


@runtime_checkable
class Publishing(Protocol):
    """Publishing outside any operation."""

    async def publish(self, publications: Sequence[Publication], now: float) -> Sequence[Position]:
        """Append to topics' logs in the order given, all or none; returns the position of each
        message. None of the topics is ephemeral. Raises ``PayloadTooLarge`` when they are more than
        the engine can store at once: some forty topics, where that is least.

        A log is cut to the bounds of its newest publication's ``keep``, when it is over them by
        some part, and to its age by ``sweep``.
        """


@runtime_checkable
class Journal(Protocol):
    """All topics in one order: that of their commits, which is the order of their offsets."""

    async def follow(self, after: Position | None, limit: int) -> Page:
        """Up to ``limit`` messages of all topics after a position; for None none, and the
        position of the newest.

        ``gap`` says that some are gone before they could be read here, ``missed`` of which topics.
        """

    async def replay(self, filter: AnyFilter, after: Position | None, limit: int) -> Page:
        """The same for the topics that match, as ``Engine.read`` is for one."""

    async def trimmed(self, filter: AnyFilter) -> Mapping[str, int]:
        """Up to which offset messages of the topics that match are gone, where any are: of those
        that are named there and are no more, too.
        """

    async def retained(
        self, filter: AnyFilter, upto: Position, limit: int, *, beyond: str = ""
    ) -> Sequence[Message]:
        """The newest message, up to a position, of each topic that matches and is ``retained``,
        in the order of the topics' names; of ``limit`` topics at most, whose names come after
        ``beyond``. There are no more once there is none.
        """

    async def find(self, id: str) -> Position | None:
        """The position of the newest message whose attributes have this ``id``; None if none that
        is kept has. Attributes are a JSON object.
        """


Relayed = Callable[[Sequence[Publication], float], None]
"""Called on the engine's event loop with publications to ephemeral topics, and when they were
made."""


@runtime_checkable
class Relay(Protocol):
    """Ephemeral topics: what is published is told to all processes that listen now, and nothing
    is kept. It may be lost on the way to another process, and never comes twice.
    """

    def relay(self, publications: Sequence[Publication], now: float) -> None:
        """Tell publications to every listener, here and in other processes; never waits."""

    def listen_relayed(self, receive: Relayed) -> Callable[[], None]:
        """Call ``receive`` with what is relayed from now on; returns what ends that."""


@runtime_checkable
class Facts(Protocol):
    """A few small durable values shared by all processes: the secret, the catalogue of tasks."""

    async def fact(self, name: str) -> bytes | None:
        """The value under this name."""

    async def set_fact(self, name: str, value: bytes, *, replace: bool = True) -> bytes:
        """Store a value unless there is one and ``replace`` is false; returns what is stored. Of
        concurrent calls that do not replace, one stores its value and all return that.
        """


@runtime_checkable
class Connections(Protocol):
    """WebSockets that a gateway holds, for functions that hold nothing.

    Whoever sends on a connection holds it: one at a time, for ``LEASE`` seconds unless it saves.
    Who finds it held leaves word, and need do no more: the holder looks again before it lets go.
    """

    async def open_connection(self, connection: Connection) -> None:
        """Store a connection that was opened; the stream tells of it (``Changes.opened``)."""

    async def find_connection(self, id: str, now: float) -> tuple[Connection, bool] | None:
        """A connection as it stands, and whether somebody who held it died over it; None: it is
        closed.
        """

    async def hold_connection(self, id: str, holder: str, now: float) -> Held | None:
        """Take the right to send, or find out that somebody has it: then the ``holder`` of the
        answer is another, and learns that there is news. None: it is closed.
        """

    async def save_connection(
        self, held: Held, now: float, *, release: bool, unfinished: bool = False
    ) -> Held | None:
        """Store what became of it, and let go with ``release``: but not while there is news that
        ``held`` does not know; then the answer has it, and nothing was stored. Otherwise the
        answer is ``held``, or None if it is held no more. ``unfinished`` has the stream tell of it
        (``Changes.unfinished``).
        """

    async def close_connection(self, id: str) -> None:
        """Forget a connection and what it follows. Idempotent."""

    async def add_follower(self, id: str, filter: str, *, pattern: bool) -> None:
        """Note that a connection follows a filter."""

    async def remove_follower(self, id: str, filter: str, *, pattern: bool) -> None:
        """Do so no more. Idempotent."""

    async def followers(self, topic: str, after: str = "") -> Sequence[str]:
        """The connections that follow a topic by its own name; those behind an id, in order."""

    async def pattern_followers(self) -> Sequence[tuple[str, str]]:
        """All that follow patterns, as (filter, connection)."""


@runtime_checkable
class Streamed(Protocol):
    """A store that hands its changes to functions."""

    def changes(self, records: Sequence[Mapping[str, Any]]) -> Changes:
        """What records of the stream tell, in their order."""

    async def take_passing(self, key: str) -> bool:
        """Whether the caller is the one who tells messages of ephemeral topics: true once. Of a
        ``Rest``, whether it was there; it is no more.
        """

    async def hand_on(self, rest: Rest) -> None:
        """Have the stream tell of who is still to be told (``Changes.rests``)."""

    async def flush(self) -> None:
        """Wait until all that was begun is done: what nobody waits for any more is stored, queues
        are told, and ephemeral messages sent. A function that ends is frozen.
        """


class FullEngine(
    Engine, Leases, Listing, Retention, Hints, Publishing, Journal, Relay, Facts, Protocol
):
    """What the embedded and the cluster home bring along."""
