"""How messages of topics look as Server-Sent Events.

An event is framed once for all streams. Only a stream that follows operations too has frames of
its own, because its ids say where it stands in their logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ringback.core.model import BEGINNING, Message, Position
from ringback.core.topics import named
from ringback.core.view import timestamp
from ringback.wire import sse
from ringback.wire.positions import pack

_encode = msgspec.json.Encoder().encode


class Events:
    """The format that all streams of topics share."""

    def message(self, message: Message) -> bytes:
        position = message.position
        if not position.epoch:  # nothing is kept of it, and so there is nothing to come back to
            return body_of(message)
        return b"id: %b-%d\n%b" % (position.epoch.encode(), position.offset, body_of(message))

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return sse.event("gap", gap_data(named(topics), position), str(position))

    def lost(self, topics: Sequence[str]) -> bytes:
        """That messages of operations' logs are gone; where the stream stands is not changed."""
        return sse.event("gap", gap_data(topics, None))

    def heartbeat(self, position: Position) -> bytes:
        """Keeps the connection alive, and says that there is nothing missing up to here."""
        return mark(str(position))


EVENTS = Events()


class Beginning(Events):
    """The same for what a new stream begins with: last values are older than where it stands."""

    def __init__(self, position: Position) -> None:
        self._position = position

    def message(self, message: Message) -> bytes:
        if message.position.offset <= self._position.offset:
            return body_of(message)
        return super().message(message)


class PackedEvents(Events):
    """The format of one stream that follows operations too."""

    def __init__(self) -> None:
        self.topics = BEGINNING
        """Where it stands in all topics."""
        self.operations: dict[str, Position] = {}
        """Where it stands in the operations' logs, by their topics."""
        self._retained = False
        """Whether last values, up to there, are still to come."""

    def begin(self, topics: Position | None, *, retained: bool) -> None:
        """``topics``: where it stands in all topics; None: before the first message."""
        self.topics = topics or BEGINNING
        self._retained = retained

    def message(self, message: Message) -> bytes:
        position = message.position
        if not position.epoch or (self._retained and position.offset <= self.topics.offset):
            return body_of(message)
        self._stand(position)
        return b"id: %b\n%b" % (self.id.encode(), body_of(message))

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        self._stand(position)
        return sse.event("gap", gap_data(named(topics), position), self.id)

    def heartbeat(self, position: Position) -> bytes:
        self._stand(position)
        return mark(self.id)

    def _stand(self, position: Position) -> None:
        self.topics, self._retained = position, False

    def of_operation(self, message: Message) -> bytes:
        """A message of an operation's log."""
        self.operations[message.topic] = message.position
        return b"event: %b\nid: %b\n%b" % (
            message.kind.encode(),
            self.id.encode(),
            body_of(message),
        )

    def snapshot(self, topic: str, position: Position, data: bytes, at: float) -> bytes:
        """An operation as it stands."""
        self.operations[topic] = position
        return b"event: snapshot\nid: %b\n%b" % (self.id.encode(), _body(topic, position, data, at))

    @property
    def id(self) -> str:
        """Where the stream stands in all it follows."""
        return pack(self.topics, self.operations, retained=self._retained)


def mark(id: str) -> bytes:
    """Says where a stream stands, and nothing else: no event comes of it."""
    return b":\nid: %b\n\n" % id.encode()


def body_of(message: Message) -> bytes:
    """The data of an event, with its end."""
    return _body(message.topic, message.position, message.data, message.at)


def as_json(message: Message) -> bytes:
    """A message as polls show it; of an ephemeral topic its position is null."""
    return _json(message.topic, message.position, message.data, message.at)


def gap_data(topics: Sequence[str], position: Position | None) -> bytes:
    """What is said of a gap; topics that are empty may be any."""
    where = None if position is None else str(position)
    told: Mapping[str, object] = {"topics": list(topics), "position": where}
    return _encode(told)


def _body(topic: str, position: Position, data: bytes, at: float) -> bytes:
    shown = _json(topic, position, data, at)
    if b"\n" in shown or b"\r" in shown:  # between the tokens of JSON, where it means nothing
        shown = shown.replace(b"\n", b" ").replace(b"\r", b" ")
    return b"data: %b\n\n" % shown


def _json(topic: str, position: Position, data: bytes, at: float) -> bytes:
    where = b'"%b"' % str(position).encode() if position.epoch else b"null"
    return b'{"topic":%b,"position":%b,"at":"%b","data":%b}' % (
        _encode(topic),
        where,
        timestamp(at).encode(),
        data,
    )
