"""What docs/protocol.md has a client remember is enough: however connections are cut, each
subscription gets each of its messages once.

The server here is the specification's rules of order and nothing else. It takes every freedom
that they leave it: replays of any length, in turns, with live messages between them.
"""

import json
from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.core.filters import Filter, parse
from ringback.core.model import Position
from ringback.wire import channel
from ringback.wire.channel_client import Current, Message, Resume, decode
from tests.thorough import examples

TOPICS = ["a/b", "a/c", "b/b"]
FILTERS = ["a/+", "+/b", "a/b", "#"]
EPOCH = "e"

Frame = bytes | tuple[str, str | None, str]
"""A message, or the reply to a subscribe: its filter, its ``after`` and its position."""


class World:
    """A journal, a server that reads it, and one client with its connection."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        """The topic of each message; its number is its place, from 1."""
        self.read = 0
        """How far the server has read it and sent what is live."""
        self.current: dict[str, Filter] = {}
        self.replays: dict[str, int] = {}
        self.pipe: deque[Frame] = deque()
        self.resume = Resume()
        self.live: set[str] = set()
        self.wanted: dict[str, int] = {}
        """The subscriptions, and after which message they began."""
        self.had: dict[str, list[int]] = {}
        self.away: set[str] = set()
        """Those to be subscribed to again."""

    # The server

    def publish(self, topic: str) -> None:
        self.journal.append(topic)

    def tail(self) -> None:
        """Send the next message of the journal, once, if it fits what is current."""
        if self.read < len(self.journal):
            self.read += 1
            topic = self.journal[self.read - 1]
            if any(filter.matches(topic) for filter in self.current.values()):
                self._send(topic, self.read)

    def replay(self, text: str) -> None:
        """Take one step of a replay: a message, or its end."""
        filter = parse(text)
        for number in range(self.replays[text] + 1, self.read + 1):
            if filter.matches(self.journal[number - 1]):
                self._send(self.journal[number - 1], number, text)
                self.replays[text] = number
                return
        del self.replays[text]
        self.current[text] = filter
        self.pipe.append(channel.current(text, Position(EPOCH, self.read)))

    def _send(self, topic: str, number: int, filter: str | None = None) -> None:
        data = b"%d" % number
        self.pipe.append(channel.message(topic, Position(EPOCH, number), data, 0.0, filter=filter))

    # The client

    def subscribe(self, text: str, after: str | None) -> None:
        self.current.pop(text, None)
        if after is None:
            start = self.read
            self.current[text] = parse(text)
        elif after == channel.EARLIEST:
            start = 0
        else:
            position = Position.parse(after)
            assert position is not None
            start = position.offset
        if after is not None:
            self.replays[text] = start
        if text not in self.wanted:
            self.wanted[text] = start
            self.had[text] = []
        self.pipe.append((text, after, f"{EPOCH}-{start}"))

    def take(self) -> None:
        """Read one frame."""
        if not self.pipe:
            return
        frame = self.pipe.popleft()
        if isinstance(frame, tuple):
            self.resume.subscribed(*frame)
            self.live.discard(frame[0])
            if frame[1] is None:
                self.live.add(frame[0])
            return
        received = decode(frame)
        assert received is not None
        new = self.resume.take(received)
        match received:
            case Current(filter=filter):
                self.live.add(filter)
            case Message() if new:
                number = json.loads(bytes(received.data))
                told = [received.filter] if received.filter else sorted(self.live)
                for text in told:
                    if parse(text).matches(received.topic):
                        self.had[text].append(number)

    def cut(self) -> None:
        """Lose the connection with all that is on its way."""
        self.pipe.clear()
        self.current.clear()
        self.replays.clear()
        self.live.clear()
        self.resume.lost()
        for text in list(self.wanted):
            if self.resume.after(text) is None:  # the reply never came: it was not asked for
                del self.wanted[text]
        self.away = set(self.wanted)

    def back(self, text: str) -> None:
        """Subscribe again, from where it stood."""
        self.away.remove(text)
        self.subscribe(text, self.resume.after(text))

    def settle(self) -> None:
        """Let everything arrive."""
        for text in sorted(self.away):
            self.back(text)
        while self.read < len(self.journal):
            self.tail()
        while self.replays:
            self.replay(next(iter(self.replays)))
        while self.pipe:
            self.take()


@settings(max_examples=examples(300))
@given(st.data())
def test_each_message_once_however_it_is_cut(data: st.DataObject) -> None:
    world = World()
    for _ in range(data.draw(st.integers(0, 60), label="steps")):
        match data.draw(st.sampled_from("pppttttsrrraaaacbb"), label="step"):
            case "p":
                world.publish(data.draw(st.sampled_from(TOPICS)))
            case "t":
                world.tail()
            case "s":
                text = data.draw(st.sampled_from(FILTERS))
                if text not in world.wanted:
                    world.subscribe(text, data.draw(st.sampled_from([None, channel.EARLIEST])))
            case "r" if world.replays:
                world.replay(data.draw(st.sampled_from(sorted(world.replays))))
            case "a":
                world.take()
            case "c":
                world.cut()
            case "b" if world.away:
                world.back(data.draw(st.sampled_from(sorted(world.away))))
    world.settle()
    for text, start in world.wanted.items():
        filter = parse(text)
        assert world.had[text] == [
            number
            for number, topic in enumerate(world.journal, 1)
            if number > start and filter.matches(topic)
        ], text
