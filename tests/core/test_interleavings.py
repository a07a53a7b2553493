"""Any interleaving leaves one end and a whole log, by the core's decisions alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import settings

from ringback.core.lifecycle import claim
from ringback.core.model import Change, OperationState, Status
from ringback.core.retry import lease_over
from ringback.errors import Conflict
from tests.core.interleavings import Entry, Interleavings, Store
from tests.thorough import examples


class Dictionary:
    """The rule of `Engine.commit`, and nothing else of an engine."""

    def __init__(self) -> None:
        self._states: dict[str, OperationState] = {}
        self._logs: dict[str, list[Entry]] = {}

    def commit(self, change: Change) -> None:
        state = change.after
        if change.before is not None:
            stored = self._states[state.id]
            before = change.before
            if (stored.version, stored.status, stored.attempt) != (
                before.version,
                before.status,
                before.attempt,
            ):
                raise Conflict
            if change.lease is not None and change.lease != stored.lease_until:
                raise Conflict
            if state.lease_until == before.lease_until:  # a renewal beside is kept
                state = msgspec.structs.replace(state, lease_until=stored.lease_until)
        log = self._logs.setdefault(state.id, [])
        for offset, draft in enumerate(change.messages, len(log) + 1):
            log.append((offset, draft.kind, draft.data))
        for stored in (state, *change.operations):
            self._states[stored.id] = stored

    def claim(self, worker: str, limit: int, now: float) -> Sequence[OperationState]:
        ready = [
            state
            for state in self._states.values()
            if state.status is Status.QUEUED and state.ready_at <= now
        ]
        changes = [claim(state, worker, now) for state in ready[:limit]]
        for change in changes:
            self.commit(change)
        return [change.after for change in changes]

    def load(self, operation: str) -> OperationState:
        return self._states[operation]

    def renew(self, leases: Sequence[tuple[str, int]], now: float) -> frozenset[str]:
        lost = set()
        for operation, attempt in leases:
            state = self._states[operation]
            if (state.status, state.attempt) != (Status.RUNNING, attempt):
                lost.add(operation)
                continue
            until = now + state.policy.lease
            self._states[operation] = msgspec.structs.replace(state, lease_until=until)
        return frozenset(lost)

    def overdue(self, now: float) -> Sequence[OperationState]:
        return [
            state
            for state in self._states.values()
            if state.status is Status.RUNNING and lease_over(state, now)
        ]

    def log(self, operation: str) -> Sequence[Entry]:
        return self._logs.get(operation, [])

    def close(self) -> None:
        self._states.clear()


class Decisions(Interleavings):
    def make_store(self) -> Store:
        return Dictionary()


TestDecisions = Decisions.TestCase
TestDecisions.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None)
