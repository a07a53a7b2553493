"""Any interleaving leaves one end and a whole log, on a real engine."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from ringback.core.model import Change, Demand, OperationState
from tests.contract.acts import whole_log
from tests.contract.homes import HOMES, WHICH, Home, some
from tests.core.interleavings import Entry, Interleavings, Store

T = TypeVar("T")


class EngineStore:
    """Two engines on one store, used in turn, as two processes would."""

    def __init__(self, make: Callable[[Path], Home]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        home = make(Path(self._folder.name) / "store")
        self._runner = asyncio.Runner()
        self._engines = [self._run(home.engine().__aenter__()) for _ in range(2)]

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(what)

    def _next(self) -> Any:
        self._engines.reverse()
        return self._engines[0]

    def commit(self, change: Change) -> None:
        async def commit() -> None:
            if change.before is None:
                await self._next().accept(change, None)
            else:
                await self._next().commit(change)

        self._run(commit())

    def claim(self, worker: str, limit: int, now: float) -> Sequence[OperationState]:
        async def claim() -> Sequence[OperationState]:
            claimed = await self._next().claim(worker, [Demand("task", limit)], limit, now)
            given: Sequence[OperationState] = claimed.operations
            return given

        return self._run(claim())

    def load(self, operation: str) -> OperationState:
        state: OperationState = self._run(self._next().load(operation))
        return state

    def renew(self, leases: Sequence[tuple[str, int]], now: float) -> frozenset[str]:
        lost: frozenset[str] = self._run(self._next().renew(leases, now))[0]
        return lost

    def overdue(self, now: float) -> Sequence[OperationState]:
        found: Sequence[OperationState] = self._run(self._next().overdue(now, 100))
        return found

    def log(self, operation: str) -> Sequence[Entry]:
        messages = self._run(whole_log(self._next(), f"operations/{operation}"))
        return [(message.position.offset, message.kind, message.data) for message in messages]

    def close(self) -> None:
        for engine in self._engines:
            self._run(engine.__aexit__())
        self._runner.close()
        self._folder.cleanup()


@pytest.mark.parametrize("name", WHICH)
def test_any_interleaving_on_an_engine(name: str) -> None:
    class OnEngine(Interleavings):
        def make_store(self) -> Store:
            return EngineStore(made)

    made = HOMES[name]
    run_state_machine_as_test(
        OnEngine,
        settings=settings(
            max_examples=some(made, 10, 2), stateful_step_count=some(made, 40), deadline=None
        ),
    )
