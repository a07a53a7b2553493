"""One subscriber of one log: history and live messages, spliced.

Live messages come after they can be read, in the order of their log; some may be lost on the way
and some may come twice: they are hints that carry their data. The log has them all. So a feed
knows where its subscriber stands. A live message that follows is delivered, one that was had is
dropped, and one that leaves a hole sends the feed back to the log. What the log no longer has is
a gap, and is said to be one.

    feed = Feed(position)
    deliver(feed.live(messages))                     # whenever some come
    while feed.behind:
        page = await engine.read(topic, feed.begin(), limit)
        deliver(feed.end(page))

The same for every transport; pure, so that every interleaving can be tested.
"""

from __future__ import annotations

from collections.abc import Sequence

from ringback.core.model import Message, Page, Position


class Feed:
    """Where one subscriber stands in one log."""

    __slots__ = ("_told", "behind", "position")

    def __init__(self, position: Position | None, *, behind: bool = True) -> None:
        """``position`` is that of the last message the subscriber had; None: from the oldest that
        is kept. Unless it is known to be the newest of the log, the feed begins ``behind``.
        """
        self.position = position
        self.behind = behind
        """Whether the log has to be read on from ``position``."""
        self._told = False
        """Whether live messages came while the log is being read: the read may lack them."""

    def live(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Those of some live messages to deliver now. What is not delivered here and was not had
        before comes from the log.
        """
        if self.behind:
            self._told = True
            return ()
        at = self.position
        if messages and at is not None and _follow(at, messages):
            self.position = messages[-1].position  # the usual case: all are new, none is missing
            return messages
        return [message for message in messages if self._take(message.position)]

    def _take(self, position: Position) -> bool:
        at = self.position
        if self.behind or at is None or position.epoch != at.epoch:
            self.behind = True  # a log that began anew says gap when it is read on from here
            return False
        if position.offset <= at.offset:
            return False
        if position.offset > at.offset + 1:
            self.behind = True
            return False
        self.position = position
        return True

    def begin(self) -> Position | None:
        """After which position to read the log, just now."""
        self._told = False
        return self.position

    def end(self, page: Page) -> Sequence[Message]:
        """What was read: the messages to deliver, behind a gap if the page says so.

        The feed stays behind until a page is empty, and nothing came while it was read.
        """
        self.position = page.position
        if not page.messages and not self._told:
            self.behind = False
        return page.messages


def _follow(at: Position, messages: Sequence[Message]) -> bool:
    """Whether these are the next messages, one behind the other."""
    first, last = messages[0].position, messages[-1].position
    return (
        first.epoch == at.epoch == last.epoch
        and first.offset == at.offset + 1
        and last.offset == at.offset + len(messages)
    )
