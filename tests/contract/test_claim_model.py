"""`Engine.claim` against the plainest program that does what its contract says.

The model looks at every queued operation, in order, each time; the engine must give the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.core.commands import Cancel, Fail, Release
from ringback.core.lifecycle import accept
from ringback.core.model import Demand, OperationState, Policy
from ringback.ports import FullEngine
from tests.contract.acts import apply, finish, ids
from tests.contract.homes import Home, some
from tests.core.states import NOW, PROBLEM, operation
from tests.thorough import examples

POLICIES = [
    Policy(),
    Policy(concurrency=2),
    Policy(concurrency=4),
    Policy(concurrency_per_key=1),
    Policy(concurrency_per_key=2, concurrency=5),
    Policy(rate_per_key=0.1),
    Policy(rate_per_key=0.05, concurrency_per_key=1),
]
TASKS = ["a", "b"]

submissions = st.tuples(
    st.sampled_from(TASKS),
    st.sampled_from(POLICIES),
    st.sampled_from(["x", "y", "z", None]),
    st.integers(-1, 1),
    st.sampled_from([0.0, 0.0, 5.0, 50.0]),
)
"""Task, policy, key, priority, and how long to wait."""
steps = st.one_of(
    st.tuples(st.just("submit"), st.lists(submissions, min_size=1, max_size=12)),
    st.tuples(st.just("claim"), st.tuples(st.integers(1, 8), st.integers(0, 4), st.integers(0, 4))),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 6.0, 11.0, 100.0])),
    st.tuples(st.just("succeed"), st.integers(0, 99)),
    st.tuples(st.just("fail"), st.integers(0, 99)),
    st.tuples(st.just("release"), st.integers(0, 99)),
    st.tuples(st.just("cancel"), st.integers(0, 99)),
)


class Model:
    """Queued and running operations, in the order of their acceptance."""

    def __init__(self) -> None:
        self.queued: list[OperationState] = []
        self.running: list[OperationState] = []
        self.rank: dict[str, int] = {}
        self.turn: dict[tuple[str, str], float] = {}

    def ready_at(self, state: OperationState) -> float:
        if state.policy.rate_per_key is None or state.limit_key is None:
            return state.ready_at
        return max(state.ready_at, self.turn.get((state.task, state.limit_key), 0.0))

    def place(self, state: OperationState) -> tuple[int, float, int]:
        return -state.priority, self.ready_at(state), self.rank[state.id]

    def eligible(self, state: OperationState, given: list[OperationState], now: float) -> bool:
        policy, key = state.policy, state.limit_key
        busy = [each for each in (*self.running, *given) if each.task == state.task]
        if self.ready_at(state) > now:
            return False
        if policy.concurrency is not None and len(busy) >= policy.concurrency:
            return False
        if key is None:
            return True
        rated = [each.limit_key for each in given if each.policy.rate_per_key is not None]
        if policy.rate_per_key is not None and key in rated:
            return False
        same = [each for each in busy if each.limit_key == key]
        per_key = policy.concurrency_per_key
        return per_key is None or len(same) < per_key

    def claim(self, demands: list[Demand], limit: int, now: float) -> list[str]:
        """What the contract says: the best of each task within its slots, then of all."""
        best = []
        for task, slots in [(demand.task, demand.slots) for demand in demands]:
            given: list[OperationState] = []
            for state in sorted((s for s in self.queued if s.task == task), key=self.place):
                if len(given) < min(slots, limit) and self.eligible(state, given, now):
                    given.append(state)
            best += given
        return ids(sorted(best, key=self.place)[:limit])

    def next_ready_at(self, demands: list[Demand], limit: int, now: float) -> float | None:
        """When time alone makes a further one eligible, with the slots that are left."""
        times = sorted({self.ready_at(state) for state in self.queued})
        later = (time for time in times if time > now)
        return next((time for time in later if self.claim(demands, limit, time)), None)

    def started(self, state: OperationState, now: float) -> None:
        self.queued = [each for each in self.queued if each.id != state.id]
        self.running.append(state)
        if state.policy.rate_per_key is not None and state.limit_key is not None:
            self.turn[state.task, state.limit_key] = now + 1 / state.policy.rate_per_key

    def changed(self, state: OperationState) -> None:
        self.queued = [each for each in self.queued if each.id != state.id]
        self.running = [each for each in self.running if each.id != state.id]
        if not state.terminal:
            self.queued.append(state)


async def play(engine: FullEngine, story: list[tuple[str, Any]], now: float) -> float:
    """Act out a story, on tasks of its own; returns when it ended."""
    model, tale = Model(), operation().id
    for action, what in story:
        match action:
            case "submit":
                for task, policy, limit_key, priority, delay in what:
                    state = operation(
                        now,
                        policy,
                        task=tale + task,
                        limit_key=limit_key,
                        priority=priority,
                        ready_at=now + delay,
                    )
                    await engine.accept(accept(state), None)
                    model.rank[state.id] = len(model.rank)
                    model.queued.append(state)
            case "claim":
                limit, *slots = what
                demands = [Demand(tale + task, n) for task, n in zip(TASKS, slots, strict=True)]
                expected = model.claim(demands, limit, now)
                claimed = await engine.claim("w", demands, limit, now)
                assert ids(claimed.operations) == expected
                for state in claimed.operations:
                    model.started(state, now)
                tasks = [state.task for state in claimed.operations]
                if len(expected) < limit:
                    left = [
                        Demand(demand.task, demand.slots - tasks.count(demand.task))
                        for demand in demands
                    ]
                    soonest = model.next_ready_at(left, limit - len(expected), now)
                    told = claimed.next_ready_at
                    assert told is None or told > now
                    assert soonest is None or (told is not None and told <= soonest)
            case "wait":
                now += what
            case "cancel" if model.queued:
                state = model.queued[what % len(model.queued)]
                model.changed(await apply(engine, state, Cancel(), now))
            case "succeed" | "fail" | "release" if model.running:
                state = model.running[what % len(model.running)]
                if action == "succeed":
                    state = await finish(engine, state, now)
                else:
                    failed = Fail(attempt=state.attempt, problem=PROBLEM, jitter=0.5)
                    command = failed if action == "fail" else Release(state.attempt)
                    state = await apply(engine, state, command, now)
                model.changed(state)
            case _:
                continue
    return now


def test_the_engine_gives_what_the_contract_says(home: Home) -> None:
    with asyncio.Runner() as runner:
        engine = runner.run(home.engine().__aenter__())
        now = NOW

        @settings(max_examples=some(home, examples(100), 10), deadline=None)
        @given(story=st.lists(steps, min_size=4, max_size=30))
        def holds(story: list[tuple[str, Any]]) -> None:
            nonlocal now
            now = runner.run(play(engine, story, now)) + 1

        try:
            holds()
        finally:
            runner.run(engine.__aexit__())
