"""Claiming while the store fails: what was taken is given, and once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ringback.core.model import Claimed, Policy
from ringback.engines.dynamodb import DynamoEngine, claims
from ringback.errors import StoreUnavailable
from tests.contract.acts import ids, submit, take
from tests.core.states import NOW

LIMITED = Policy(concurrency=5)


@pytest.fixture(params=[False, True], ids=["claimed", "named"])
def get(engine: DynamoEngine, request: pytest.FixtureRequest) -> Callable[..., Awaitable[Claimed]]:
    """Claims some, by their names or as they come."""

    async def get(*operations: str) -> Claimed:
        if request.param:
            return await engine.claim_chosen("worker", operations, NOW)
        return await take(engine)

    return get


async def test_what_was_taken_before_an_error_is_given(
    engine: DynamoEngine, get: Callable[..., Awaitable[Claimed]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [(await submit(engine)).id for _ in range(3)]
    transact, calls = engine.client.transact, 0

    async def failing(writes: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise StoreUnavailable
        await transact(writes)

    monkeypatch.setattr(claims, "AT_ONCE", 1)
    monkeypatch.setattr(engine.client, "transact", failing)
    first = await get(*wanted)
    assert ids(first.operations) == wanted[:1]
    assert first.next_ready_at is not None, "the rest is to be claimed at once"
    assert NOW < first.next_ready_at < NOW + 1
    assert ids((await get(*wanted)).operations) == wanted[1:]


@pytest.mark.parametrize("policy", [Policy(), LIMITED], ids=["by itself", "within limits"])
@pytest.mark.parametrize("written", [True, False], ids=["lost answer", "not written"])
async def test_what_was_taken_though_nobody_could_say_so_is_given(
    engine: DynamoEngine,
    get: Callable[..., Awaitable[Claimed]],
    monkeypatch: pytest.MonkeyPatch,
    policy: Policy,
    written: bool,
) -> None:
    """It would wait for its lease, and have had an attempt."""
    wanted = (await submit(engine, policy=policy)).id
    transact = engine.client.transact

    async def failing(writes: Any) -> None:
        if written:
            await transact(writes)
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(engine.client, "transact", failing)
        with pytest.raises(StoreUnavailable):
            await get(wanted)
    (state,) = (await get(wanted)).operations
    assert (state.id, state.attempt, state.worker) == (wanted, 1, "worker")
    assert (await get(wanted)).operations == ()
