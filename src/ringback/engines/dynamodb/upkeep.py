"""Leases, and deleting what is past its time.

What DynamoDB's own expiry can delete is left to it, which costs nothing: keys, events, what was
forgotten. A table without it (a local one) is looked through instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Iterable, Sequence

from ringback.core.model import TERMINAL, OperationState, Status
from ringback.core.retry import CLOCK_SLACK, lease_over
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.changes import MARK
from ringback.engines.dynamodb.client import Cancelled, Client, Item, key_of
from ringback.engines.dynamodb.entries import APART
from ringback.engines.dynamodb.limits import CHECK_AFTER
from ringback.engines.dynamodb.logs import Logs, present
from ringback.engines.dynamodb.packs import JOURNAL, entry_packs, pack_key
from ringback.engines.dynamodb.payloads import Payloads
from ringback.engines.dynamodb.topics import REMEMBERED, TOPICS, Topics
from ringback.errors import RingbackError, StillOpen

SWEEP_EACH = 25
"""Items of each shard that are looked at in one sweep."""
AT_ONCE = 16
"""Of these, so many together."""
ENTRIES_KEPT = 3600.0
"""Seconds for which an entry of the journal stays, though nothing of it is kept: who appends takes
its number to be free once it is gone (``journal.HEAD_GOOD_FOR``)."""

PAYLOADS = ("input_s3", "result_s3")
"""Attributes that say where an operation's payloads are."""

log = logging.getLogger("ringback.dynamodb")


class Upkeep:
    """Jobs that keep the store in order."""

    def __init__(self, client: Client, logs: Logs, topics: Topics, payloads: Payloads) -> None:
        self._client = client
        self._logs = logs
        self._topics = topics
        self._payloads = payloads
        self._expires_itself: bool | None = None
        self._scanned: Item | None = None
        """Where the last look through a table ended."""
        self._journal_seen = "!"
        """The entry of the journal that was looked at last."""

    async def renew(
        self, leases: Sequence[tuple[str, int]], now: float
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Extend leases; the ids that are lost, and those to be cancelled."""
        answers = await asyncio.gather(*[self._renew(*lease, now) for lease in leases])
        lost = {id for (id, _), answer in zip(leases, answers, strict=True) if answer is None}
        cancelled = {id for (id, _), answer in zip(leases, answers, strict=True) if answer}
        return frozenset(lost), frozenset(cancelled)

    async def _renew(self, operation: str, attempt: int, now: float) -> bool | None:
        """Whether it is to be cancelled; None if it is lost."""
        change = {
            "UpdateExpression": "SET lease_until = :now + lease_for",
            "ConditionExpression": "#status = :running AND attempt = :attempt",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {
                ":now": items.value(now),
                ":running": items.value(Status.RUNNING.value),
                ":attempt": items.value(attempt),
            },
        }
        try:
            item = await self._client.update(
                schema.operation_key(operation), items.OPERATION, change
            )
        except Cancelled:
            return None
        return bool(item.get("cancel_requested", {}).get("BOOL"))

    async def overdue(self, tasks: Iterable[str], now: float, limit: int) -> list[OperationState]:
        """Running operations whose lease is over."""
        pages = await asyncio.gather(*[self._running(task) for task in sorted(tasks)])
        wanted = [
            items.operation_in(item) for page in pages for item in page if _may_be_over(item, now)
        ]
        found: list[OperationState] = []
        for at in range(0, len(wanted), 100):
            states = await self._logs.look_at(sorted(wanted)[at : at + 100])
            found += [
                state
                for _, state in sorted(states.items())
                if state.status is Status.RUNNING and lease_over(state, now)
            ]
            if len(found) >= limit:
                break
        return found[:limit]

    async def _running(self, task: str) -> list[Item]:
        return await self._client.query(
            IndexName=schema.STAGE,
            KeyConditionExpression="stage = :stage",
            ExpressionAttributeValues={":stage": {"S": items.running_stage(task)}},
        )

    async def forget(self, operation: str, now: float) -> None:
        """Delete a terminal operation and its log, and remember that it was here."""
        while True:
            item = await self._client.get(schema.operation_key(operation), items.OPERATION)
            item = present(operation, item)
            if item["status"]["S"] not in {status.value for status in TERMINAL}:
                raise StillOpen(operation=operation)
            if await self._forget(item, now):
                return

    async def _forget(self, item: Item, now: float) -> bool:
        """Put a note in an operation's place; whether it was still there as it was read.

        The note is due until what belonged to the operation is gone, whoever dies over it; where
        all of that was in the operation's item, it is at once.
        """
        note = items.note_item(items.operation_in(item), now + REMEMBERED)
        note[MARK] = {"B": secrets.token_bytes(6)}
        left = {name: item[name] for name in PAYLOADS if name in item}
        alone = not left and APART not in item
        if not alone:
            note |= left
            note["stage"] = {"S": schema.due_stage(item["pk"]["S"])}
            note["place"] = {"S": schema.time_key(now)}
        if "subject" in item:
            note["owner"] = item["subject"]
        condition = {
            "ConditionExpression": "version = :version",
            "ExpressionAttributeValues": {":version": item["version"]},
        }
        try:
            await self._client.put(note, condition)
        except Cancelled as refused:
            if (refused.reasons[0] or {}).get(MARK) != note[MARK]:
                return False
            # It was put, and the answer was lost.
        if not alone:
            try:
                await self._clear(note)
            except (RingbackError, RuntimeError) as error:  # it is forgotten all the same
                log.warning("What belonged to %s is deleted later: %s", item["pk"]["S"], error)
        return True

    async def _clear(self, note: Item) -> None:
        """Delete what belonged to an operation that is forgotten."""
        pk, sk = key_of(note)
        found = await self._client.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :log)",
            ExpressionAttributeValues={":pk": {"S": pk}, ":log": {"S": "m#"}},
            ProjectionExpression="pk, sk, messages_s3",
            ConsistentRead=True,
        )
        await self._client.delete_all([key_of(each) for each in found])
        await self._payloads.forget([note, *found])
        with contextlib.suppress(Cancelled):  # it has expired meanwhile
            await self._client.update(
                pk,
                sk,
                {
                    "UpdateExpression": f"REMOVE stage, place, {', '.join(PAYLOADS)}",
                    "ConditionExpression": f"attribute_exists({items.FORGOTTEN})",
                },
            )

    async def sweep(self, now: float) -> int:
        """Delete some of what has expired; how many went."""
        pages = await asyncio.gather(*[self._due(shard, now) for shard in range(schema.SHARDS)])
        due = [item for page in pages for item in page]
        gone = 0
        for at in range(0, len(due), AT_ONCE):
            gone += sum(
                await asyncio.gather(*[self._settle(item, now) for item in due[at : at + AT_ONCE]])
            )
        if not await self._has_expiry():
            gone += await self._look_through(now)
        await self._sweep_journal(now)
        return gone

    async def _due(self, shard: int, now: float) -> list[Item]:
        return await self._client.query(
            IndexName=schema.STAGE,
            KeyConditionExpression="stage = :stage AND place <= :now",
            ExpressionAttributeValues={
                ":stage": {"S": f"due#{shard}"},
                ":now": {"S": schema.time_key(now)},
            },
            Limit=SWEEP_EACH,
        )

    async def _settle(self, due: Item, now: float) -> int:
        """Do what is due of one item; how much of it was counted as gone."""
        pk, sk = key_of(due)
        if pk == TOPICS:
            return await self._topics.sweep(sk, now)
        item = await self._client.get(pk, sk)
        if item is None:
            return 0
        if pk.startswith("limit#"):
            await self._check_limit(item, now)
            return 0
        if items.FORGOTTEN in item:
            await self._clear(item)
            return 0
        over = "expires_at" in item and items.number(item, "expires_at") <= now
        return int(over and await self._forget(item, now))

    async def _check_limit(self, item: Item, now: float) -> None:
        """Delete a count of nothing, or look again later."""
        pk, sk = key_of(item)
        try:
            if items.integer(item, "n") == 0 and items.number(item, "turn") < now - 60.0:
                await self._client.delete(
                    pk,
                    sk,
                    {
                        "ConditionExpression": "n = :none AND (attribute_not_exists(#turn) "
                        "OR #turn < :long)",
                        "ExpressionAttributeNames": {"#turn": "turn"},
                        "ExpressionAttributeValues": {
                            ":none": items.value(0),
                            ":long": items.value(now - 60.0),
                        },
                    },
                )
                return
            await self._client.update(
                pk,
                sk,
                {
                    "UpdateExpression": "SET #place = :then",
                    "ConditionExpression": "attribute_exists(pk)",
                    "ExpressionAttributeNames": {"#place": "place"},
                    "ExpressionAttributeValues": {
                        ":then": {"S": schema.time_key(now + CHECK_AFTER)}
                    },
                },
            )
        except Cancelled:
            return  # another process did

    async def _has_expiry(self) -> bool:
        if self._expires_itself is None:
            answer = await self._client.dynamodb("describe_time_to_live")
            status = answer["TimeToLiveDescription"].get("TimeToLiveStatus", "DISABLED")
            self._expires_itself = status.startswith("ENABL")
        return self._expires_itself

    async def _look_through(self, now: float) -> int:
        """Delete what has expired of the next stretch of the table."""
        more = {"ExclusiveStartKey": self._scanned} if self._scanned else {}
        answer = await self._client.dynamodb(
            "scan",
            FilterExpression="#until <= :now",
            ProjectionExpression="pk, sk, #until",
            ExpressionAttributeNames={"#until": "until"},
            ExpressionAttributeValues={":now": items.value(now)},
            **more,
        )
        self._scanned = answer.get("LastEvaluatedKey")
        return sum(await asyncio.gather(*[self._expire(item) for item in answer["Items"]]))

    async def _expire(self, item: Item) -> int:
        condition = {
            "ConditionExpression": "#until = :seen",
            "ExpressionAttributeNames": {"#until": "until"},
            "ExpressionAttributeValues": {":seen": item["until"]},
        }
        try:
            await self._client.delete(*key_of(item), condition)
        except Cancelled:
            return 0
        return 1

    async def _sweep_journal(self, now: float) -> None:
        """Delete old entries of which nothing is kept, a stretch at a time; never the newest."""
        entries = await self._client.query(
            KeyConditionExpression="pk = :pk AND sk > :seen",
            ExpressionAttributeValues={":pk": {"S": JOURNAL}, ":seen": {"S": self._journal_seen}},
            Limit=SWEEP_EACH + 1,
        )
        looked = [entry for entry in entries[:-1] if items.number(entry, "at") + ENTRIES_KEPT < now]
        packs = {pack_key(*each) for entry in looked for each in entry_packs(entry)}
        kept = await self._client.get_all(sorted(packs))
        empty = [
            key_of(entry)
            for entry in looked
            if not any(pack_key(*each) in kept for each in entry_packs(entry))
        ]
        await self._client.delete_all(empty)
        self._journal_seen = looked[-1]["sk"]["S"] if len(looked) == SWEEP_EACH else "!"


def _may_be_over(item: Item, now: float) -> bool:
    """Whether a lease is over, as far as the index knows."""
    until = items.number(item, "lease_until")
    lease = items.policy_of(item["policy"]["S"]).lease
    return until <= now or until > now + lease + CLOCK_SLACK
