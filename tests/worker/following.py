"""Submitting and looking, for the tests of the worker."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec

from ringback import OperationState, Ringback
from ringback.core.model import Kind, Message, Position
from tests.serving import until

LIMIT = 60.0
"""Seconds for whatever has to happen, on a busy machine."""


async def ended(rb: Ringback, task: str, input: object = None, **how: Any) -> OperationState:
    """Submit, and wait for the end."""
    accepted = await rb.submit(task, input, **how)
    return await rb.wait(accepted.id, LIMIT)


async def log_of(rb: Ringback, operation: str) -> list[Message]:
    """All messages of an operation's log."""
    engine = rb.started.service.engine
    topic, messages = f"operations/{operation}", list[Message]()
    position = Position(engine.epoch, 0)
    while True:
        page = await engine.read(topic, position, 500)
        if not page.messages:
            return messages
        messages += page.messages
        position = page.position


async def parts_of(rb: Ringback, operation: str) -> list[dict[str, Any]]:
    """The partial results in an operation's log, of all attempts."""
    messages = await log_of(rb, operation)
    return [json.loads(each.data) for each in messages if each.kind is Kind.PART]


async def topic(rb: Ringback, name: str) -> list[Any]:
    """What was published to a topic."""
    page = await rb.started.service.engine.read(name, None, 1000)
    return [json.loads(each.data) for each in page.messages]


async def appears(*paths: Path) -> None:
    """Wait until files are there."""
    for path in paths:
        await until(path.exists, LIMIT, every=0.005)


async def becomes(rb: Ringback, operation: str, **fields: object) -> OperationState:
    """Wait until an operation has these fields."""

    async def so() -> OperationState | None:
        state = await rb.get(operation)
        return state if all(getattr(state, name) == fields[name] for name in fields) else None

    found: OperationState = await until(so, LIMIT, every=0.005)
    return found


def problem(state: OperationState) -> dict[str, Any]:
    """The error that the caller is told."""
    found: dict[str, Any] = msgspec.json.decode(state.error or b"{}")
    return found


class Pulse:
    """Whether the event loop turns, and how often."""

    def __init__(self) -> None:
        self.beats = 0

    async def __aenter__(self) -> "Pulse":
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.beats += 1
