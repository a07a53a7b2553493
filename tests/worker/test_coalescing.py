"""Progress is coalesced: many reports are few commits, and the loop keeps its turns."""

import asyncio
import json
from pathlib import Path

import pytest

from ringback import Operation, Ringback, Status
from ringback.core.model import Change
from ringback.core.model import Kind as Message
from ringback.engines.sqlite import SqliteEngine
from ringback.worker import attempt as attempts
from tests.worker.following import (
    Pulse,
    becomes,
    ended,
    log_of,
)
from tests.worker.jobs import KINDS, MANY, Kind, twin


@pytest.mark.parametrize("kind", KINDS)
async def test_progress_in_a_tight_loop_costs_next_to_nothing(data: Path, kind: Kind) -> None:
    rb = Ringback(data=data)
    rb.task(name="hurry", run_in=kind)(twin("hurry", kind))
    async with rb.running():
        state = await ended(rb, "hurry")
        log = await log_of(rb, state.id)
    assert (state.status, state.result) == (Status.SUCCEEDED, b"%d" % MANY)
    told = [json.loads(each.data) for each in log if each.kind is Message.PROGRESS]
    took = (state.finished_at or 0) - (state.started_at or 0)
    assert len(told) <= took / attempts.FLUSH_EVERY + 3, "coalesced: a few a second"
    assert told[-1] == {"attempt": 1, "fraction": told[-1]["fraction"], "message": "the last"}
    assert state.progress_message == "the last"


async def test_progress_is_stored_no_oftener_than_people_see(data: Path) -> None:
    rb = Ringback(data=data)

    @rb.task
    async def tick(op: Operation) -> None:
        for call in range(300):
            await op.progress(call / 300)
            await asyncio.sleep(0.002)

    async with rb.running():
        state = await ended(rb, "tick")
        log = await log_of(rb, state.id)
    told = sum(each.kind is Message.PROGRESS for each in log)
    took = (state.finished_at or 0) - (state.started_at or 0)
    assert 1 < told <= took / attempts.FLUSH_EVERY + 3


async def test_a_tight_loop_leaves_the_event_loop_its_turns(data: Path) -> None:
    rb = Ringback(data=data)

    @rb.task
    async def hurry(op: Operation) -> int:
        async with Pulse() as pulse:
            await asyncio.sleep(0)
            for call in range(MANY):
                await op.progress(call / MANY)
            return pulse.beats

    async with rb.running():
        state = await ended(rb, "hurry")
    assert int(state.result or b"0") > 3


class Slow(SqliteEngine):
    """Takes long to store the first progress."""

    async def _late(self, change: Change) -> None:
        await asyncio.sleep(5 * attempts.FLUSH_EVERY)
        await super().commit(change)

    def commit(self, change: Change) -> asyncio.Future[None]:
        if change.after.progress == 0.25:
            return asyncio.ensure_future(self._late(change))
        return super().commit(change)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_told_while_the_store_is_slow_is_stored_next(
    data: Path, tmp_path: Path, kind: Kind
) -> None:
    rb = Ringback(data=data)
    rb.task(name="tell_twice", run_in=kind)(twin("tell_twice", kind))
    flag = tmp_path / "flag"
    async with rb.running(engine=Slow(data)):
        accepted = await rb.submit("tell_twice", {"flag": flag})
        try:
            await becomes(rb, accepted.id, progress=0.75)
        finally:
            flag.touch()
