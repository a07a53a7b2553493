"""The WebSocket protocol ``ringback.v1``: the client's half of the codec, and where to go on.

What belongs here: frames into messages, actions into frames, and what a client has to remember to
resume. What does not: connections and their back-off. The specification is docs/protocol.md.
"""

from __future__ import annotations

import msgspec

from ringback.core.model import Position
from ringback.core.topics import OPERATIONS
from ringback.errors import MalformedRequest
from ringback.wire.channel import Action, check_text


class _Received(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a server says. Members that are not known here are ignored."""


class Welcome(_Received, frozen=True, kw_only=True, tag="welcome"):
    """The first message of a connection."""

    protocol: str
    heartbeat: float
    """Seconds of silence after which to ask whether the connection still stands."""
    expires_at: str | None = None


class Reply(_Received, frozen=True, kw_only=True, tag="reply"):
    """What an action led to."""

    id: str
    result: msgspec.Raw


class Refusal(_Received, frozen=True, kw_only=True, tag="error"):
    """Why an action was refused."""

    problem: dict[str, object]
    id: str | None = None


class Message(_Received, frozen=True, kw_only=True, tag="message"):
    """A message of a topic, or of an operation's log."""

    topic: str
    position: str | None = None
    """None: of an ephemeral topic."""
    data: msgspec.Raw
    at: str | None = None
    kind: str | None = None
    filter: str | None = None
    """It is for this subscription alone; None: for every current one that it fits."""


class Snapshot(_Received, frozen=True, kw_only=True, tag="snapshot"):
    """An operation as it stands."""

    topic: str
    position: str
    data: msgspec.Raw


class Current(_Received, frozen=True, kw_only=True, tag="current"):
    """A subscription's replay has ended."""

    filter: str
    position: str


class Gap(_Received, frozen=True, kw_only=True, tag="gap"):
    """Messages up to a position are lost."""

    position: str
    filter: str | None = None
    """To this subscription; None: to all that are current."""
    topics: list[str] | None = None


class End(_Received, frozen=True, kw_only=True, tag="end"):
    """A subscription is over."""

    filter: str
    problem: dict[str, object] | None = None


class Expiring(_Received, frozen=True, kw_only=True, tag="expiring"):
    """A fresh token is wanted."""

    expires_at: str


class Bye(_Received, frozen=True, kw_only=True, tag="bye"):
    """The server stops."""

    reconnect_after: float


class Pong(_Received, frozen=True, kw_only=True, tag="pong"):
    """The answer to a ping."""

    id: str | None = None


Received = (
    Welcome | Reply | Refusal | Message | Snapshot | Current | Gap | End | Expiring | Bye | Pong
)
TYPES = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        Welcome,
        Reply,
        Refusal,
        Message,
        Snapshot,
        Current,
        Gap,
        End,
        Expiring,
        Bye,
        Pong,
    )
)


class _Head(msgspec.Struct):
    """What tells a message that is newer than this client from a wrong one."""

    type: str


_decoder: msgspec.json.Decoder[Received] = msgspec.json.Decoder(Received)
_head_decoder = msgspec.json.Decoder(_Head)
_encode = msgspec.json.Encoder().encode


def encode(action: Action) -> bytes:
    """The frame of an action."""
    return _encode(action)


def decode(frame: bytes | str) -> Received | None:
    """The message in a text frame; None for one of a type that is not known here, which a client
    passes over. Raises ``MalformedRequest``, and nothing else, for what no server sends.
    """
    try:
        check_text(frame)
        try:
            return _decoder.decode(frame)
        except msgspec.ValidationError as error:
            if _head_decoder.decode(frame).type not in TYPES:
                return None
            raise _foreign(error) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _foreign(error) from None


def _foreign(error: Exception) -> MalformedRequest:
    return MalformedRequest(f"This is no message of a Ringback server: {error}. Check the URL.")


class Resume:
    """Where each subscription goes on after its connection is lost: what docs/protocol.md asks of
    a client under Resuming.

    One position is enough for all subscriptions that are current, since their messages come in
    its order. A subscription whose replay has not ended has its own, and so has each operation.
    """

    def __init__(self) -> None:
        self._shared: Position | None = None
        self._current: set[str] = set()
        self._own: dict[str, str | None] = {}
        """None: an operation of which no snapshot has come yet."""

    def subscribed(self, filter: str, after: str | None, position: str) -> None:
        """The reply to a subscribe has come, with its position.

        An operation stands there once its snapshot has come: cut off before that, it is asked for
        anew. One that was submitted to be followed stands where the reply shows it: ``after``.
        """
        if after is not None:
            self._current.discard(filter)
            self._own[filter] = position
        elif filter.startswith(OPERATIONS):
            self._own[filter] = None
        else:
            self._join(filter, position)

    def dropped(self, filter: str) -> None:
        """A subscription is over."""
        self._current.discard(filter)
        self._own.pop(filter, None)

    def take(self, received: Received) -> bool:
        """A message has come: whether it is new to its subscriptions."""
        match received:
            case Message():
                return self._take(received)
            case Snapshot(topic=topic, position=position) if topic in self._own:
                self._own[topic] = position
            case Gap(filter=filter, position=position):
                if filter is not None and filter in self._own:
                    if not filter.startswith(OPERATIONS):  # whose snapshot moves it
                        self._own[filter] = position
                else:
                    self._advance(position)
            case Current(filter=filter, position=position):
                self._join(filter, position)
            case End(filter=filter):
                self.dropped(filter)
        return True

    def lost(self) -> None:
        """The connection is gone. What stood at the shared position now stands there by itself,
        until it is current again: the next connection may go on sooner with one than with another.
        """
        if self._shared is not None:
            self._own.update(dict.fromkeys(self._current, str(self._shared)))
        self._current.clear()

    def after(self, filter: str) -> str | None:
        """With what to subscribe again; None for what was not subscribed to."""
        if filter in self._current:
            return str(self._shared)
        return self._own.get(filter)

    def _take(self, message: Message) -> bool:
        if message.position is None:
            return True
        place = Position.parse(message.position)
        of = message.topic if message.topic.startswith(OPERATIONS) else message.filter
        if of is not None:
            own = self._own.get(of)
            if own is not None:
                if _reached(Position.parse(own), place):
                    return False
                self._own[of] = message.position
            return True
        if not self._current or place is None:
            return True
        if _reached(self._shared, place):
            return False
        self._shared = place
        return True

    def _join(self, filter: str, position: str) -> None:
        self._own.pop(filter, None)
        self._current.add(filter)
        self._advance(position)

    def _advance(self, text: str) -> None:
        position = Position.parse(text)
        if position is not None and not _reached(self._shared, position):
            self._shared = position


def _reached(at: Position | None, position: Position | None) -> bool:
    """Whether a place is at another or behind it; one of another epoch is not."""
    return (
        at is not None
        and position is not None
        and at.epoch == position.epoch
        and at.offset >= position.offset
    )
