"""However the tail's reading, a subscriber's replay and publishing interleave: each message once,
in order, or a gap."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ringback.core import feed
from ringback.core.feed import Joiner, Tail
from ringback.core.model import BEGINNING, Kind, Message, Page, Position
from tests.thorough import examples

PAGE = 3
TOPICS = ("a", "b")


class Journal:
    """The journal as ``ports.Journal`` describes it: it is trimmed, and may begin anew."""

    def __init__(self) -> None:
        self.epoch = 1
        self.messages: list[Message] = []
        self.head = 0
        self.trimmed = dict.fromkeys(TOPICS, 0)

    def publish(self, topic: str) -> None:
        self.head += 1
        position = Position(f"e{self.epoch}", self.head)
        self.messages.append(
            Message(topic=topic, position=position, kind=Kind.MESSAGE, data=b"1", at=0.0)
        )

    def trim(self, topic: str) -> None:
        oldest = next((m for m in self.messages if m.topic == topic), None)
        if oldest is not None:
            self.messages.remove(oldest)
            self.trimmed[topic] = oldest.position.offset

    def read(self, topics: Sequence[str], after: Position | None) -> Page:
        start, gap = 0, False
        if after is not None and after != BEGINNING:
            gap = after.epoch != f"e{self.epoch}" or after.offset > self.head
            start = 0 if gap else after.offset
        if after is not None:
            gap = gap or any(self.trimmed[topic] > start for topic in topics)
        found = [m for m in self.messages if m.topic in topics and m.position.offset > start]
        page = tuple(found[:PAGE])
        end = page[-1].position if page else Position(f"e{self.epoch}", self.head)
        return Page(messages=page, position=end, gap=gap)


class Splice(RuleBasedStateMachine):
    """A journal, a tail, a subscriber of one topic, and whatever can come between them."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()
        self.tail = Tail(Position("e1", 0))
        self.delivered: list[Message | None] = []
        """None: a gap was told."""
        self.reading: Page | None = None
        self.handing: Page | None = None
        self.joined = False
        self.published: list[Message] = []
        self.start: tuple[int, int] = (1, 0)

    @initialize(before=st.integers(0, 6), handed=st.booleans(), at=st.integers(0, 6))
    def subscribe(self, before: int, handed: bool, at: int) -> None:
        for number in range(before):
            self.journal.publish(TOPICS[number % 2])
        if handed:
            self.hand_on()
            self.hand_on()
        self.start = (1, min(at, before))
        self.joiner = Joiner(self.tail, Position("e1", min(at, before)))

    @rule(topic=st.sampled_from(TOPICS), count=st.integers(1, 3))
    def publish(self, topic: str, count: int) -> None:
        for _ in range(count):
            self.journal.publish(topic)

    @rule(topic=st.sampled_from(TOPICS))
    def trim(self, topic: str) -> None:
        self.journal.trim(topic)

    @rule()
    def begin_anew(self) -> None:
        self.journal.epoch += 1
        self.journal.head, self.journal.messages = 0, []
        self.journal.trimmed = dict.fromkeys(TOPICS, 0)

    @rule()
    def begin_to_hand_on(self) -> None:
        if self.handing is None:
            self.handing = self.journal.read(TOPICS, self.tail.position)

    @rule()
    def hand_on(self) -> None:
        """What was read goes to all that are level, at once."""
        page = self.handing or self.journal.read(TOPICS, self.tail.position)
        self.handing = None
        self.tail.add(page)
        if self.joined:
            if page.gap:
                self.delivered.append(None)
            self.deliver(page.messages)

    def deliver(self, messages: Sequence[Message]) -> None:
        self.delivered += [message for message in messages if message.topic == "a"]

    @rule()
    def begin_to_read(self) -> None:
        if not self.joined and self.reading is None:
            self.reading = self.journal.read(("a",), self.joiner.position)

    @rule()
    def end_reading(self) -> None:
        if self.reading is not None:
            page, self.reading = self.reading, None
            if page.gap:
                self.delivered.append(None)
            self.deliver(self.joiner.add(page))

    @rule()
    def join(self) -> None:
        if self.joined or self.reading is not None:
            return
        missing = self.joiner.level()
        if missing is not None:
            self.joined = True
            self.deliver(missing)

    @invariant()
    def each_once_in_order_or_a_gap(self) -> None:
        at, gap = self.start, False
        every = {m.position: m for m in self.journal.messages if m.topic == "a"}
        for each in self.delivered:
            if each is None:
                gap = True
                continue
            now = (int(each.position.epoch[1:]), each.position.offset)
            assert now > at, "nothing twice, nothing out of order"
            if not gap and at[0] == now[0]:
                between = [
                    position
                    for position in every
                    if position.epoch == each.position.epoch and at[1] < position.offset < now[1]
                ]
                assert not between, "nothing missing in silence"
            elif not gap:
                raise AssertionError("another epoch without a gap")
            at, gap = now, False

    def teardown(self) -> None:
        """Once all has been read and handed on, the subscriber has the newest there is."""
        if not hasattr(self, "joiner"):
            return
        self.end_reading()
        self.journal.publish("a")
        for _ in range(100):
            self.join()
            if self.joined:
                break
            self.begin_to_read()
            self.end_reading()
            self.hand_on()  # at another epoch, only the tail can catch up
        assert self.joined, "reading on ends at the tail"
        for _ in range(100):
            self.hand_on()
        assert self.delivered[-1] == self.journal.messages[-1]
        self.each_once_in_order_or_a_gap()


TestSplice = Splice.TestCase
TestSplice.settings = settings(max_examples=examples(300), stateful_step_count=40, deadline=None)


def page(first: int, last: int, epoch: str = "e1", size: int = 1) -> Page:
    messages = tuple(
        Message(topic="t", position=Position(epoch, n), kind=Kind.MESSAGE, data=b"x" * size, at=0.0)
        for n in range(first, last + 1)
    )
    return Page(messages=messages, position=Position(epoch, last))


def test_a_tail_remembers_only_so_much() -> None:
    tail = Tail(Position("e1", 0))
    tail.add(page(1, feed.MAX_RECENT + 10))
    assert tail.since(Position("e1", 9)) is None
    kept = tail.since(Position("e1", 10))
    assert kept is not None
    assert len(kept) == feed.MAX_RECENT
    tail.add(page(feed.MAX_RECENT + 11, feed.MAX_RECENT + 12, size=feed.MAX_RECENT_BYTES))
    assert tail.since(Position("e1", feed.MAX_RECENT + 11)) is not None
    assert tail.since(Position("e1", feed.MAX_RECENT + 10)) is None


def test_whoever_asks_for_what_is_kept_reads_it() -> None:
    tail = Tail(Position("e1", 3))
    assert Joiner(tail, None).level() is None
    assert Joiner(tail, BEGINNING).level() is None
    assert Joiner(tail, Position("e1", 3)).level() == ()
