"""Operations and messages as items, and back.

An operation's fields are attributes of the same names, so that conditions, filters of the stream
and whoever looks at the table see them. What has its default is not there, but for the three that
conditions name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ringback.core.model import (
    Draft,
    Event,
    IdempotencyRecord,
    Kind,
    Message,
    OperationState,
    Policy,
    Position,
    Status,
)
from ringback.core.topics import OPERATIONS
from ringback.engines.dynamodb import schema
from ringback.engines.dynamodb.client import Item

OPERATION = "op"
"""The sort key of an operation."""
KEY = "key"
"""That of an idempotency key."""
FORGOTTEN = "forgotten"
"""What an operation's item has once the operation is no more."""
MAX_PRIORITY = 1 << 63

_APART = {"id", "policy", "input", "result"}
_FIELDS = {
    field.name: field
    for field in msgspec.structs.fields(OperationState)
    if field.name not in _APART
}
_ALWAYS = {"version", "status", "attempt"}
_INTEGERS = {"version", "attempt", "failures", "priority", "part_count", "parts_after"}
_BINARY = {"error"}
_INDEXED = {"subject", "parent"}
EMPTY = "\0"
"""What an empty text is in an index's key, which has none."""
_DEFAULTS = msgspec.structs.asdict(Policy())
_POLICY: msgspec.json.Decoder[Policy] = msgspec.json.Decoder(Policy)
_PACK: msgspec.msgpack.Decoder[list[tuple[str, bytes]]] = msgspec.msgpack.Decoder(
    list[tuple[str, bytes]]
)


def value(given: Any) -> dict[str, Any]:
    """A value with its type, as DynamoDB's JSON has it."""
    if isinstance(given, bool):
        return {"BOOL": given}
    if isinstance(given, str):
        return {"S": str(given)}
    if isinstance(given, bytes):
        return {"B": given}
    return {"N": repr(given)}


def number(item: Mapping[str, Any], name: str, default: float = 0.0) -> float:
    """A number's value."""
    found = item.get(name)
    return default if found is None else float(found["N"])


def integer(item: Mapping[str, Any], name: str, default: int = 0) -> int:
    """A whole number's value."""
    found = item.get(name)
    return default if found is None else int(found["N"])


def text(item: Mapping[str, Any], name: str) -> str | None:
    """A text's value."""
    found = item.get(name)
    return None if found is None else str(found["S"])


def policy_text(policy: Policy) -> str:
    """A policy, without what has its default."""
    fields = msgspec.structs.asdict(policy)
    return msgspec.json.encode(
        {name: given for name, given in fields.items() if given != _DEFAULTS[name]}
    ).decode()


@functools.lru_cache(1000)
def policy_of(encoded: str) -> Policy:
    """The same, read."""
    return _POLICY.decode(encoded)


def operation_item(state: OperationState) -> Item:
    """All attributes of an operation but its payloads."""
    item: Item = {
        "pk": {"S": schema.operation_key(state.id)},
        "sk": {"S": OPERATION},
        "policy": {"S": policy_text(state.policy)},
        "lease_for": value(state.policy.lease),
    }
    for name, field in _FIELDS.items():
        given = getattr(state, name)
        if given is not None and (name in _ALWAYS or given != field.default):
            item[name] = value(given or EMPTY if name in _INDEXED else given)
    if state.dead_letter:
        item["dead"] = {"S": "1"}
    match state.status:
        case Status.QUEUED:
            item["stage"] = {"S": queued_stage(state.task)}
            item["place"] = {"S": place(state.priority, state.ready_at, state.id)}
            item["queued_at"] = value(state.updated_at)
        case Status.RUNNING:
            item["stage"] = {"S": running_stage(state.task)}
            item["place"] = {"S": state.id}
        case _:
            item["stage"] = {"S": schema.due_stage(schema.operation_key(state.id))}
            item["place"] = {"S": schema.time_key(state.expires_at or 0.0)}
    return item


def queued_stage(task: str) -> str:
    return f"queued#{task}"


def running_stage(task: str) -> str:
    return f"running#{task}"


def place(priority: int, ready_at: float, operation: str) -> str:
    """Where in its task's queue an operation stands."""
    return f"{MAX_PRIORITY - priority:020d}#{schema.time_key(ready_at)}#{operation}"


def operation_of(item: Item, input: bytes, result: bytes | None) -> OperationState:
    """The operation that an item is."""
    fields: dict[str, Any] = {}
    for name in _FIELDS:
        found = item.get(name)
        if found is None:
            continue
        ((kind, given),) = found.items()
        if kind == "N":
            given = int(given) if name in _INTEGERS else float(given)
        elif kind == "B":
            given = bytes(given)
        fields[name] = "" if given == EMPTY else given
    fields["status"] = Status(fields["status"])
    return OperationState(
        id=operation_in(item),
        policy=policy_of(item["policy"]["S"]),
        input=input,
        result=result,
        **fields,
    )


def operation_in(item: Item) -> str:
    """The operation whose partition an item is in."""
    return str(item["pk"]["S"]).partition("#")[2]


def log_item(after: OperationState, drafts: Sequence[Draft]) -> Item:
    """Messages of an operation's log: those of one change stand in one item."""
    return {
        "pk": {"S": schema.operation_key(after.id)},
        "sk": {"S": log_key(after.version)},
        "first": value(after.version - len(drafts) + 1),
        "at": value(after.updated_at),
        "kinds": {"S": " ".join(sorted({draft.kind.value for draft in drafts}))},
        "messages": {
            "B": msgspec.msgpack.encode([(draft.kind.value, draft.data) for draft in drafts])
        },
    }


def log_key(offset: int) -> str:
    """Where in an operation's partition the messages up to this offset stand."""
    return f"m#{schema.number_key(offset)}"


def log_end(item: Item) -> int:
    """The offset of the last message of such an item."""
    return int(str(item["sk"]["S"]).partition("#")[2])


def log_messages(item: Item, epoch: str) -> list[Message]:
    """The messages of such an item, whose payload is there."""
    operation = operation_in(item)
    first, at = integer(item, "first"), number(item, "at")
    return [
        Message(
            topic=OPERATIONS + operation,
            position=Position(epoch, first + index),
            kind=Kind(kind),
            data=data,
            at=at,
        )
        for index, (kind, data) in enumerate(_PACK.decode(bytes(item["messages"]["B"])))
    ]


def note_item(operation: str, until: float) -> Item:
    """What says, until then, that an operation was here and is no more."""
    return {
        "pk": {"S": schema.operation_key(operation)},
        "sk": {"S": OPERATION},
        FORGOTTEN: {"BOOL": True},
        "until": value(until),
        schema.EXPIRES: value(int(until) + 1),
    }


def event_item(event: Event, operation: str, expires_at: float) -> Item:
    """An event, beside the operation that emitted it."""
    item: Item = {
        "pk": {"S": schema.operation_key(operation)},
        "sk": {"S": f"e#{event.sequence:06d}#{event.id}"},
        "event": {"B": msgspec.msgpack.encode(event)},
        schema.EXPIRES: value(int(expires_at) + 1),
        "until": value(expires_at),
    }
    return item


def event_of(item: Item) -> Event:
    """The event that an item is."""
    return msgspec.msgpack.decode(bytes(item["event"]["B"]), type=Event)


def key_item(record: IdempotencyRecord, operation: str) -> Item:
    """An idempotency key."""
    return {
        "pk": {"S": schema.digest_key("key", record.scope)},
        "sk": {"S": KEY},
        "payload": {"B": record.payload},
        "operation": {"S": operation},
        schema.EXPIRES: value(int(record.expires_at) + 1),
        "until": value(record.expires_at),
    }
