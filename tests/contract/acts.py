"""What the contract's tests do to an engine, in the domain's words."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from ringback.core.commands import Claim, Command, Succeed
from ringback.core.lifecycle import accept, decide
from ringback.core.model import (
    Claimed,
    Demand,
    IdempotencyRecord,
    Message,
    OperationState,
    Policy,
    Position,
)
from ringback.ports import Engine, FullEngine
from tests.core.states import NOW, operation

DAY = 86400.0
MANY = 1000


def key(name: str, payload: str = "same", expires_at: float = NOW + DAY) -> IdempotencyRecord:
    """The record of an idempotency key."""
    return IdempotencyRecord(
        scope=hashlib.blake2b(name.encode(), digest_size=16).digest(),
        payload=hashlib.blake2b(payload.encode(), digest_size=16).digest(),
        expires_at=expires_at,
    )


async def submit(
    engine: Engine, now: float = NOW, policy: Policy | None = None, **fields: Any
) -> OperationState:
    """A new operation, stored."""
    return (await engine.accept(accept(operation(now, policy, **fields)), None)).operation


async def submit_all(engine: Engine, states: Sequence[OperationState]) -> None:
    """Many at once, accepted in this order."""
    for start in range(0, len(states), MANY):
        batch = states[start : start + MANY]
        await asyncio.gather(*[engine.accept(accept(state), None) for state in batch])


async def take(
    engine: Engine, limit: int = MANY, now: float = NOW, tasks: Sequence[str] = ("task",)
) -> Claimed:
    """Claim for a worker that has room for all of these tasks."""
    return await engine.claim("worker", [Demand(task, limit) for task in tasks], limit, now)


async def start(engine: Engine, now: float = NOW, **fields: Any) -> OperationState:
    """A new operation, running."""
    state = await submit(engine, now, **fields)
    claimed = await take(engine, now=now, tasks=(state.task,))
    (taken,) = [each for each in claimed.operations if each.id == state.id]
    return taken


async def apply(
    engine: Engine, state: OperationState, command: Command, now: float = NOW
) -> OperationState:
    """One command, decided and committed."""
    assert not isinstance(command, Claim), "claiming is the engine's"
    change = decide(state, command, now)
    assert change is not None
    await engine.commit(change)
    return change.after


async def finish(engine: Engine, state: OperationState, now: float = NOW) -> OperationState:
    """It succeeds."""
    return await apply(engine, state, Succeed(attempt=state.attempt, result=b'"done"'), now)


async def whole_log(
    engine: Engine, topic: str, after: Position | None = None, limit: int = 7
) -> list[Message]:
    """All messages after a position, a page at a time; no page says that there is a gap."""
    messages: list[Message] = []
    while True:
        page = await engine.read(topic, after, limit)
        assert not page.gap
        if not page.messages:
            return messages
        messages += page.messages
        after = page.position


def offsets(messages: Sequence[Message]) -> list[int]:
    return [message.position.offset for message in messages]


def ids(states: Sequence[OperationState]) -> list[str]:
    return [state.id for state in states]


async def sweep(engine: FullEngine, now: float) -> int:
    """All there is to delete; how many rows went."""
    gone = 0
    while count := await engine.sweep(now):
        gone += count
    return gone
