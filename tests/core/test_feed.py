"""However live messages and reads of the log interleave: each message once, in order, or a gap."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ringback.core.feed import Feed
from ringback.core.model import BEGINNING, Kind, Message, Page, Position

PAGE = 3


def message(epoch: int, offset: int) -> Message:
    position = Position(f"e{epoch}", offset)
    return Message(topic="t", position=position, kind=Kind.MESSAGE, data=b"1", at=0.0)


class Log:
    """A log as ``Engine.read`` describes it: it is trimmed, and may begin anew."""

    def __init__(self) -> None:
        self.epoch, self.head, self.first = 1, 0, 1

    def read(self, after: Position | None) -> Page:
        mine = after is not None and after.epoch == f"e{self.epoch}" and after.offset <= self.head
        start = after.offset + 1 if mine and after is not None else 1
        if after == BEGINNING:
            mine = True
        first = max(start, self.first)
        last = min(first + PAGE - 1, self.head)
        messages = tuple(message(self.epoch, offset) for offset in range(first, last + 1))
        lost = first > start and (after is not None)
        return Page(
            messages=messages,
            position=messages[-1].position if messages else Position(f"e{self.epoch}", self.head),
            gap=lost or not (mine or after is None),
        )


class Splice(RuleBasedStateMachine):
    """A log, a subscriber, and whatever can come between them."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self.wire: list[list[Message]] = []
        """Live messages on their way, in the order of their commits."""
        self.delivered: list[Message | None] = []
        """None: a gap was told."""
        self.reading: Page | None = None

    @initialize(before=st.integers(0, 5), at=st.integers(0, 5), known=st.booleans())
    def subscribe(self, before: int, at: int, known: bool) -> None:
        self.log.head = before
        self.start = min(at, before)
        position = Position("e1", self.start)
        self.feed = Feed(position, behind=not (known and self.start == before))

    @rule(count=st.integers(1, 4), told=st.booleans())
    def publish(self, count: int, told: bool) -> None:
        """A commit; its live messages may be lost."""
        first = self.log.head + 1
        self.log.head += count
        if told:
            self.wire.append([message(self.log.epoch, first + n) for n in range(count)])

    @rule(twice=st.booleans(), joined=st.booleans())
    def arrive(self, twice: bool, joined: bool) -> None:
        if not self.wire:
            return
        batch = self.wire.pop(0)
        if joined and self.wire:
            batch = batch + self.wire.pop(0)
        for _ in range(1 + twice):
            self.delivered += self.feed.live(batch)

    @rule()
    def begin(self) -> None:
        if self.feed.behind and self.reading is None:
            self.reading = self.log.read(self.feed.begin())

    @rule()
    def end(self) -> None:
        if self.reading is not None:
            page, self.reading = self.reading, None
            if page.gap:
                self.delivered.append(None)
            self.delivered += self.feed.end(page)

    @rule(count=st.integers(1, 6))
    def trim(self, count: int) -> None:
        self.log.first = min(self.log.first + count, self.log.head + 1)

    @rule()
    def begin_anew(self) -> None:
        self.log.epoch += 1
        self.log.head, self.log.first = 0, 1

    @invariant()
    def each_once_in_order_or_a_gap(self) -> None:
        at = (1, getattr(self, "start", 0))
        gap = False
        for each in self.delivered:
            if each is None:
                gap = True
                continue
            epoch, offset = int(each.position.epoch[1:]), each.position.offset
            assert (epoch, offset) > at, "nothing twice, nothing out of order"
            assert gap or (epoch, offset) == (at[0], at[1] + 1), "nothing missing in silence"
            at, gap = (epoch, offset), False

    def teardown(self) -> None:
        """Once all has arrived and been read, the subscriber stands where the log does."""
        if not hasattr(self, "feed"):
            return
        self.end()
        self.publish(count=1, told=True)
        while self.wire:
            self.arrive(twice=False, joined=False)
        while self.feed.behind:
            self.begin()
            self.end()
        assert self.feed.position == Position(f"e{self.log.epoch}", self.log.head)
        self.each_once_in_order_or_a_gap()


TestSplice = Splice.TestCase
TestSplice.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_a_batch_that_follows_is_passed_on_as_it_is() -> None:
    """What thousands of subscribers have in common is made once."""
    feed = Feed(Position("e1", 2), behind=False)
    batch = [message(1, 3), message(1, 4)]
    assert feed.live(batch) is batch
    assert feed.live(batch) == []
    assert not feed.behind
    assert feed.live([]) == []


def test_from_the_oldest_that_is_kept() -> None:
    log = Log()
    log.head, log.first = 5, 3
    for start, gap in ((None, False), (BEGINNING, True)):
        feed = Feed(start)
        page = log.read(feed.begin())
        assert page.gap is gap
        assert [each.position.offset for each in feed.end(page)] == [3, 4, 5]
        assert feed.behind
        assert feed.end(log.read(feed.begin())) == ()
        assert not feed.behind
