"""What handing a message on costs with many subscriptions, of which few match.

    python -m bench.filters

No sockets: the hub's own part, which is to grow with those who match and not with those who are
there. Of each number of subscriptions a quarter is by exact name, by MQTT wildcards, by URI
templates within a segment and across segments; the published topic is matched by ten of each kind
or by none.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from ringback.core.filters import parse
from ringback.core.model import Kind, Message, Position
from ringback.core.policies import TopicPolicy
from ringback.hub.groups import Groups

COUNTS = (100, 1_000, 10_000, 100_000)
MATCHING = 10
ROUNDS, MESSAGES = 7, 2_000


class Silent:
    """A wire format that frames nothing."""

    def message(self, message: Message) -> bytes:
        return b""

    def gap(self, topics: Sequence[str], position: Position) -> bytes:
        return b""


class Nobody:
    """A follower that takes frames and does nothing."""

    subject = None
    descriptor = None

    def __init__(self, format: Silent) -> None:
        self.format = format

    def takes(self, message: Message) -> bool:
        return True

    @property
    def write(self) -> Callable[[bytes], object]:
        return _nothing

    @property
    def write_newest(self) -> Callable[[str, bytes], object]:
        return _nothing_of


def _nothing(data: bytes) -> None:
    """Takes frames."""


def _nothing_of(topic: str, data: bytes) -> None:
    """Takes a topic's newest frame."""


POLICY = TopicPolicy(pattern=parse("#"))


def filled(count: int) -> Groups:
    """So many subscriptions."""
    groups, format = Groups(lambda topic: POLICY), Silent()
    for number in range(count // 4):
        hot = number < MATCHING
        name = "hot" if hot else f"area-{number}"
        for text in (
            f"{name}/9/answers",
            f"{name}/+/answers",
            f"{name}/{{id}}/answers",
            f"{name}/{{+rest}}",
        ):
            groups.add(Nobody(format), parse(text), None)
    return groups


def microseconds(groups: Groups, name: str, *, again: bool) -> float:
    """The median over rounds of one message's cost: to a topic of before, or to a new one."""
    rounds: list[float] = []
    for turn in range(ROUNDS):
        messages = [
            Message(
                topic=f"{name}/9/answers" if again else f"{name}/{turn * MESSAGES + n}/answers",
                position=Position("e", n + 1),
                kind=Kind.MESSAGE,
                data=b"1",
                at=0.0,
            )
            for n in range(MESSAGES)
        ]
        began = time.perf_counter()
        for message in messages:
            groups.deliver((message,))
        rounds.append((time.perf_counter() - began) / MESSAGES * 1e6)
    return statistics.median(rounds)


def main() -> None:
    """Measure and print the table."""
    print("| subscriptions | 40 match, known topic | 30 match, new topic | none matches |")
    print("|---|---|---|---|")
    for count in COUNTS:
        groups = filled(count)
        cells = (
            microseconds(groups, "hot", again=True),
            microseconds(groups, "hot", again=False),
            microseconds(groups, "cold", again=False),
        )
        print(f"| {count:,} | " + " | ".join(f"{cell:.1f} µs" for cell in cells) + " |")


if __name__ == "__main__":
    main()
