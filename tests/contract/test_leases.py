"""`Leases`: keeping running operations, and finding those whose worker is gone."""

from __future__ import annotations

import pytest

from ringback.core.commands import Cancel, Expire, Release, Report
from ringback.core.lifecycle import decide
from ringback.core.model import Policy, Status
from ringback.errors import Conflict
from ringback.ports import FullEngine
from tests.contract.acts import apply, finish, ids, start, submit, take, whole_log
from tests.core.states import NOW, operation

SHORT = Policy(lease=10.0)


async def test_a_lease_is_extended_by_its_length_from_now(engine: FullEngine) -> None:
    state = await start(engine, policy=SHORT)
    other = await start(engine, policy=Policy(lease=60.0))
    leases = [(state.id, 1), (other.id, 1)]
    assert await engine.renew(leases, NOW + 5) == (frozenset(), frozenset())
    renewed = await engine.load(state.id)
    assert renewed.lease_until == NOW + 15
    assert (await engine.load(other.id)).lease_until == NOW + 65
    assert (renewed.version, renewed.updated_at) == (state.version, state.updated_at)
    assert len(await whole_log(engine, state.topic)) == 1


async def test_a_lease_that_is_over_is_renewed_while_nobody_took_it(engine: FullEngine) -> None:
    state = await start(engine, policy=SHORT)
    assert await engine.overdue(NOW + 100, 10) == [state]
    lost, _ = await engine.renew([(state.id, 1)], NOW + 100)
    assert lost == frozenset()
    assert await engine.overdue(NOW + 100, 10) == []


async def test_what_is_lost_is_told(engine: FullEngine) -> None:
    done = await finish(engine, await start(engine))
    released = await start(engine)
    await apply(engine, released, Release(1))
    retaken = await start(engine)
    assert retaken.id != released.id
    kept = await start(engine)
    unknown = operation()
    leases = [(each.id, 1) for each in (done, released, kept, unknown)] + [(retaken.id, 2)]
    lost, cancelled = await engine.renew(leases, NOW)
    assert lost == {done.id, released.id, unknown.id, retaken.id}
    assert cancelled == frozenset()


async def test_what_is_to_be_cancelled_is_told_and_renewed(engine: FullEngine) -> None:
    state = await start(engine, policy=SHORT)
    await apply(engine, state, Cancel())
    lost, cancelled = await engine.renew([(state.id, 1)], NOW + 5)
    assert (lost, cancelled) == (frozenset(), frozenset({state.id}))
    assert (await engine.load(state.id)).lease_until == NOW + 15


async def test_renewing_nothing(engine: FullEngine) -> None:
    assert await engine.renew([], NOW) == (frozenset(), frozenset())


async def test_a_report_never_sets_a_renewed_lease_back(
    engine: FullEngine, neighbour: FullEngine
) -> None:
    """Reports are decided on what the attempt knows, which is older than the last heartbeat."""
    state = await start(engine, policy=SHORT)
    await neighbour.renew([(state.id, 1)], NOW + 9)
    after = await apply(engine, state, Report(attempt=1, progress=0.5), NOW + 9)
    assert after.lease_until == NOW + 10, "it does not know of the renewal"
    assert (await engine.load(state.id)).lease_until == NOW + 19
    await apply(engine, after, Cancel(), NOW + 9)
    assert (await engine.load(state.id)).lease_until == NOW + 19
    assert await engine.overdue(NOW + 18, 10) == []


async def test_what_was_renewed_meanwhile_is_not_expired(engine: FullEngine) -> None:
    state = await start(engine, policy=SHORT)
    (overdue,) = await engine.overdue(NOW + 11, 10)
    change = decide(overdue, Expire(1), NOW + 11)
    assert change is not None
    await engine.renew([(state.id, 1)], NOW + 11)
    with pytest.raises(Conflict):
        await engine.commit(change)
    renewed = await engine.load(state.id)
    assert (renewed.status, renewed.lease_until) == (Status.RUNNING, NOW + 21)
    assert decide(renewed, Expire(1), NOW + 11) is None


async def test_what_was_expired_first_is_lost_to_its_worker(engine: FullEngine) -> None:
    state = await start(engine, policy=SHORT)
    await apply(engine, state, Expire(1), NOW + 11)
    lost, _ = await engine.renew([(state.id, 1)], NOW + 11)
    assert lost == {state.id}
    (again,) = (await take(engine, now=NOW + 11)).operations
    assert (again.id, again.attempt) == (state.id, 2)
    lost, _ = await engine.renew([(state.id, 1)], NOW + 12)
    assert lost == {state.id}
    assert (await engine.load(state.id)).lease_until == again.lease_until


async def test_an_operation_is_expired_once(engine: FullEngine, neighbour: FullEngine) -> None:
    """Though every process looks for leases that are over."""
    state = await start(engine, policy=SHORT)
    changes = []
    for each in (engine, neighbour):
        (overdue,) = await each.overdue(NOW + 11, 10)
        changes.append((each, decide(overdue, Expire(1), NOW + 11)))
    (one, first), (other, second) = changes
    assert first is not None
    assert second is not None
    await one.commit(first)
    with pytest.raises(Conflict):
        await other.commit(second)
    assert (await engine.load(state.id)).failures == 1


async def test_overdue_is_what_runs_and_whose_lease_is_over(engine: FullEngine) -> None:
    await submit(engine, task="other")
    running = [await start(engine, NOW + number, policy=SHORT) for number in range(4)]
    await finish(engine, running[0])
    assert await engine.overdue(NOW + 9, 10) == []
    assert ids(await engine.overdue(NOW + 12, 10)) == ids(running[1:3])
    assert ids(await engine.overdue(NOW + 12, 1)) == ids(running[1:2])
    assert len(await engine.overdue(NOW + 100, 10)) == 3


async def test_a_lease_from_before_the_clock_was_set_back_is_over(engine: FullEngine) -> None:
    state = await start(engine, policy=SHORT)
    assert ids(await engine.overdue(NOW - 3600, 10)) == [state.id]
    await engine.renew([(state.id, 1)], NOW - 3600)
    assert await engine.overdue(NOW - 3600, 10) == []
