"""Storing new operations, each once for an idempotency key.

The record of a key is written before its operation and names it: two writes, and no transaction,
which would cost twice as much. Whoever finds a record without an operation stores that operation
under the name it has there, for its process may have died in between; of several one does, and all
of them answer with the same operation. What is held for an upload is stored with its record in one
transaction: its name stands in that upload already.

Whoever asks for something else under such a record takes it over after a while (``ABANDONED``), or
would be told for as long as keys are kept of an operation that nobody has. A note in the place of
that one says that it is gone, so that it is not stored after all.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from ringback.core.model import HELD, Accepted, IdempotencyRecord, OperationState
from ringback.engines.dynamodb import items, schema
from ringback.engines.dynamodb.changes import MARK, Changes, insertion
from ringback.engines.dynamodb.client import Cancelled, Client, Item, pause
from ringback.engines.dynamodb.logs import Logs
from ringback.engines.dynamodb.payloads import Payloads
from ringback.engines.dynamodb.topics import REMEMBERED
from ringback.errors import (
    Conflict,
    IdempotencyKeyReused,
    OperationForgotten,
    PayloadTooLarge,
    StoreUnavailable,
    UnknownOperation,
)

UNSEEN = 6
"""Looks for an operation whose key is known: of one transaction, one may be seen a moment later."""
FIRST = "first"
"""What a record has that was written before its operation: when."""
ABANDONED = 120.0
"""Seconds after which an operation is not on its way any more that was to follow its key's record:
more than botocore takes for a request with all its tries. One that comes yet later, of a function
that was frozen, finds the note and is refused."""


class Acceptance:
    """New operations, for one process."""

    def __init__(self, client: Client, changes: Changes, payloads: Payloads, logs: Logs) -> None:
        self._client = client
        self._changes = changes
        self._payloads = payloads
        self._logs = logs

    async def store(self, state: OperationState, key: IdempotencyRecord | None) -> Accepted:
        """Store an operation, or find the one that its key is known for."""
        item = await self._changes.inserted(state)
        if key is None:
            return await self._insert(state, item)
        if state.ready_at == HELD:
            known = await self._together(key, state, item)
        else:
            known = await self._note(key, state)
        if known is not None and _may_be_abandoned(key, known, state.created_at):
            known = await self._take_over(key, known, state, item)
        if known is not None:
            await self._payloads.forget([item])
            answer = await self._known(key, known)
            return await self._complete(known, state) if answer is None else answer
        if state.ready_at == HELD:
            return Accepted(state, False)
        try:
            return await self._insert(state, item, known=True)
        except PayloadTooLarge:
            await self._unnote(key, state)
            raise

    async def replayed(self, key: IdempotencyRecord, now: float) -> Accepted | None:
        """The operation that was accepted under a key, if there is one."""
        found = await self._client.get(schema.digest_key("key", key.scope), items.KEY)
        if found is None or items.number(found, "until") <= now:
            return None
        if _may_be_abandoned(key, found, now) and await self._is_abandoned(found):
            return None
        return await self._known(key, found)

    async def _insert(self, state: OperationState, item: Item, *, known: bool = False) -> Accepted:
        """Store an item; ``known``: its key names it already, so another may have stored it."""
        try:
            await self._client.transact([insertion(item)])
        except Cancelled as refused:
            if (refused.reasons[0] or {}).get(MARK) == item[MARK]:
                return Accepted(state, False)  # it was stored, and the answer was lost
            await self._payloads.forget([item])
            if known:
                try:
                    return Accepted(await self._logs.load(state.id), True)
                except OperationForgotten as gone:
                    raise _forgotten(state.id) from gone
            raise Conflict(operation=state.id) from refused
        except PayloadTooLarge:
            await self._payloads.forget([item])
            raise
        except StoreUnavailable:
            if (await self._client.find(insertion(item))).get(MARK) != item[MARK]:
                raise
        return Accepted(state, False)

    async def _note(self, key: IdempotencyRecord, state: OperationState) -> Item | None:
        """Write the record of a key, to be followed by its operation; the one there is."""
        write = _key_write(key, state)["Put"]
        write["Item"][FIRST] = items.value(state.created_at)
        try:
            await self._client.transact([{"Put": write}])
        except Cancelled as refused:
            found = refused.reasons[0] or {}
            return None if items.text(found, "operation") == state.id else found
        return None

    async def _unnote(self, key: IdempotencyRecord, state: OperationState) -> None:
        """Take back the record of what cannot be stored."""
        condition = {
            "ConditionExpression": "#operation = :operation",
            "ExpressionAttributeNames": {"#operation": "operation"},
            "ExpressionAttributeValues": {":operation": {"S": state.id}},
        }
        with contextlib.suppress(Cancelled):
            await self._client.delete(schema.digest_key("key", key.scope), items.KEY, condition)

    async def _together(
        self, key: IdempotencyRecord, state: OperationState, item: Item
    ) -> Item | None:
        """Write both; or nothing, and the record there is."""
        try:
            await self._client.transact([insertion(item), _key_write(key, state)])
        except Cancelled as refused:
            if refused.reasons[-1] is not None:
                return refused.reasons[-1]
            await self._payloads.forget([item])
            raise Conflict(operation=state.id) from refused
        return None

    async def _is_abandoned(self, found: Item) -> bool:
        """Whether there is nothing in the place of the operation that a record names."""
        named = schema.operation_key(str(items.text(found, "operation")))
        return await self._client.get(named, items.OPERATION) is None

    async def _take_over(
        self, key: IdempotencyRecord, found: Item, state: OperationState, item: Item
    ) -> Item | None:
        """Have a record name another operation if it is abandoned; else, the one there is now."""
        write = items.key_item(key, state.id)
        held = state.ready_at == HELD
        if not held:
            write[FIRST] = items.value(state.created_at)
        operation = str(items.text(found, "operation"))
        writes = [
            insertion(items.note_item(operation, state.created_at + REMEMBERED)),
            *([insertion(item)] if held else []),
            {
                "Put": {
                    "Item": write,
                    "ConditionExpression": "#operation = :operation",
                    "ExpressionAttributeNames": {"#operation": "operation"},
                    "ExpressionAttributeValues": {":operation": found["operation"]},
                }
            },
        ]
        if await self._is_abandoned(found):
            with contextlib.suppress(Cancelled):  # another did, or it came after all
                await self._client.transact(writes)
                return None
        now = await self._client.get(schema.digest_key("key", key.scope), items.KEY) or found
        return None if items.text(now, "operation") == state.id else now

    async def _known(self, key: IdempotencyRecord, found: Item) -> Accepted | None:
        """The operation that a record names; None if it was not stored yet."""
        operation = str(items.text(found, "operation"))
        if bytes(found["payload"]["B"]) != key.payload:
            raise IdempotencyKeyReused(operation=operation)
        for tried in range(1 if FIRST in found else UNSEEN):
            try:
                return Accepted(await self._logs.load(operation), True)
            except OperationForgotten as gone:
                raise _forgotten(operation) from gone
            except UnknownOperation:
                await pause(tried)
        if FIRST not in found:
            raise _forgotten(operation)
        return None

    async def _complete(self, found: Item, state: OperationState) -> Accepted:
        """Store an operation as the one that a record names. For as long as this is done, one that
        was stored would be there, or be known to be forgotten.
        """
        operation = str(items.text(found, "operation"))
        over = items.number(found, FIRST) + REMEMBERED
        if state.ready_at == HELD or state.created_at >= over:
            raise _forgotten(operation)
        state = msgspec.structs.replace(state, id=operation)
        return await self._insert(state, await self._changes.inserted(state), known=True)


def _key_write(key: IdempotencyRecord, state: OperationState) -> dict[str, Any]:
    """The record of a key, unless there is one that has not expired."""
    return {
        "Put": {
            "Item": items.key_item(key, state.id),
            "ConditionExpression": "attribute_not_exists(pk) OR #until <= :now",
            "ExpressionAttributeNames": {"#until": "until"},
            "ExpressionAttributeValues": {":now": items.value(state.created_at)},
        }
    }


def _may_be_abandoned(key: IdempotencyRecord, found: Item, now: float) -> bool:
    """Whether a record is of something else, and its operation should long be there."""
    if bytes(found["payload"]["B"]) == key.payload or FIRST not in found:
        return False
    return now >= items.number(found, FIRST) + ABANDONED


def _forgotten(operation: str) -> OperationForgotten:
    return OperationForgotten(
        "This Idempotency-Key was used for an operation that has been forgotten. "
        "Use a new key to do the work again.",
        operation=operation,
    )
