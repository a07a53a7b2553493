"""What SQS is told of, and claiming what its messages name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ringback.core.commands import Cancel, Fail, Redrive
from ringback.core.model import HELD, Policy
from ringback.engines.dynamodb import DynamoEngine
from ringback.engines.dynamodb.client import Client
from ringback.engines.dynamodb.queues import Queues
from tests import moto
from tests.contract.acts import apply, finish, ids, start, submit, take
from tests.core.states import NOW, PROBLEM, operation

CLASSES = {30: "short", 300: "long"}


@pytest.mark.parametrize(
    ("timeout", "queue"),
    [(1.0, "short"), (30.0, "short"), (30.5, "long"), (9000.0, "long"), (None, "long")],
)
def test_the_queue_whose_attempts_may_take_as_long(timeout: float | None, queue: str) -> None:
    queues = Queues(Client("none"), CLASSES)
    assert queues.url_of(operation(policy=Policy(timeout=timeout))) == queue


@pytest.fixture
def queue(table: str) -> str:
    url: str = moto.client("sqs").create_queue(QueueName=table)["QueueUrl"]
    return url


def messages(queue: str) -> list[tuple[str, str]]:
    """What there is to be received, as (operation, task)."""
    found: list[Any] = []
    sqs = moto.client("sqs")
    while more := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in more]
    return sorted((each["operation"], each["task"]) for each in found)


async def test_a_message_for_each_that_can_be_worked_on(
    make: Callable[..., DynamoEngine], queue: str
) -> None:
    async with make(queues={30: queue}) as engine:
        states = [await submit(engine) for _ in range(12)]
        await submit(engine, ready_at=HELD)
        later = await submit(engine, ready_at=NOW + 901)
        await engine.drain()
        assert messages(queue) == [(state.id, "task") for state in states]
        assert later.id not in dict(messages(queue))
        (running,) = (await take(engine, 1)).operations
        await apply(engine, running, Fail(attempt=1, problem=PROBLEM, delay=0.0))
        await engine.drain()
        assert messages(queue) == [(running.id, "task")], "a retry is sent"
        other = await start(engine, task="other")
        failed = Fail(attempt=1, problem=PROBLEM, retryable=False)
        dead = await apply(engine, other, failed)
        again = operation().id
        await apply(engine, dead, Redrive(again))
        await engine.drain()
        assert (again, "other") in messages(queue)


async def test_what_is_to_wait_is_kept_back(make: Callable[..., DynamoEngine], queue: str) -> None:
    async with make(queues={30: queue}) as engine:
        await submit(engine, ready_at=NOW + 600)
    attributes = moto.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    assert attributes["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


async def test_those_that_are_named_are_claimed(engine: DynamoEngine) -> None:
    one, two, three = [await submit(engine) for _ in range(3)]
    claimed = await engine.claim_chosen("w", [three.id, one.id, three.id, operation().id], NOW)
    assert sorted(ids(claimed.operations)) == [one.id, three.id]
    assert (await engine.load(one.id)).worker == "w"
    assert (await engine.claim_chosen("w", [three.id], NOW)).operations == ()
    assert ids((await take(engine)).operations) == [two.id]


async def test_a_named_one_that_is_not_eligible_waits(engine: DynamoEngine) -> None:
    late = await submit(engine, ready_at=NOW + 5)
    held = await submit(engine, ready_at=HELD)
    ended = await submit(engine)
    await apply(engine, ended, Cancel())
    claimed = await engine.claim_chosen("w", [late.id, held.id, ended.id], NOW)
    assert (claimed.operations, claimed.next_ready_at) == ((), NOW + 5)
    assert len((await engine.claim_chosen("w", [late.id], NOW + 5)).operations) == 1


async def test_limits_hold_for_the_named_too(engine: DynamoEngine) -> None:
    policy = Policy(concurrency=3, concurrency_per_key=1)
    states = [await submit(engine, policy=policy, limit_key=k) for k in "aabcd"]
    claimed = await engine.claim_chosen("w", [state.id for state in states], NOW)
    assert ids(claimed.operations) == [states[n].id for n in (0, 2, 3)]
    await finish(engine, claimed.operations[1])
    again = await engine.claim_chosen("w", [states[1].id, states[4].id], NOW)
    assert ids(again.operations) == [states[4].id]


async def test_a_rate_says_when_its_turn_is(engine: DynamoEngine) -> None:
    policy = Policy(rate_per_key=0.1)
    states = [await submit(engine, policy=policy, limit_key="k") for _ in range(2)]
    claimed = await engine.claim_chosen("w", [state.id for state in states], NOW)
    assert (ids(claimed.operations), claimed.next_ready_at) == ([states[0].id], NOW + 10)


async def test_what_is_due_hides_nothing(engine: DynamoEngine) -> None:
    """Neither what waits for a limit, nor what is not ready though it is more urgent."""
    for number in range(4):
        await submit(engine, NOW, ready_at=NOW + 100, priority=9)
        await submit(engine, NOW + number, task="other", ready_at=NOW)
    state = await submit(engine, NOW, ready_at=NOW + 10)
    due = [each.id for each in await engine.due(NOW + 20, 3)]
    assert (len(due), due[-1]) == (3, state.id)
    assert len(await engine.due(NOW + 20, 10)) == 5
