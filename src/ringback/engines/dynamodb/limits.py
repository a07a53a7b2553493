"""How many run, and when a key's turn is: what a claim checks within its transaction.

A running operation is counted where its own policy has a limit: of its task, if it has a
concurrency, and of its key, if that has one or a rate. So one without limits costs no further
write. Those that run uncounted, of other policies of the task, are looked for in the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ringback.core.model import OperationState, Policy, Status
from ringback.core.retry import CLOCK_SLACK
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.client import Client, Item, Key

CHECK_AFTER = 3600.0
"""Seconds after which it is looked whether a count may go."""
LONG_KEY = 500
"""Bytes of a limit's key that stand in a sort key; of a longer one its digest does."""

Write = dict[str, Any]


def write_size(write: Write) -> int:
    """Bytes that a write besides takes: the log and the payloads of an operation, say."""
    (what,) = write.values()
    values = [*what.get("Item", {}).values(), *what.get("ExpressionAttributeValues", {}).values()]
    given = [each for value in values for each in value.values()]
    return 1000 + sum(len(each) for each in given if isinstance(each, bytes | str))


def task_counter(task: str) -> Key:
    return f"limit#{task}", "task"


def key_counter(task: str, limit_key: str) -> Key:
    long = len(limit_key.encode()) > LONG_KEY
    name = schema.digest_key("key", limit_key.encode()) if long else f"key#{limit_key}"
    return f"limit#{task}", name


def counted_by_task(policy: Policy) -> bool:
    return policy.concurrency is not None


def counted_by_key(policy: Policy, limit_key: str | None) -> bool:
    per_key = policy.concurrency_per_key is not None or bool(policy.rate_per_key)
    return limit_key is not None and per_key


def releases(before: OperationState, after: OperationState) -> list[Write]:
    """What frees the places of an operation that runs no more."""
    if before.status is not Status.RUNNING or after.status is Status.RUNNING:
        return []
    held: list[Key] = []
    if counted_by_task(before.policy):
        held.append(task_counter(before.task))
    if before.limit_key is not None and counted_by_key(before.policy, before.limit_key):
        held.append(key_counter(before.task, before.limit_key))
    return [
        {
            "Update": {
                "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
                "UpdateExpression": "ADD n :less",
                "ExpressionAttributeValues": {":less": {"N": "-1"}},
            }
        }
        for pk, sk in held
    ]


class Admitted(NamedTuple):
    """An operation that may start, and what has to hold for it then."""

    id: str
    policy: Policy
    limit_key: str | None
    most_of_task: int
    """So many of its task may be counted when it starts, at most."""
    most_of_key: int
    turn: float
    """The turn of its key that was seen."""


class Limits:
    """The limits of one task, as one claim sees them."""

    def __init__(self, client: Client, task: str, now: float) -> None:
        self._client = client
        self._task = task
        self._now = now
        self._counts: dict[Key, Item] = {}
        self._known: set[Key] = set()
        self._uncounted: Counter[str | None] | None = None
        """Running ones that no key counts, by key; and under ``None`` those no task counts."""
        self._found = 0
        self._found_uncounted = 0
        self._found_of: Counter[str] = Counter()
        self._uncounted_found_of: Counter[str] = Counter()
        self._turned: dict[str, float] = {}

    async def look(self, wanted: Iterable[tuple[Policy, str | None]]) -> None:
        """Read what is needed to judge these."""
        keys: set[Key] = set()
        for policy, limit_key in wanted:
            if counted_by_task(policy):
                keys.add(task_counter(self._task))
            if limit_key is not None and counted_by_key(policy, limit_key):
                keys.add(key_counter(self._task, limit_key))
        if keys and self._uncounted is None:
            self._uncounted = await self._count_uncounted()
        if missing := sorted(keys - self._known):
            self._counts |= await self._client.get_all(missing)
            self._known |= keys

    async def _count_uncounted(self) -> Counter[str | None]:
        found: Counter[str | None] = Counter()
        for item in await self._client.query(
            IndexName=schema.STAGE,
            KeyConditionExpression="stage = :stage",
            ExpressionAttributeValues={":stage": {"S": items.running_stage(self._task)}},
        ):
            policy, limit_key = items.policy_of(item["policy"]["S"]), items.text(item, "limit_key")
            if not counted_by_task(policy):
                found[None] += 1
            if limit_key is not None and not counted_by_key(policy, limit_key):
                found[limit_key] += 1
        return found

    def turn(self, policy: Policy, limit_key: str | None) -> float:
        """When the key's next turn is; the beginning of time without a rate."""
        if limit_key is None or not policy.rate_per_key:
            return 0.0
        if limit_key in self._turned:
            return self._turned[limit_key]
        item = self._counts.get(key_counter(self._task, limit_key), {})
        if items.number(item, "started_at") > self._now + CLOCK_SLACK:
            return 0.0  # from before the clock was set back
        return items.number(item, "turn")

    def full(self, policy: Policy) -> bool:
        """Whether as many of the task run as a policy allows, whatever their keys."""
        if policy.concurrency is None:
            return False
        found = self._n(task_counter(self._task)) + self._found - self._found_uncounted
        return found > self._most_of_task(policy)

    def _most_of_task(self, policy: Policy) -> int:
        if policy.concurrency is None:
            return 0
        uncounted = self._uncounted or Counter()
        return policy.concurrency - uncounted[None] - self._found_uncounted - 1

    def admit(self, operation: str, policy: Policy, limit_key: str | None) -> Admitted | None:
        """Whether one more may start now; if so, it is counted among those that do."""
        uncounted = self._uncounted or Counter()
        most_of_key = 0
        if self.full(policy):
            return None
        most_of_task = self._most_of_task(policy)
        seen = 0.0
        if limit_key is not None and counted_by_key(policy, limit_key):
            counter = key_counter(self._task, limit_key)
            if self.turn(policy, limit_key) > self._now:
                return None
            seen = items.number(self._counts.get(counter, {}), "turn")
            others = uncounted[limit_key] + self._uncounted_found_of[limit_key]
            bound = policy.concurrency_per_key
            most_of_key = 1 << 40 if bound is None else bound - others - 1
            own = self._found_of[limit_key] - self._uncounted_found_of[limit_key]
            if self._n(counter) + own > most_of_key:
                return None
        self._note(policy, limit_key)
        return Admitted(operation, policy, limit_key, most_of_task, most_of_key, seen)

    def _n(self, counter: Key) -> int:
        return items.integer(self._counts.get(counter, {}), "n")

    def _note(self, policy: Policy, limit_key: str | None) -> None:
        self._found += 1
        self._found_uncounted += not counted_by_task(policy)
        if limit_key is None:
            return
        self._found_of[limit_key] += 1
        self._uncounted_found_of[limit_key] += not counted_by_key(policy, limit_key)
        if policy.rate_per_key:
            self._turned[limit_key] = self._now + 1 / policy.rate_per_key


def takes(task: str, admitted: Sequence[Admitted], now: float) -> list[Write]:
    """What counts these, if the limits still allow all of them."""
    tallies: dict[Key, _Tally] = {}
    for each in admitted:
        if counted_by_task(each.policy):
            tallies.setdefault(task_counter(task), _Tally()).add(each.most_of_task)
        if each.limit_key is not None and counted_by_key(each.policy, each.limit_key):
            tally = tallies.setdefault(key_counter(task, each.limit_key), _Tally())
            tally.add(each.most_of_key)
            if each.policy.rate_per_key:
                tally.turn = now + 1 / each.policy.rate_per_key
                tally.seen = each.turn
    return [_counting(counter, tally, now) for counter, tally in tallies.items()]


class _Tally:
    """What one transaction adds to a count."""

    def __init__(self) -> None:
        self.more = 0
        self.most = 1 << 40
        self.turn: float | None = None
        self.seen = 0.0

    def add(self, most: int) -> None:
        self.most = min(self.most, most - self.more)
        self.more += 1


def _counting(counter: Key, tally: _Tally, now: float) -> Write:
    pk, sk = counter
    names = {"#stage": "stage", "#place": "place"}
    values = {
        ":more": items.value(tally.more),
        ":most": items.value(tally.most),
        ":due": {"S": schema.due_stage(pk + sk)},
        ":then": {"S": schema.time_key(now + CHECK_AFTER)},
    }
    change = "SET #stage = if_not_exists(#stage, :due), #place = if_not_exists(#place, :then)"
    condition = "(attribute_not_exists(n) OR n <= :most)"
    if tally.turn is not None:
        names |= {"#turn": "turn", "#started": "started_at"}
        values |= {":turn": items.value(tally.turn), ":now": items.value(now)}
        change += ", #turn = :turn, #started = :now"
        if tally.seen:
            values[":seen"] = items.value(tally.seen)
            condition += " AND #turn = :seen"
        else:
            condition += " AND attribute_not_exists(#turn)"
    return {
        "Update": {
            "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
            "UpdateExpression": change + " ADD n :more",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
    }
