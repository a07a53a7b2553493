"""The WebSocket protocol ``ringback.v1``: the server's half of the codec.

What belongs here: frames into actions, messages into frames, and their bounds. What does not: what
an action does (the edge), and the bytes of WebSocket around a frame (its connection). The
specification is docs/protocol.md; every frame is one JSON object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from ringback.core.filters import MAX_FILTER_LENGTH
from ringback.core.model import Kind, Position
from ringback.core.topics import MAX_TOPIC_LENGTH, named
from ringback.core.view import timestamp
from ringback.errors import MalformedRequest, RingbackError, UnknownAction

PROTOCOL = "ringback.v1"
"""The subprotocol's token (RFC 6455 §1.9)."""
PATH = "/ws"
EARLIEST = "earliest"
"""As a position: from the oldest message there is."""

MAX_DATA = 256 * 1024
"""Bytes of a message's data, as over every other way to publish."""
MAX_FRAME = MAX_DATA + 4 * 1024
"""Bytes of a frame: the largest data, and room for the members around it."""
MAX_MISTAKES = 16
"""Malformed frames and unknown actions of one connection that are answered; the next closes it
with 4400. A client in development sees its mistakes, and one that sends nothing else is let go."""
MAX_ID = 64
"""Characters: a UUID with room for a prefix."""
MAX_AFTER = 256
"""Characters of a position to go on from. Ours are shorter; another's, which reads as a gap, may
be longer."""
MAX_TOKEN = 8 * 1024
"""Characters: the longest JWT that is looked at."""
MAX_OPERATION = 64
"""Characters of an operation's id; ours have 36."""
MAX_TASK = 256
"""Characters of a task's name: more is no name of any."""
MAX_KEY = 255
"""Characters of an idempotency key, as over HTTP."""
MAX_START_AT = 64
"""Characters of a time (RFC 3339) with any fraction of a second that means something."""
_SHOWN = 64
"""Characters of an unknown action that its error repeats."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
TopicText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TOPIC_LENGTH)]
FilterText = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_FILTER_LENGTH)]
After = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_AFTER)]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TOKEN)]
OperationId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_OPERATION)]
TaskName = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TASK)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_KEY)]
StartAt = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_START_AT)]


class _Action(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="action"
):
    """What a client asks for. Members it does not know are ignored: a newer client may send them
    (docs/protocol.md, Versions).
    """

    id: Id | None = None
    """Repeated in the reply; without one there is none, but for errors."""


class Authenticate(_Action, frozen=True, kw_only=True, tag="authenticate"):
    """Says who is there; again, with a fresh token of the same subject, before the last expires."""

    token: Token


class Subscribe(_Action, frozen=True, kw_only=True, tag="subscribe"):
    """Asks for the messages of all topics that fit, or of one operation."""

    filter: FilterText
    after: After | None = None
    """A position or ``earliest``; None: from now."""
    token: Token | None = None
    """An operation's own, where the filter is one operation."""


class Unsubscribe(_Action, frozen=True, kw_only=True, tag="unsubscribe"):
    """Asks for no more of them."""

    filter: FilterText


class Publish(_Action, frozen=True, kw_only=True, tag="publish"):
    """Appends a message to a topic."""

    topic: TopicText
    data: msgspec.Raw
    """JSON, as it came: it is not encoded again."""


class Submit(_Action, frozen=True, kw_only=True, tag="submit"):
    """Submits work to a task."""

    task: TaskName
    input: msgspec.Raw = msgspec.Raw(b"{}")
    key: Key | None = None
    """The idempotency key."""
    start_at: StartAt | None = None
    """Not before this time (RFC 3339)."""
    follow: bool = False
    """Whether to subscribe to the operation at once."""


class Cancel(_Action, frozen=True, kw_only=True, tag="cancel"):
    """Asks an operation to stop."""

    operation: OperationId
    token: Token | None = None


class Ping(_Action, frozen=True, kw_only=True, tag="ping"):
    """Asks for a pong: what a browser has instead of WebSocket's own."""


Action = Authenticate | Subscribe | Unsubscribe | Publish | Submit | Cancel | Ping
ACTIONS: dict[str, type[Action]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (Authenticate, Subscribe, Unsubscribe, Publish, Submit, Cancel, Ping)
}


# Frames in


class _Head(msgspec.Struct):
    """What is looked at in a frame that is no action."""

    action: msgspec.Raw = msgspec.Raw()
    id: msgspec.Raw = msgspec.Raw()


_decoder: msgspec.json.Decoder[Action] = msgspec.json.Decoder(Action)
_head_decoder = msgspec.json.Decoder(_Head)
_id_decoder = msgspec.json.Decoder(Id)
_text_decoder = msgspec.json.Decoder(str)
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_FAULT = re.compile(r"(?:Object missing required field `(\w+)`|(.+) - at `\$\.(\w+)`)")


def decode(frame: bytes | str) -> Action:
    """The action in a text frame. Raises ``MalformedRequest`` or ``UnknownAction``, and nothing
    else, whatever is in it.
    """
    try:
        check_text(frame)
        try:
            return _decoder.decode(frame)
        except msgspec.ValidationError as error:
            raise _refusal(_name(frame), str(error)) from None
    except _UNREADABLE as error:
        raise _no_json(error) from None


def id_of(frame: bytes | str) -> str | None:
    """The id of a frame that was refused, for the error to repeat, if it has a good one."""
    try:
        check_text(frame)
        return _id_decoder.decode(_head_decoder.decode(frame).id)
    except _UNREADABLE:
        return None


def check_text(frame: bytes | str) -> None:
    """Raises ``UnicodeError`` for what is not UTF-8 (RFC 8259 §8.1): what stays raw, or is
    skipped, is not looked at when JSON is decoded.
    """
    if not frame.isascii():
        if isinstance(frame, bytes):
            frame.decode()
        else:
            frame.encode()


def _no_json(error: Exception) -> MalformedRequest:
    if isinstance(error, RecursionError):
        return MalformedRequest("The frame is nested too deeply. Send flatter JSON.")
    return MalformedRequest(f"The frame is no JSON in UTF-8: {error}. Send one JSON object.")


def _name(frame: bytes | str) -> str | None:
    """The action that a frame names; None if it names none."""
    try:
        named = _head_decoder.decode(frame).action
        return _text_decoder.decode(named) if bytes(named) else None
    except msgspec.ValidationError:
        return None


def _refusal(name: str | None, fault: str) -> RingbackError:
    """Why JSON is no action, and how it would be one."""
    if name is None:
        return MalformedRequest(
            f'Send a JSON object whose "action" is one of: {", ".join(ACTIONS)}.'
        )
    kind = ACTIONS.get(name)
    if kind is None:
        return UnknownAction(
            f"There is no action {name[:_SHOWN]!r}. There are: {', '.join(ACTIONS)}.",
            known=list(ACTIONS),
        )
    found = _FAULT.fullmatch(fault)
    if found is None:
        return MalformedRequest(f"{name}: {fault}. It takes {_members(kind)}.")
    member = found[1] or found[3]
    cause = "Missing" if found[1] else found[2].replace("`", "")
    return MalformedRequest(
        f"{name}: {member}: {cause}. It takes {_members(kind)}.",
        errors=[{"pointer": f"/{member}", "detail": cause}],
    )


def _members(kind: type[Action]) -> str:
    """What an action is made of, the optional marked."""
    fields = sorted(msgspec.structs.fields(kind), key=lambda field: not field.required)
    return ", ".join(field.name if field.required else f"{field.name}?" for field in fields)


# Frames out

_encode = msgspec.json.Encoder().encode
_MESSAGE = Kind.MESSAGE


def message(
    topic: str,
    position: Position,
    data: bytes,
    at: float,
    kind: Kind = Kind.MESSAGE,
    filter: str | None = None,
) -> bytes:
    """A message; ``data`` is JSON and goes in as it is. One without an epoch in its position, of an
    ephemeral topic, is sent without. ``filter``: it is sent for this one subscription, by a replay
    or as the last value.

    The hot path: once for each message, however many get it.
    """
    whole = int(at)
    epoch = position.epoch
    if epoch and kind is _MESSAGE and filter is None:  # what fan-out is made of: a fifth less time
        return b'{"type":"message","topic":%b,"position":"%b-%d","at":"%b%03dZ","data":%b}' % (
            _encode(topic),
            epoch.encode(),
            position.offset,
            _second(whole),
            int((at - whole) * 1000),
            data,
        )
    more = b',"position":"%b-%d"' % (epoch.encode(), position.offset) if epoch else b""
    if kind is not _MESSAGE:
        more += b',"kind":"%b"' % kind.encode()
    if filter is not None:
        more += b',"filter":%b' % _encode(filter)
    return b'{"type":"message","topic":%b%b,"at":"%b%03dZ","data":%b}' % (
        _encode(topic),
        more,
        _second(whole),
        int((at - whole) * 1000),
        data,
    )


@lru_cache(maxsize=64)
def _second(whole: int) -> bytes:
    """A time up to its milliseconds, the same for all that happens within a second."""
    return timestamp(whole)[:-4].encode()


def snapshot(topic: str, position: Position, data: bytes) -> bytes:
    """An operation as it stands; ``data`` is its representation."""
    return b'{"type":"snapshot","topic":%b,"position":"%b","data":%b}' % (
        _encode(topic),
        str(position).encode(),
        data,
    )


def current(filter: str, position: Position) -> bytes:
    """The replay of a subscription has ended: it has all up to here."""
    return _encode({"type": "current", "filter": filter, "position": str(position)})


def gap(position: Position, topics: Sequence[str] = (), filter: str | None = None) -> bytes:
    """Messages up to here are lost, of these topics or nobody knows which: to one subscription, or
    to all that are current. What is sent next has a higher position.
    """
    told: dict[str, object] = {"type": "gap", "position": str(position)}
    if filter is not None:
        told["filter"] = filter
    if topics := named(topics):
        told["topics"] = list(topics)
    return _encode(told)


def end(filter: str, error: RingbackError | None = None) -> bytes:
    """A subscription is over: the operation ended, or the error says why."""
    why = {} if error is None else {"problem": _problem(error)}
    return _encode({"type": "end", "filter": filter, **why})


def reply(id: str, result: object) -> bytes:
    """What an action led to."""
    return _encode({"type": "reply", "id": id, "result": result})


def error(error: RingbackError, id: str | None = None) -> bytes:
    """Why an action was refused, as an RFC 9457 problem."""
    return _encode({"type": "error", **_id(id), "problem": _problem(error)})


def pong(id: str | None = None) -> bytes:
    """The answer to a ping."""
    return _encode({"type": "pong", **_id(id)})


def welcome(heartbeat: float, expires_at: float | None = None) -> bytes:
    """The first message. ``heartbeat`` in seconds; ``expires_at`` of the handshake's token."""
    until = {} if expires_at is None else {"expires_at": timestamp(expires_at)}
    return _encode({"type": "welcome", "protocol": PROTOCOL, "heartbeat": heartbeat, **until})


def expiring(expires_at: float) -> bytes:
    """The token expires soon: a fresh one is wanted."""
    return _encode({"type": "expiring", "expires_at": timestamp(expires_at)})


def bye(reconnect_after: float) -> bytes:
    """The server stops, and closes next; come again in so many seconds."""
    return _encode({"type": "bye", "reconnect_after": reconnect_after})


def _id(id: str | None) -> dict[str, str]:
    return {} if id is None else {"id": id}


def _problem(error: RingbackError) -> dict[str, object]:
    """With when to try again, for which HTTP has a header."""
    problem = error.problem()
    if problem["status"] in (429, 503):
        problem.setdefault("retry_after", 1)
    return problem
