"""What is of the past: handed to one follower before it gets what comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from ringback.core.filters import AnyFilter
from ringback.core.model import Message, Page, Position
from ringback.hub.audiences import Follower, Format, framed, taken
from ringback.hub.bells import never
from ringback.ports import Journal

PAGE = 500
"""Messages read at once."""
AT_ONCE = 32 * 1024
"""Bytes of the past after which a connection is asked whether it takes more: half of the smallest
bound of what may wait for one."""
MAX_RETAINED = 1000
"""Topics whose newest message a new follower gets."""
MAX_LOOKED_AT = 100 * PAGE
"""Retained topics that are looked at for those that a new follower may see."""


class Lost:
    """What somebody lost who asked for all that is kept: not what was gone before they asked."""

    def __init__(self, journal: Journal, filter: AnyFilter, before: Mapping[str, int]) -> None:
        """``before``: up to where messages of the topics that match were gone by then."""
        self._journal = journal
        self._filter = filter
        self.before = before

    @classmethod
    async def since(cls, journal: Journal, filter: AnyFilter, after: Position | None) -> Lost:
        """From now on for who begins with all that is kept; else after a position."""
        before = await journal.trimmed(filter) if after is None else {}
        return cls(journal, filter, before)

    async def topics(self, page: Page, sees: Callable[[str], bool]) -> Sequence[str] | None:
        """Those of a page's gap that may be seen; empty: it may be any. None: it is no gap here."""
        if not page.gap:
            return None
        missed = [topic for topic in page.missed if sees(topic)]
        if missed and self.before:
            now = await self._journal.trimmed(self._filter)
            missed = [each for each in missed if now.get(each, 0) > self.before.get(each, 0)]
        return missed if missed or not page.missed else None


async def last_values(
    journal: Journal,
    filter: AnyFilter,
    upto: Position,
    sees: Callable[[Message], bool],
    limit: int = MAX_RETAINED,
    *,
    given_up: Callable[[], bool] = never,
) -> tuple[list[Message], bool]:
    """The newest messages of the retained topics that may be seen, up to a position and in the
    order of their commits; also whether there are more, or may be. Who gives up gets those that
    were found by then.
    """
    found: list[Message] = []
    beyond, looked_at, cut = "", 0, False
    while page := await journal.retained(filter, upto, PAGE, beyond=beyond):
        found += [message for message in page if sees(message)]
        beyond, looked_at = page[-1].topic, looked_at + len(page)
        cut = len(found) > limit or looked_at >= MAX_LOOKED_AT or given_up()
        if cut:
            break
    return sorted(found[:limit], key=lambda message: message.position.offset), cut


async def send(
    follower: Follower,
    format: Format,
    messages: Sequence[Message],
    room: Callable[[], Awaitable[None]],
) -> None:
    """Write messages of the past, as the connection takes them."""
    begin = size = 0
    for index, message in enumerate(messages, 1):
        size += len(message.data)
        if size > AT_ONCE:
            write(follower, format, messages[begin:index])
            begin, size = index, 0
            await room()
    write(follower, format, messages[begin:])


def write(follower: Follower, format: Format, messages: Sequence[Message]) -> None:
    frames = [framed(format, message) for message in messages if is_for(follower, message)]
    if frames:
        follower.write(b"".join(frames))


def is_for(follower: Follower, message: Message) -> bool:
    """Whether a follower gets a message of a topic that it sees."""
    return message.attributes is None or not message.particular or taken(follower, message)
