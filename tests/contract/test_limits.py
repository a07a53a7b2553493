"""`Engine.claim` under policies: concurrency, rates, and who must not wait for whom."""

from __future__ import annotations

import asyncio

import pytest

from ringback.core.commands import Cancel, Expire, Fail, Release
from ringback.core.model import OperationState, Policy
from ringback.ports import FullEngine
from tests.contract.acts import apply, finish, ids, submit, submit_all, take
from tests.contract.homes import Home, some
from tests.core.states import NOW, PROBLEM, operation

TWO = Policy(concurrency=2)
ONE_EACH = Policy(concurrency_per_key=1)
TWO_EACH = Policy(concurrency_per_key=2)
SLOW = Policy(rate_per_key=0.1)


def keys(states: tuple[OperationState, ...]) -> list[str | None]:
    return [state.limit_key for state in states]


async def test_so_many_run_at_once_and_no_more(engine: FullEngine, neighbour: FullEngine) -> None:
    await submit_all(engine, [operation(policy=TWO) for _ in range(5)])
    (first,) = (await take(engine, 1)).operations
    (second,) = (await take(neighbour)).operations
    for each in (engine, neighbour):
        claimed = await take(each)
        assert (claimed.operations, claimed.next_ready_at) == ((), None)
    await finish(neighbour, first)
    assert len((await take(engine)).operations) == 1
    await apply(engine, second, Fail(attempt=1, problem=PROBLEM, delay=0.0))
    assert len((await take(neighbour)).operations) == 1


async def test_the_limit_is_not_exceeded_by_several_at_once(
    engine: FullEngine, neighbour: FullEngine
) -> None:
    await submit_all(engine, [operation(policy=TWO) for _ in range(20)])
    each_key = [operation(task="k", policy=TWO_EACH, limit_key=k) for k in "ab" for _ in range(9)]
    await submit_all(engine, each_key)
    answers = await asyncio.gather(
        *[take(each, 5, tasks=("task", "k")) for each in (engine, neighbour) for _ in range(20)]
    )
    given = [state for answer in answers for state in answer.operations]
    assert len([state for state in given if state.task == "task"]) == 2
    assert sorted(state.limit_key or "" for state in given if state.task == "k") == list("aabb")


@pytest.mark.parametrize("end", ["succeed", "fail", "release", "expire", "cancel"])
async def test_a_place_is_free_again_however_the_run_ends(engine: FullEngine, end: str) -> None:
    policy = Policy(concurrency=1, concurrency_per_key=1, lease=10.0)
    await submit_all(engine, [operation(policy=policy, limit_key="k") for _ in range(2)])
    (running,) = (await take(engine)).operations
    match end:
        case "succeed":
            await finish(engine, running)
        case "fail":
            await apply(engine, running, Fail(attempt=1, problem=PROBLEM, delay=900.0))
        case "release":
            await apply(engine, running, Release(1), NOW + 1)
        case "expire":
            await apply(engine, running, Expire(1), NOW + 11)
        case "cancel":
            running = await apply(engine, running, Cancel())
            await apply(engine, running, Release(1))
    (other,) = (await take(engine, now=NOW + 11)).operations
    assert other.id != running.id or end in ("release", "expire")
    assert (await take(engine, now=NOW + 11)).operations == ()


async def test_limits_of_one_task_are_not_anothers(engine: FullEngine) -> None:
    policy = Policy(concurrency=1, concurrency_per_key=1)
    for task in ("a", "b"):
        await submit_all(
            engine, [operation(task=task, policy=policy, limit_key="k") for _ in range(2)]
        )
    given = (await take(engine, tasks=("a", "b"))).operations
    assert sorted(state.task for state in given) == ["a", "b"]


async def test_each_key_has_its_own_places(engine: FullEngine) -> None:
    states = [operation(policy=TWO_EACH, limit_key=key) for key in "aaabbaac"]
    await submit_all(engine, states)
    given = (await take(engine)).operations
    assert ids(given) == [states[n].id for n in (0, 1, 3, 4, 7)]
    assert (await take(engine)).operations == ()
    await finish(engine, given[0])
    assert ids((await take(engine)).operations) == [states[2].id]


async def test_an_operation_without_a_key_has_no_limit_by_key(engine: FullEngine) -> None:
    await submit_all(engine, [operation(policy=ONE_EACH) for _ in range(3)])
    assert len((await take(engine)).operations) == 3


async def test_an_empty_key_is_a_key(engine: FullEngine) -> None:
    await submit_all(engine, [operation(policy=ONE_EACH, limit_key="") for _ in range(3)])
    assert len((await take(engine)).operations) == 1


async def test_a_rate_is_a_start_every_so_often(engine: FullEngine, neighbour: FullEngine) -> None:
    await submit_all(engine, [operation(policy=SLOW, limit_key="a") for _ in range(3)])
    claimed = await take(engine)
    assert (len(claimed.operations), claimed.next_ready_at) == (1, NOW + 10)
    await finish(engine, claimed.operations[0])
    early = await take(neighbour, now=NOW + 9.9)
    assert (early.operations, early.next_ready_at) == ((), NOW + 10)
    claimed = await take(neighbour, now=NOW + 12)
    assert (len(claimed.operations), claimed.next_ready_at) == (1, NOW + 22)
    assert len((await take(engine, now=NOW + 22)).operations) == 1
    assert (await take(engine, now=NOW + 99)).next_ready_at is None


async def test_the_rate_counts_over_an_idle_time(engine: FullEngine) -> None:
    """The key's last start is what counts, also when nothing of it was queued since."""
    await submit(engine, policy=SLOW, limit_key="a")
    await take(engine)
    await submit(engine, NOW + 5, policy=SLOW, limit_key="a")
    claimed = await take(engine, now=NOW + 5)
    assert (claimed.operations, claimed.next_ready_at) == ((), NOW + 10)
    assert len((await take(engine, now=NOW + 10)).operations) == 1


async def test_a_rate_does_not_stop_when_the_clock_is_set_back(engine: FullEngine) -> None:
    await submit_all(engine, [operation(policy=SLOW, limit_key="a") for _ in range(2)])
    await take(engine)
    assert len((await take(engine, now=NOW - 3600)).operations) == 1


async def test_other_keys_do_not_wait_for_a_rate(engine: FullEngine) -> None:
    states = [operation(policy=SLOW, limit_key=key) for key in "aaaab"]
    await submit_all(engine, states)
    assert ids((await take(engine)).operations) == [states[0].id, states[4].id]


async def test_a_backlog_of_one_key_hides_nobody(home: Home, engine: FullEngine) -> None:
    """Of one key at its limit, of a higher priority, and of many keys at their limits."""
    count, keys_of_others = some(home, 20_000) // 4, some(home, 300)
    noisy = [operation(policy=ONE_EACH, limit_key="noisy", priority=1) for _ in range(count * 4)]
    await submit_all(engine, noisy)
    busy = [operation(policy=ONE_EACH, limit_key=f"b{n % keys_of_others}") for n in range(count)]
    await submit_all(engine, busy)
    running = (await take(engine, keys_of_others + 1)).operations
    assert set(keys(running)) == {"noisy", *keys(tuple(busy))}
    quiet = [operation(policy=ONE_EACH, limit_key=f"q{n}") for n in range(5)]
    await submit_all(engine, quiet)
    assert ids((await take(engine, 9)).operations) == ids(quiet)
    await finish(engine, running[0])
    assert ids((await take(engine, 9)).operations) == [noisy[1].id]


async def test_many_keys_that_wait_for_their_turn_hide_nobody(
    home: Home, engine: FullEngine
) -> None:
    many = some(home, 3000)
    waiting = [operation(policy=SLOW, limit_key=f"k{n}") for n in range(many)]
    await submit_all(engine, waiting)
    assert len((await take(engine, many)).operations) == many
    await submit_all(engine, [operation(policy=SLOW, limit_key=f"k{n}") for n in range(many)])
    state = await submit(engine, policy=SLOW, limit_key="free")
    claimed = await take(engine, 9)
    assert (ids(claimed.operations), claimed.next_ready_at) == ([state.id], NOW + 10)
    assert len((await take(engine, 5000, now=NOW + 10)).operations) == many


async def test_each_operation_has_the_policy_it_was_accepted_with(engine: FullEngine) -> None:
    """The task's options were changed while operations of the old ones were queued."""
    old = [operation(policy=Policy(concurrency=1)) for _ in range(3)]
    new = [operation(policy=Policy(concurrency=3)) for _ in range(4)]
    await submit_all(engine, old + new)
    given = (await take(engine)).operations
    assert ids(given) == [old[0].id, new[0].id, new[1].id]
    for state in given[1:]:
        await finish(engine, state)
    given = (await take(engine)).operations
    assert ids(given) == [new[2].id, new[3].id], "the old ones still wait for the first"


async def test_a_limit_that_was_dropped_holds_back_only_what_was_accepted_under_it(
    home: Home, engine: FullEngine
) -> None:
    old = [operation(policy=Policy(concurrency=1)) for _ in range(some(home, 500))]
    new = [operation() for _ in range(3)]
    await submit_all(engine, old + new)
    assert ids((await take(engine)).operations) == [old[0].id, *ids(new)]


async def test_a_key_is_shared_by_all_policies_of_a_task(engine: FullEngine) -> None:
    one = operation(policy=ONE_EACH, limit_key="k", priority=1)
    two = operation(policy=TWO_EACH, limit_key="k")
    more = operation(policy=ONE_EACH, limit_key="k", priority=2)
    await submit_all(engine, [one, two, more])
    assert ids((await take(engine)).operations) == [more.id, two.id]


async def test_a_delayed_one_does_not_hold_back_its_key(engine: FullEngine) -> None:
    await submit(engine, policy=ONE_EACH, limit_key="k", ready_at=NOW + 60)
    state = await submit(engine, policy=ONE_EACH, limit_key="k")
    claimed = await take(engine)
    assert ids(claimed.operations) == [state.id]
    await finish(engine, claimed.operations[0])
    claimed = await take(engine)
    assert (claimed.operations, claimed.next_ready_at) == ((), NOW + 60)


async def test_a_cancelled_one_does_not_hold_back_its_key(engine: FullEngine) -> None:
    states = [operation(policy=SLOW, limit_key="k") for _ in range(3)]
    await submit_all(engine, states)
    await apply(engine, states[0], Cancel())
    assert ids((await take(engine)).operations) == [states[1].id]
    await apply(engine, states[2], Cancel())
    assert (await take(engine, now=NOW + 99)).next_ready_at is None
