"""Measurements as text: the format of Prometheus, or OpenMetrics for who asks for that.

Counted is where things happen, in plain numbers; names and texts come to it only here. What is
counted is one process's, and begins at 0 with it; what is queued is the store's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

TRANSPORTS = ("websocket", "sse", "mercure")
"""Told also where there are none: what is absent cannot be compared with a bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What is measured at one moment."""

    connections: Mapping[str, int]
    """By transport."""
    waiting: int
    followers: int
    durable: int
    ephemeral: int
    delivered: int
    cut: int
    queued: Mapping[str, int] | None
    """By task; None: the store cannot be read."""


class _Given(Collector):
    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def describe(self) -> Iterable[Metric]:
        """Nothing is looked up by its name."""
        return ()

    def collect(self) -> Iterable[Metric]:
        given = self._measured
        connections = GaugeMetricFamily(
            "ringback_connections",
            "Connections that follow topics, held open by this process.",
            labels=["transport"],
        )
        for transport in dict.fromkeys([*TRANSPORTS, *given.connections]):
            connections.add_metric([transport], given.connections.get(transport, 0))
        yield connections
        yield GaugeMetricFamily(
            "ringback_waiting_requests",
            "Long polls, and streams of one operation, held open by this process.",
            value=given.waiting,
        )
        yield GaugeMetricFamily(
            "ringback_followers",
            "Connections and long polls that follow a topic here now.",
            value=given.followers,
        )
        published = CounterMetricFamily(
            "ringback_messages_published",
            "Messages that this process has published to topics.",
            labels=["durability"],
        )
        published.add_metric(["durable"], given.durable)
        published.add_metric(["ephemeral"], given.ephemeral)
        yield published
        yield CounterMetricFamily(
            "ringback_messages_delivered",
            "Messages handed to connections as they came, counted for each connection.",
            value=given.delivered,
        )
        yield CounterMetricFamily(
            "ringback_connections_cut",
            "Connections cut because they did not read fast enough.",
            value=given.cut,
        )
        yield GaugeMetricFamily(
            "ringback_store_up",
            "Whether the store can be read.",
            value=given.queued is not None,
        )
        queued = GaugeMetricFamily(
            "ringback_operations_queued",
            "Operations in the store that wait to be run.",
            labels=["task"],
        )
        for task, count in sorted((given.queued or {}).items()):
            queued.add_metric([task], count)
        yield queued


def text(measured: Measured, accept: str) -> tuple[bytes, str]:
    """The text, and its media type: the best that ``accept``, of an ``Accept`` header, takes."""
    registry = CollectorRegistry()
    registry.register(_Given(measured))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    try:
        encode, kind = choose_encoder(accept)
    except TypeError:  # of a version that is no number, as one in quotes
        encode, kind = choose_encoder("")
    return encode(registry), kind
