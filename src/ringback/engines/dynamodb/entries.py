"""Messages of an operation's log that stand in its own item.

So a change of an operation's state is one write, and no transaction, in which each item is paid for
twice. What is large or many stands in items of its own (``items.log_item``): an item is paid for by
the kilobyte each time it is written.

A message that tells of a state is kept as what of that differs from an operation that was just
accepted; the rest is in the item anyway. Each entry has a token that nobody else has: it says
whether a write whose answer was lost was carried out.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from ringback.core.model import HELD, Draft, Kind, Message, OperationState, Position, Status
from ringback.core.view import INLINE_RESULT, operation_view
from ringback.engines.dynamodb.client import Item

ENTRIES = "log"
"""The attribute that they are a list in."""
APART = "apart"
"""The attribute that says up to which offset there are messages in items of their own."""
EARLY = 12
"""Messages of a log that may stand in its operation's item, beside the one of its end."""
SMALL, SMALL_END = 160, 512
"""Bytes of an entry, and of that of the end, with which it stands there."""

_FIELDS = (
    "status",
    "attempt",
    "progress",
    "progress_message",
    "part_count",
    "started_at",
    "finished_at",
    "ready_at",
    "cancel_requested",
    "dead_letter",
    "error",
    "result",
)
"""What of a state is seen and changes; an entry has their numbers. New ones go to the end."""
_DEFAULTS = {
    field.name: None if field.default is msgspec.NODEFAULT else field.default
    for field in msgspec.structs.fields(OperationState)
}
_TIMES = {"started_at", "finished_at", "ready_at"}
_AT_THE_END = {"error", "result"}
"""What stays as it is once an operation has ended, and so is not there twice."""


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """The messages of one change."""

    token: bytes
    first: int
    at: float
    messages: list[dict[int, Any] | tuple[str, bytes]]
    """What a state was like; or a kind, and its data."""

    @property
    def last(self) -> int:
        return self.first + len(self.messages) - 1

    @property
    def has_result(self) -> bool:
        """Whether it takes the result to read it."""
        result = _FIELDS.index("result")
        return any(isinstance(each, dict) and each.get(result) is True for each in self.messages)

    @property
    def is_progress(self) -> bool:
        """Whether it has nothing but progress."""
        return all(not isinstance(each, dict) and each[0] == "progress" for each in self.messages)

    def read(self, state: OperationState, epoch: str) -> list[Message]:
        """Its messages; ``state`` is the operation as it is now."""
        return [
            Message(
                topic=state.topic,
                position=Position(epoch, self.first + index),
                kind=Kind.STATUS if isinstance(each, dict) else Kind(each[0]),
                data=_told(each, state, self.first + index, self.at)
                if isinstance(each, dict)
                else each[1],
                at=self.at,
            )
            for index, each in enumerate(self.messages)
        ]


_DECODER: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


def entry(after: OperationState, drafts: Sequence[Draft]) -> bytes | None:
    """What a change tells, if it is to stand in its operation's item."""
    if not after.terminal and after.version > EARLY:
        return None
    messages: list[dict[int, Any] | tuple[str, bytes]] = []
    for draft in drafts:
        told = _shrunk(after) if draft.kind is Kind.STATUS else None
        # A view that cannot be made again from what is kept is kept itself.
        if told is not None and _told(told, after, after.version, after.updated_at) == draft.data:
            messages.append(told)
        else:
            messages.append((draft.kind.value, draft.data))
    made = msgspec.msgpack.encode(
        Entry(secrets.token_bytes(6), after.version - len(drafts) + 1, after.updated_at, messages)
    )
    return made if len(made) <= (SMALL_END if after.terminal else SMALL) else None


def entries_of(item: Item) -> list[Entry]:
    """The entries of an operation's item, oldest first."""
    return [_DECODER.decode(bytes(each["B"])) for each in item.get(ENTRIES, {}).get("L", ())]


def has(item: Item | None, made: bytes | None) -> bool:
    """Whether an operation's item has this very entry."""
    found = (item or {}).get(ENTRIES, {}).get("L", ())
    return made is not None and any(bytes(each["B"]) == made for each in found)


def _shrunk(state: OperationState) -> dict[int, Any]:
    fields: dict[int, Any] = {}
    for index, name in enumerate(_FIELDS):
        given = getattr(state, name)
        if given == _DEFAULTS[name]:
            continue
        if name == "ready_at" and (state.terminal or not state.updated_at < given < HELD):
            continue  # it is not seen
        if name == "result" and len(given) > INLINE_RESULT:
            given = len(given)
        elif (name in _AT_THE_END and state.terminal) or (
            name in _TIMES and given == state.updated_at
        ):
            given = True
        fields[index] = given
    return fields


def _told(fields: dict[int, Any], state: OperationState, version: int, at: float) -> bytes:
    """The view that a message told of, from what is kept of it."""
    then: dict[str, Any] = {"version": version, "updated_at": at}
    for index, name in enumerate(_FIELDS):
        given = fields.get(index, _DEFAULTS[name])
        if given is True and name in _TIMES:
            given = at
        elif given is True and name in _AT_THE_END:
            given = getattr(state, name)
        elif name == "result" and isinstance(given, int):
            given = bytes(given)  # so long; no more of it is seen
        then[name] = Status(str(given)) if name == "status" else given
    return operation_view(msgspec.structs.replace(state, **then))
