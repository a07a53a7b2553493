"""WebSockets that a gateway holds: what a store keeps of each, since no process has it.

What belongs here: frozen data, and its stored form. What does not: who writes when (``lambdas``),
and where (``engines``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from ringback.core.access import ANONYMOUS, Claims
from ringback.core.model import Event, Publication

LEASE = 20.0
"""Seconds for which whoever sends on a connection holds it, unless saved again."""


class Stage(StrEnum):
    """How far a subscription has come."""

    REPLAYING = "replaying"
    """It gets its past, at its own position; an operation stays here to its end."""
    ANNOUNCED = "announced"
    """It has its past, and is to be told so: perhaps it was already."""
    CURRENT = "current"
    """It gets what comes, at the position of all that are current."""


class Followed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One subscription of a connection."""

    stage: Stage
    after: str | None = None
    """Its own position, unless it is current; as the client wrote it until something came, which
    may be ``earliest``."""
    gone: Mapping[str, int] = {}
    """Of topics, up to where messages were gone when all that is kept was asked for."""
    bearer: Claims | None = None
    """Those of the operation's own token, where it is followed by that."""
    looked: bool = False
    """Whether an operation was looked at once, should it have ended before."""


class Connection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One client on one connection."""

    id: str
    connected_at: float
    claims: Claims = ANONYMOUS
    shown: str | None = None
    """What is kept of an operation's own token that the handshake showed. It is none itself."""
    address: str | None = None
    after: str | None = None
    """Where all stand that are current; None: none has been."""
    followed: Mapping[str, Followed] = {}
    """By the filters' texts."""
    warned_of: float | None = None
    """The expiry that the client was told of."""
    failures: int = 0
    """Times in a row that it could not be posted to, though it is there."""
    throttled: int = 0
    """The same, where the gateway took no more from anybody."""
    owed: bool = False
    """Whether it is to be greeted by whoever sends on it next."""


class Held(msgspec.Struct, frozen=True):
    """The right to send on a connection, for a while."""

    connection: Connection
    holder: str
    news: int = 0
    """Counts those who came meanwhile, left something to be sent, and went."""


class Passing(msgspec.Struct, frozen=True):
    """Messages of ephemeral topics on their way."""

    key: str
    """Names them to whoever tells them: once."""
    messages: tuple[tuple[Publication, float], ...]
    """With when they were published."""


class Rest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who is still to be told of something: more follow it than one call has time for."""

    after: str
    """The connection up to which all were told, in the order of their ids."""
    topics: tuple[str, ...] = ()
    """Topics that have news."""
    messages: tuple[tuple[Publication, float], ...] = ()
    """Or messages of ephemeral topics."""
    opened: tuple[str, ...] = ()
    """Or connections that are new."""
    unfinished: tuple[str, ...] = ()
    """Or those on which there is more to be sent."""
    rounds: int = 0
    """Calls that had no time for all."""
    key: str = ""
    """Names it, once it is stored."""


class Changes(msgspec.Struct, frozen=True):
    """What records of a store's stream tell."""

    topics: frozenset[str] = frozenset()
    """Topics with new messages, operations' logs among them."""
    queued: tuple[str, ...] = ()
    """Operations that were queued by these."""
    passing: tuple[Passing, ...] = ()
    rests: tuple[Rest, ...] = ()
    events: tuple[Event, ...] = ()
    """Events that were emitted."""
    opened: tuple[str, ...] = ()
    """Connections that are new."""
    unfinished: tuple[str, ...] = ()
    """Connections on which there is more to be sent."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Connection).decode


def write(connection: Connection) -> bytes:
    """The stored form."""
    return _encode(connection)


def read(data: bytes) -> Connection:
    """A connection from its stored form."""
    return _decode(data)
