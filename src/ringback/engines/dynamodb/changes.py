"""A change as writes of one transaction.

An acceptance without a key is one conditional put. A change of state updates the operation's item,
by attributes that differ, with its messages if they are small: one write. Larger ones are put
beside it in one item, and what leaves the running ones under a limit frees its place in another:
these make it a transaction.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ringback.core.model import Change, OperationState, Status
from ringback.engines.dynamodb import entries, items, limits
from ringback.engines.dynamodb.client import MAX_TRANSACTION, Cancelled, Item
from ringback.engines.dynamodb.limits import Write, write_size
from ringback.engines.dynamodb.payloads import INLINE_MESSAGE, Payloads
from ringback.errors import Conflict, PayloadTooLarge
from ringback.ports import QUEUE

LOG_KEPT = 2000
"""Newest messages of an operation's log beyond which its older progress messages are dropped."""
LOG_TRIM_EVERY = 256
"""Messages between two looks at whether there is something to drop."""
UNCHANGED: tuple[str, ...] = ("pk", "sk", "task", "lease_until")
"""What an update leaves alone; a lease only by its own rule."""
MARK = "mark"
"""What an operation's item has from the one who stored it, who may have lost the answer."""
SAME_LEASE = 1e-6
"""Seconds by which a lease may be another and still be the same: no renewal follows so soon."""
MAX_BYTES = 4 * 1024 * 1024
"""Bytes in one transaction, by DynamoDB's own bound."""


class Prepared(msgspec.Struct):
    """Writes, and what of them stands in S3 already."""

    writes: list[Write]
    stored: list[Item]
    queued: list[OperationState]
    """The operations that these make ready to be worked on."""
    changed: set[str]
    """What is to be hinted at."""
    mark: dict[str, bytes]
    """What the operation's item has of it, until it is changed again."""
    entry: bytes | None = None
    """The messages that stand in the operation's item."""

    def done(self, refused: Cancelled) -> bool:
        """Whether it was carried out before, and only the answer to that was lost."""
        return self.made(refused.reasons[0] or {})

    def made(self, item: Item) -> bool:
        """Whether an operation's item is what it makes of it, or has become so since."""
        return item.get(MARK) == self.mark or entries.has(item, self.entry)


class Changes:
    """Makes writes of changes, for one process."""

    def __init__(self, payloads: Payloads, process: str, event_retention: float) -> None:
        self._payloads = payloads
        self._by = {"S": process}
        self._event_retention = event_retention

    async def inserted(self, state: OperationState) -> Item:
        """The item of a new operation."""
        item = items.operation_item(state) | {"by": self._by}
        item[MARK] = _new_mark()
        item |= await self._payloads.store(state.id, "input", state.input)
        if state.result is not None:
            item |= await self._payloads.store(state.id, "result", state.result)
        return item

    async def prepared(self, change: Change) -> Prepared:
        """The writes of a change to what is stored, its publications apart."""
        before, after = change.before, change.after
        if before is None:
            raise Conflict(operation=after.id)
        ready = Prepared(writes=[], stored=[], queued=[], changed=set(), mark=_new_mark())
        try:
            await self._prepare(ready, before, change)
        except BaseException:
            await self._payloads.forget(ready.stored)
            raise
        if newly_queued(before, after):
            ready.queued.append(after)
        if newly_queued(before, after) or after.terminal or after.ready_at != before.ready_at:
            ready.changed.add(QUEUE)
        if change.messages:
            ready.changed.add(after.topic)
        for caused in change.operations:
            if caused.status is Status.QUEUED:
                ready.queued.append(caused)
                ready.changed.add(QUEUE)
        return ready

    async def _prepare(self, ready: Prepared, before: OperationState, change: Change) -> None:
        after = change.after
        payloads = await self._payloads_of(before, after)
        ready.stored.append(payloads)
        if change.messages:
            ready.entry = entries.entry(after, change.messages)
        apart = bool(change.messages) and ready.entry is None
        attributes = payloads | {"by": self._by, MARK: ready.mark}
        ready.writes.append(self._update(change, attributes, ready.entry, apart=apart))
        if apart:
            item = items.log_item(after, change.messages)
            data = bytes(item.pop("messages")["B"])
            kept = await self._payloads.store(after.id, "messages", data, INLINE_MESSAGE)
            ready.stored.append(kept)
            ready.writes.append({"Put": {"Item": item | kept}})
        ready.writes += limits.releases(before, after)
        for event in change.events:
            expires_at = event.time + self._event_retention
            ready.writes.append({"Put": {"Item": items.event_item(event, after.id, expires_at)}})
        for caused in change.operations:
            item = await self.inserted(caused)
            ready.stored.append(item)
            ready.writes.append(insertion(item))

    async def _payloads_of(self, before: OperationState, after: OperationState) -> Item:
        """The attributes of payloads that a change brings."""
        wanted: list[tuple[str, bytes]] = []
        if after.input != before.input:
            wanted.append(("input", after.input))
        if after.result is not None and after.result != before.result:
            wanted.append(("result", after.result))
        stored = await asyncio.gather(
            *[self._payloads.store(after.id, name, data) for name, data in wanted]
        )
        return {name: given for item in stored for name, given in item.items()}

    def _update(self, change: Change, besides: Item, entry: bytes | None, *, apart: bool) -> Write:
        before, after = change.before or change.after, change.after
        old, new = items.operation_item(before), items.operation_item(after)
        changed = {
            name: given
            for name, given in new.items()
            if name not in UNCHANGED and old.get(name) != given
        }
        gone = [name for name in old if name not in new and name not in UNCHANGED]
        if after.lease_until != before.lease_until:
            if after.lease_until is None:
                gone.append("lease_until")
            else:
                changed["lease_until"] = new["lease_until"]
        changed |= besides
        if apart:
            changed[entries.APART] = items.value(after.version)
        for name in ("input", "result"):
            if name in besides or name + "_s3" in besides:
                gone.append(name + "_s3" if name in besides else name)
        conditions = {
            "version": items.value(before.version),
            "status": items.value(before.status.value),
            "attempt": items.value(before.attempt),
        }
        update = expressions(changed, gone, conditions, entry)
        if change.lease is not None:
            # A renewal added decimals in the table, which a float is only near to.
            update["ConditionExpression"] += " AND #lease BETWEEN :least AND :most"
            update["ExpressionAttributeNames"]["#lease"] = "lease_until"
            update["ExpressionAttributeValues"] |= {
                ":least": items.value(change.lease - SAME_LEASE),
                ":most": items.value(change.lease + SAME_LEASE),
            }
        return {"Update": {"Key": {"pk": new["pk"], "sk": new["sk"]}, **update}}


def _new_mark() -> dict[str, bytes]:
    return {"B": secrets.token_bytes(6)}


def check_room(writes: Sequence[Write]) -> None:
    """Raise ``PayloadTooLarge`` for what no transaction takes."""
    if len(writes) > MAX_TRANSACTION:
        raise PayloadTooLarge(
            "A change causes a hundred operations and events at most: as many as a transaction of "
            "DynamoDB has items. Cause them from several operations.",
            writes=len(writes),
        )
    size = sum(map(write_size, writes))
    if size > MAX_BYTES:
        raise PayloadTooLarge(
            "A change with all that it causes and emits has 4 MB at most, as a transaction of "
            "DynamoDB. Emit less, or spread it over several operations.",
            size=size,
        )


def newly_queued(before: OperationState, after: OperationState) -> bool:
    """Whether a change made an operation one that can be worked on, now or later."""
    if after.status is not Status.QUEUED:
        return False
    return before.status is not Status.QUEUED or after.ready_at != before.ready_at


def insertion(item: Item) -> Write:
    """An item that must not be there yet."""
    return {"Put": {"Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}


def expressions(
    changed: Mapping[str, Any],
    gone: Sequence[str],
    conditions: Mapping[str, Any],
    entry: bytes | None,
) -> dict[str, Any]:
    """An update that sets and removes attributes, and adds to the log, if others are as they
    should be.
    """
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    sets = []
    for index, (name, given) in enumerate(changed.items()):
        names[f"#s{index}"], values[f":s{index}"] = name, given
        sets.append(f"#s{index} = :s{index}")
    if entry is not None:
        names["#log"] = entries.ENTRIES
        values |= {":none": {"L": []}, ":entry": {"L": [{"B": entry}]}}
        sets.append("#log = list_append(if_not_exists(#log, :none), :entry)")
    removes = []
    for index, name in enumerate(gone):
        names[f"#g{index}"] = name
        removes.append(f"#g{index}")
    wanted = []
    for index, (name, given) in enumerate(conditions.items()):
        names[f"#c{index}"], values[f":c{index}"] = name, given
        wanted.append(f"#c{index} = :c{index}")
    update = f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else "")
    return {
        "UpdateExpression": update,
        "ConditionExpression": " AND ".join(wanted),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
