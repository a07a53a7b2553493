"""One subscription, and what follows for a moment while one begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ringback.core.access import Claims
from ringback.core.filters import Filter
from ringback.core.model import Message, Position

if TYPE_CHECKING:
    from ringback.edges.websocket.session import Session

log = logging.getLogger("ringback.websocket")


class Subscription:
    """To one filter."""

    __slots__ = ("_session", "bearer", "bell", "filter", "guarded", "task")

    def __init__(self, session: Session, filter: Filter) -> None:
        self._session = session
        self.filter = filter
        self.guarded = False
        """Whether the subscriber may not see every topic that matches."""
        self.task: asyncio.Task[None] | None = None
        """What replays its past, or follows its operation."""
        self.bearer: Claims | None = None
        """Those of the operation's own token, where it is followed by that."""
        self.bell: asyncio.Event | None = None
        """Wakes whoever follows the operation."""

    def allows(self, topic: str) -> bool:
        """Whether the subscriber may see a topic, as of now. Never raises: the hub asks for all."""
        if not self.guarded:
            return True
        session = self._session
        try:
            return session.context.hub.topics.allows("subscribe", session.claims, topic)
        except Exception:  # the application's own predicate
            log.exception("Who may follow %s could not be told, so it is refused.", topic)
            return False

    @property
    def guard(self) -> Callable[[str], bool] | None:
        return self.allows if self.guarded else None


class Newest:
    """Follows for a moment: the newest message of each topic, in the place of its last value."""

    __slots__ = ("messages", "subject", "takes")

    descriptor = None

    def __init__(self, subject: str | None, takes: Callable[[Message], bool]) -> None:
        self.messages: dict[str, Message] = {}
        self.subject = subject
        self.takes = takes

    @property
    def format(self) -> Newest:
        return self

    def message(self, message: Message) -> bytes:
        self.messages.pop(message.topic, None)
        self.messages[message.topic] = message
        return b""

    def gap(self, topics: object, position: Position) -> bytes:
        return b""

    @property
    def write(self) -> Callable[[bytes], object]:
        return len

    @property
    def write_newest(self) -> Callable[[str, bytes], object]:
        return lambda topic, frame: None
