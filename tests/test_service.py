"""What the service decides between a look and a change, when the operation moves meanwhile."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from ringback import Operation, Ringback
from ringback.app import Running
from ringback.core.commands import Cancel
from ringback.core.model import OperationState
from ringback.errors import StaleVersion
from tests.serving import until


def application(data: Path, gate: asyncio.Event) -> Ringback:
    app = Ringback("service", data=data, grace=0)

    @app.task
    async def steps(op: Operation) -> None:
        await op.send(1)
        await op.send(2)
        await gate.wait()
        await op.send(3)

    return app


async def halfway(app: Ringback, running: Running) -> OperationState:
    operation = await app.submit("steps")

    async def look() -> OperationState | None:
        state = await running.service.engine.load(operation.id)
        return state if state.part_count == 2 else None

    state: OperationState = await until(look)
    return state


async def test_the_parts_of_a_state_are_those_it_had(data: Path) -> None:
    """Else a stream that begins with a snapshot would bring the later ones twice."""
    gate = asyncio.Event()
    app = application(data, gate)
    async with app.running() as running:
        state = await halfway(app, running)
        gate.set()
        ended = await app.wait(state.id, 20)
        assert ended.part_count == 3
        parts = await running.service.parts(state)
        assert [msgspec.json.decode(part)["data"] for part in parts] == [1, 2]
        later, _ = await running.service.parts_after(ended, running.service.position(state))
        assert [msgspec.json.decode(part)["data"] for part in later] == [3]


async def test_what_was_decided_on_another_version_is_not_done(data: Path) -> None:
    gate = asyncio.Event()
    app = application(data, gate)
    async with app.running() as running:
        state = await halfway(app, running)
        gate.set()
        ended = await app.wait(state.id, 20)
        with pytest.raises(StaleVersion) as caught:
            await running.service.apply(state, Cancel(), exact=True)
        assert caught.value.fields == {"version": ended.version}
        assert await running.service.apply(state, Cancel()) == ended  # decided anew: nothing to do
