"""Any interleaving of workers, callers and upkeep: a machine that hypothesis drives.

It acts as the service and its workers do: a command is decided on what its sender last saw,
which may be stale, and decided anew on a conflict. The store is the subclass's: a dictionary for
the core alone, an engine for the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ringback.core.commands import (
    Cancel,
    Command,
    Expire,
    Fail,
    Redrive,
    Release,
    Report,
    Stop,
    Succeed,
)
from ringback.core.lifecycle import accept, decide
from ringback.core.model import Change, Kind, OperationState, Policy, Publication, Status
from ringback.core.retry import lease_over
from ringback.errors import Conflict, LeaseLost, TransitionError
from tests.core.states import NOW, PROBLEM, operation

POLICY = Policy(max_attempts=3, backoff_base=2.0, lease=10.0)
RESUMABLE = msgspec.structs.replace(POLICY, resumable=True)

Entry = tuple[int, Kind, bytes]
"""A message of a log: its offset, what it is, and its data."""


class Store(Protocol):
    """What the machine asks of a store; the parts of the port that matter to it."""

    def commit(self, change: Change) -> None: ...

    def claim(self, worker: str, limit: int, now: float) -> Sequence[OperationState]: ...

    def load(self, operation: str) -> OperationState: ...

    def renew(self, leases: Sequence[tuple[str, int]], now: float) -> frozenset[str]: ...

    def overdue(self, now: float) -> Sequence[OperationState]: ...

    def log(self, operation: str) -> Sequence[Entry]: ...

    def close(self) -> None: ...


class Interleavings(RuleBasedStateMachine):
    """Workers that are slow, stale, dead or stopping, on a few operations."""

    def make_store(self) -> Store:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.store = self.make_store()
        self.now = NOW
        self.ids: list[str] = []
        self.held: list[OperationState] = []
        """What workers were given, as they saw it last; those that lost it do not know yet."""
        self.looked: list[OperationState] = []
        """What upkeep found to be overdue, when it looked."""
        self.ended: dict[str, OperationState] = {}
        self.parts: dict[tuple[str, int], list[bytes]] = {}
        """What was acknowledged, by operation and attempt."""

    def apply(self, seen: OperationState, command: Command) -> OperationState | None:
        """Decide and commit as the service does; None when it was refused."""
        while True:
            try:
                change = decide(seen, command, self.now)
            except (LeaseLost, TransitionError):
                return None
            if change is None:
                return seen
            try:
                self.store.commit(change)
            except Conflict:
                seen = self.store.load(seen.id)
                continue
            self.ids += [caused.id for caused in change.operations]
            return change.after

    def act(self, index: int, command: Command) -> OperationState | None:
        """A worker's command, on an operation it believes to hold."""
        seen = self.held[index % len(self.held)]
        current = self.store.load(seen.id)
        counts = current.status is Status.RUNNING and current.attempt == seen.attempt
        command = msgspec.structs.replace(command, attempt=seen.attempt)
        after = self.apply(seen, command)
        assert (after is not None) == counts, "a command counts exactly while its attempt runs"
        if after is None or after.status is not Status.RUNNING:
            self.held.remove(seen)
        else:
            self.held[self.held.index(seen)] = after
        return after

    @rule(resumable=st.booleans())
    @precondition(lambda self: len(self.ids) < 8)
    def submit(self, resumable: bool) -> None:
        state = operation(self.now, RESUMABLE if resumable else POLICY)
        self.store.commit(accept(state))
        self.ids.append(state.id)

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        given = self.store.claim("worker", limit, self.now)
        assert len(given) <= limit
        for state in given:
            assert state.ready_at <= self.now
            assert state.lease_until == self.now + state.policy.lease
            assert self.store.load(state.id) == state
        self.held += given

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.0, 11.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 9), parts=st.integers(0, 2), publish=st.booleans())
    def report(self, index: int, parts: int, publish: bool) -> None:
        seen = self.held[index % len(self.held)]
        sent = self.parts.setdefault((seen.id, seen.attempt), [])
        data = tuple(b"%d" % number for number in range(len(sent), len(sent) + parts))
        publications = (Publication("news", b"1"),) if publish else ()
        report = Report(attempt=0, progress=0.5, parts=data, publications=publications)
        if self.act(index, report) is not None:
            sent.extend(data)

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 9), last_words=st.booleans())
    def succeed(self, index: int, last_words: bool) -> None:
        seen = self.held[index % len(self.held)]
        report = Report(attempt=seen.attempt, progress=0.9) if last_words else None
        self.act(index, Succeed(attempt=0, result=b'"done"', report=report))

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 9), retryable=st.booleans(), jitter=st.floats(0, 0.99))
    def fail(self, index: int, retryable: bool, jitter: float) -> None:
        self.act(index, Fail(attempt=0, problem=PROBLEM, retryable=retryable, jitter=jitter))

    @precondition(lambda self: self.held)
    @rule(index=st.integers(0, 9), command=st.sampled_from([Release(0), Stop(0)]))
    def give_back(self, index: int, command: Command) -> None:
        self.act(index, command)

    @precondition(lambda self: self.held)
    @rule()
    def renew(self) -> None:
        leases = [(state.id, state.attempt) for state in self.held]
        lost = self.store.renew(leases, self.now)
        for seen in list(self.held):
            current = self.store.load(seen.id)
            counts = current.status is Status.RUNNING and current.attempt == seen.attempt
            if counts:
                assert current.lease_until == self.now + current.policy.lease
            elif not any(
                other.id == seen.id and other.attempt == current.attempt for other in self.held
            ):
                assert seen.id in lost
                self.held.remove(seen)

    @rule()
    def look(self) -> None:
        """Upkeep notes what is overdue, and acts on it later, by what it saw."""
        self.looked += self.store.overdue(self.now)

    @rule()
    def expire(self) -> None:
        looked, self.looked = self.looked or list(self.store.overdue(self.now)), []
        for state in looked:
            current = self.store.load(state.id)
            over = lease_over(current, self.now) and current.attempt == state.attempt
            after = self.apply(state, Expire(state.attempt, 0.5))
            if current.status is Status.RUNNING and not over:
                assert after is None or after.lease_until == current.lease_until
                assert self.store.load(state.id) == current, "it was alive"

    @precondition(lambda self: self.held)
    @rule()
    def renew_late(self) -> None:
        """A worker renews after its lease was over, while upkeep is about to act on that."""
        self.now += 1000.0
        self.look()
        self.renew()
        self.expire()

    @rule(worker=st.sampled_from(["other", "third"]))
    def overtake(self, worker: str) -> None:
        """The leases of all run out, and another worker takes what it can."""
        self.now += 1000.0
        self.expire()
        self.held += self.store.claim(worker, 9, self.now)

    @precondition(lambda self: self.ids)
    @rule(index=st.integers(0, 40))
    def cancel(self, index: int) -> None:
        if index < len(self.ids):
            self.apply(self.store.load(self.ids[index]), Cancel())

    @rule(index=st.integers(0, 9))
    def redrive(self, index: int) -> None:
        dead = [number for number in self.ids if self.store.load(number).dead_letter]
        if dead:
            state = self.store.load(dead[index % len(dead)])
            assert self.apply(state, Redrive(operation().id)) is not None

    @invariant()
    def logs_are_whole(self) -> None:
        for number in self.ids:
            state = self.store.load(number)
            log = self.store.log(number)
            assert [offset for offset, _, _ in log] == list(range(1, state.version + 1))
            told = [msgspec.json.decode(data) for _, kind, data in log if kind is Kind.STATUS]
            assert not told or told[-1]["status"] == state.status
            self._parts_are_whole(state, log)
            if not state.terminal:
                assert number not in self.ended, "what ended goes on"
                assert state.failures < state.policy.max_attempts
                continue
            ends = {each["status"] for each in told if each["status"] not in ("queued", "running")}
            assert ends == {state.status}
            first = self.ended.setdefault(number, state)
            for field in ("status", "result", "error", "finished_at", "attempt", "part_count"):
                assert getattr(state, field) == getattr(first, field)

    def _parts_are_whole(self, state: OperationState, log: Sequence[Entry]) -> None:
        """What was acknowledged is there, in order and once; and nothing else is."""
        parts = [msgspec.json.decode(data) for _, kind, data in log if kind is Kind.PART]
        for attempt in range(1, state.attempt + 1):
            stored = [part for part in parts if part["attempt"] == attempt]
            sent = self.parts.get((state.id, attempt), [])
            assert [b"%d" % part["data"] for part in stored] == sent
            if not state.policy.resumable:
                assert [part["index"] for part in stored] == list(range(len(sent)))
        if state.policy.resumable:
            assert [part["index"] for part in parts] == list(range(len(parts)))

    def teardown(self) -> None:
        """Nothing hangs: one worker that does its work brings everything to an end."""
        try:
            for _ in range(20):
                self.now += 1000.0
                self.looked = []
                self.expire()
                for state in self.store.claim("last", 10, self.now):
                    self.apply(state, Succeed(attempt=state.attempt, result=b"1"))
            assert all(self.store.load(number).terminal for number in self.ids)
            self.logs_are_whole()
        finally:
            self.store.close()
