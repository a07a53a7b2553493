"""What the parts of the WebSocket edge have in common: the application they speak for, and what a
session asks of the connection that carries it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ringback.core.access import Claims
from ringback.core.model import Message, OperationState, Position
from ringback.edges.http.gate import Gate
from ringback.edges.http.rates import Rates
from ringback.edges.places import Keeper, Places
from ringback.edges.websocket.frames import Frames
from ringback.hub import Hub
from ringback.service import Service

FOREIGN = Position("?", 0)
"""Stands for a position that is none of ours: it reads as a gap."""


@dataclass(frozen=True, slots=True)
class Context:
    """One application, as its WebSocket sessions need it."""

    service: Service
    hub: Hub
    gate: Gate
    places: Places
    keeper: Keeper
    submissions: Rates
    """Of all edges, as a caller's are counted together."""
    publications: Rates


class Link(Protocol):
    """The connection that carries a session. It follows topics for it: see ``hub.Follower``."""

    @property
    def format(self) -> Frames: ...

    subject: str | None

    def takes(self, message: Message) -> bool: ...

    @property
    def write(self) -> Callable[[bytes], object]: ...

    @property
    def write_newest(self) -> Callable[[str, bytes], object]: ...

    @property
    def descriptor(self) -> int | None: ...

    def room(self) -> Awaitable[None]:
        """Wait until the connection takes more."""

    def hang_up(self, code: int, reason: str) -> None:
        """Send what waits and a close frame, and read no more. Idempotent."""

    def pause(self) -> None:
        """Hand over no more frames, but for those that have come already."""

    def go_on(self) -> None:
        """Hand frames over again."""


class Following(Protocol):
    """What a submission that is followed asks of a caller's subscriptions."""

    def require_room(self, filter: str) -> None:
        """Raises ``RateLimited`` where there are as many subscriptions as there may be."""

    def follow(self, state: OperationState, bearer: Claims | None, after: Position) -> None:
        """Send the changes of an operation after a position. The reply has been sent."""


class Caller(Protocol):
    """Who asks for something to be changed: a session, or what stands for one where nobody holds
    the connection.
    """

    @property
    def context(self) -> Context: ...

    @property
    def claims(self) -> Claims: ...

    @property
    def address(self) -> str | None: ...

    @property
    def over(self) -> bool: ...

    @property
    def subscriptions(self) -> Following: ...

    def reply(self, id: str | None, result: object) -> None: ...

    def bearer(self, operation: str, token: str | None) -> Claims | None: ...


def position_of(after: str) -> Position:
    """Where a client wants to go on; ``earliest`` is to be asked for before."""
    return Position.parse(after) or FOREIGN
