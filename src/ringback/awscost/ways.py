"""The ways of telling the user, and how much of what each of them uses in a month.

Only the delivery is counted: what the work itself costs is the same for all. The formulae are in
docs/how-to/aws-cost.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from ringback.awscost.bill import Bill, priced
from ringback.awscost.prices import Prices
from ringback.awscost.workload import Workload

READ = 0.5
"""Read units of a read of up to 4 KB that is eventually consistent."""
ROW = 200
"""Bytes of a connection's row."""
POSTS_AT_ONCE = 32
"""Posts to connections that a function makes at the same time, as Ringback's does."""
POST = 0.02
"""Seconds that a post takes."""
PING = 9 * 60
"""Seconds between pings: API Gateway closes what is idle for ten minutes."""
SOCKET_LIFE = 2 * 3600
"""Seconds that a WebSocket API lets a connection live."""
SAME = 1e-9
"""How far apart sums are that are the same but for rounding."""
DAY = 24 * 3600
"""Seconds that AppSync does. IoT Core has no such bound; people are there for a day at most."""


class Waiting(StrEnum):
    """When users wait."""

    IDLE = "idle"
    """All the time they are there, for whatever may come."""
    IN_FLIGHT = "in-flight"
    """While a job of theirs runs; nothing is open or asked otherwise."""


Quantities = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class _Load:
    """A workload, by when users wait."""

    of: Workload
    waiting: Waiting
    prices: Prices

    @property
    def seconds(self) -> float:
        """That users wait."""
        if self.waiting is Waiting.IDLE:
            return self.of.seconds
        return self.of.waits * self.of.job_seconds

    def times(self, every: float) -> float:
        """How many requests that takes, each of so many seconds."""
        if self.waiting is Waiting.IDLE:
            return self.of.seconds / every
        return self.of.waits * _up(self.of.job_seconds / every)

    def connections(self, life: float) -> float:
        """How many connections that takes, each of so many seconds at most."""
        if self.waiting is Waiting.IDLE:
            return self.of.users * self.of.days * _up(self.of.hours * 3600 / life)
        return self.of.waits * _up(self.of.job_seconds / life)

    def gb_seconds(self, seconds: float) -> float:
        return seconds * self.of.memory / 1024

    def units(self, name: str) -> int:
        """A message, as it is metered."""
        return self.prices[name].units(self.of.size)

    def requests(self, requests: float) -> float:
        """As they are metered: an answer has all that is new in it, and may be several units."""
        return max(requests, self.of.deliveries * self.of.size / self.prices["http-requests"].step)

    def reads_of_news(self) -> float:
        """What reads of messages take beyond one unit each."""
        return self.of.deliveries * READ * (self.units("dynamodb-reads") - 1)


def _poll(load: _Load) -> Quantities:
    polls = load.times(load.of.poll)
    return {
        "http-requests": load.requests(polls),
        "lambda-requests": polls,
        "lambda-gb-seconds": load.gb_seconds(polls * load.of.milliseconds / 1000),
        "dynamodb-reads": polls * READ + load.reads_of_news(),
    }


def _long_poll(load: _Load) -> Quantities:
    polls = load.times(load.of.hold)
    return {
        "http-requests": load.requests(polls),
        "lambda-requests": polls,
        "lambda-gb-seconds": load.gb_seconds(load.seconds),
        "dynamodb-reads": load.seconds / load.of.look * READ + load.reads_of_news(),
    }


def _sse(load: _Load) -> Quantities:
    streams = load.times(load.of.stream)
    return {
        "rest-requests": streams,
        "lambda-requests": streams,
        "lambda-gb-seconds": load.gb_seconds(load.seconds),
    }


def _websocket(load: _Load) -> Quantities:
    work = load.of
    connections = load.connections(SOCKET_LIFE)
    calls = work.messages + 2 * connections
    more_posts = (_up(work.fanout / POSTS_AT_ONCE) - 1) * POST
    seconds = calls * work.milliseconds / 1000 + work.messages * more_posts
    pings = load.seconds / PING if work.pings else 0
    rows = load.prices["dynamodb-reads"].units(work.fanout * ROW)
    return {
        "websocket-messages": work.deliveries * load.units("websocket-messages") + pings,
        "websocket-minutes": load.seconds / 60,
        "lambda-requests": calls,
        "lambda-gb-seconds": load.gb_seconds(seconds),
        "dynamodb-reads": work.messages * READ * rows,
        "dynamodb-writes": 2 * connections,
        "eventbridge-events": work.messages * load.units("eventbridge-events"),
    }


def _appsync(load: _Load) -> Quantities:
    # Connecting and subscribing are counted as real-time updates.
    return {
        "appsync-operations": load.of.messages,
        "appsync-updates": load.of.deliveries * load.units("appsync-updates")
        + 2 * load.connections(DAY),
        "appsync-minutes": load.seconds / 60,
    }


def _events(load: _Load) -> Quantities:
    passed = (load.of.messages + load.of.deliveries) * load.units("events-operations")
    return {
        "events-operations": passed + 2 * load.connections(DAY),
        "events-minutes": load.seconds / 60,
    }


def _iot(load: _Load) -> Quantities:
    passed = (load.of.messages + load.of.deliveries) * load.units("iot-messages")
    acknowledged = load.of.deliveries if load.of.qos else 0
    return {
        "iot-messages": passed + acknowledged + 2 * load.connections(DAY),
        "iot-minutes": load.seconds / 60,
    }


@dataclass(frozen=True, kw_only=True)
class Way:
    """One of telling the user."""

    name: str
    title: str
    held: bool = False
    """Whether a function runs for each user who waits."""
    uses: Callable[[_Load], Quantities]


WAYS = (
    Way(name="polling", title="Polling", uses=_poll),
    Way(name="long-polling", title="Long polling", held=True, uses=_long_poll),
    Way(name="sse", title="SSE", held=True, uses=_sse),
    Way(name="websocket", title="WebSocket API", uses=_websocket),
    Way(name="appsync", title="AppSync subscriptions", uses=_appsync),
    Way(name="appsync-events", title="AppSync Events", uses=_events),
    Way(name="iot", title="IoT Core", uses=_iot),
)


def bill(
    way: Way,
    workload: Workload,
    prices: Prices,
    waiting: Waiting = Waiting.IDLE,
    *,
    free_tier: bool = False,
) -> Bill:
    """A month of one way."""
    load = _Load(of=workload, waiting=waiting, prices=prices)
    return priced(way.uses(load), prices, free_tier=free_tier)


def bills(
    workload: Workload,
    prices: Prices,
    waiting: Waiting = Waiting.IDLE,
    *,
    free_tier: bool = False,
    ways: Iterable[Way] = WAYS,
) -> dict[Way, Bill]:
    """A month of each."""
    return {way: bill(way, workload, prices, waiting, free_tier=free_tier) for way in ways}


def cheapest(found: dict[Way, Bill]) -> tuple[Way, ...]:
    """The one that costs least; several where they cost the same."""
    most = min(each.total for each in found.values()) * (1 + SAME)
    return tuple(way for way, each in found.items() if each.total <= most)


def _up(number: float) -> int:
    """Rounded up, but for what a division left over."""
    return max(1, ceil(number - 1e-9))
